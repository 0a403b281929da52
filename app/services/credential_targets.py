"""Where requests with a credential go: the origins that it is bound to when it is supplied."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from converters.origins import origin
from converters.request_plans import ServerUnknownError, base_url
from converters.security import read_schemes
from converters.token_requests import endpoints
from converters.tool_definitions import server_from_json

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from app.registry import Registry
    from app.registry.records import NewRevision, ServerRecord
    from converters.security import SecurityScheme
    from converters.token_requests import Endpoints


def declared_schemes(server: ServerRecord) -> dict[str, SecurityScheme]:
    """Read the security schemes that the active revision's description declares."""
    description = server.description
    return read_schemes(description.get("security_schemes", {}), str(description.get("openapi", "")))


class Located(Protocol):
    """What says where the API of a server is, besides its description."""

    @property
    def base_url(self) -> str | None:
        """Where the API is, in the place of the description's servers."""
        ...

    @property
    def server_variables(self) -> Mapping[str, Any]:
        """The variables of the description's servers."""
        ...


@dataclass(frozen=True, slots=True)
class Location:
    """Where the API of a server is to be."""

    base_url: str | None
    server_variables: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Targets:
    """A server's operations, as far as it matters where requests with a scheme go."""

    server: Located
    document_url: str | None
    definitions: tuple[Mapping[str, Any], ...]
    schemes: Mapping[str, SecurityScheme]

    def origins(self, scheme: str) -> frozenset[str]:
        """List where requests with a scheme go: those of the operations that name it, else those of all."""
        return frozenset(origin(each) for each in self._bases(scheme))

    def token_origins(self, scheme: SecurityScheme, grant_type: str) -> frozenset[str]:
        """List where tokens of a scheme are asked for by a grant."""
        found = (endpoints(scheme, grant_type, each) for each in self._bases(scheme.name))
        return frozenset(origin(url) for each in found for url in each.secret)

    def endpoints(self, scheme: str, grant_type: str) -> tuple[Endpoints, ...]:
        """List where tokens of a scheme are got by a grant, () for one that is not declared."""
        found = self.schemes.get(scheme)
        return () if found is None else tuple({endpoints(found, grant_type, each) for each in self._bases(scheme)})

    def _bases(self, scheme: str) -> list[str]:
        naming = [each for each in self.definitions if any(scheme in dict(one["schemes"]) for one in each["security"])]
        distinct = _with_distinct_servers(naming or self.definitions)
        found = (base_of(each, self.server, self.document_url) for each in distinct)
        return [each for each in found if each is not None]


async def read_targets(registry: Registry, namespace: str, server: str) -> Targets:
    """Read where a server's requests go; raises `ServerNotFound`."""
    record = await registry.servers.get(namespace, server)
    document_url = (await registry.revisions.get(namespace, server)).document_url
    definitions = tuple(each.definition for each in await registry.revisions.tools(namespace, server))
    return Targets(record, document_url, definitions, declared_schemes(record))


def targets_of(new: NewRevision, server: Located) -> Targets:
    """Give where the requests of a server would go with a description that is not stored yet."""
    schemes = read_schemes(new.description["security_schemes"], str(new.description["openapi"]))
    return Targets(server, new.document_url, tuple(each.definition for each in new.tools), schemes)


def _with_distinct_servers(definitions: Sequence[Mapping[str, Any]]) -> Iterable[Mapping[str, Any]]:
    return {json.dumps(each["servers"]): each for each in definitions}.values()


def base_of(definition: Mapping[str, Any], server: Located, document_url: str | None) -> str | None:
    """Give the URL below which a tool's requests go, None where it is not known."""
    try:
        return base_url(
            tuple(server_from_json(each) for each in definition["servers"]),
            override=server.base_url,
            variables=server.server_variables,
            document_url=document_url,
        )
    except ServerUnknownError:
        return None
