"""Namespaces, the tenants of the gateway."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastapi import APIRouter

from app.api.dependencies import Control, Cursor, Limit, NamespaceName, Who
from app.api.schemas import Namespace, NamespaceList, NewNamespace

if TYPE_CHECKING:
    from app.registry.records import NamespaceRecord

router = APIRouter(prefix="/api/v1/namespaces", tags=["namespaces"])


def _shown(record: NamespaceRecord) -> Namespace:
    return Namespace(name=record.name, created_at=record.created_at.isoformat())


@router.get("", operation_id="list_namespaces", summary="List namespaces")
async def list_namespaces(control: Control, who: Who, cursor: Cursor = None, limit: Limit = 50) -> NamespaceList:
    """List the namespaces that you reach."""
    page = await control.namespaces.list(by=who, cursor=cursor, limit=limit)
    return NamespaceList(items=[_shown(each) for each in page.items], next_cursor=page.next_cursor)


@router.post("", status_code=201, operation_id="create_namespace", summary="Create a namespace")
async def create_namespace(control: Control, body: NewNamespace) -> Namespace:
    """Create a namespace."""
    return _shown(await control.namespaces.create(body.name))


@router.delete("/{namespace}", status_code=204, operation_id="delete_namespace", summary="Delete a namespace")
async def delete_namespace(control: Control, namespace: NamespaceName) -> None:
    """Delete a namespace with all its servers."""
    await control.namespaces.delete(namespace)
