"""Users' access tokens for the calls: read from the connections, renewed by one process for all.

However many calls wait, in however many processes, a token is renewed by one request: in a process by one task, between
processes by a claim on the stored connection. Authorization servers replace refresh tokens and take the second use of
one for theft (RFC 9700 section 4.14), so that renewing twice would end the connection.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import time
from collections import OrderedDict, deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from app.errors import AuthorizationRequiredError, ReconnectRequiredError, TokenFailedError, UpstreamError
from app.registry.connections import ConnectionKey
from app.registry.errors import RegistryUnavailable, ServerNotFound
from app.security.sealing import UnreadableSecretError
from app.services import stored_connections
from app.services.connection_renewal import Due, Renewal
from app.services.device_flows import DeviceFlows
from converters.credentials import DEVICE_CODE, Token
from converters.masking import NO_MASK, Mask

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from app.outbound import TokenEndpoint
    from app.registry import Database
    from app.security.sealing import SecretKeys
    from app.services.connect_links import ConnectLinks
    from app.services.stored_connections import Connection
    from converters.credentials import Secret
    from converters.masking import Masking
    from converters.token_requests import AccessToken, TokenRequest

_MAX_HELD: Final = 10_000
_MAX_RECENT: Final = 4
# A connection that was ended, or renewed, by another process is noticed so soon.
_TRUSTED_SECONDS: Final = 5.0
_REFUSAL_PAUSE: Final = 10.0
_FAILURE_PAUSE: Final = 1.0


@dataclass(slots=True)
class _Held:
    """What is known of one connection; times are the clock's."""

    connection: Connection | None = None
    is_broken: bool = False
    checked_at: float = -math.inf
    failure: UpstreamError | None = None
    retry_at: float = 0.0
    renewing: asyncio.Task[Connection | UpstreamError | None] | None = None
    recent: deque[Secret] = field(default_factory=lambda: deque(maxlen=_MAX_RECENT))


class UserTokens:
    """The tokens of all users; made once, closed at the end."""

    def __init__(
        self,
        database: Database,
        keys: SecretKeys,
        endpoint: TokenEndpoint,
        *,
        links: ConnectLinks,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Read connections of `database` with `keys`, renew them at `endpoint`; `clock` gives seconds since 1970."""
        self._database = database
        self._keys = keys
        self._renewal = Renewal(database, keys, endpoint, clock=clock)
        self._links = links
        self._devices = DeviceFlows(endpoint, self._keep_agreed)
        self._clock = clock
        self._held: OrderedDict[ConnectionKey, _Held] = OrderedDict()
        self._masks: dict[tuple[str, str], Mask] = {}

    async def close(self) -> None:
        """End what is under way."""
        await self._devices.close()
        tasks = [each.renewing for each in self._held.values() if each.renewing]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def token(
        self, server: str, request: TokenRequest, *, subject: str, authorities: str = "", refused: Secret | None = None
    ) -> Secret:
        """Give the token of a user that lives for a while yet.

        `refused` is one that the API answered with 401: it is renewed, or comes back where it was renewed a moment ago.

        Raises:
            AuthorizationRequiredError: when the user has not connected an account for this.
            ReconnectRequiredError: when the connection cannot be renewed any more.
            UpstreamError: when it cannot be renewed now.

        """
        namespace, _, name = server.partition("/")
        key = ConnectionKey(namespace, name, request.scheme, subject)
        held = self._entry(key)
        connection = await self._current(key, held)
        if connection is None or not connection.serves(request):
            wider = request if connection is None else connection.widening(request)
            raise await self._required(key, wider, authorities)
        if held.is_broken:
            raise await self._reconnect(key, request, authorities)
        now, is_refused = self._clock(), connection.access_token == refused
        if is_refused and now < connection.obtained_at + _REFUSAL_PAUSE:
            return connection.access_token
        if not is_refused and now < connection.due_at:
            return connection.access_token
        outcome = await self._renewed(held, Due(key, request, connection, authorities))
        if isinstance(outcome, stored_connections.Connection):
            return outcome.access_token
        if not is_refused and self._clock() < connection.expires_at:
            # A token that could not be renewed in time is good until it expires.
            return connection.access_token
        raise outcome or await self._reconnect(key, request, authorities)

    async def _required(
        self, key: ConnectionKey, request: TokenRequest, authorities: str
    ) -> AuthorizationRequiredError:
        url, how = await self._way(key, request, authorities)
        return AuthorizationRequiredError(
            f"The call was not sent: {request.origin} is called with an account of the user, and none is connected "
            f"yet. {how}",
            url=url,
        )

    async def _reconnect(self, key: ConnectionKey, request: TokenRequest, authorities: str) -> ReconnectRequiredError:
        url, how = await self._way(key, request, authorities)
        return ReconnectRequiredError(
            f"The call was not sent: the user's account at {request.origin} is not connected any more. {how}", url=url
        )

    async def _way(self, key: ConnectionKey, request: TokenRequest, authorities: str) -> tuple[str, str]:
        """Give where a user connects an account, and the sentence that says how."""
        if request.client.grant_type != DEVICE_CODE:
            url = self._links.link(key, request)
            return url, f"Ask the user to open this link in a browser, and call again after that: {url}"
        device = await self._devices.authorization(key, request, authorities)
        how = f"Ask the user to open {device.url} in a browser and enter the code {device.user_code}"
        return device.complete_url or device.url, f"{how}, and call again after that."

    async def keep(
        self, key: ConnectionKey, request: TokenRequest, got: AccessToken, *, origins: Iterable[str] = ()
    ) -> None:
        """Store the tokens that a user's agreement gave, for `origins` or the one of the request."""
        made = stored_connections.connection(request, got, origins=origins or [request.origin], now=self._clock())
        async with self._database.transaction() as registry:
            await registry.connections.put(key, stored_connections.sealed(self._keys, key, made))
        self.forget(key)

    async def _keep_agreed(self, key: ConnectionKey, request: TokenRequest, got: AccessToken) -> None:
        # Where the server or the database is away by now, the user is asked again.
        with contextlib.suppress(RegistryUnavailable, ServerNotFound):
            await self.keep(key, request, got)

    # --- what is known

    def _entry(self, key: ConnectionKey) -> _Held:
        held = self._held.setdefault(key, _Held())
        self._held.move_to_end(key)
        while len(self._held) > _MAX_HELD and next(iter(self._held.values())).renewing is None:
            oldest, _ = self._held.popitem(last=False)
            self._mask_anew(oldest)
        return held

    def forget(self, key: ConnectionKey) -> None:
        """Look at a connection anew at its next use, because it was changed."""
        held = self._held.get(key)
        if held is not None:
            held.checked_at, held.failure = -math.inf, None

    def drop(self, server: str) -> None:
        """Read what is held of a server anew, because it is another one by now or gone.

        The last tokens stay masked, because calls that carry them may be under way.
        """
        for key, held in self._held.items():
            if f"{key.namespace}/{key.server}" == server:
                held.connection = None
                self.forget(key)

    async def _current(self, key: ConnectionKey, held: _Held) -> Connection | None:
        """Give the connection as it is stored, or was a few seconds ago, or at the last time there was a database."""
        is_good = held.connection is not None and not held.is_broken
        if is_good and self._clock() < held.checked_at + _TRUSTED_SECONDS:
            return held.connection
        try:
            async with self._database.transaction(read_only=True) as registry:
                record = await registry.connections.find(key)
        except RegistryUnavailable:
            if held.connection is None:
                raise _away() from None
            return held.connection
        held.is_broken = record is not None and record.is_broken
        try:
            found = None if record is None else stored_connections.opened(self._keys, key, record)
        except UnreadableSecretError:
            found = None
        return self._keep(key, held, found)

    def _keep(self, key: ConnectionKey, held: _Held, found: Connection | None) -> Connection | None:
        before, held.connection, held.checked_at = held.connection, found, self._clock()
        if found is not None and (before is None or found.access_token != before.access_token):
            held.recent.append(found.access_token)
            self._mask_anew(key)
        return found

    def mask(self, server: str, subject: str) -> Masking:
        """Give what masks the tokens of a user for a server, as they are and the last ones they were."""
        return self._masks.get((server, subject), NO_MASK)

    def _mask_anew(self, key: ConnectionKey) -> None:
        server = f"{key.namespace}/{key.server}"
        found = [
            token
            for each, held in self._held.items()
            if (each.namespace, each.server, each.subject) == (key.namespace, key.server, key.subject)
            for token in held.recent
        ]
        if found:
            self._masks[server, key.subject] = Mask(map(Token, found))
        else:
            self._masks.pop((server, key.subject), None)

    # --- renewing

    async def _renewed(self, held: _Held, due: Due) -> Connection | UpstreamError | None:
        """Give the renewed connection, why it cannot be renewed now, or None where it cannot be renewed any more."""
        if held.renewing is None:
            if held.failure is not None and self._clock() < held.retry_at:
                return held.failure
            held.renewing = asyncio.create_task(self._renew(held, due))
        # A call that is given up does not end what others wait for.
        return await asyncio.shield(held.renewing)

    async def _renew(self, held: _Held, due: Due) -> Connection | UpstreamError | None:
        held.failure = None
        try:
            renewed = await self._renewal.renewed(due)
        except UpstreamError as error:
            held.failure, held.retry_at = error, self._clock() + _FAILURE_PAUSE
            return error
        except RegistryUnavailable:
            return _away()
        finally:
            held.renewing = None
        if renewed is None:
            held.is_broken = True
            return None
        return self._keep(due.key, held, renewed)


def _away() -> TokenFailedError:
    text = "The call was not sent: accounts that users connected cannot be read now; try again in a moment."
    return TokenFailedError(text, is_transient=True)
