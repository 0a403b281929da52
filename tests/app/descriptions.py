"""OpenAPI descriptions as the tests use them, and what they compile to."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from app.gateway.snapshots import ServerSnapshot
from converters import compile_description

_PET = {
    "type": "object",
    "required": ["id", "name"],
    "properties": {"id": {"type": "integer"}, "name": {"type": "string"}, "weight": {"type": "number"}},
}
_ONE_PET = {"200": {"description": "A pet.", "content": {"application/json": {"schema": _PET}}}}
_PET_ID = {"name": "petId", "in": "path", "required": True, "schema": {"type": "integer"}}


def description(
    paths: Mapping[str, Any] | None = None, *, title: str = "Pets", server: str | None = "https://api.pets.example/v1"
) -> dict[str, Any]:
    """Give a description with these paths."""
    return {
        "openapi": "3.1.0",
        "info": {"title": title, "version": "1.2.3"},
        "servers": [{"url": server}] if server else [],
        "paths": paths or {},
    }


def operation(name: str, **members: Any) -> dict[str, Any]:
    """Give an operation that answers with a pet."""
    return {"operationId": name, "responses": _ONE_PET, **members}


PETS = description(
    {
        "/pets": {
            "get": operation(
                "list_pets",
                summary="List pets",
                description="A page of them.",
                tags=["pets"],
                parameters=[{"name": "limit", "in": "query", "schema": {"type": "integer", "maximum": 100}}],
                responses={"200": {"description": "Pets."}},
            ),
            "post": operation(
                "add_pet",
                summary="Add a pet",
                requestBody={
                    "required": True,
                    "content": {
                        "application/json": {
                            "schema": {
                                "type": "object",
                                "required": ["name"],
                                "properties": {
                                    "name": {"type": "string"},
                                    "weight": {"type": "number"},
                                    "chip": {"type": "integer"},
                                },
                            }
                        }
                    },
                },
            ),
        },
        "/pets/{petId}": {
            "get": operation("get_pet", parameters=[_PET_ID]),
            "delete": operation("delete_pet", parameters=[_PET_ID], responses={"204": {"description": "Gone."}}),
        },
    }
)
"""Four tools: list_pets, add_pet, get_pet, delete_pet; get_pet and add_pet declare what they answer."""


def written(document: Mapping[str, Any]) -> bytes:
    """Write a description as JSON."""
    return json.dumps(document).encode()


def definitions(document: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Compile a description and give its tools as they are stored."""
    stored = [tool.to_json() for tool in compile_description(written(document)).tools]
    loaded: list[dict[str, Any]] = json.loads(json.dumps(stored))
    return loaded


def snapshot(document: Mapping[str, Any] = PETS, **settings: Any) -> ServerSnapshot:
    """Give a description as the gateway serves it, at `default/pets`."""
    return ServerSnapshot(
        **{
            "namespace": "default",
            "name": "pets",
            "title": document["info"]["title"],
            "version": document["info"]["version"],
            "revision": 1,
            "definitions": definitions(document),
            **settings,
        }
    )
