"""Namespaces, the tenants of the gateway."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from fastapi import APIRouter

from app.api.dependencies import Control, Cursor, Limit, NamespaceName, Who
from app.api.schemas import Namespace, NamespaceList, NamespaceUsage, NewNamespace, NewQuota, QuotaOfNamespace
from app.registry.records import Quota

if TYPE_CHECKING:
    from app.registry.records import NamespaceRecord, QuotaRecord

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


@router.get("/{namespace}/quota", operation_id="get_quota", summary="Get the quota of a namespace")
async def get_quota(control: Control, namespace: NamespaceName) -> QuotaOfNamespace:
    """Give how much a namespace may hold, null for any number, and how much it holds."""
    return _quota(await control.namespaces.quota(namespace))


@router.put("/{namespace}/quota", operation_id="put_quota", summary="Set the quota of a namespace")
async def put_quota(control: Control, namespace: NamespaceName, body: NewQuota) -> QuotaOfNamespace:
    """Let a namespace hold less than the gateway's settings do; what is left out is as they say."""
    return _quota(await control.namespaces.put_quota(namespace, Quota(**body.model_dump())))


def _quota(record: QuotaRecord) -> QuotaOfNamespace:
    return QuotaOfNamespace(**asdict(record.limits), used=NamespaceUsage(**asdict(record.used)))
