from __future__ import annotations

import gc
import io
import json
import zipfile
from typing import Any

import pytest

from tests.app.api.test_servers import problem
from tests.app.descriptions import PETS, description, operation, written
from tests.app.gateways import SERVERS, Gateway

PARAMETER = {"limit": {"name": "limit", "in": "query", "schema": {"type": "integer"}}}
SPLIT = description(
    {"/pets": {"get": operation("list_pets", parameters=[{"$ref": "parts/parameters.yaml#/limit"}])}}, title="Split"
)


def zipped(files: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    written_to = io.BytesIO()
    with zipfile.ZipFile(written_to, "w", method) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return written_to.getvalue()


async def upload(gateway: Gateway, content: bytes, **fields: str) -> Any:
    return await gateway.http.post(SERVERS, files={"document": ("file", content)}, data={"name": "pets", **fields})


async def form(gateway: Gateway, body: bytes, kind: str = "multipart/form-data; boundary=b") -> Any:
    return await gateway.http.post(SERVERS, content=body, headers={"Content-Type": kind})


def part(name: str, content: bytes, *, filename: str = "") -> bytes:
    disposition = f'form-data; name="{name}"' + (f'; filename="{filename}"' if filename else "")
    return f"--b\r\nContent-Disposition: {disposition}\r\n\r\n".encode() + content + b"\r\n"


async def test_a_file_is_uploaded_with_its_settings(served: Gateway) -> None:
    described = {**PETS, "servers": [{"url": "https://{region}.example", "variables": {"region": {"default": "eu"}}}]}
    answer = await upload(served, written(described), base_url="http://127.0.0.1:9", server_variables='{"region":"us"}')
    server = answer.json()
    assert (answer.status_code, server["name"], server["base_url"]) == (201, "pets", "http://127.0.0.1:9")
    assert server["server_variables"] == {"region": "us"}
    assert (await served.http.get(f"{SERVERS}/pets/document")).content == written(described)


async def test_a_document_may_be_a_field_instead_of_a_file(served: Gateway) -> None:
    answer = await form(served, part("document", written(PETS)) + part("name", b"pets") + b"--b--\r\n")
    assert answer.status_code == 201


async def test_a_file_replaces_a_description_too(served: Gateway) -> None:
    await served.create()
    changed = written(description(PETS["paths"], title="Changed"))
    answer = await served.http.put(f"{SERVERS}/pets/document", files={"document": ("file", changed)})
    assert (answer.status_code, answer.json()["revision"]) == (200, 2)


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
async def test_a_split_description_is_uploaded_as_a_zip(served: Gateway, method: int) -> None:
    archive = zipped(
        {
            "openapi.json": written(SPLIT),
            "parts/parameters.yaml": json.dumps(PARAMETER).encode(),
            "README.md": b"# not a document",
            "parts/logo.png": b"\x89PNG",
        },
        method,
    )
    answer = await upload(served, archive)
    assert (answer.status_code, answer.json()["counts"]["tools"]) == (201, 1)
    tool = (await served.http.get(f"{SERVERS}/pets/tools/list_pets")).json()
    assert tool["input_schema"]["properties"] == {"limit": {"type": "integer"}}
    assert (await served.http.get(f"{SERVERS}/pets/document")).content == archive


async def test_the_entry_of_a_zip_is_the_one_named(served: Gateway) -> None:
    archive = zipped(
        {"a.json": written(PETS), "b.json": written(SPLIT), "parts/parameters.yaml": json.dumps(PARAMETER).encode()}
    )
    assert problem(await upload(served, archive)) == (422, "spec_zip")
    assert (await upload(served, archive, entry="./b.json")).json()["title"] == "Split"


async def test_the_entry_of_a_zip_is_the_one_nearest_to_the_top(served: Gateway) -> None:
    archive = zipped({"examples/deep/one.json": written(PETS), "api/openapi.json": written(description(title="Top"))})
    assert (await upload(served, archive)).json()["title"] == "Top"


async def test_the_only_document_of_a_zip_is_its_entry(served: Gateway) -> None:
    # Sorted keys put `openapi` behind `info`.
    answer = await upload(served, zipped({"api.json": json.dumps(PETS, sort_keys=True).encode(), "LICENSE": b"MIT"}))
    assert answer.status_code == 201


@pytest.mark.parametrize("entry", ["nope.json", "../openapi.json", "/openapi.json", "openapi", "\x00"])
async def test_an_entry_that_is_not_in_the_zip_is_refused(served: Gateway, entry: str) -> None:
    assert problem(await upload(served, zipped({"openapi.json": written(PETS)}), entry=entry)) == (422, "spec_zip")


@pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
async def test_a_zip_that_is_damaged_inside_is_refused(served: Gateway, method: int) -> None:
    archive = bytearray(zipped({"openapi.json": written(PETS)}, method))
    for start in (45, 60, 100):
        damaged = bytes(archive[:start]) + b"\xff" * 20 + bytes(archive[start + 20 :])
        assert problem(await upload(served, damaged)) == (422, "spec_zip"), start


@pytest.mark.parametrize(
    "content",
    [b"PK\x03\x04", b"PK\x03\x04" + bytes(100), zipped({"openapi.json": written(PETS)})[:-10], zipped({"a.txt": b"x"})],
    ids=["magic", "zeros", "cut", "no document"],
)
async def test_a_zip_without_a_description_is_refused(served: Gateway, content: bytes) -> None:
    assert problem(await upload(served, content)) == (422, "spec_zip")


async def test_a_zip_bomb_is_refused(served: Gateway) -> None:
    answer = await upload(served, zipped({"openapi.json": b" " * 30 * 1024 * 1024}))
    assert problem(answer) == (413, "spec_too_large")


async def test_a_zip_that_leads_out_of_itself_reads_no_file(served: Gateway) -> None:
    outside = description({"/a": {"get": operation("a", parameters=[{"$ref": "../../../etc/passwd#/x"}])}})
    answer = await upload(
        served, zipped({"openapi.json": written(outside), "../evil.yaml": b"x: 1", "/abs.yaml": b"x: 1"})
    )
    assert answer.status_code in {201, 422}
    assert "root:" not in answer.text


@pytest.mark.parametrize(
    ("content", "status"),
    [
        (b"", 422),
        (b"\x89PNG\r\n\x1a\n" + bytes(range(256)), 415),
        (b"\x7fELF" + bytes(200), 415),
        (b"%PDF-1.7\n\xff\xfe\x00", 415),
    ],
    ids=["empty", "png", "elf", "pdf"],
)
async def test_a_file_that_is_no_text_is_refused(served: Gateway, content: bytes, status: int) -> None:
    found = problem(await upload(served, content))
    assert found[0] in {status, 422}
    assert found[1].startswith("spec_")


async def test_a_form_without_a_document_is_refused(served: Gateway) -> None:
    answer = await served.http.post(SERVERS, files={"file": ("a.json", written(PETS))}, data={"name": "pets"})
    assert problem(answer) == (422, "spec_missing")
    assert problem(await form(served, part("name", b"pets") + b"--b--\r\n")) == (422, "spec_missing")


@pytest.mark.parametrize("filename", ["a", ""], ids=["files", "fields"])
async def test_a_form_with_two_documents_is_refused(served: Gateway, filename: str) -> None:
    document = part("document", written(PETS), filename=filename)
    answer = await form(served, document + document + b"--b--\r\n")
    assert problem(answer) == (400, "request_invalid")
    assert answer.json()["detail"] == "The multipart body is not valid: 'document' stands twice."


async def test_a_form_with_two_names_is_refused(served: Gateway) -> None:
    names = part("name", b"a") + part("name", b"b")
    assert problem(await form(served, names + part("document", written(PETS)) + b"--b--\r\n")) == (
        400,
        "request_invalid",
    )


async def test_a_form_with_a_hundred_files_is_refused(served: Gateway) -> None:
    answer = await form(served, b"".join(part("overlay", b"x", filename="a") for _ in range(100)) + b"--b--\r\n")
    assert problem(answer) == (400, "request_invalid")


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"", "multipart/form-data"),
        (part("document", b"x") + b"--b--\r\n", "multipart/form-data; boundary=c"),
        (b"garbage", "multipart/form-data; boundary=b"),
        (b"--b\r\nContent-Disposition: form-data\r\n\r\nx\r\n--b--\r\n", "multipart/form-data; boundary=b"),
        (b"--b\r\n\r\nx\r\n--b--\r\n", "multipart/form-data; boundary=b"),
        (b"--b\r\n\x00: y\r\n\r\nx\r\n--b--\r\n", "multipart/form-data; boundary=b"),
        (b"--b\r\nX-Big: " + b"x" * 1024 * 1024 + b"\r\n\r\nx\r\n--b--\r\n", "multipart/form-data; boundary=b"),
        (b"--" + b"b" * 300, "multipart/form-data; boundary=" + "b" * 300),
        (b"".join(part(f"f{n}", b"x") for n in range(10_000)) + b"--b--\r\n", "multipart/form-data; boundary=b"),
        (part("name", b"x" * 2 * 1024 * 1024) + b"--b--\r\n", "multipart/form-data; boundary=b"),
    ],
    ids=["no boundary", "other", "garbage", "no name", "no header", "header", "big header", "long", "fields", "field"],
)
async def test_a_form_that_cannot_be_read_is_400(served: Gateway, body: bytes, kind: str) -> None:
    answer = await form(served, body, kind)
    assert problem(answer) == (400, "request_invalid")
    assert not answer.json()["detail"].endswith("..")


@pytest.mark.filterwarnings("ignore::ResourceWarning")  # Starlette forgets to close the file it was writing
async def test_a_form_that_breaks_off_creates_nothing(served: Gateway) -> None:
    answer = await form(served, part("name", b"pets") + part("document", written(PETS), filename="a")[:-20])
    gc.collect()
    assert problem(answer)[0] in {400, 422}
    assert (await served.http.get(f"{SERVERS}/pets")).status_code == 404


@pytest.mark.parametrize(("field", "value"), [("nope", "1"), ("server_variables", "x"), ("server_variables", "[1]")])
async def test_a_field_of_the_wrong_shape_says_which(served: Gateway, field: str, value: str) -> None:
    answer = await upload(served, written(PETS), **{field: value})
    assert problem(answer) == (422, "request_invalid")
    assert answer.json()["pointer"] == f"/{field}"


@pytest.mark.parametrize("kind", ["text/plain", "application/yaml", "application/x-www-form-urlencoded", "image/png"])
async def test_another_media_type_is_415(served: Gateway, kind: str) -> None:
    assert problem(await form(served, written(PETS), kind)) == (415, "unsupported_media_type")


@pytest.mark.parametrize("filename", ["../../x", 'x"; name="y', "a\x00b", "💥.json", "a" * 5_000])
async def test_what_a_file_is_called_does_not_matter(served: Gateway, filename: str) -> None:
    answer = await served.http.post(SERVERS, files={"document": (filename, written(PETS))}, data={"name": "pets"})
    assert answer.status_code in {201, 400}
