"""What the gateway needs from the rest of the service, as Protocols."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from app.gateway.snapshots import ServerSnapshot
    from converters.authorization import Authorization, HeldCredentials
    from converters.credentials import Secret
    from converters.masking import Masking
    from converters.request_plans import RequestPlan
    from converters.results import ApiResponse
    from converters.token_requests import TokenRequest


class ToolCatalog(Protocol):
    """The MCP servers that are live now."""

    def find(self, namespace: str, server: str) -> ServerSnapshot | None:
        """Give the current snapshot of a server, or None where there is none (or it is disabled)."""
        ...


OnChunk = Callable[[str, bytes], Awaitable[None]]


class CredentialSource(Protocol):
    """The credentials that owners supplied for the APIs, in memory."""

    def held(self, namespace: str, server: str) -> HeldCredentials:
        """Give the credentials of a server now; the same value as long as none of them changes."""
        ...


class TokenSource(Protocol):
    """Access tokens, got with client credentials and kept in memory."""

    async def token(
        self, server: str, request: TokenRequest, *, authorities: str, refused: Secret | None = None
    ) -> Secret:
        """Give an access token for calls of `server`, the one there is or a new one.

        `refused` is one that the API did not accept; it comes back where asking for another is of no use now.
        `authorities` are certificates (PEM) that are trusted beside those of the system.

        Raises:
            app.errors.UpstreamError: when there is none; its sentence is fit for the caller.

        """
        ...

    def mask(self, server: str) -> Masking:
        """Give what masks the tokens of a server as they are now."""
        ...


class Upstream(Protocol):
    """The way to the APIs behind the tools: the egress policy, time and size limits stand behind it."""

    async def send(  # noqa: PLR0913 - all of a call, each by name
        self,
        plan: RequestPlan,
        *,
        deadline: float,
        server: str,
        is_repeatable: bool,
        authorization: Authorization,
        authorities: str,
        on_chunk: OnChunk | None = None,
    ) -> ApiResponse:
        """Send one request with the credentials of `authorization`; `deadline` in seconds bounds all of it.

        `authorities` are the certificates (PEM) that are trusted, "" for those the system trusts.

        `on_chunk` is told the media type and each piece of a success's body as it comes, decoded.

        `server` names the MCP server that calls: what one does to an API does not touch another. `is_repeatable` says
        that sending the request twice does what sending it once does, although its method does not promise so.

        Raises:
            app.errors.UpstreamError: when there is no answer; its sentence is fit for the caller.

        """
        ...
