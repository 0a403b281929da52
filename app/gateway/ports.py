"""What the gateway needs from the rest of the service, as Protocols."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from app.gateway.snapshots import ServerSnapshot
    from app.security.callers import Caller
    from converters.authorization import Authorization, HeldCredentials
    from converters.credentials import Secret
    from converters.masking import Masking
    from converters.request_plans import RequestPlan
    from converters.results import ApiResponse
    from converters.token_requests import TokenRequest


OnChunk = Callable[[str, bytes], Awaitable[None]]
Watcher = Callable[[bool], None]


class ToolCatalog(Protocol):
    """The MCP servers that are live now."""

    def find(self, namespace: str, server: str) -> ServerSnapshot | None:
        """Give the current snapshot of a server, or None where there is none (or it is disabled)."""
        ...

    def watch(self, namespace: str, server: str, watcher: Watcher, *, caller: Caller) -> Callable[[], None]:
        """Have `watcher` told when the list of tools that `caller` sees is another one; gives what ends that.

        It is told True for another list, False when the server is served no more.
        """
        ...


class CallLog(Protocol):
    """Who is told of every tool call, whichever transport brought it; what it does costs each call."""

    def called(self, snapshot: ServerSnapshot, tool: str, caller: Caller, *, code: str, seconds: float) -> None:
        """Learn what became of a call: "ok", or the stable code of its error; `tool` is "" for one that is not there.

        `seconds` are those from the request to the result.
        """
        ...


class CredentialSource(Protocol):
    """The credentials that owners supplied for the APIs, in memory."""

    def held(self, namespace: str, server: str) -> HeldCredentials:
        """Give the credentials of a server now; the same value as long as none of them changes."""
        ...


class SharedCounts(Protocol):
    """Calls of the last minute as all instances count them together."""

    @property
    def is_up(self) -> bool:
        """Whether somebody counts now."""
        ...

    async def take(self, subject: str, most: int, *, back: int = 0, second: int = 0) -> tuple[int, int, int] | None:
        """Take some of the `most` calls that `subject` may make in a minute: how many, in which second of the counter.

        Where none is left, the third is the seconds until one may be. `back` of those taken in `second` are given back;
        with `most` 0 that is all. None where nobody counts.
        """
        ...


class ScopeChallenges(Protocol):
    """What a client can ask its authorization server for."""

    async def missing_scope(self, caller: Caller, namespace: str, server: str, *, tool: str) -> str:
        """Give the `WWW-Authenticate` for a call that further scopes would permit, "" where none would."""
        ...


class SpentStates(Protocol):
    """What counts once, such as a confirmation, and has counted: at any of the processes that serve one address."""

    async def spend(self, state: str, *, seconds: float) -> bool:
        """Tell whether `state` has not counted before, and have it counted; after `seconds` it may be forgotten.

        Raises:
            app.errors.CausewayError: where that cannot be told now.

        """
        ...


class TokenSource(Protocol):
    """Access tokens: of the owner's client, or of the user who calls."""

    async def token(
        self, server: str, request: TokenRequest, *, caller: Caller, authorities: str, refused: Secret | None = None
    ) -> Secret:
        """Give an access token for a call of `server` by `caller`, the one there is or a new one.

        `refused` is one that the API did not accept; it comes back where asking for another is of no use now.
        `authorities` are certificates (PEM) that are trusted beside those of the system.

        Raises:
            app.errors.AuthorizationRequiredError: when the caller is first to agree, at the URL that it holds.
            app.errors.UpstreamError: when there is none; its sentence is fit for the caller.

        """
        ...

    def mask(self, server: str, caller: Caller) -> Masking:
        """Give what masks the tokens that calls of a server by `caller` carry, as they are now."""
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


@dataclass(frozen=True, slots=True)
class Posted:
    """A message for the stream `stream` of `server` ("namespace/name"), from a caller told apart by a digest."""

    server: str
    stream: str
    caller: str
    body: bytes

    def to_bytes(self) -> bytes:
        """Write the message for another process: the names, a line each, then the body."""
        return f"{self.server}\n{self.stream}\n{self.caller}\n".encode() + self.body

    @classmethod
    def from_bytes(cls, text: bytes) -> Posted:
        """Read what `to_bytes` wrote."""
        server, stream, caller, body = text.split(b"\n", 3)
        return cls(server.decode(), stream.decode(), caller.decode(), body)


@dataclass(frozen=True, slots=True)
class Delivery:
    """What became of a posted message: an HTTP status, and a sentence where it was not taken."""

    status: int
    sentence: str = ""

    def to_bytes(self) -> bytes:
        """Write the answer for another process."""
        return f"{self.status} {self.sentence}".encode()

    @classmethod
    def from_bytes(cls, text: bytes) -> Delivery:
        """Read what `to_bytes` wrote."""
        status, _, sentence = text.decode().partition(" ")
        return cls(int(status), sentence)


class StreamRelay(Protocol):
    """The way to the process that holds a client's stream, where several serve one address."""

    @property
    def process(self) -> str:
        """Name this process; the ids of its streams begin with it. Letters and digits."""
        ...

    def receive(self, receiver: Callable[[Posted], Awaitable[Delivery]]) -> None:
        """Have `receiver` take what other processes forward to this one."""
        ...

    async def forward(self, process: str, posted: Posted) -> Delivery | None:
        """Have another process take a message; None where none of that name answers."""
        ...
