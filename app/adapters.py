"""What one layer offers, as another layer asks for it: the ports that `app.main` joins."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from app.api.dependencies import PreviewedCall
from app.gateway.authorizing import CredentialMissingError, previewed
from app.gateway.calls import ToolCalls, UnknownToolError, find_tool, planned
from app.gateway.policies import Policies
from app.gateway.ports import Delivery, Posted
from app.gateway.snapshots import ServerSnapshot
from app.outbound import DocumentFetcher
from app.services.credentials import Credentials, credentials_path

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from app.gateway.catalog import SnapshotCatalog
    from app.gateway.ports import CredentialSource
    from app.outbound.policy import EgressPolicy
    from app.registry.process_channel import ProcessChannel
    from app.security.callers import Caller
    from app.services.token_sources import TokenSources
    from app.services.tools import LoadedServer

_MAX_ISSUER_DOCUMENT: Final = 256 * 1024


class Stage:
    """The gateway's snapshots, with the credentials and tokens of their calls, as the services' `Stage`."""

    def __init__(self, catalog: SnapshotCatalog, credentials: Credentials, tokens: TokenSources) -> None:
        """Keep `catalog`, and what calls need, in step with what is put and dropped."""
        self._catalog = catalog
        self._credentials = credentials
        self._tokens = tokens

    async def put(self, loaded: LoadedServer) -> None:
        """Serve a server as it was loaded, from the next call on."""
        server = loaded.server
        namespace, name = server.namespace, server.name
        await self._credentials.hold(server, loaded.credentials)
        self._tokens.retain(f"{namespace}/{name}", self._credentials.held(namespace, name).values())
        self._catalog.put(
            ServerSnapshot(
                namespace=namespace,
                name=name,
                title=server.title,
                version=str(server.description.get("version", "")),
                revision=server.revision,
                instructions=server.instructions,
                definitions=loaded.definitions,
                base_url=server.base_url,
                server_variables=server.server_variables,
                document_url=loaded.document_url,
                former_names=loaded.former_names,
                certificate_authorities=server.certificate_authorities or "",
                policies=Policies.from_json(server.policies or {}),
                security_schemes=server.description.get("security_schemes"),
                openapi=str(server.description.get("openapi", "")),
                credentials_path=credentials_path(namespace, name),
            )
        )

    def drop(self, namespace: str, name: str) -> None:
        """Serve a server no more, and forget what its calls were made with."""
        self._catalog.drop(namespace, name)
        self._credentials.drop(namespace, name)
        self._tokens.retain(f"{namespace}/{name}", ())


class Relay:
    """The channel between processes as the gateway's `StreamRelay`."""

    def __init__(self, channel: ProcessChannel) -> None:
        """Speak over `channel`."""
        self._channel = channel

    @property
    def process(self) -> str:
        """The name of this process."""
        return self._channel.process

    def receive(self, receiver: Callable[[Posted], Awaitable[Delivery]]) -> None:
        """Have `receiver` take what other processes forward."""

        async def answer(asked: bytes) -> bytes:
            return (await receiver(Posted.from_bytes(asked))).to_bytes()

        self._channel.receive(answer)

    async def forward(self, process: str, posted: Posted) -> Delivery | None:
        """Have another process take a message; None where none of that name answers."""
        answered = await self._channel.request(process, posted.to_bytes())
        return None if answered is None else Delivery.from_bytes(answered)


class GatewayTools:
    """The gateway's calls as the control plane's `ToolPort`."""

    def __init__(self, catalog: SnapshotCatalog, calls: ToolCalls, credentials: CredentialSource) -> None:
        """Call what `catalog` holds by `calls`."""
        self._catalog = catalog
        self._calls = calls
        self._credentials = credentials

    async def call(
        self, namespace: str, server: str, tool: str, arguments: Mapping[str, Any], *, caller: Caller
    ) -> dict[str, Any]:
        """Perform a call; gives the MCP result."""
        result = await self._calls.call(self._snapshot(namespace, server), tool, arguments, caller=caller)
        return result.to_json()

    def preview(
        self, namespace: str, server: str, tool: str, arguments: Mapping[str, Any], *, caller: Caller
    ) -> PreviewedCall:
        """Build the request a call would send, credentials masked; nothing is sent."""
        snapshot = self._snapshot(namespace, server)
        found = find_tool(snapshot, tool, caller)
        plan = planned(found, arguments, is_traced=True).request
        try:
            return PreviewedCall(previewed(plan, found, snapshot, self._credentials.held(namespace, server)), "")
        except CredentialMissingError as error:
            return PreviewedCall(plan, error.message)

    def _snapshot(self, namespace: str, server: str) -> ServerSnapshot:
        snapshot = self._catalog.find(namespace, server)
        if snapshot is None:
            raise UnknownToolError(f"There is no enabled server {server!r} in the namespace {namespace!r}.")
        return snapshot


def small_documents(policy: EgressPolicy) -> Callable[[str], Awaitable[bytes]]:
    """Fetch what issuers publish, which is small."""
    fetcher = DocumentFetcher(policy, max_size=_MAX_ISSUER_DOCUMENT)

    async def fetch(url: str) -> bytes:
        body, _ = await fetcher.fetch(url)
        return body

    return fetch
