from __future__ import annotations

from typing import Any

import pytest

from converters.approvals import Surface, approvals
from tests.converters.descriptions import OK, compiled, description

SCHEMES: dict[str, Any] = {"components": {"securitySchemes": {"o": {"type": "oauth2", "flows": {"clientCredentials": {
    "tokenUrl": "https://auth.example.com/token", "scopes": {"read": "", "write": ""}}}}}}}  # fmt: skip


def operation(name: str, *scopes: str, **more: Any) -> dict[str, Any]:
    return {"operationId": name, "responses": OK, **({"security": [{"o": list(scopes)}]} if scopes else {}), **more}


def surface(paths: dict[str, Any], **settings: Any) -> Surface:
    return Surface(compiled(description(paths, **SCHEMES)).tools, **settings)


def found(old: Surface, new: Surface) -> list[tuple[str, str]]:
    return [(each.name, each.what) for each in approvals(old, new)]


READ = {"/a": {"get": operation("read_it", "read")}}


def test_equal_surfaces_need_no_approval() -> None:
    assert found(surface(READ), surface(READ)) == []


def test_a_delete_that_is_new_needs_one_and_a_new_post_does_not() -> None:
    """T06."""
    new = surface({"/a": {**READ["/a"], "delete": operation("drop_it", "read"), "post": operation("add_it", "read")}})
    assert found(surface(READ), new) == [("drop_it", "it deletes, and is new")]
    assert found(new, new) == []


def test_requests_to_another_origin_need_one_for_the_first_tool_that_makes_them() -> None:
    """T06."""
    elsewhere = [{"url": "https://other.example/v1"}]
    moved = {"/a": {"get": operation("read_it", "read", servers=elsewhere)},
             "/b": {"get": operation("more", "read", servers=elsewhere)}}  # fmt: skip
    assert found(surface(READ), surface(moved)) == [("read_it", "requests go to https://other.example")]


def test_servers_of_the_description_do_not_matter_under_a_base_url() -> None:
    moved = {"/a": {"get": operation("read_it", "read", servers=[{"url": "https://other.example"}])}}
    fixed = {"base_url": "https://fixed.example"}
    assert found(surface(READ, **fixed), surface(moved, **fixed)) == []


def test_a_relative_server_is_where_the_document_is() -> None:
    relative = surface({"/a": {"get": operation("read_it", servers=[{"url": "/v2"}])}}, document_url="https://api.example.com/openapi.json")  # fmt: skip  # noqa: E501
    assert found(surface(READ), relative) == []


@pytest.mark.parametrize(
    ("paths", "expected"),
    [
        ({"/a": {"get": operation("read_it", "read", "write")}}, [("read_it", "it asks for write of o")]),
        ({**READ, "/b": {"get": operation("other", "read")}}, []),
        ({**READ, "/b": {"get": operation("other", "write")}}, [("other", "it asks for write of o")]),
        ({"/a": {"get": operation("read_it")}}, []),
    ],
)
def test_wider_scopes_need_one(paths: dict[str, Any], expected: list[tuple[str, str]]) -> None:
    """T06."""
    assert found(surface(READ), surface(paths)) == expected
