from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest

from converters.authorization import (
    NO_AUTHORIZATION,
    Attempt,
    Authorization,
    HeldCredential,
    Lack,
    Refusal,
    Reply,
    authorize,
)
from converters.credentials import ClientCertificate, ClientCredentials, Credential, Secret, Token, UserPassword
from converters.oas import SecurityRequirement
from converters.security import read_schemes
from converters.token_requests import Endpoints, TokenRequest

SCHEMES = read_schemes(
    {
        "header": {"type": "apiKey", "in": "header", "name": "X-Key"},
        "other": {"type": "apiKey", "in": "header", "name": "x-key"},
        "query": {"type": "apiKey", "in": "query", "name": "api key"},
        "cookie": {"type": "apiKey", "in": "cookie", "name": "sid"},
        "basic": {"type": "http", "scheme": "basic"},
        "digest": {"type": "http", "scheme": "Digest"},
        "bearer": {"type": "http", "scheme": "bearer"},
        "token": {"type": "http", "scheme": "Token"},
        "oauth": {"type": "oauth2", "flows": {}},
        "grants": {"type": "oauth2", "flows": {"clientCredentials": {"tokenUrl": "https://auth.example/token"}}},
        "grants_in_clear": {"type": "oauth2", "flows": {"clientCredentials": {"tokenUrl": "http://auth.example/t"}}},
        "grants_here": {"type": "oauth2", "flows": {"clientCredentials": {"tokenUrl": "../token?tenant=1"}}},
        "oidc": {"type": "openIdConnect"},
        "discovered": {"type": "openIdConnect", "openIdConnectUrl": "https://auth.example/.well-known/x"},
        "tls": {"type": "mutualTLS"},
        "broken": {"type": "apiKey", "in": "nowhere", "name": "x"},
    },
    "3.1.0",
)
ORIGIN = "https://api.example"
CLIENT = ClientCredentials("c", Secret("s"), "client_secret_post")
ALL: dict[str, Credential] = {
    "header": Token(Secret("h-key")),
    "other": Token(Secret("o-key")),
    "query": Token(Secret("q&key=1 ü")),
    "cookie": Token(Secret("c-key")),
    "basic": UserPassword("bob", Secret("pä:ss")),
    "digest": UserPassword("bob", Secret("pass")),
    "bearer": Token(Secret("b.key")),
    "token": Token(Secret("t key")),
    "oauth": Token(Secret("a.key")),
    "oidc": Token(Secret("i.key")),
}


def held(*names: str, **further: Credential) -> dict[str, HeldCredential]:
    given = {**{name: ALL[name] for name in names}, **further}
    return {name: HeldCredential(each, frozenset({ORIGIN})) for name, each in given.items()}


def for_tokens(name: str, client: ClientCredentials) -> dict[str, HeldCredential]:
    origins = frozenset({ORIGIN, "https://auth.example", "http://auth.example"})
    return {name: HeldCredential(client, frozenset({ORIGIN}), origins)}


def requirements(*alternatives: Mapping[str, Sequence[str]]) -> list[SecurityRequirement]:
    return [SecurityRequirement(tuple((name, tuple(scopes)) for name, scopes in each.items())) for each in alternatives]


def chosen(alternatives: Sequence[Mapping[str, Sequence[str]]], at_hand: Mapping[str, HeldCredential]) -> Any:
    found = authorize(requirements(*alternatives), SCHEMES, at_hand, ORIGIN)
    return found.index if isinstance(found, Authorization) else found


HEADER: dict[str, list[str]] = {"header": []}
BASIC: dict[str, list[str]] = {"basic": []}
BOTH: dict[str, list[str]] = {"header": [], "basic": []}


@pytest.mark.parametrize(
    ("alternatives", "names", "index"),
    [
        ([], ["header"], None),
        ([{}], [], 0),
        ([HEADER], ["header"], 0),
        ([HEADER, BASIC], ["header", "basic"], 0),
        ([HEADER, BASIC], ["basic"], 1),
        ([BOTH], ["header", "basic"], 0),
        ([BOTH, HEADER], ["header", "basic"], 1),
        ([BOTH, HEADER], ["header"], 1),
        ([BOTH, {}], ["header"], 1),
        ([{}, HEADER], ["header"], 1),
        ([{}, HEADER], [], 0),
        ([{"oauth": ["read", "write"]}, {"oauth": ["read"]}], ["oauth"], 1),
        ([{"oauth": ["read"]}, {"oidc": ["read"]}], ["oauth", "oidc"], 0),
        ([{"oauth": ["read"]}, HEADER], ["oauth", "header"], 1),
        ([{"oauth": ["read"], "header": []}, {"oauth": ["read", "write"]}], ["oauth", "header"], 0),
        ([{"header": ["role-a", "role-b"]}, {"oauth": ["read"]}], ["oauth", "header"], 0),
        ([{"nobody": []}, HEADER], ["header"], 1),
        ([{"nobody": []}, {}], ["header"], 1),
    ],
)
def test_the_satisfiable_alternative_with_the_fewest_scopes_is_chosen(
    alternatives: list[dict[str, list[str]]], names: list[str], index: int | None
) -> None:
    assert chosen(alternatives, held(*names)) == index


@pytest.mark.parametrize(
    ("alternatives", "at_hand", "lacks"),
    [
        ([HEADER], held(), ((Lack("header", "absent"),),)),
        ([BOTH], held("basic"), ((Lack("header", "absent"),),)),
        ([BOTH, BASIC], held(), ((Lack("header", "absent"), Lack("basic", "absent")), (Lack("basic", "absent"),))),
        ([{"nobody": []}], held("header"), ((Lack("nobody", "undeclared"),),)),
        ([{"nobody": []}], held("header", nobody=Token(Secret("x"))), ((Lack("nobody", "undeclared"),),)),
        ([{"tls": []}], held("header"), ((Lack("tls", "absent"),),)),
        ([{"broken": []}], held(broken=Token(Secret("x"))), ((Lack("broken", "unusable"),),)),
        ([{"header": [], "other": []}], held("header", "other"), ((Lack("other", "conflict"),),)),
        ([{"basic": [], "bearer": []}], held("bearer", "basic"), ((Lack("bearer", "conflict"),),)),
        (
            [{"oauth": ["read", "write"]}],
            held(oauth=Token(Secret("x"), frozenset({"read"}))),
            ((Lack("oauth", "scopes", ("write",)),),),
        ),
        (
            [{"oauth": []}],
            held(oauth=CLIENT),
            ((Lack("oauth", "token_unsupported"),),),
        ),
        (
            [{"grants": []}],
            held(grants=CLIENT),
            ((Lack("grants", "token_detached", place="https://auth.example"),),),
        ),
        (
            [{"grants": ["read", "write"]}],
            for_tokens("grants", replace(CLIENT, scopes=frozenset({"read"}))),
            ((Lack("grants", "scopes", ("write",)),),),
        ),
        (
            [{"grants_in_clear": []}],
            for_tokens("grants_in_clear", CLIENT),
            ((Lack("grants_in_clear", "plaintext", place="http://auth.example"),),),
        ),
        (
            [HEADER],
            {"header": HeldCredential(ALL["header"], frozenset({"https://old.example"}))},
            ((Lack("header", "detached"),),),
        ),
        ([HEADER], {"header": HeldCredential(ALL["header"], frozenset())}, ((Lack("header", "detached"),),)),
        ([HEADER], {"header": HeldCredential(None, frozenset({ORIGIN}))}, ((Lack("header", "unreadable"),),)),
    ],
)
def test_without_a_satisfiable_alternative_it_is_said_what_each_lacks(
    alternatives: list[dict[str, list[str]]], at_hand: dict[str, HeldCredential], lacks: Any
) -> None:
    assert chosen(alternatives, at_hand) == Refusal(lacks)


def test_a_token_whose_scopes_are_known_is_used_where_they_suffice() -> None:
    at_hand = held(oauth=Token(Secret("x"), frozenset({"read"})))
    assert chosen([{"oauth": ["write"]}, {"oauth": ["read"]}], at_hand) == 1
    assert chosen([{"header": ["any-role"]}], held(header=Token(Secret("x"), frozenset()))) == 0


def test_the_nearest_alternative_lacks_least() -> None:
    refusal = chosen([BOTH, BASIC, HEADER], held())
    assert refusal.nearest == (Lack("basic", "absent"),)


PLAIN = (("Accept", "*/*"),)


def applied(*names: str, url: str = f"{ORIGIN}/pets?limit=5", headers: Any = PLAIN, is_masked: bool = False) -> Attempt:
    security = requirements({name: [] for name in names})
    found = authorize(security, SCHEMES, held(*names), ORIGIN)
    assert isinstance(found, Authorization)
    return found.applied(url, headers, is_masked=is_masked)


@pytest.mark.parametrize(
    ("name", "field", "masked"),
    [
        ("header", ("X-Key", "h-key"), ("X-Key", "***")),
        ("basic", ("Authorization", "Basic Ym9iOnDDpDpzcw=="), ("Authorization", "Basic ***")),
        ("bearer", ("Authorization", "Bearer b.key"), ("Authorization", "Bearer ***")),
        ("token", ("Authorization", "Token t key"), ("Authorization", "Token ***")),
        ("oauth", ("Authorization", "Bearer a.key"), ("Authorization", "Bearer ***")),
        ("oidc", ("Authorization", "Bearer i.key"), ("Authorization", "Bearer ***")),
        ("cookie", ("Cookie", "sid=c-key"), ("Cookie", "sid=***")),
    ],
)
def test_a_field_is_added_and_masked_in_a_preview(name: str, field: tuple[str, str], masked: tuple[str, str]) -> None:
    assert applied(name) == (f"{ORIGIN}/pets?limit=5", (*PLAIN, field))
    assert applied(name, is_masked=True) == (f"{ORIGIN}/pets?limit=5", (*PLAIN, masked))


@pytest.mark.parametrize(
    ("url", "sent"),
    [
        ("/pets", "/pets?api%20key=q%26key%3D1%20%C3%BC"),
        ("/pets?limit=5", "/pets?limit=5&api%20key=q%26key%3D1%20%C3%BC"),
        ("/pets?api+key=mine&a=1&api%20key", "/pets?a=1&api%20key=q%26key%3D1%20%C3%BC"),
        ("/pets?#part", "/pets?api%20key=q%26key%3D1%20%C3%BC"),
    ],
)
def test_a_query_key_is_encoded_whole_and_appended(url: str, sent: str) -> None:
    assert applied("query", url=ORIGIN + url).url == ORIGIN + sent


def test_a_masked_query_key_shows_its_name() -> None:
    assert applied("query", is_masked=True).url == f"{ORIGIN}/pets?limit=5&api%20key=***"


def test_a_cookie_joins_those_that_are_there() -> None:
    headers = (("cookie", "a=1; sid=mine; b=2"), ("Accept", "*/*"))
    assert applied("cookie", headers=headers).headers == (("Accept", "*/*"), ("Cookie", "a=1; b=2; sid=c-key"))


def test_an_argument_never_stands_for_a_credential() -> None:
    headers = (("x-KEY", "mine"), ("authorization", "mine"), ("Accept", "*/*"))
    found = applied("header", "basic", headers=headers).headers
    assert [name for name, _ in found] == ["Accept", "X-Key", "Authorization"]
    assert all("mine" not in value for _, value in found)


def test_schemes_of_one_alternative_go_together() -> None:
    found = applied("header", "query", "cookie", "bearer")
    assert found.url.endswith("&api%20key=q%26key%3D1%20%C3%BC")
    assert dict(found.headers) == {
        "Accept": "*/*",
        "X-Key": "h-key",
        "Authorization": "Bearer b.key",
        "Cookie": "sid=c-key",
    }


def test_without_credentials_the_request_is_as_planned() -> None:
    assert NO_AUTHORIZATION.applied("https://x/", PLAIN) == ("https://x/", PLAIN)
    assert NO_AUTHORIZATION.parts() == ()


def test_what_is_added_is_told_with_the_pointer_of_its_scheme() -> None:
    security = requirements({"query": [], "basic": []})
    found = authorize(security, SCHEMES, held("query", "basic"), ORIGIN)
    assert isinstance(found, Authorization)
    assert found.parts() == (
        ("query", "api key", "/components/securitySchemes/query"),
        ("header", "Authorization", "/components/securitySchemes/basic"),
    )


def digesting(*replies: Reply, url: str = f"{ORIGIN}/pets?a=1") -> list[Attempt]:
    found = authorize(requirements({"digest": [], "query": []}), SCHEMES, held("digest", "query"), ORIGIN)
    assert isinstance(found, Authorization)
    flow = found.flow("GET", url, (*PLAIN, ("Authorization", "mine")), client_nonce=lambda: "c0ffee")
    sent = [next(flow)]
    for each in replies:
        try:
            sent.append(flow.send(each))
        except StopIteration:
            break
    return sent


CHALLENGE = 'Digest realm="pets", qop="auth", nonce="n1", algorithm=SHA-256'


def test_digest_answers_the_challenge_over_the_target_as_sent() -> None:
    first, second = digesting(Reply(401, ["Basic", CHALLENGE]), Reply(401, [CHALLENGE]), Reply(200, []))
    assert "Authorization" not in dict(first.headers)
    assert second.url == first.url
    given = dict(second.headers)["Authorization"]
    assert 'uri="/pets?a=1&api%20key=q%26key%3D1%20%C3%BC"' in given
    assert 'cnonce="c0ffee"' in given


@pytest.mark.parametrize("reply", [Reply(200, []), Reply(403, [CHALLENGE]), Reply(401, []), Reply(401, ["Basic"])])
def test_digest_sends_no_more_without_a_challenge(reply: Reply) -> None:
    assert len(digesting(reply, reply)) == 1


def test_digest_answers_a_stale_nonce_once_more_and_no_further() -> None:
    stale = Reply(401, [f"{CHALLENGE}, stale=true"])
    assert len(digesting(Reply(401, [CHALLENGE]), stale, stale, stale)) == 3


@pytest.mark.parametrize(("url", "target"), [(ORIGIN, "/?"), (f"{ORIGIN}?a=1", "/?a=1&"), (f"{ORIGIN}/a/b", "/a/b?")])
def test_the_target_of_any_url_begins_with_a_slash(url: str, target: str) -> None:
    sent = digesting(Reply(401, [CHALLENGE]), url=url)
    assert f'uri="{target}api%20key' in dict(sent[1].headers)["Authorization"]


def test_a_preview_of_digest_shows_the_scheme() -> None:
    assert dict(applied("digest", is_masked=True).headers)["Authorization"] == "Digest ***"


def test_a_client_certificate_goes_along_over_https_only() -> None:
    certificate = ClientCertificate("PEM", Secret("KEY"))
    security = requirements({"tls": [], "header": []})
    found = authorize(security, SCHEMES, held("header", tls=certificate), ORIGIN)
    assert isinstance(found, Authorization)
    assert found.certificate is certificate
    assert found.applied("https://x/", PLAIN).headers == (*PLAIN, ("X-Key", "h-key"))
    assert found.parts()[0] == ("tls", "client certificate", "/components/securitySchemes/tls")
    plain = {"tls": HeldCredential(certificate, frozenset({"http://api.example"}))}
    refused = authorize(requirements({"tls": []}), SCHEMES, plain, "http://api.example")
    assert refused == Refusal(((Lack("tls", "plaintext"),),))


@pytest.mark.parametrize(
    ("name", "client", "scopes", "expected"),
    [
        ("grants", CLIENT, ["b", "a", "b"], ("https://auth.example/token", False, ("a", "b"))),
        (
            "grants",
            replace(CLIENT, scopes=frozenset("cab")),
            ["a"],
            ("https://auth.example/token", False, tuple("abc")),
        ),
        ("grants_here", CLIENT, [], ("https://api.example/v1/token?tenant=1", False, ())),
        ("discovered", CLIENT, [], ("https://auth.example/.well-known/x", True, ())),
    ],
)
def test_client_credentials_ask_for_a_token_before_the_request(
    name: str, client: ClientCredentials, scopes: list[str], expected: tuple[str, bool, tuple[str, ...]]
) -> None:
    base = f"{ORIGIN}/v1/eu/pets"
    found = authorize(requirements({name: scopes}), SCHEMES, for_tokens(name, client), base)
    assert isinstance(found, Authorization)
    url, is_discovered, asked = expected
    endpoints = Endpoints(metadata=url) if is_discovered else Endpoints(token=url)
    assert found.token == TokenRequest(name, endpoints, client, asked)
    headers = (("authorization", "mine"), *PLAIN)
    assert found.applied(base, headers, is_masked=True).headers == (*PLAIN, ("Authorization", "Bearer ***"))
    with pytest.raises(ValueError, match="access token is missing"):
        found.applied(base, headers)
    given = found.with_token(Secret("t.1"))
    assert given.applied(base, headers).headers == (*PLAIN, ("Authorization", "Bearer t.1"))
    assert given.token is None
