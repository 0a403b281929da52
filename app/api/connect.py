"""The pages of `/connect/`, by which a user connects an account in a browser.

No script, nothing loaded, shown in no frame. Nothing but a POST of our own page begins anything, and only then the
browser is given a cookie: one per attempt, for the way back.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from starlette.applications import Starlette
from starlette.responses import HTMLResponse, RedirectResponse
from starlette.routing import Route

from app.api.connect_pages import STYLE_HASH, consent_page, done_page, refusal_page
from app.errors import CausewayError
from app.services.connect_links import ConnectRefusedError
from converters.origins import origin

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from app.services.connecting import Connecting

_HEADERS: Final = {
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    # The address holds the ticket. `no-referrer` would take the Origin of our own form away, too.
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}
_POLICY: Final = "default-src 'none'; base-uri 'none'; frame-ancestors 'none'; style-src 'sha256-{style}'"


def create_connect_pages(connecting: Connecting, *, public_url: str) -> Starlette:
    """Make the ASGI application of the pages; `public_url` is where browsers reach this gateway."""
    pages = _Pages(connecting, public_url)
    path = "/connect/{namespace}/{server}/{scheme}"
    return Starlette(
        routes=[
            Route("/connect/callback", pages.callback, methods=["GET"]),
            Route(path, pages.consent, methods=["GET"]),
            Route(path, pages.depart, methods=["POST"]),
        ],
        exception_handlers={CausewayError: _refused},
    )


class _Pages:
    def __init__(self, connecting: Connecting, public_url: str) -> None:
        self._connecting = connecting
        self._origin = origin(public_url)
        self._is_secure = urlsplit(public_url).scheme == "https"

    async def consent(self, request: Request) -> Response:
        asked = await self._connecting.consent(*_names(request), ticket=request.query_params.get("ticket", ""))
        # The authorization server may lead on to other hosts, and browsers hold every step to this.
        scheme = urlsplit(asked.provider).scheme
        return _page(consent_page(asked), forms=f"'self' {scheme}:")

    async def depart(self, request: Request) -> Response:
        self._check_own_form(request)
        left = await self._connecting.depart(*_names(request), ticket=request.query_params.get("ticket", ""))
        answer = RedirectResponse(left.url, 303, headers=_HEADERS)
        answer.set_cookie(
            self._cookie(left.state),
            left.binding,
            max_age=int(left.seconds),
            path="/",
            secure=self._is_secure,
            httponly=True,
            # The way back comes from another site, by a link: `strict` would leave the cookie out.
            samesite="lax",
        )
        return answer

    async def callback(self, request: Request) -> Response:
        names = [name for name, _ in request.query_params.multi_items()]
        if len(names) != len(set(names)):
            # RFC 6749 section 3.1: no parameter comes twice.
            raise ConnectRefusedError("The answer of the authorization server holds a parameter twice.")
        cookie = self._cookie(request.query_params.get("state", ""))
        connected = await self._connecting.arrive(dict(request.query_params), binding=request.cookies.get(cookie))
        answer = _page(done_page(connected))
        answer.delete_cookie(cookie, path="/", secure=self._is_secure, httponly=True, samesite="lax")
        return answer

    def _check_own_form(self, request: Request) -> None:
        """Check that our own page sent a form: browsers tell where a POST comes from, and no page can change it."""
        origins = request.headers.getlist("origin")
        is_foreign = any(each != self._origin for each in origins)
        if is_foreign or request.headers.get("sec-fetch-site", "same-origin") != "same-origin":
            raise ConnectRefusedError("This was not sent by the page of this gateway. Open the link anew.")

    def _cookie(self, state: str) -> str:
        """Name the cookie of an attempt; the prefix keeps other hosts and plain http from setting it (RFC 6265bis)."""
        name = f"causeway-connect-{hashlib.sha256(state.encode()).hexdigest()[:16]}"
        return f"__Host-{name}" if self._is_secure else name


def _names(request: Request) -> tuple[str, str, str]:
    path = request.path_params
    return path["namespace"], path["server"], path["scheme"]


async def _refused(_: Request, error: Exception) -> Response:
    assert isinstance(error, CausewayError)  # noqa: S101 - registered for this class
    status = 400 if isinstance(error, ConnectRefusedError) else 503
    return _page(refusal_page(error.message), status=status)


def _page(page: str, *, status: int = 200, forms: str = "'none'") -> HTMLResponse:
    policy = f"{_POLICY.format(style=STYLE_HASH)}; form-action {forms}"
    return HTMLResponse(page, status, headers={**_HEADERS, "Content-Security-Policy": policy})
