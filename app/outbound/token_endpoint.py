"""Asking an authorization server for an access token: one request, under the same egress policy as calls.

No redirect is followed (the client's secret would go along), and the answer is bounded in size and time.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Final, TypeVar
from urllib.parse import urlencode

from app.errors import EgressDeniedError, TokenFailedError, UpstreamError
from app.outbound import tls
from app.outbound.client_authentication import authenticated
from app.outbound.exchanges import Exchanges
from converters.authorization import Attempt
from converters.device_authorization import read_device_authorization
from converters.origins import origin
from converters.request_plans import RequestPlan
from converters.token_requests import TokenAnswerError, read_metadata, read_token

if TYPE_CHECKING:
    import ssl
    from collections.abc import Awaitable, Callable, Mapping

    from app.outbound.policy import EgressPolicy
    from converters.credentials import Secret
    from converters.device_authorization import DeviceAuthorization
    from converters.results import ApiResponse
    from converters.token_requests import AccessToken, Endpoints, ServerMetadata, TokenRequest

_Answer = TypeVar("_Answer")
_OK: Final = 200
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
        self._metadata: dict[str, tuple[ServerMetadata, float]] = {}

    async def close(self) -> None:
        """Close the connections."""
        await self._exchanges.close()

    async def ask(
        self,
        request: TokenRequest,
        parameters: Mapping[str, str] | None = None,
        *,
        authorities: str = "",
        is_refresh: bool = False,
    ) -> AccessToken:
        """Ask for a token; `authorities` (PEM) are trusted beside those that the system trusts.

        `parameters` are those of the request, in the place of the usual ones; `is_refresh` says that they are for where
        tokens are renewed.

        Raises:
            TokenFailedError: with what was asked and what came of it, and nothing of the secret.
            EgressDeniedError: when the egress policy does not let the request go there.

        """

        async def asked() -> AccessToken:
            found = await self._endpoints(request, authorities)
            url = found.refresh or found.token if is_refresh else found.token
            answer = await self._post(request, url, parameters or request.parameters(), authorities)
            return read_token(answer.status, answer.body)

        return await self._told(request, asked())

    async def ask_device(self, request: TokenRequest, *, authorities: str = "") -> DeviceAuthorization:
        """Ask for a code that a user enters elsewhere (RFC 8628 section 3.1); raises as `ask` does."""

        async def asked() -> DeviceAuthorization:
            found = await self._endpoints(request, authorities)
            if not found.device:
                raise TokenAnswerError("is not asked: the metadata name no `device_authorization_endpoint`.")
            scope = {"scope": " ".join(request.scopes)} if request.scopes else {}
            answer = await self._post(request, found.device, scope, authorities)
            return read_device_authorization(answer.status, answer.body)

        return await self._told(request, asked())

    async def revoke(
        self,
        request: TokenRequest,
        tokens: Mapping[str, Secret],
        *,
        origins: frozenset[str] | None = None,
        authorities: str = "",
    ) -> None:
        """Have tokens revoked, each under its type (RFC 7009 section 2.1), where the metadata name an endpoint.

        With `origins`, only at one of them. A token that is not known is revoked (section 2.2). Raises as `ask` does.
        """
        if not request.endpoints.metadata:
            return

        async def asked() -> None:
            found = await self._metadata_at(request.endpoints.metadata, self._context(authorities))
            url = found.endpoints.revocation
            if not url or (origins is not None and origin(url) not in origins):
                return
            for kind, token in tokens.items():
                form = {"token": token.reveal(), "token_type_hint": kind}
                answer = await self._post(request, url, form, authorities)
                if answer.status != _OK:
                    raise TokenAnswerError(f"answered a revocation with {answer.status}.")

        await self._told(request, asked())

    async def metadata(self, request: TokenRequest, *, authorities: str = "") -> ServerMetadata | None:
        """Give the metadata of the authorization server, None where none are declared; raises as `ask` does."""
        if not request.endpoints.metadata:
            return None
        return await self._told(request, self._metadata_at(request.endpoints.metadata, self._context(authorities)))

    async def _told(self, request: TokenRequest, asking: Awaitable[_Answer]) -> _Answer:
        """Bound the time, and tell what goes wrong as a failure to get a token."""
        try:
            async with asyncio.timeout(self._timeout):
                return await asking
        except TimeoutError:
            text = f"did not answer within {self._timeout:g} seconds."
            raise _failed(request, TokenAnswerError(text), is_transient=True) from None
        except TokenAnswerError as error:
            raise _failed(request, error) from None
        except EgressDeniedError:
            place = _shown(request.url)
            text = f"The egress policy of this gateway does not allow requests to the token endpoint {place}."
            raise EgressDeniedError(text) from None
        except UpstreamError as error:
            # What goes wrong in an exchange is told of "the API".
            told = error.message.replace("The API", "It").replace("the API", "it")
            raise _failed(request, TokenAnswerError(f"could not be asked: {told}"), is_transient=True) from None

    async def _endpoints(self, request: TokenRequest, authorities: str) -> Endpoints:
        declared = request.endpoints
        if declared.token:
            return declared
        return (await self._metadata_at(declared.metadata, self._context(authorities))).endpoints

    async def _post(
        self, request: TokenRequest, url: str, parameters: Mapping[str, str], authorities: str
    ) -> ApiResponse:
        try:
            fields, form = authenticated(request.client, url, urlencode(parameters))
        except ValueError:
            raise TokenAnswerError("was not asked: the client's private key cannot be used.") from None
        plan = RequestPlan("POST", url, (*_FORM, *fields.items()), form.encode(), ())
        return await self._exchange(plan, self._context(authorities))

    async def _metadata_at(self, url: str, context: ssl.SSLContext | None) -> ServerMetadata:
        found, until = self._metadata.get(url, (None, 0.0))
        if found is None or self._clock() >= until:
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


def _failed(request: TokenRequest, error: TokenAnswerError, *, is_transient: bool = False) -> TokenFailedError:
    asked = f" with the scopes {' '.join(request.scopes)}" if request.scopes else ""
    reason = f"the token endpoint {_shown(request.url)} {error.message}"
    return TokenFailedError(
        f"The call was not sent, because no token was got for the security scheme {request.scheme!r} (client "
        f"{request.client.client_id!r}{asked}): {reason}",
        is_transient=is_transient,
        reason=reason,
        error=error.error,
        interval=error.interval,
    )


def _shown(url: str) -> str:
    """Give a URL without its query, which may hold what is not for everybody."""
    return url.partition("?")[0]
