"""mutualTLS and F12: a certificate that the gateway shows, and authorities of a server's own."""

from __future__ import annotations

import json
import ssl
from pathlib import Path

import pytest

from app.outbound import tls
from tests.app.backends import backend, json_reply
from tests.app.certificates import Authority
from tests.app.credentials.apis import CREDENTIALS, call, secured, supply, text
from tests.app.gateways import SERVERS, Gateway

PET = json_reply(b'{"id": 7, "name": "Rex"}')
SERVER = f"{SERVERS}/pets"


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("certificates"))


async def test_an_api_that_asks_for_a_certificate_gets_the_one_supplied(served: Gateway, authority: Authority) -> None:
    async with backend(PET, tls=authority.server_for_clients()) as api:
        await served.create(secured([{"tls": [], "header": []}]), base_url=api.url)
        patched = await served.http.patch(SERVER, json={"certificate_authorities": authority.pem})
        assert patched.json()["certificate_authorities"] == authority.pem
        await supply(served, "header")
        lacking = await call(served)
        assert lacking["_meta"] == {"causeway/code": "credential_missing", "causeway/schemes": ["tls"]}
        assert 'the body {"certificate": "PEM", "private_key": "PEM"}' in text(lacking)
        assert api.connections == 0

        given = authority.client("gateway")
        put = await served.http.put(f"{CREDENTIALS}/tls", json=given)
        assert (put.status_code, put.json()["kind"]) == (200, "certificate")
        assert given["private_key"][40:80] not in put.text
        assert (await call(served))["isError"] is False
        assert (await call(served))["isError"] is False
        assert [each.values("X-Api-Key") for each in api.requests] == [["canary-header-key/+="]] * 2
        assert api.connections == 1

        preview = await served.http.post(f"{SERVER}/tools/get_pet/preview", json={"arguments": {}})
        piece = {"part": "tls", "name": "client certificate", "pointer": "/components/securitySchemes/tls"}
        assert piece in preview.json()["pieces"]
        assert "PRIVATE KEY" not in preview.text


async def test_a_certificate_of_another_authority_is_refused_by_the_api(
    served: Gateway, authority: Authority, tmp_path: Path
) -> None:
    async with backend(PET, tls=authority.server_for_clients()) as api:
        await served.create(secured([{"tls": []}]), base_url=api.url)
        await served.http.patch(SERVER, json={"certificate_authorities": authority.pem})
        await served.http.put(f"{CREDENTIALS}/tls", json=Authority(tmp_path).client("stranger"))
        assert (await call(served))["isError"] is True
        assert api.requests == []


async def test_a_certificate_is_not_shown_without_tls(served: Gateway, authority: Authority) -> None:
    async with backend(PET) as api:
        await served.create(secured([{"tls": []}]), base_url=api.url)
        await served.http.put(f"{CREDENTIALS}/tls", json=authority.client("gateway"))
        result = await call(served)
        assert "needs https" in text(result)
        assert api.connections == 0


async def test_a_server_s_own_authorities_are_trusted_for_it_alone(
    served: Gateway, authority: Authority, tmp_path: Path
) -> None:
    async with backend(PET, tls=authority.server()) as api:
        await served.create(secured([]), base_url=api.url)
        await served.create(secured([]), name="other", base_url=api.url)
        await served.http.patch(SERVER, json={"certificate_authorities": authority.pem})
        assert (await call(served))["isError"] is False
        refused = await served.mcp("tools/call", {"name": "get_pet", "arguments": {}}, server="other")
        assert "signed by an authority that is not trusted" in text(refused)
        await served.http.patch(SERVER, json={"certificate_authorities": Authority(tmp_path).pem})
        assert "certificate is not valid" in text(await call(served))
        await served.http.patch(SERVER, json={"certificate_authorities": None})
        assert "signed by an authority that is not trusted" in text(await call(served))
        assert len(api.requests) == 1


@pytest.mark.parametrize("given", ["nonsense", "-----BEGIN CERTIFICATE-----\nQUJD\n-----END CERTIFICATE-----\n", None])
async def test_authorities_that_cannot_be_read_or_hold_a_key_are_refused(
    served: Gateway, authority: Authority, given: str | None
) -> None:
    given = authority.pem + authority.client("a")["private_key"] if given is None else given
    await served.create(secured([]), base_url="https://api.example")
    answer = await served.http.patch(SERVER, json={"certificate_authorities": given})
    assert (answer.status_code, answer.json()["code"]) == (422, "server_invalid")


async def test_a_key_that_is_not_the_certificate_s_is_refused(served: Gateway, authority: Authority) -> None:
    await served.create(secured([{"tls": []}]), base_url="https://api.example")
    given = {**authority.client("a"), "private_key": authority.client("b")["private_key"]}
    answer = await served.http.put(f"{CREDENTIALS}/tls", json=given)
    assert (answer.status_code, answer.json()["code"]) == (422, "credential_invalid")
    assert given["private_key"].splitlines()[1] not in json.dumps(answer.json())


def test_a_context_is_made_once_and_verifies(authority: Authority) -> None:
    contexts = tls.TlsContexts()
    assert contexts.find("", None) is None
    first = contexts.find(authority.pem, None)
    assert first is contexts.find(authority.pem, None)
    assert first is not None
    assert (first.verify_mode, first.check_hostname) == (ssl.CERT_REQUIRED, True)
