"""The egress policy as the users of a gateway in service mode meet it; loopback is on its list (acceptance group S)."""

from __future__ import annotations

import pytest

from tests.app.backends import backend, json_reply
from tests.app.credentials.apis import call
from tests.app.descriptions import description, operation
from tests.app.gateways import PUBLIC_URL, SERVERS, Gateway

PORT = PUBLIC_URL.rpartition(":")[2]


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "127.0.0.9", "[::1]", "[::ffff:127.0.0.1]"])
async def test_the_gateway_s_own_address_is_none_that_tools_call_or_documents_come_from(
    served: Gateway, host: str
) -> None:
    """S12: although the operator opened loopback."""
    url = f"http://{host}:{PORT}"
    await served.create(description({"/api/v1/keys": {"get": operation("get_pet")}}), base_url=url)
    assert (await call(served))["_meta"]["causeway/code"] == "egress_denied"
    answer = await served.http.post(SERVERS, json={"name": "own", "document_url": f"{url}/api/openapi.json"})
    assert (answer.status_code, answer.json()["code"]) == (422, "egress_denied")


@pytest.mark.parametrize(
    "url",
    [
        *("http://good@127.0.0.1/", "http://good\\@127.0.0.1/", "http://127.0.0.1\t/", "http://127.0.0.1#@good/"),
        *("file:///etc/passwd", "gopher://127.0.0.1/", "unix:/run/docker.sock", "//127.0.0.1/", "127.0.0.1"),
    ],
)
async def test_a_base_url_that_is_read_in_two_ways_or_is_not_http_is_422(served: Gateway, url: str) -> None:
    """S09, S10."""
    await served.create()
    answer = await served.http.patch(f"{SERVERS}/pets", json={"base_url": url})
    assert (answer.status_code, answer.json()["code"]) == (422, "server_invalid")


@pytest.mark.parametrize("value", ["http://169.254.169.254/", "//evil", "/\\evil", "@evil", ":80@evil"])
async def test_an_argument_in_the_path_changes_no_host(served: Gateway, value: str) -> None:
    """S14."""
    url = {"name": "url", "in": "path", "required": True, "schema": {"type": "string"}}
    async with backend(json_reply(b"{}")) as api:
        await served.create(description({"/{url}": {"get": operation("get_pet", parameters=[url])}}, server=api.url))
        await call(served, url=value)
    assert [each.values("Host") for each in api.requests] == [[f"127.0.0.1:{api.port}"]]
    assert api.requests[0].target.startswith("/")
    assert "/" not in api.requests[0].target[1:]
