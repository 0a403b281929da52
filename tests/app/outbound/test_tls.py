"""F12: whom the gateway talks to over TLS."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator

import pytest

from app.errors import UpstreamUnreachableError
from app.outbound import HttpUpstream
from tests.app.backends import backend
from tests.app.certificates import Authority
from tests.app.outbound.plans import LOCAL, OK, plan, refused


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("certificates"))


@pytest.fixture
async def upstream(authority: Authority) -> AsyncIterator[HttpUpstream]:
    """Give an upstream that trusts the test's authority."""
    opened = HttpUpstream(LOCAL, tls=authority.trust)
    yield opened
    await opened.close()


async def test_a_certificate_of_a_trusted_authority_is_accepted(upstream: HttpUpstream, authority: Authority) -> None:
    async with backend(OK, tls=authority.server()) as api:
        assert (await upstream.send(plan(f"{api.url}/x"), deadline=5)).status == 200


@pytest.mark.parametrize(
    ("host", "days", "is_self_signed", "fault"),
    [
        ("127.0.0.1", -1, False, "it has expired"),
        ("127.0.0.1", 30, True, "it is self-signed"),
        ("127.0.0.2", 30, False, "it is for another host"),
        ("elsewhere.test", 30, False, "it is for another host"),
    ],
)
async def test_a_bad_certificate_is_refused_and_nothing_is_sent(
    upstream: HttpUpstream, authority: Authority, host: str, days: int, is_self_signed: bool, fault: str
) -> None:
    """F12: expired, self-signed, for another host; told which, tried once."""
    tls = authority.server(host, days=days, is_self_signed=is_self_signed)
    async with backend(OK, tls=tls) as api:
        with refused(UpstreamUnreachableError) as caught:
            await upstream.send(plan(f"{api.url}/x?key=secret"), deadline=5)
    assert caught.value.message == f"The API's certificate is not valid: {fault}."
    assert (api.requests, api.connections) == ([], 0)


async def test_an_authority_that_the_system_does_not_trust_is_refused(authority: Authority) -> None:
    """F12: the authority of one test is nobody's elsewhere."""
    upstream = HttpUpstream(LOCAL)
    async with backend(OK, tls=authority.server()) as api:
        with refused(UpstreamUnreachableError) as caught:
            await upstream.send(plan(f"{api.url}/x"), deadline=5)
    assert "an authority that is not trusted" in caught.value.message
    assert api.requests == []
    await upstream.close()


async def test_an_old_version_of_tls_is_refused(upstream: HttpUpstream, authority: Authority) -> None:
    tls = authority.server()
    tls.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        tls.maximum_version = ssl.TLSVersion.TLSv1_1
    tls.set_ciphers("DEFAULT:@SECLEVEL=0")
    async with backend(OK, tls=tls) as api:
        with refused(UpstreamUnreachableError):
            await upstream.send(plan(f"{api.url}/x"), deadline=5)
    assert api.requests == []
