from __future__ import annotations

import base64
import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from converters.outputs import OutputChecker
from converters.results import ApiResponse, Limits, ToolResult, failed, tool_result


def result(body: bytes | str, content_type: str = "application/json", status: int = 200, **more: Any) -> ToolResult:
    raw = body.encode() if isinstance(body, str) else body
    return tool_result(ApiResponse(status, content_type, raw, **more))


def text_of(found: ToolResult) -> str:
    (block,) = found.content
    assert block["type"] == "text"
    text: str = block["text"]
    return text


# --- JSON


@pytest.mark.parametrize(
    "content_type",
    [
        "application/json",
        "application/problem+json",
        "Application/JSON; charset=UTF-8",
        "text/json",
        "text/plain",
        "",
        "text/html",
    ],
)
def test_a_json_object_is_structured_content_and_the_same_text(content_type: str) -> None:
    found = result('{"a": 1.10, "b": [null]}', content_type)

    assert found.to_json() == {
        "content": [{"type": "text", "text": '{"a": 1.10, "b": [null]}'}],
        "structuredContent": {"a": 1.1, "b": [None]},
        "isError": False,
    }


@pytest.mark.parametrize("body", ["[1, 2]", '"text"', "5", "true", "null"])
def test_any_other_json_is_its_text(body: str) -> None:
    found = result(body)

    assert text_of(found) == body
    assert (found.structured, found.is_error) == (None, False)


def test_every_digit_of_a_json_object_survives() -> None:
    body = '{"id": 9007199254740993123, "rate": 0.10000000000000000001}'

    assert result(body).structured == body


@pytest.mark.parametrize(
    ("body", "structured"),
    [
        ('{"a": NaN}', {"a": None}),
        ('{"a": [Infinity, -Infinity, 1]}', {"a": [None, None, 1]}),
        ('{"a": 1e999}', {"a": None}),
        ('{"a": "x\\ud800y"}', {"a": "x\ufffdy"}),
        ('{"a": NaN, "b": "\\udc00"}', {"a": None, "b": "\ufffd"}),
    ],
)
def test_json_that_is_not_strict_is_repaired(body: str, structured: dict[str, Any]) -> None:
    found = result(body)

    assert found.structured is not None
    assert json.loads(found.structured) == structured
    assert json.loads(text_of(found)) == structured
    json.dumps(found.to_json(), allow_nan=False, ensure_ascii=False).encode()


def test_a_surrogate_pair_stays_as_the_api_wrote_it() -> None:
    assert result('{"a": "\\ud83d\\ude00"}').structured == '{"a": "\\ud83d\\ude00"}'


@pytest.mark.parametrize("body", ['{"a": ', "oops", '{"a": ' + "9" * 5_000 + "}", "[" * 100_000])
def test_broken_json_is_its_text_with_a_warning(body: str) -> None:
    found = result(body)

    assert text_of(found) == body
    assert (found.structured, found.is_error) == (None, False)
    assert "causeway/warning" in found.meta


def test_a_byte_order_mark_is_dropped() -> None:
    assert result(b'\xef\xbb\xbf{"a": 1}').structured == '{"a": 1}'


# --- texts


@pytest.mark.parametrize(
    ("content_type", "body", "text"),
    [
        ("text/plain", "größe".encode(), "größe"),
        ("text/plain; charset=iso-8859-1", "größe".encode("latin-1"), "größe"),
        ('text/plain; charset="windows-1252"', "€".encode("cp1252"), "€"),
        ("text/plain; charset=utf-16", "größe".encode("utf-16"), "größe"),
        ("text/plain; charset=shift_jis", "日本".encode("shift_jis"), "日本"),
        ("text/plain; charset=bogus", "größe".encode(), "größe"),
        ("text/plain; charset=hex", b"6161", "6161"),
        ("text/plain; charset=utf-8", "größe".encode("latin-1"), "größe"),
        ("text/csv", b"a,b\r\n1,2", "a,b\r\n1,2"),
        ("text/html", b"<html><body>Hi</body></html>", "<html><body>Hi</body></html>"),
        ("application/xml", b"<a/>", "<a/>"),
        ("application/atom+xml", b"<a/>", "<a/>"),
        ("application/yaml", b"a: 1", "a: 1"),
        ("", b"no type", "no type"),
        ("text/plain; charset=utf-7", b"+2AA-", "\ufffd"),
        ("text/plain; charset=unicode_escape", b"\\ud800", "\ufffd"),
    ],
)
def test_a_text_is_decoded_by_its_charset(content_type: str, body: bytes, text: str) -> None:
    assert text_of(result(body, content_type)) == text


@pytest.mark.parametrize(
    ("status", "text"),
    [
        (204, "204 No Content: the API answered without a body."),
        (200, "200 OK: the API answered without a body."),
        (202, "202 Accepted: the API answered without a body."),
        (299, "299: the API answered without a body."),
    ],
)
def test_an_empty_answer_names_its_status(status: int, text: str) -> None:
    found = result(b"", "", status)

    assert text_of(found) == text
    assert not found.is_error


# --- binary


@pytest.mark.parametrize(
    ("content_type", "kind"), [("image/png", "image"), ("image/svg+xml", "image"), ("audio/mpeg", "audio")]
)
def test_images_and_audio_are_content_of_their_kind(content_type: str, kind: str) -> None:
    body = b"\x89PNG\r\n\xff"

    assert result(body, f"{content_type}; x=y").content == (
        {"type": kind, "data": base64.b64encode(body).decode(), "mimeType": content_type},
    )


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("application/pdf", b"%PDF-1.7 text"),
        ("application/octet-stream", b"\x00\xff"),
        ("application/zip", b"PK\x03\x04"),
        ("video/mp4", b"\x00\x00"),
    ],
)
def test_other_bytes_are_an_embedded_resource(content_type: str, body: bytes) -> None:
    (block,) = result(body, content_type).content

    assert block["type"] == "resource"
    assert block["resource"]["mimeType"] == content_type
    assert base64.b64decode(block["resource"]["blob"]) == body
    assert block["resource"]["uri"].startswith("urn:")


def test_bytes_without_a_type_are_a_resource() -> None:
    (block,) = result(b"\xff\x00\xfe", "").content

    assert block["resource"]["mimeType"] == "application/octet-stream"


# --- errors


@pytest.mark.parametrize(
    ("status", "content_type", "body", "message"),
    [
        (404, "", "", "404 Not Found."),
        (500, "text/plain", "it broke", "500 Internal Server Error: it broke"),
        (
            503,
            "text/html",
            "<html><head><title> Down \n</title></head><body>x</body></html>",
            "503 Service Unavailable: Down",
        ),
        (502, "text/html", "<!DOCTYPE html><html><body>" + "x" * 9_000, "502 Bad Gateway."),
        (418, "text/plain", " ", "418 I'm a Teapot."),
        (599, "", "odd", "599: odd"),
        (
            401,
            "application/json",
            '{"error": "invalid_token", "error_description": "It expired."}',
            "401 Unauthorized: It expired.\n{",
        ),
        (
            422,
            "application/problem+json",
            '{"type": "about:blank", "title": "Bad", "detail": "The name is taken.", "status": 422}',
            "422 Unprocessable Entity: The name is taken.\n{",
        ),
        (
            400,
            "application/json",
            '{"error": {"code": 5, "message": "No such pet."}}',
            "400 Bad Request: No such pet.\n{",
        ),
        (
            400,
            "application/json",
            '{"errors": [{"message": "One."}, {"message": "Two."}]}',
            "400 Bad Request: One.; Two.\n{",
        ),
        (400, "application/json", '{"detail": [{"loc": ["a"], "msg": "x"}]}', '400 Bad Request: {"detail"'),
        (400, "application/json", "[1]", "400 Bad Request: [1]"),
        (400, "application/json", '{"broken', '400 Bad Request: {"broken'),
    ],
)
def test_an_error_says_status_reason_and_the_message_of_the_api(
    status: int, content_type: str, body: str, message: str
) -> None:
    found = result(body, content_type, status)

    assert found.is_error
    assert found.structured is None
    text = text_of(found).replace("Unprocessable Content", "Unprocessable Entity")
    assert text.startswith(message)
    assert message.endswith(("{", '"detail"')) or text == message


def test_the_reason_of_the_api_wins() -> None:
    assert text_of(result("", "", 404, reason="No Such Pet")) == "404 No Such Pet."


@pytest.mark.parametrize("status", [301, 302, 304, 307])
def test_a_redirect_is_told_and_not_followed(status: int) -> None:
    found = result("<html>Moved</html>", "text/html", status, location="https://evil.example")

    assert found.is_error
    assert text_of(found).endswith("the API answered with a redirect, which was not followed.")


def test_a_long_error_is_shortened() -> None:
    assert len(text_of(result("x" * 100_000, "text/plain", 500))) < 4_200


def test_an_error_with_broken_text_can_be_sent_on() -> None:
    for content_type, body in (
        ("text/plain; charset=utf-7", b"+2AA-"),
        ("application/json", b'{"message": "\\ud800"}'),
    ):
        json.dumps(result(body, content_type, 500).to_json(), ensure_ascii=False).encode()


def test_a_call_that_was_not_performed_says_why() -> None:
    assert failed("The host is not allowed.", {"causeway/code": "egress_denied"}).to_json() == {
        "content": [{"type": "text", "text": "The host is not allowed."}],
        "isError": True,
        "_meta": {"causeway/code": "egress_denied"},
    }


@given(
    status=st.integers(100, 999),
    content_type=st.sampled_from(["", "application/json", "text/html; charset=utf-7", "image/png", "x"]) | st.text(),
    body=st.binary() | st.text(st.characters(codec="utf-8")).map(str.encode),
)
def test_no_answer_of_an_api_breaks_a_call(status: int, content_type: str, body: bytes) -> None:
    found = tool_result(ApiResponse(status, content_type, body)).to_json()

    json.dumps(found, allow_nan=False, ensure_ascii=False).encode()


@pytest.mark.parametrize("depth", [100, 600, 900])
@pytest.mark.parametrize("level", ['{"a":%s}', '{"errors":[%s]}', '{"a":[%s]}'])
@pytest.mark.parametrize("status", [200, 500])
def test_no_depth_of_an_answer_breaks_a_call(status: int, level: str, depth: int) -> None:
    """U2: what Python reads in one go, it does not go through level by level."""
    before, after = level.split("%s")
    body = before * depth + "null" + after * depth
    output = OutputChecker({"type": "object", "properties": {"a": {"type": "string"}, "errors": {"type": "string"}}})
    found = tool_result(ApiResponse(status, "application/json", body.encode()), output).to_json()

    assert found["isError"] == (status == 500)


def test_a_page_of_titles_that_do_not_end_is_looked_at_once() -> None:
    """U4: it is looked through again from each beginning."""
    started = time.process_time()
    found = tool_result(ApiResponse(500, "text/html", b"<html>" + b"<title" * 100_000 + b"<title>" * 100_000))

    assert found.is_error
    assert time.process_time() - started < 3


@pytest.mark.parametrize("charset", ["punycode", "Punycode", "idna"])
def test_the_encodings_of_domain_names_are_no_charsets_of_answers(charset: str) -> None:
    """U4: decoding them takes the square of an answer's length."""
    response = ApiResponse(200, f"text/plain; charset={charset}", b"bcher-kva")

    assert response.text() == "bcher-kva"


# --- several parts, and answers that come piece by piece


def multipart(*parts: bytes) -> bytes:
    return b"".join(b"--x\r\n" + part + b"\r\n" for part in parts) + b"--x--\r\n"


def test_each_part_is_a_block() -> None:
    body = multipart(
        b"Content-Type: text/plain\r\n\r\nhello",
        b"Content-Type: image/png\r\nContent-Transfer-Encoding: base64\r\n\r\niVBORw==",
        b"Content-Type: application/json\r\nContent-Location: test://a\r\n\r\n{}",
        b'Content-Type: application/json\r\n\r\n{"a": 1.10}',
        b"Content-Type: application/pdf\r\nContent-Location: test://b\r\n\r\n\xff",
    )
    found = result(body, 'multipart/mixed; boundary="x"')

    assert found.content == (
        {"type": "text", "text": "hello"},
        {"type": "image", "data": "iVBORw==", "mimeType": "image/png"},
        {"type": "resource", "resource": {"uri": "test://a", "mimeType": "application/json", "text": "{}"}},
        {"type": "text", "text": '{"a": 1.10}'},
        {"type": "resource", "resource": {"uri": "test://b", "mimeType": "application/pdf", "blob": "/w=="}},
    )
    assert found.structured is None


def test_parts_without_a_boundary_are_one_answer() -> None:
    (block,) = result("plain", "multipart/mixed").content
    assert block["resource"]["blob"] == base64.b64encode(b"plain").decode()


def test_more_parts_than_are_taken_apart_are_one_answer_with_everything_in_it() -> None:
    body = multipart(*[b"\r\npart"] * 101)
    (block,) = result(body, "multipart/mixed; boundary=x").content

    assert base64.b64decode(block["resource"]["blob"]) == body


def test_parts_that_are_too_large_together_are_shortened() -> None:
    part = b"Content-Type: text/plain\r\n\r\n" + b"y" * 900
    found = tool_result(
        ApiResponse(200, "multipart/mixed; boundary=x", multipart(part, part)), limits=Limits(text=1_000)
    )

    assert [len(block["text"]) for block in found.content] == [500, 500]
    assert found.overflow is not None
    assert found.overflow.content.startswith(b"--x")


def test_a_text_that_says_where_it_is_from_is_an_embedded_resource() -> None:
    found = result("hello", "text/plain", content_location="test://static")
    assert found.content == (
        {"type": "resource", "resource": {"uri": "test://static", "mimeType": "text/plain", "text": "hello"}},
    )


@pytest.mark.parametrize(
    ("body", "content_type", "text", "structured"),
    [
        ('{"progress": 1}\n{"a": 1.10}\n', "application/x-ndjson", '{"a": 1.10}', '{"a": 1.10}'),
        ('{"a": 1}\n{"b": 2}\n', "application/jsonl", '{"a": 1}\n{"b": 2}', None),
        ("data: one\n\ndata: [DONE]\n\n", "text/event-stream", "one", None),
        ("event: result\ndata: [1]\n\n", "text/event-stream", "[1]", None),
        (": nothing\n\n", "text/event-stream", "200 OK: the API's stream held no answer.", None),
    ],
)
def test_a_stream_is_what_it_answered(body: str, content_type: str, text: str, structured: str | None) -> None:
    found = result(body, content_type)

    assert text_of(found) == text
    assert found.structured == structured


def test_an_error_says_when_to_try_again() -> None:
    found = result('{"detail": "Slow down"}', "application/json", 429, retry_after="7")

    assert text_of(found).splitlines()[0] == "429 Too Many Requests: Slow down"
    assert text_of(found).splitlines()[-1] == "Try again after 7 seconds."
    assert found.meta["causeway/status"] == 429
