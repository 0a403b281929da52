"""What cannot be served is refused in a sentence, in time, whole, and whichever way it comes in."""

from __future__ import annotations

import contextlib
import io
import json
import os
import random
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.e2e.backends import Backend, answer, described, parameter
from tests.e2e.gateways import Gateway, run_causeway

REFUSAL_SECONDS = 2
MEBIBYTE = 1024 * 1024
OVERSIZED = 21 * MEBIBYTE
VALID = described("http://127.0.0.1:9", {"/a": {"get": {"operationId": "get_a"}}})
HEAD = "openapi: 3.0.3\ninfo: {title: Bad, version: '1'}\n"
REPOSITORY = str(Path(__file__).parents[2])


def zipped(**files: bytes) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return stream.getvalue()


def referring(place: str, target: str) -> bytes:
    """Write a description whose only reference leaves it."""
    reference = {"$ref": target}
    operation: dict[str, Any] = {"operationId": "get_a", "responses": {"200": {"description": "OK"}}}
    item: dict[str, Any] = {"post": operation}
    if place == "path item":
        item = reference
    elif place == "parameter":
        operation["parameters"] = [reference]
    elif place == "request body":
        operation["requestBody"] = reference
    else:
        operation["responses"]["200"]["content"] = {"application/json": {"schema": reference}}
    return json.dumps({**VALID, "paths": {"/a": item}}).encode()


def with_value(literal: str) -> bytes:
    """Write a description in JSON that holds a number of which JSON, or we, know nothing."""
    return json.dumps({**VALID, "x-number": "@"}).replace('"@"', literal).encode()


ALIASES = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * 9)}]\n" for level in range(1, 10)
)
BAD: dict[str, bytes] = {
    "an empty file": b"",
    "nothing but blanks": b" \n\t\n",
    "null": b"null",
    "a list": b"[]",
    "a text": b'"openapi"',
    "a number": b"42",
    "a web page": b"<!doctype html>\n<html><head><title>Sign in</title></head><body>Sign in</body></html>",
    "a zip of photographs": zipped(**{"holiday.jpg": b"\xff\xd8\xff\xe0\x00\x10JFIF" + bytes(range(256)) * 64}),
    "a zip that ends early": zipped(**{"openapi.json": json.dumps(VALID).encode()})[:60],
    "an unknown version": json.dumps({**VALID, "openapi": "9.9"}).encode(),
    "no version": json.dumps({key: value for key, value in VALID.items() if key != "openapi"}).encode(),
    "paths that are a list": json.dumps({**VALID, "paths": []}).encode(),
    "two documents in one": f"{HEAD}paths: {{}}\n---\n{HEAD}paths: {{}}\n".encode(),
    "flow YAML 30,000 deep": f"{HEAD}x: {'[' * 30_000}{']' * 30_000}\n".encode(),
    "flow YAML that never closes": b"[" * 30_000,
    "block YAML 30,000 deep": f"{HEAD}x:\n  {'- ' * 30_000}a\n".encode(),
    "JSON objects 100,000 deep": b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
    "JSON lists 100,000 deep": b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "an alias bomb": f"{HEAD}{ALIASES}paths: {{}}\n".encode(),
    "an alias of itself": f"{HEAD}x: &x [*x]\npaths: {{}}\n".encode(),
    "a key twice in JSON": b'{"openapi":"3.0.3","info":{"title":"a","version":"1"},"paths":{"/a":{},"/a":{}}}',
    "a key twice in YAML": f"{HEAD}paths:\n  /a: {{}}\n  /a: {{}}\n".encode(),
    "NaN": with_value("NaN"),
    "Infinity": with_value("-Infinity"),
    "NaN in YAML": f"{HEAD}x-number: .nan\npaths: {{}}\n".encode(),
    "a number of 5,000 digits": with_value("7" * 5_000),
    "a number of 5,000 digits in YAML": f"{HEAD}x-number: {'7' * 5_000}\npaths: {{}}\n".encode(),
    "a Python object": f"{HEAD}x: !!python/object/apply:os.mkdir [pwned]\npaths: {{}}\n".encode(),
    "a Python name": f"{HEAD}x: !!python/name:os.environ\npaths: {{}}\n".encode(),
    "invalid UTF-8": b'{"openapi":"3.0.3","info":{"title":"' + b"a" * 1000 + b'\xff\xfe","version":"1"},"paths":{}}',
    "UTF-16 without a mark": json.dumps(VALID).encode("utf-16-le"),
    "random bytes": random.Random(7).randbytes(1_000_000),  # noqa: S311 - the same bytes each time
    "a picture": b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR" + bytes(range(256)) * 16,
    "a program": b"\x7fELF\x02\x01\x01" + bytes(64),
    **{
        f"a local file as {place}": referring(place, "file:///etc/passwd")
        for place in ("response schema", "parameter", "request body", "path item")
    },
    "a local file by a relative path": referring("response schema", "../../../../../../etc/passwd"),
}
# Every document is uploaded and converted. Once loaded, they all take one path, so that a choice of them is enough for
# the other ways in: refused at the door, by the parser, by a limit, for what is missing, for a reference.
OTHERWISE = (
    "an empty file",
    "a list",
    "a web page",
    "an unknown version",
    "flow YAML 30,000 deep",
    "JSON objects 100,000 deep",
    "an alias bomb",
    "a key twice in YAML",
    "NaN",
    "a number of 5,000 digits",
    "a Python object",
    "a local file as parameter",
)
BINARY = ("random bytes", "a picture", "a zip of photographs", "invalid UTF-8")
# Starting the whole gateway for each would take minutes.
SERVED = ("a key twice in YAML", "a zip of photographs")


@pytest.fixture(autouse=True)
def unharmed(gateway: Gateway) -> Iterator[None]:
    """Require after every test what a bad document may never change."""
    before = gateway.servers()
    yield
    assert gateway.is_alive()
    assert gateway.servers() == before


def refused(send: Callable[[], httpx2.Response], *, seconds: float = REFUSAL_SECONDS) -> dict[str, Any]:
    """Require that a request is refused as a problem (RFC 9457) in time; gives the problem."""
    started = time.monotonic()
    response = send()
    took = time.monotonic() - started
    assert 400 <= response.status_code < 500, response.text[:2000]
    assert response.headers["content-type"] == "application/problem+json"
    problem: dict[str, Any] = response.json()
    assert problem["status"] == response.status_code
    assert problem["code"]
    assert_sentence(problem["detail"])
    assert_discreet(response.text)
    assert took < seconds
    return problem


def assert_sentence(text: str) -> None:
    assert text.strip().endswith("."), text
    assert "\n" not in text.strip(), text
    assert len(text) < 1000


def assert_discreet(text: str) -> None:
    for inner in ("Traceback", REPOSITORY, "site-packages", ".py", "root:x:"):
        assert inner not in text


@pytest.mark.parametrize("name", BAD)
def test_an_upload_is_refused(gateway: Gateway, name: str) -> None:
    refused(lambda: gateway.upload(BAD[name], name="bad"))

    assert not (gateway.folder / "pwned").exists()


@pytest.mark.parametrize("name", OTHERWISE)
def test_a_text_in_json_is_refused(gateway: Gateway, name: str) -> None:
    refused(lambda: gateway.create(name="bad", document=BAD[name].decode()))


@pytest.mark.parametrize("name", [*OTHERWISE, *BINARY])
def test_what_a_url_answers_is_refused(gateway: Gateway, backend: Backend, name: str) -> None:
    """B10, and the others for what a URL answers."""
    backend.table["GET", "/openapi.json"] = answer(BAD[name])

    refused(lambda: gateway.create(name="bad", document_url=f"{backend.url}/openapi.json"))

    assert [each.path for each in backend.received] == ["/openapi.json"]


@pytest.mark.parametrize("name", BAD)
def test_convert_says_in_one_sentence_what_is_wrong(gateway: Gateway, name: str, tmp_path: Path) -> None:
    (tmp_path / "bad").write_bytes(BAD[name])

    done = run_causeway("convert", "bad", folder=tmp_path)

    assert (done.returncode, done.stdout) == (2, "")
    assert_sentence(done.stderr)
    assert_discreet(done.stderr)


@pytest.mark.parametrize("name", SERVED)
def test_serve_does_not_start_with_it(gateway: Gateway, name: str, tmp_path: Path) -> None:
    (tmp_path / "bad").write_bytes(BAD[name])

    done = run_causeway("serve", "--port", "0", "bad", folder=tmp_path)

    assert (done.returncode, done.stdout) == (2, "")
    assert_sentence(done.stderr)
    assert_discreet(done.stderr)


def test_a_bad_new_version_leaves_the_last_good_one_live(gateway: Gateway, backend: Backend) -> None:
    gateway.publish("kept", described(backend.url, {"/a": {"get": {"operationId": "get_a"}}}))
    before = gateway.servers()

    for content in (b"", BAD["a web page"], BAD["JSON objects 100,000 deep"]):
        refused(lambda content=content: gateway.replace("kept", content))  # type: ignore[misc]

    assert gateway.servers() == before
    assert gateway.call("kept", "get_a")["isError"] is False
    gateway.http.delete(f"{gateway.api}/kept")


def test_utf_16_is_read_as_what_it_says(gateway: Gateway) -> None:
    document = described("http://127.0.0.1:9", {}, title="Zürich 駅")

    response = gateway.upload(json.dumps(document, ensure_ascii=False).encode("utf-16"), name="utf16")

    if response.status_code == 201:
        assert response.json()["title"] == "Zürich 駅"
        gateway.http.delete(f"{gateway.api}/utf16")
    else:
        assert response.status_code in {415, 422}


# --- references


def test_a_reference_opens_no_file(gateway: Gateway, tmp_path: Path) -> None:
    """B23."""
    # Whoever opens a pipe that nobody writes to waits for ever.
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)

    for place in ("response schema", "parameter", "request body", "path item"):
        refused(lambda place=place: gateway.upload(referring(place, pipe.as_uri()), name="bad"))  # type: ignore[misc]


@pytest.mark.parametrize("place", ["response schema", "parameter", "request body", "path item"])
def test_a_reference_to_another_host_fetches_nothing(gateway: Gateway, backend: Backend, place: str) -> None:
    """B22."""
    response = gateway.upload(referring(place, f"{backend.url}/schema.json"), name="remote")

    assert response.status_code in {201, 422}
    assert_discreet(response.text)
    if response.status_code == 201:
        gateway.http.post(gateway.mcp_url("remote"), json={"jsonrpc": "2.0", "id": 1, "method": "tools/list"})
        assert gateway.http.delete(f"{gateway.api}/remote").status_code == 204
    assert backend.received == []


# --- too large


def test_an_oversized_document_in_a_form_is_refused(gateway: Gateway) -> None:
    assert refused(lambda: gateway.upload(b" " * OVERSIZED, name="bad"))["status"] == 413


def test_an_oversized_document_in_json_is_refused(gateway: Gateway) -> None:
    assert refused(lambda: gateway.create(name="bad", document="a" * OVERSIZED))["status"] == 413


def test_an_oversized_document_without_a_declared_length_is_refused(gateway: Gateway) -> None:
    def body() -> Iterator[bytes]:
        yield b'{"document":"'
        for _ in range(OVERSIZED // 65536 + 64):
            yield b"a" * 65536

    headers = {"Content-Type": "application/json"}

    problem = refused(lambda: gateway.http.post(gateway.api, content=body(), headers=headers))

    assert problem["status"] in {400, 413}


def test_an_endless_body_is_not_kept(gateway: Gateway) -> None:
    def body() -> Iterator[bytes]:
        yield b'{"document":"'
        for _ in range(200):
            yield b"a" * MEBIBYTE

    before = peak_memory(gateway)
    headers = {"Content-Type": "application/json"}
    with contextlib.suppress(httpx2.TransportError):  # the gateway may also close the connection
        assert gateway.http.post(gateway.api, content=body(), headers=headers).status_code in {400, 413}

    assert peak_memory(gateway) - before < 100 * MEBIBYTE


def peak_memory(gateway: Gateway) -> int:
    status = Path(f"/proc/{gateway.process.pid}/status").read_text()
    return next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmHWM"))


def test_an_oversized_document_behind_a_url_is_refused(gateway: Gateway, backend: Backend) -> None:
    backend.table["GET", "/openapi.json"] = answer(b" " * OVERSIZED)

    assert refused(lambda: gateway.create(name="bad", document_url=f"{backend.url}/openapi.json"))["status"] == 413


def test_a_small_zip_that_unpacks_to_an_oversized_document_is_refused(gateway: Gateway) -> None:
    assert refused(lambda: gateway.upload(zipped(**{"openapi.json": b" " * OVERSIZED}), name="bad"))["status"] in {
        413,
        422,
    }


# --- requests that are not imports


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b"null", b'"text"', b"{}", b'{"document":7}', b'{"nonsense":1}', b"\xff\xfe", b"[" * 100_000],
)
def test_a_body_that_is_not_an_import_is_refused(gateway: Gateway, body: bytes) -> None:
    headers = {"Content-Type": "application/json"}

    refused(lambda: gateway.http.post(gateway.api, content=body, headers=headers))


@pytest.mark.parametrize("name", ["", "../x", "a/b", "a b", "é", "x" * 64, "-a", "a\x00b", "."])
def test_a_server_name_that_cannot_stand_in_a_url_is_refused(gateway: Gateway, name: str) -> None:
    response = gateway.create(name=name, document=VALID)

    if not name:
        # As in a form, where an empty field means that it was left out.
        assert response.status_code == 201
        assert gateway.http.delete(f"{gateway.api}/{response.json()['name']}").status_code == 204
    else:
        refused(lambda: response)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "openapi.json",
        "/etc/passwd",
        "file:///etc/passwd",
        "ftp://127.0.0.1/openapi.json",
        "gopher://127.0.0.1/",
        "data:application/json,{}",
        "http://",
        "http://user:hunter2@127.0.0.1/",
        "http://127.0.0.1:99999/",
        "http://169.254.169.254/latest/meta-data/",
        "http://[fe80::1]/",
        "http://[::ffff:169.254.169.254]/",
        "http://2852039166/",
        "http://0.0.0.0/",
        "http://127.0.0.1\t/",
        "http://127.0.0.1/\r\nX: y",
    ],
)
def test_a_document_url_that_may_not_be_fetched_is_refused(gateway: Gateway, url: str) -> None:
    problem = refused(lambda: gateway.create(name="bad", document_url=url))

    assert "hunter2" not in json.dumps(problem)


# --- arguments


@pytest.fixture(scope="module")
def notes(gateway: Gateway, module_backend: Backend) -> str:
    """Serve an operation with arguments of every kind; gives the server's name."""
    body = {
        "type": "object",
        "required": ["title"],
        "properties": {
            "title": {"type": "string", "minLength": 1},
            "rating": {"type": "number", "maximum": 5},
            "tags": {"type": "array", "items": {"type": "string", "enum": ["new", "old"]}},
        },
    }
    operation = {
        "operationId": "save_note",
        "parameters": [parameter("id", "path", {"type": "integer"}), parameter("draft", "query", {"type": "boolean"})],
        "requestBody": {"required": True, "content": {"application/json": {"schema": body}}},
    }
    gateway.publish("notes", described(module_backend.url, {"/notes/{id}": {"put": operation}}))
    return "notes"


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({"title": "a"}, ("id",)),
        ({"id": 1}, ("title",)),
        ({}, ("id", "title")),
        ({"id": "1", "title": "a"}, ("/id", "integer")),
        ({"id": 1.5, "title": "a"}, ("/id", "integer")),
        ({"id": None, "title": "a"}, ("/id", "integer")),
        ({"id": True, "title": "a"}, ("/id", "integer")),
        ({"id": 1, "title": ""}, ("/title",)),
        ({"id": 1, "title": ["a"]}, ("/title", "text")),
        ({"id": 1, "title": "a", "draft": "true"}, ("/draft", "true or false")),
        ({"id": 1, "title": "a", "rating": 6}, ("/rating", "5")),
        ({"id": 1, "title": "a", "tags": ["new", "older"]}, ("/tags/1", "old")),
        ({"id": 1, "title": "a", "tags": "new"}, ("/tags", "list")),
        ({"id": 1, "title": "a", "colour": "red"}, ("colour",)),
        ({"id": 1, "title": "a", "__proto__": {}}, ("__proto__",)),
        ({"id": 1, "title": "a", "__class__": "x"}, ("__class__",)),
        ({"id": "1", "title": 2, "draft": 3}, ("/id", "/title", "/draft")),
    ],
)
def test_a_call_that_does_not_fit_names_pointer_and_expectation_and_sends_nothing(
    gateway: Gateway, notes: str, backend: Backend, arguments: dict[str, Any], expected: tuple[str, ...]
) -> None:
    result = gateway.call(notes, "save_note", arguments)

    assert result["isError"] is True
    text = result["content"][0]["text"]
    assert all(part in text for part in expected), text
    assert_discreet(text)
    assert backend.received == []


def test_a_call_that_fits_is_sent(gateway: Gateway, notes: str, backend: Backend) -> None:
    arguments = {"id": 1, "draft": True, "title": "a", "rating": 4.5, "tags": ["new"]}

    result = gateway.call(notes, "save_note", arguments)

    assert result["isError"] is False
    assert backend.only().line == b"PUT /notes/1?draft=true HTTP/1.1"
    assert json.loads(backend.only().body) == {"title": "a", "rating": 4.5, "tags": ["new"]}
