"""Server-side request forgery (acceptance S01 to S16): every line against everything that sends requests.

The canary is a listener on loopback: where it is reached at all, the test fails.
"""

from __future__ import annotations

import ast
import logging
import socket
from pathlib import Path
from typing import Any

import pytest

import app.outbound
from app.destinations import Destination
from app.outbound import EgressPolicy
from app.security.issuer_keys import is_safe_url
from tests.app.backends import Backend, backend, bomb, redirect, reply
from tests.app.outbound.fetchers import ANSWER, FETCHERS, UNUSABLE, Fetcher
from tests.app.outbound.names import resolving

SERVICE = EgressPolicy()
LOCAL = EgressPolicy(allow_private=True)
# A second loopback address stands for a place outside.
OUTSIDE = "127.0.0.2"
OUTSIDE_ALONE = EgressPolicy(allow=(Destination.read(OUTSIDE),))

every_fetcher = pytest.mark.parametrize("fetch", FETCHERS.values(), ids=FETCHERS)


@pytest.mark.parametrize(
    "host",
    [
        *("127.0.0.1", "localhost", "[::1]", "0.0.0.0"),  # noqa: S104
        *("2130706433", "0177.0.0.1", "0x7f.1", "127.1"),
        *("[::ffff:127.0.0.1]", "[64:ff9b::7f00:1]", "127.0.0.1."),
    ],
)
@every_fetcher
async def test_no_way_to_write_loopback_reaches_it(fetch: Fetcher, host: str) -> None:
    """S01, S02, S03, S05."""
    async with backend(ANSWER) as canary:
        outcome = await fetch(SERVICE, f"http://{host}:{canary.port}/x")
    assert (outcome.code, canary.connections) == ("egress_denied", 0), outcome
    assert host.strip("[]") not in outcome.message.replace(f"http://{host}:{canary.port}/", "")


@pytest.mark.parametrize(
    "host",
    [
        *("169.254.169.254", "metadata.google.internal", "100.100.100.200", "168.63.129.16", "[fd00:ec2::254]"),
        *("[::ffff:a9fe:a9fe]", "[64:ff9b::a9fe:a9fe]", "2852039166"),
    ],
)
@pytest.mark.parametrize(
    "policy",
    [LOCAL, EgressPolicy(allow_private=True, allow=(Destination.read("0.0.0.0/0"), Destination.read("::/0")))],
    ids=["local mode", "everything listed"],
)
@every_fetcher
async def test_metadata_services_are_denied_whatever_is_open(fetch: Fetcher, policy: EgressPolicy, host: str) -> None:
    """S03, S04, S05."""
    assert (await fetch(policy, f"http://{host}/latest")).code == "egress_denied"


@every_fetcher
async def test_a_name_with_a_private_address_is_denied_and_only_the_operator_is_told_the_address(
    fetch: Fetcher, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """S06."""
    caplog.set_level(logging.WARNING)
    resolving(monkeypatch, inside=["127.0.0.1"])
    async with backend(ANSWER) as canary:
        outcome = await fetch(SERVICE, f"http://inside.test:{canary.port}/x")
        assert f"egress denied: inside.test port {canary.port} (127.0.0.1)" in caplog.text
    assert (outcome.code, canary.connections) == ("egress_denied", 0)
    assert "127.0.0" not in outcome.message


@every_fetcher
async def test_a_name_that_means_another_address_the_second_time_is_followed_nowhere(
    fetch: Fetcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    """S07: of two answers only the permitted one is connected to, and a later one inside is not."""
    addresses = ["127.0.0.1", OUTSIDE]
    resolving(monkeypatch, moving=addresses)
    async with backend(ANSWER, host=OUTSIDE) as outside, backend(ANSWER) as canary:
        first = await fetch(OUTSIDE_ALONE, f"http://moving.test:{outside.port}/x")
        addresses[:] = ["127.0.0.1"]
        second = await fetch(OUTSIDE_ALONE, f"http://moving.test:{canary.port}/x")
    assert (first.code in {"", *UNUSABLE}, outside.connections > 0) == (True, True)
    assert (second.code, canary.connections) == ("egress_denied", 0)


@every_fetcher
async def test_no_redirect_leads_inside(fetch: Fetcher) -> None:
    """S08: an API's and a token endpoint's are not followed to another origin, a document's is checked."""
    async with backend(ANSWER) as canary, backend(redirect(f"{canary.url}/x"), host=OUTSIDE) as outside:
        outcome = await fetch(OUTSIDE_ALONE, outside.url)
    assert outcome.code in {"egress_denied", "redirect_denied", *UNUSABLE}
    assert (_asked_once(outside), canary.connections) == (True, 0)


@every_fetcher
async def test_redirects_end_after_three(fetch: Fetcher) -> None:
    """S08."""
    async with backend(redirect("/again"), host=OUTSIDE) as outside:
        outcome = await fetch(OUTSIDE_ALONE, outside.url)
    assert outcome.code in {"redirect_denied", *UNUSABLE}
    begun = [each for each in outside.requests if each.target != "/again"]
    assert 1 <= len(outside.requests) <= 4 * len(begun)


@pytest.mark.parametrize(
    "url",
    [
        *("http://good@{}/", "http://good:pass@{}/", "http://good\\@{}/", "http://{}\\@good/", "http://{}\t/"),
        *("http://\t{}/", "http://{} /", "http://good%40{}/", "http://{}\r\nX: y/", "http:///{}/", "http:{}/"),
    ],
)
@every_fetcher
async def test_a_url_that_parsers_read_differently_is_not_requested(fetch: Fetcher, url: str) -> None:
    """S09: one parser for check and connect, in the mode in which loopback is open.

    An issuer's URL is taken apart to find its metadata, and so it is refused before it is kept.
    """
    if fetch is FETCHERS["issuer metadata"]:
        assert not is_safe_url(url.format("127.0.0.1:80"))
        return
    async with backend(ANSWER) as canary:
        outcome = await fetch(LOCAL, url.format(f"127.0.0.1:{canary.port}"))
    assert canary.connections == 0
    assert outcome.code in {"egress_denied", "server_unknown"}, outcome


@every_fetcher
async def test_what_follows_a_number_sign_is_no_host(fetch: Fetcher) -> None:
    """S09."""
    async with backend(ANSWER) as canary:
        outcome = await fetch(SERVICE, f"http://127.0.0.1:{canary.port}#@good/")
    assert canary.connections == 0
    assert outcome.code in {"egress_denied", "server_unknown"}


@pytest.mark.parametrize(
    "url",
    [
        *("file:///etc/passwd", "ftp://127.0.0.1/", "gopher://127.0.0.1/", "data:application/json,{}"),
        *("unix:/run/docker.sock", "ldap://127.0.0.1/", "http+unix://%2Frun%2Fdocker.sock/x", "javascript:1"),
    ],
)
@every_fetcher
async def test_only_http_is_spoken(fetch: Fetcher, url: str) -> None:
    """S10."""
    assert (await fetch(LOCAL, url)).code in {"egress_denied", "server_unknown"}


@pytest.mark.parametrize("port", [22, 25, 6379, 5432, 2375])
@every_fetcher
async def test_ports_of_other_protocols_are_closed(fetch: Fetcher, port: int) -> None:
    """S11."""
    assert (await fetch(LOCAL, f"http://127.0.0.1:{port}/x")).code == "egress_denied"
    listed = EgressPolicy(allow_private=True, allow=(Destination.read(f"127.0.0.1:{port}"),))
    assert (await fetch(listed, f"http://127.0.0.1:{port}/x")).code != "egress_denied"


@every_fetcher
async def test_a_denied_host_is_denied_by_its_name_at_the_port_named(
    fetch: Fetcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    """S12 is made of this: the gateway's own address is on the list."""
    resolving(monkeypatch, gateway=[OUTSIDE])
    async with backend(ANSWER, host=OUTSIDE) as own:
        policy = EgressPolicy(allow_private=True, deny=(Destination.read(f"gateway.test:{own.port}"),))
        assert (await fetch(policy, f"http://gateway.test:{own.port}/x")).code == "egress_denied"
        assert own.connections == 0


@every_fetcher
async def test_proxies_of_the_environment_are_ignored(fetch: Fetcher, monkeypatch: pytest.MonkeyPatch) -> None:
    """S13."""
    async with backend(ANSWER) as proxy, backend(ANSWER) as api:
        for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, proxy.url)
        monkeypatch.setenv("NO_PROXY", "example.com")
        await fetch(LOCAL, api.url)
    assert (_asked_once(api), proxy.connections) == (True, 0)


@every_fetcher
async def test_the_proxy_that_is_set_gets_every_request_and_no_other_place_does(fetch: Fetcher) -> None:
    """S13."""
    async with backend(ANSWER) as proxy:
        policy = EgressPolicy(proxy=proxy.url.replace("//", "//user:canary-password@"))
        await fetch(policy, "http://api.example:8000/x")
        arrived = len(proxy.requests)
        for denied in (
            "127.0.0.1",
            "localhost",
            "169.254.169.254",
            "metadata.google.internal",
            "api.example:22",
            "0x7f.1",
        ):
            assert (await fetch(policy, f"http://{denied}/x")).code == "egress_denied", denied
    assert _asked_once(proxy)
    assert all(each.target.startswith("http://api.example:8000/") for each in proxy.requests)
    assert proxy.requests[0].values("Proxy-Authorization") == ["Basic dXNlcjpjYW5hcnktcGFzc3dvcmQ="]
    assert len(proxy.requests) == arrived


@every_fetcher
async def test_an_operator_opens_one_network_and_no_other(fetch: Fetcher, monkeypatch: pytest.MonkeyPatch) -> None:
    """S15."""
    async with backend(ANSWER, host="127.20.1.1") as inside, backend(ANSWER, host="127.21.1.1") as canary:
        policy = EgressPolicy(allow=(Destination.read("127.20.0.0/16"),))
        await fetch(policy, inside.url)
        assert (await fetch(policy, canary.url)).code == "egress_denied"
    assert (_asked_once(inside), canary.connections) == (True, 0)


@every_fetcher
async def test_a_denied_port_is_told_the_same_whether_it_is_open_closed_or_mute(fetch: Fetcher) -> None:
    """S16."""
    with socket.socket() as mute, socket.socket() as closed:
        mute.bind(("127.0.0.1", 0))
        mute.listen(0)
        closed.bind(("127.0.0.1", 0))
        async with backend(ANSWER) as canary:
            told = set()
            for port in (canary.port, mute.getsockname()[1], closed.getsockname()[1]):
                outcome = await fetch(SERVICE, f"http://127.0.0.1:{port}/x")
                told.add((outcome.code, outcome.message.replace(str(port), "PORT")))
    assert len(told) == 1
    assert canary.connections == 0


@every_fetcher
async def test_a_bomb_is_stopped_by_its_decoded_size(fetch: Fetcher) -> None:
    """B06, for everything that reads an answer."""
    async with backend(reply("200 OK", bomb(24), "Content-Encoding: gzip")) as api:
        outcome = await fetch(LOCAL, api.url)
    assert outcome.code in {"response_too_large", *UNUSABLE}
    assert _asked_once(api)


def _asked_once(found: Backend) -> bool:
    """Tell whether requests came, and none twice: an issuer's metadata have several places."""
    targets = [each.target for each in found.requests]
    return 0 < len(targets) == len(set(targets))


def test_the_list_of_fetchers_is_whole() -> None:
    """Whoever adds a way out adds it to the matrix: everything that takes a policy is in it, or made of what is."""
    taking = set()
    for path in Path(app.outbound.__path__[0]).glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef) and any(_takes_a_policy(each) for each in node.body):
                taking.add(node.name)
    # Of these the Vault alone goes where nobody but the operator says.
    assert taking == {"Connections", "DocumentFetcher", "Exchanges", "HttpUpstream", "TokenEndpoint", "Vault"}


def _takes_a_policy(node: Any) -> bool:
    return (
        isinstance(node, ast.FunctionDef)
        and node.name == "__init__"
        and any(
            isinstance(each.annotation, ast.Name) and each.annotation.id == "EgressPolicy" for each in node.args.args
        )
    )
