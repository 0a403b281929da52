"""Asking an authorization server for an access token: one request, under the same egress policy as calls.

No redirect is followed (the client's secret would go along), and the answer is bounded in size and time.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Final

from app.errors import EgressDeniedError, TokenFailedError, UpstreamError
from app.outbound import tls
from app.outbound.client_authentication import authenticated
from app.outbound.exchanges import Exchanges
from converters.authorization import Attempt
from converters.request_plans import RequestPlan
from converters.token_requests import TokenAnswerError, read_metadata, read_token

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable

    from app.outbound.policy import EgressPolicy
    from converters.results import ApiResponse
    from converters.token_requests import AccessToken, TokenRequest

_MAX_ANSWER: Final = 256 * 1024
_TIMEOUT: Final = 10.0
_CONNECT_TIMEOUT: Final = 5.0
_METADATA_SECONDS: Final = 3600.0
_MAX_KEPT: Final = 1_000
_FORM: Final = (("Content-Type", "application/x-www-form-urlencoded"), ("Accept", "application/json"))


class TokenEndpoint:
    """Asks token endpoints, and the metadata that name them; made once, closed at the end."""

    def __init__(
        self, policy: EgressPolicy, *, timeout: float = _TIMEOUT, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Connect only where `policy` permits; `timeout` in seconds bounds all of one request for a token."""
        self._exchanges = Exchanges(policy, max_response=_MAX_ANSWER, connect_timeout=_CONNECT_TIMEOUT)
        self._timeout = timeout
        self._clock = clock
        self._contexts: dict[str, ssl.SSLContext] = {}
        self._metadata: dict[str, tuple[str, float]] = {}

    async def close(self) -> None:
        """Close the connections."""
        await self._exchanges.close()

    async def ask(self, request: TokenRequest, *, authorities: str = "") -> AccessToken:
        """Ask for a token; `authorities` (PEM) are trusted beside those that the system trusts.

        Raises:
            TokenFailedError: with what was asked and what came of it, and nothing of the secret.
            EgressDeniedError: when the egress policy does not let the request go there.

        """
        try:
            async with asyncio.timeout(self._timeout):
                context = self._context(authorities)
                url = await self._endpoint(request.url, context) if request.is_discovered else request.url
                return await self._token(request, url, context)
        except TimeoutError:
            raise _failed(request, f"did not answer within {self._timeout:g} seconds.", is_transient=True) from None
        except TokenAnswerError as error:
            raise _failed(request, error.message) from None
        except EgressDeniedError:
            place = _shown(request.url)
            text = f"The egress policy of this gateway does not allow requests to the token endpoint {place}."
            raise EgressDeniedError(text) from None
        except UpstreamError as error:
            # What goes wrong in an exchange is told of "the API".
            told = error.message.replace("The API", "It").replace("the API", "it")
            raise _failed(request, f"could not be asked: {told}", is_transient=True) from None

    async def _token(self, request: TokenRequest, url: str, context: ssl.SSLContext | None) -> AccessToken:
        try:
            fields, form = authenticated(request.client, url, request.form())
        except ValueError:
            raise TokenAnswerError("was not asked: the client's private key cannot be used.") from None
        plan = RequestPlan("POST", url, (*_FORM, *fields.items()), form.encode(), ())
        answer = await self._exchange(plan, context)
        return read_token(answer.status, answer.body)

    async def _endpoint(self, url: str, context: ssl.SSLContext | None) -> str:
        found, until = self._metadata.get(url, ("", 0.0))
        if not found or self._clock() >= until:
            answer = await self._exchange(RequestPlan("GET", url, _FORM[1:], None, ()), context)
            found = read_metadata(url, answer.status, answer.body)
            if len(self._metadata) >= _MAX_KEPT:
                self._metadata.clear()
            self._metadata[url] = found, self._clock() + _METADATA_SECONDS
        return found

    async def _exchange(self, plan: RequestPlan, context: ssl.SSLContext | None) -> ApiResponse:
        return await self._exchanges.exchange(plan, Attempt(plan.url, plan.headers), tls=context)

    def _context(self, authorities: str) -> ssl.SSLContext | None:
        if not authorities:
            return None
        if authorities not in self._contexts:
            if len(self._contexts) >= _MAX_KEPT:
                self._contexts.clear()
            self._contexts[authorities] = tls.widened(authorities)
        return self._contexts[authorities]


def _failed(request: TokenRequest, text: str, *, is_transient: bool = False) -> TokenFailedError:
    asked = f" with the scopes {' '.join(request.scopes)}" if request.scopes else ""
    return TokenFailedError(
        f"The call was not sent, because no token was got for the security scheme {request.scheme!r} (client "
        f"{request.client.client_id!r}{asked}): the token endpoint {_shown(request.url)} {text}",
        is_transient=is_transient,
    )


def _shown(url: str) -> str:
    """Give a URL without its query, which may hold what is not for everybody."""
    return url.partition("?")[0]
