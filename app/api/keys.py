"""API keys, with which clients and scripts show who they are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Path

from app.api.dependencies import NOT_STORED, Control, Cursor, Limit, Who
from app.api.key_schemas import ApiKey, ApiKeyList, CreatedApiKey, KeyLimits, NewApiKey
from app.registry.records import KeyGrant

if TYPE_CHECKING:
    from app.registry.records import ApiKeyRecord
    from app.security.callers import Caller

router = APIRouter(prefix="/api/v1/keys", tags=["keys"])
_DEFAULT_NAMESPACE = "default"


def shown_key(record: ApiKeyRecord) -> ApiKey:
    """Give what is told of a key."""
    grant = record.grant
    return ApiKey(
        id=record.id,
        prefix=record.prefix,
        name=record.name,
        scopes=list(grant.scopes),
        namespace=grant.namespace,
        servers=list(grant.servers),
        tools=list(grant.tools),
        limits=KeyLimits(**grant.limits),
        created_by=record.created_by,
        created_at=record.created_at.isoformat(),
        expires_at=record.expires_at.isoformat() if record.expires_at else None,
        last_used_at=record.last_used_at.isoformat() if record.last_used_at else None,
        revoked_at=record.revoked_at.isoformat() if record.revoked_at else None,
    )


def _namespace(who: Caller) -> str:
    """Give the namespace of a key that names none: its maker's only one, or the one that every gateway has."""
    own = next(iter(who.namespaces)) if len(who.namespaces) == 1 else "*"
    return _DEFAULT_NAMESPACE if own == "*" else own


@router.get("", operation_id="list_keys", summary="List keys")
async def list_keys(control: Control, who: Who, cursor: Cursor = None, limit: Limit = 50) -> ApiKeyList:
    """List the keys for the namespaces that you reach, revoked ones included; never the keys themselves."""
    page = await control.keys.list(by=who, cursor=cursor, limit=limit)
    return ApiKeyList(items=[shown_key(each) for each in page.items], next_cursor=page.next_cursor)


@router.post("", status_code=201, operation_id="create_key", summary="Create a key", dependencies=[NOT_STORED])
async def create_key(control: Control, who: Who, body: NewApiKey) -> CreatedApiKey:
    """Create a key that permits no more than your own. Its text is in this answer and nowhere else."""
    grant = KeyGrant(
        scopes=tuple(dict.fromkeys(body.scopes)),
        namespace=body.namespace or _namespace(who),
        servers=tuple(body.servers or sorted(who.servers)),
        tools=tuple(body.tools or sorted(who.tools)),
        limits=body.limits.model_dump(exclude_none=True) if body.limits else {},
    )
    created = await control.keys.create(body.name, grant=grant, expires_at=body.expires_at, by=who)
    return CreatedApiKey(**shown_key(created.record).model_dump(), key=created.text)


@router.delete("/{key}", status_code=204, operation_id="revoke_key", summary="Revoke a key")
async def revoke_key(
    control: Control, who: Who, key: Annotated[str, Path(description="Id of the key, not its text.")]
) -> None:
    """Revoke a key: it is refused from now on, by every instance within five seconds. It stays in the list."""
    await control.keys.revoke(key, by=who)
