"""Forms and uploads of APIs that people use, as raw bytes on a socket.

The descriptions are what the providers publish; what is expected was written by hand after their own documentation.
"""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from tests.converters.test_corpus import CORPUS
from tests.e2e.backends import Backend, Received
from tests.e2e.gateways import Gateway

PUBLISHED = Path(__file__).parents[2] / "specs/published"
TWILIO = CORPUS / "twilio-api-2010/twilio_api_v2010.json"
STRIPE = CORPUS / "stripe/spec3.json"
# Every byte there is, and what would end a part, a line or a base64 text too early.
BYTES = bytes(range(256)) + b"\r\n--causeway\r\n\r\n--\x00=="


def sent(gateway: Gateway, backend: Backend, document: Path, tool: str, arguments: dict[str, Any]) -> Received:
    """Serve a description in front of the backend, call a tool, and give the one request that came."""
    name = document.stem.lower().replace("_", "-").replace(".", "-")
    if gateway.http.get(f"{gateway.api}/{name}").status_code == 404:
        answer = gateway.upload(document.read_bytes(), file_name=document.name, name=name, base_url=backend.url)
        assert answer.status_code == 201, answer.text
        # What a request looks like without its credentials is what is compared here.
        gateway.http.patch(f"{gateway.api}/{name}", json={"policies": {"require_credentials": False}})
    result = gateway.call(name, tool, arguments)
    assert not result.get("isError"), result
    return backend.only()


def boundary_of(received: Received) -> bytes:
    media_type, _, boundary = (received.header("Content-Type") or "").partition("; boundary=")
    assert media_type == "multipart/form-data"
    return boundary.encode()


def test_a_published_form_of_swagger_2_is_urlencoded(gateway: Gateway, backend: Backend) -> None:
    arguments = {"petId": 7, "name": "Félix & Co=1", "status": "out of stock+"}

    received = sent(gateway, backend, PUBLISHED / "petstore-2.0.json", "updatePetWithForm", arguments)

    assert received.line == b"POST /pet/7 HTTP/1.1"
    assert received.header("Content-Type") == "application/x-www-form-urlencoded"
    assert received.body == b"name=F%C3%A9lix+%26+Co%3D1&status=out+of+stock%2B"


def test_a_published_upload_of_swagger_2_is_a_part_with_the_bytes_of_the_file(
    gateway: Gateway, backend: Backend
) -> None:
    arguments = {"petId": 7, "additionalMetadata": "Größe", "file": base64.b64encode(BYTES).decode()}

    received = sent(gateway, backend, PUBLISHED / "petstore-2.0.json", "uploadFile", arguments)

    boundary = boundary_of(received)
    assert received.line == b"POST /pet/7/uploadImage HTTP/1.1"
    assert boundary not in BYTES
    first, second = received.body.split(b"--" + boundary)[1:3]
    assert first == b'\r\nContent-Disposition: form-data; name="additionalMetadata"\r\n\r\n' + "Größe\r\n".encode()
    headers, _, content = second.partition(b"\r\n\r\n")
    assert headers.startswith(b'\r\nContent-Disposition: form-data; name="file"; filename="')
    assert content == BYTES + b"\r\n"
    assert received.body.endswith(content + b"--" + boundary + b"--\r\n")


def test_a_published_binary_body_is_the_bytes_of_the_file(gateway: Gateway, backend: Backend) -> None:
    arguments = {"petId": 7, "body": base64.b64encode(BYTES).decode()}

    received = sent(gateway, backend, PUBLISHED / "petstore-3.0.yaml", "uploadFile", arguments)

    assert received.line == b"POST /pet/7/uploadImage HTTP/1.1"
    assert received.header("Content-Type") == "application/octet-stream"
    assert received.body == BYTES


@pytest.mark.skipif(not TWILIO.exists(), reason=f"the corpus is not at {CORPUS}")
def test_a_text_message_of_twilio_repeats_the_name_of_a_list(gateway: Gateway, backend: Backend) -> None:
    arguments = {
        "AccountSid": "AC" + "0" * 32,
        "To": "+15558675310",
        "From": "+15017122661",
        "Body": "Ahoy! 100% & more – ⛵",
        "MediaUrl": ["https://example.org/a.png?x=1&y=2", "https://example.org/b.png"],
    }

    received = sent(gateway, backend, TWILIO, "CreateMessage", arguments)

    assert received.line == b"POST /2010-04-01/Accounts/AC" + b"0" * 32 + b"/Messages.json HTTP/1.1"
    assert received.header("Content-Type") == "application/x-www-form-urlencoded"
    assert sorted(received.body.split(b"&")) == [
        b"Body=Ahoy%21+100%25+%26+more+%E2%80%93+%E2%9B%B5",
        b"From=%2B15017122661",
        b"MediaUrl=https%3A%2F%2Fexample.org%2Fa.png%3Fx%3D1%26y%3D2",
        b"MediaUrl=https%3A%2F%2Fexample.org%2Fb.png",
        b"To=%2B15558675310",
    ]


@pytest.mark.skipif(not STRIPE.exists(), reason=f"the corpus is not at {CORPUS}")
def test_a_customer_of_stripe_nests_by_brackets(gateway: Gateway, backend: Backend) -> None:
    arguments = {
        "email": "jenny@example.org",
        "address": {"line1": "1 Main St", "country": "IE"},
        "metadata": {"order_id": "6735", "a=b&c": "d]e"},
        "expand": ["sources", "tax_ids"],
        "balance": -100,
    }

    received = sent(gateway, backend, STRIPE, "PostCustomers", arguments)

    assert received.line == b"POST /v1/customers HTTP/1.1"
    assert received.header("Content-Type") == "application/x-www-form-urlencoded"
    assert sorted(pair.replace(b"%20", b"+") for pair in received.body.split(b"&")) == [
        b"address%5Bcountry%5D=IE",
        b"address%5Bline1%5D=1+Main+St",
        b"balance=-100",
        b"email=jenny%40example.org",
        b"expand%5B0%5D=sources",
        b"expand%5B1%5D=tax_ids",
        b"metadata%5Ba%3Db%26c%5D=d%5De",
        b"metadata%5Border_id%5D=6735",
    ]


@pytest.mark.skipif(not STRIPE.exists(), reason=f"the corpus is not at {CORPUS}")
def test_a_file_of_stripe_is_the_text_that_its_description_says_it_is(gateway: Gateway, backend: Backend) -> None:
    properties = json.loads(STRIPE.read_bytes())["paths"]["/v1/files"]["post"]["requestBody"]["content"][
        "multipart/form-data"
    ]["schema"]["properties"]
    # Neither `format: binary` nor a media type: nothing says that this text stands for bytes.
    assert properties["file"]["type"] == "string"
    assert "format" not in properties["file"]
    text = "SGVsbG8=\r\nline – two\n"

    received = sent(gateway, backend, STRIPE, "PostFiles", {"purpose": "dispute_evidence", "file": text})

    parts = received.body.split(b"--" + boundary_of(received))
    assert len(parts) == 4
    assert any(part.endswith(b'name="purpose"\r\n\r\ndispute_evidence\r\n') for part in parts)
    assert any(part.partition(b"\r\n\r\n")[2] == text.encode() + b"\r\n" for part in parts)
