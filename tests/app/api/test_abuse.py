"""D01, D02: bodies that are too large, and multipart bodies that are made to cost."""

from __future__ import annotations

import re
import time
from collections.abc import Callable

import pytest

from app.gateway.server import MAX_BODY as MAX_MESSAGE
from app.security.guard import MAX_BODY
from tests.app.api.test_permissions import Route, routes_of
from tests.app.asgi import Exchange
from tests.app.gateways import KEY, SERVERS, Gateway

HEADERS = [("Host", "127.0.0.1:8080"), ("Authorization", f"Bearer {KEY}")]
FORM = ("Content-Type", "multipart/form-data; boundary=b")
PART = b'--b\r\nContent-Disposition: form-data; name="%s"\r\n\r\nx\r\n'


async def routes(gateway: Gateway) -> list[Route]:
    found = routes_of(gateway.application._api.routes)  # noqa: SLF001 - nobody else shows its routes
    return [each for each in found if each.method in {"POST", "PUT", "PATCH"}]


async def test_a_body_over_the_limit_is_413_at_every_route_before_it_is_read(served: Gateway) -> None:
    """D01."""
    found = [(each.method, re.sub(r"\{[^}]*\}", "default", each.path)) for each in await routes(served)]
    assert len(found) >= 10
    elsewhere = [("POST", path) for path in ("/mcp/default/pets", "/mcp/default/pets/messages", "/connect/x", "/nope")]
    for each in found + elsewhere:
        declared = [*HEADERS, ("Content-Type", "application/json"), ("Content-Length", str(MAX_BODY + 1))]
        exchange = Exchange(served.application, *each, declared, [b"{}"])
        given = await exchange.run()
        assert given is not None
        assert (given.status, given.json()["code"], exchange.read) == (413, "body_too_large", 0), each


async def test_a_message_over_the_limit_is_413_before_it_is_read(served: Gateway) -> None:
    """D01."""
    await served.create()
    declared = [*HEADERS, ("Content-Type", "application/json"), ("Content-Length", str(MAX_MESSAGE + 1))]
    exchange = Exchange(served.application, "POST", "/mcp/default/pets", declared, [b"{}"])
    given = await exchange.run()
    assert given is not None
    assert (given.status, exchange.read) == (413, 0)


ABUSES: dict[str, Callable[[], bytes]] = {
    "ten thousand parts": lambda: b"".join(PART % str(number).encode() for number in range(10_000)) + b"--b--\r\n",
    "ten thousand files": lambda: b"".join(
        (PART % str(number).encode()).replace(b'"\r\n', b'"; filename="f"\r\n', 1) for number in range(10_000)
    ),
    "a part header of a megabyte": lambda: (
        b'--b\r\nContent-Disposition: form-data; name="document"\r\nX: ' + b"x" * 2**20 + b"\r\n\r\nx\r\n--b--\r\n"
    ),
    "ten thousand part headers": lambda: (
        b'--b\r\nContent-Disposition: form-data; name="document"\r\n' + b"X: x\r\n" * 10_000 + b"\r\nx\r\n--b--\r\n"
    ),
    "a huge preamble": lambda: b"x" * (8 * 2**20) + b"\r\n--b--\r\n",
    "line ends before the first part": lambda: b"\r\n" * (4 * 2**20) + b"--b--\r\n",
    "a part without an end": lambda: PART % b"document",
    "no part at all": lambda: b"--b--\r\n",
    "nothing": lambda: b"",
}


NAMED_BY_THE_CATALOGUE = list(ABUSES)[:5]
"""They are 400 or 413; of the others it may be told that the document, or the server, is missing."""


async def forms(gateway: Gateway) -> list[tuple[str, str]]:
    """Give the method and path of every route that takes a form, by the control plane's own description."""
    description = (await gateway.http.get("/api/openapi.json")).json()
    return [
        (method.upper(), re.sub(r"\{[^}]*\}", "default", path))
        for path, item in description["paths"].items()
        for method, operation in item.items()
        if "multipart/form-data" in operation.get("requestBody", {}).get("content", {})
    ]


@pytest.mark.filterwarnings("ignore::ResourceWarning")  # Starlette forgets to close the files of a form that is refused
@pytest.mark.parametrize("abuse", ABUSES)
async def test_a_multipart_body_that_is_made_to_cost_costs_little_and_is_refused(served: Gateway, abuse: str) -> None:
    """D02: at every route that takes a form."""
    body = ABUSES[abuse]()
    chunks = [body[at : at + 65_536] for at in range(0, len(body), 65_536)] or [b""]
    found = await forms(served)
    assert len(found) >= 3
    for method, path in found:
        started = time.process_time()
        given = await Exchange(served.application, method, path, [*HEADERS, FORM], chunks).run()
        assert time.process_time() - started < 1  # some milliseconds of the processor's, however busy it is
        assert given is not None
        expected = {400, 413} if abuse in NAMED_BY_THE_CATALOGUE else {400, 404, 413, 422}
        assert given.status in expected, (path, given.body)
    assert (await served.http.get(SERVERS)).json()["items"] == []


@pytest.mark.parametrize("length", ["-1", "+5", "0x5", "1e3", "5, 5"])
async def test_a_length_that_is_no_number_is_refused(served: Gateway, length: str) -> None:
    """D02."""
    sent = [*HEADERS, FORM, ("Content-Length", length)]
    exchange = Exchange(served.application, "POST", SERVERS, sent, [b"--b--\r\n"])
    given = await exchange.run()
    assert given is not None
    assert (given.status, exchange.read) == (413, 0)
