"""Issuers: which authorization server's access tokens open a namespace's servers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from sqlalchemy import delete, insert, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.registry.errors import IssuerNotFound, NamespaceNotFound
from app.registry.records import IssuerRecord
from app.registry.tables import IssuerRow, NamespaceRow, now

_SELECT: Final = select(
    IssuerRow.namespace,
    IssuerRow.issuer,
    IssuerRow.jwks_uri,
    IssuerRow.algorithms,
    IssuerRow.scopes,
    IssuerRow.updated_at,
)


class Issuers:
    """The issuers of the namespaces, seen through one transaction."""

    def __init__(self, session: AsyncSession) -> None:
        """Work inside the session's transaction; whoever opened it commits."""
        self._session = session

    async def list(self) -> tuple[IssuerRecord, ...]:
        """Return the issuers of all namespaces that have one."""
        rows = await self._session.execute(_SELECT.order_by(IssuerRow.namespace))
        return tuple(IssuerRecord(**row._asdict()) for row in rows)

    async def get(self, namespace: str) -> IssuerRecord:
        """Return the issuer of a namespace, or raise `IssuerNotFound`."""
        row = (await self._session.execute(_SELECT.where(IssuerRow.namespace == namespace))).one_or_none()
        if row is None:
            raise IssuerNotFound(namespace)
        return IssuerRecord(**row._asdict())

    async def put(
        self,
        namespace: str,
        *,
        issuer: str,
        jwks_uri: str | None,
        algorithms: Sequence[str],
        scopes: Mapping[str, Mapping[str, Sequence[str]]],
    ) -> IssuerRecord:
        """Store an issuer in the place of the one that is there, or raise `NamespaceNotFound`."""
        # Two who put at once take turns on the namespace, because there may be no row of theirs to lock yet.
        query = select(NamespaceRow.name).where(NamespaceRow.name == namespace)
        if await self._session.scalar(query.with_for_update(key_share=True)) is None:
            raise NamespaceNotFound(namespace)
        values: dict[str, Any] = {
            "issuer": issuer,
            "jwks_uri": jwks_uri,
            "algorithms": list(algorithms),
            "scopes": {scope: dict(names) for scope, names in scopes.items()},
            "updated_at": now(),
        }
        await self._session.execute(delete(IssuerRow).where(IssuerRow.namespace == namespace))
        await self._session.execute(insert(IssuerRow).values(namespace=namespace, **values))
        return await self.get(namespace)

    async def delete(self, namespace: str) -> None:
        """Remove the issuer of a namespace, or raise `IssuerNotFound`."""
        statement = delete(IssuerRow).where(IssuerRow.namespace == namespace).returning(IssuerRow.namespace)
        if await self._session.scalar(statement) is None:
            raise IssuerNotFound(namespace)
