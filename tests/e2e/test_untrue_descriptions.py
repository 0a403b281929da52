"""APIs answer what their descriptions do not say; the official client has to get the answer all the same."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.e2e.backends import Backend, answer, described
from tests.e2e.gateways import ERAS, Gateway, connected

NOTE = {
    "type": "object",
    "required": ["id"],
    "properties": {"id": {"type": "integer"}, "text": {"type": "string"}},
}
ANSWERS = {
    "null where a text is promised": answer(b'{"id":1,"text":null}'),
    "without what is required": answer(b"{}"),
    "a list instead of an object": answer(b'[{"id":1}]'),
    "no content": answer(b"", status="204 No Content"),
    "text instead of JSON": answer(b"done", content_type="text/plain"),
}


@pytest.fixture(scope="module")
def notes(gateway: Gateway, module_backend: Backend) -> str:
    """Serve an operation that promises an object; gives its MCP URL."""
    content = {"application/json": {"schema": NOTE}}
    operation = {"operationId": "get_note", "responses": {"200": {"description": "OK", "content": content}}}
    return gateway.publish("notes", described(module_backend.url, {"/note": {"get": operation}}))


@pytest.mark.parametrize("mode", ERAS)
async def test_an_answer_that_is_as_described_reaches_the_model(notes: str, backend: Backend, mode: str) -> None:
    backend.table["GET", "/note"] = answer(b'{"id":1,"text":"a"}')

    async with connected(notes, mode) as client:
        result = await client.call_tool("get_note", {})

    assert not result.is_error
    assert json.loads(text(result)) == {"id": 1, "text": "a"}


@pytest.mark.parametrize("mode", ERAS)
@pytest.mark.parametrize("name", ANSWERS)
async def test_an_answer_that_is_not_as_described_reaches_the_model_too(
    notes: str, backend: Backend, mode: str, name: str
) -> None:
    backend.table["GET", "/note"] = ANSWERS[name]

    async with connected(notes, mode) as client:
        result = await client.call_tool("get_note", {})

    assert not result.is_error
    assert text(result)


def text(result: Any) -> str:
    return "\n".join(block.text for block in result.content)
