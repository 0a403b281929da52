"""HTTP authentication against an API of others: `http-auth`, whose digests (RFC 7616) and basic users are its own."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.app.credentials.apis import CREDENTIALS, call, text
from tests.app.descriptions import description, operation
from tests.app.gateways import Gateway
from tests.node_tools import NodeTools, installed

API = "api-with-http-authentication.js"
PASSWORD = 'a password: ü, " and \\'
BODY = {"required": True, "content": {"application/json": {"schema": {"type": "object"}}}}


@pytest.fixture(scope="module")
def node_tools(request: pytest.FixtureRequest) -> NodeTools:
    assert request.config.cache is not None
    return installed(request.config.cache)


def secured(scheme: str) -> dict[str, Any]:
    """Describe an operation with a body that wants one scheme of HTTP authentication."""
    parameters = [{"name": "q", "in": "query", "schema": {"type": "string"}}]
    posted = operation("get_pet", parameters=parameters, requestBody=BODY, security=[{"login": []}])
    found = description({"/pets": {"post": posted}})
    return {**found, "components": {"securitySchemes": {"login": {"type": "http", "scheme": scheme}}}}


async def supplied(gateway: Gateway, password: str) -> None:
    answer = await gateway.http.put(f"{CREDENTIALS}/login", json={"username": "bob", "password": password})
    assert answer.status_code == 200, answer.text


@pytest.mark.parametrize(("scheme", "algorithm"), [("basic", "-"), ("digest", "MD5"), ("digest", "MD5-sess")])
async def test_the_api_knows_the_user_and_gets_the_body(
    served: Gateway, node_tools: NodeTools, scheme: str, algorithm: str
) -> None:
    """The description says `http`; the owner supplies a name and a password; every call arrives as that user's."""
    with node_tools.served(API, scheme, algorithm, PASSWORD) as url:
        await served.create(secured(scheme), base_url=url)
        await supplied(served, PASSWORD)
        for _ in range(2):
            result = await call(served, q="a b,ü", body={"name": "Rex"})
            assert json.loads(text(result)) == {
                "user": "bob",
                "method": "POST",
                "url": "/pets?q=a%20b%2C%C3%BC",
                "body": '{"name":"Rex"}',
            }


@pytest.mark.parametrize("scheme", ["basic", "digest"])
async def test_a_wrong_password_is_the_api_s_401(served: Gateway, node_tools: NodeTools, scheme: str) -> None:
    with node_tools.served(API, scheme, "MD5" if scheme == "digest" else "-", PASSWORD) as url:
        await served.create(secured(scheme), base_url=url)
        await supplied(served, "another password")
        result = await call(served, q="x", body={})
        assert result["isError"] is True
        assert text(result).startswith("401 Unauthorized")
        assert "another password" not in text(result)
