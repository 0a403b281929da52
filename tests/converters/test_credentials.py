from __future__ import annotations

import copy
import json
import pickle
from typing import Any

import pytest

from converters.credentials import (
    ClientCertificate,
    ClientCredentials,
    CredentialError,
    Secret,
    Token,
    UserPassword,
    expected,
    read_credential,
)
from converters.security import SecurityScheme, read_schemes

SCHEMES = read_schemes(
    {
        "header": {"type": "apiKey", "in": "header", "name": "X-Key"},
        "query": {"type": "apiKey", "in": "query", "name": "api_key"},
        "cookie": {"type": "apiKey", "in": "cookie", "name": "sid"},
        "basic": {"type": "http", "scheme": "Basic"},
        "digest": {"type": "http", "scheme": "digest"},
        "bearer": {"type": "http", "scheme": "bearer"},
        "hoba": {"type": "http", "scheme": "HOBA"},
        "oauth": {"type": "oauth2", "flows": {}},
        "oidc": {"type": "openIdConnect"},
        "tls": {"type": "mutualTLS"},
        "nowhere": {"type": "apiKey", "in": "body", "name": "x"},
        "nameless": {"type": "apiKey", "in": "header", "name": "a b"},
        "framing": {"type": "apiKey", "in": "header", "name": "Content-Length"},
        "odd": {"type": "http", "scheme": "a b"},
        "unknown": {"type": "smartcard"},
        "typeless": {},
        "broken": 5,
    },
    "3.1.0",
)
CANARY = "canary-4f9a77"
CERTIFICATE = "-----BEGIN CERTIFICATE-----\nQUJD\n-----END CERTIFICATE-----"
PRIVATE_KEY = "-----BEGIN PRIVATE KEY-----\nREVG\n-----END PRIVATE KEY-----"


def scheme(name: str) -> SecurityScheme:
    return SCHEMES[name]


@pytest.mark.parametrize(
    ("name", "given", "read"),
    [
        ("header", {"value": "k y"}, Token(Secret("k y"))),
        ("query", {"value": "a&b=c#d"}, Token(Secret("a&b=c#d"))),
        ("cookie", {"value": "a=b"}, Token(Secret("a=b"))),
        ("bearer", {"value": "abc.def"}, Token(Secret("abc.def"))),
        ("hoba", {"value": 'result="x y"'}, Token(Secret('result="x y"'))),
        ("oauth", {"value": "t", "scopes": ["a", "b"]}, Token(Secret("t"), frozenset({"a", "b"}))),
        ("oidc", {"value": "t", "scopes": "a b"}, Token(Secret("t"), frozenset({"a", "b"}))),
        ("basic", {"username": "bob", "password": "p:w ü"}, UserPassword("bob", Secret("p:w ü"))),
        ("digest", {"username": "bob", "password": "pw", "value": None}, UserPassword("bob", Secret("pw"))),
        (
            "oauth",
            {"client_id": "c", "client_secret": "s"},
            ClientCredentials("c", Secret("s"), "client_secret_basic"),
        ),
        (
            "tls",
            {"certificate": f"{CERTIFICATE}\n{CERTIFICATE}", "private_key": f"\n{PRIVATE_KEY}\n"},
            ClientCertificate(f"{CERTIFICATE}\n{CERTIFICATE}\n", Secret(f"{PRIVATE_KEY}\n")),
        ),
        ("oidc", {"client_id": "c"}, ClientCredentials("c", None, "none")),
        (
            "oauth",
            {
                "client_id": "c",
                "client_secret": "s",
                "token_endpoint_auth_method": "client_secret_post",
                "scopes": ["read"],
            },
            ClientCredentials("c", Secret("s"), "client_secret_post", frozenset({"read"})),
        ),
    ],
)
def test_a_credential_is_read_by_the_type_of_its_scheme(name: str, given: dict[str, Any], read: object) -> None:
    assert read_credential(scheme(name), given) == read


@pytest.mark.parametrize(
    ("name", "given", "pointer", "told"),
    [
        ("header", {}, "/value", "'value' is missing"),
        ("header", {"value": CANARY, "username": "x"}, "/username", "'username' does not belong to it"),
        ("header", {"username": "x", "password": CANARY}, "/value", '{"value": "..."}'),
        ("header", {"value": ""}, "/value", "not empty"),
        ("header", {"value": 5}, "/value", "must be a text"),
        ("header", {"value": f"{CANARY}\r\nX: y"}, "/value", "line break"),
        ("header", {"value": f"{CANARY}\x00"}, "/value", "control character"),
        ("query", {"value": f"{CANARY}\n"}, "/value", "control character"),
        ("header", {"value": f"{CANARY}\ud800"}, "/value", "control character"),
        ("header", {"value": f" {CANARY}"}, "/value", "begins or ends with a space"),
        ("header", {"value": CANARY * 2000}, "/value", "longer than"),
        ("header", {"value": "***"}, "/value", "is the mask"),
        ("cookie", {"value": f"{CANARY}; admin=1"}, "/value", "semicolon"),
        ("bearer", {"value": f"Bearer {CANARY}"}, "/value", "the token alone"),
        ("oauth", {"value": f"bearer {CANARY}"}, "/value", "the token alone"),
        ("bearer", {"value": f"{CANARY} x"}, "/value", "no spaces"),
        ("bearer", {"value": f"{CANARY}ü"}, "/value", "ASCII"),
        ("basic", {"value": CANARY}, "/password", '"username"'),
        ("basic", {"username": f"{CANARY}:", "password": "x"}, "/username", "colon"),
        ("basic", {"username": "a", "password": f"{CANARY}\n"}, "/password", "line break"),
        ("bearer", {"client_id": "a", "client_secret": CANARY}, "/value", "'value' is missing"),
        ("oauth", {"client_id": "a", "client_secret": CANARY, "value": "x"}, "/value", "does not belong"),
        (
            "oauth",
            {"client_id": "a", "token_endpoint_auth_method": "guess"},
            "/token_endpoint_auth_method",
            "client_secret_post",
        ),
        (
            "oauth",
            {"client_id": "a", "token_endpoint_auth_method": "client_secret_post"},
            "/client_secret",
            "needs a `client_secret`",
        ),
        ("oauth", {"value": "t", "scopes": [5]}, "/scopes", "a list of texts"),
        ("tls", {"certificate": "x", "private_key": CANARY}, "/certificate", "must be PEM"),
        ("tls", {"certificate": CERTIFICATE, "private_key": CANARY}, "/private_key", "must be PEM"),
        ("tls", {"certificate": CERTIFICATE}, "/private_key", "'private_key' is missing"),
        (
            "tls",
            {"certificate": CERTIFICATE, "private_key": PRIVATE_KEY.replace("PRIVATE", "ENCRYPTED PRIVATE")},
            "/private_key",
            "must not be encrypted",
        ),
        ("nowhere", {"value": CANARY}, "", "not query, header or cookie"),
        ("nameless", {"value": CANARY}, "", "cannot be the name of a header"),
        ("framing", {"value": CANARY}, "", "belongs to the connection"),
        ("odd", {"value": CANARY}, "", "not the name of an HTTP authentication scheme"),
        ("unknown", {"value": CANARY}, "", "`type`"),
        ("typeless", {"value": CANARY}, "", "`type`"),
    ],
)
def test_what_does_not_fit_is_told_and_never_repeated(
    name: str, given: dict[str, Any], pointer: str, told: str
) -> None:
    with pytest.raises(CredentialError) as caught:
        read_credential(scheme(name), given)
    assert told in caught.value.message
    assert caught.value.pointer == pointer
    assert CANARY not in f"{caught.value!r} {caught.value.message}"


def test_a_secret_does_not_show_itself() -> None:
    secret = Secret(CANARY)
    holder = UserPassword("bob", secret)
    assert CANARY not in f"{secret} {secret!r} {secret:} {[secret]} {holder} {holder!r} {Token(secret)}"
    assert secret == Secret(CANARY)
    assert hash(secret) == hash(Secret(CANARY))
    assert secret != CANARY
    assert secret.reveal() == CANARY
    for serialise in (json.dumps, pickle.dumps, copy.deepcopy):
        with pytest.raises(TypeError):
            serialise(secret)


def test_schemes_know_what_they_are_and_where_they_are_declared() -> None:
    assert scheme("header").summary == "apiKey in header X-Key"
    assert scheme("basic").summary == "http Basic"
    assert scheme("oauth").summary == "oauth2"
    assert scheme("header").pointer == "/components/securitySchemes/header"
    swagger = read_schemes({"a/b": {"type": "basic"}}, "2.0")
    assert swagger["a/b"].pointer == "/securityDefinitions/a~1b"
    assert "broken" not in SCHEMES


def test_what_supplies_a_credential_is_said_for_every_scheme_that_can_be_used() -> None:
    assert {name: expected(each) for name, each in SCHEMES.items() if expected(each)} == {
        "header": '{"value": "..."}',
        "query": '{"value": "..."}',
        "cookie": '{"value": "..."}',
        "basic": '{"username": "...", "password": "..."}',
        "digest": '{"username": "...", "password": "..."}',
        "bearer": '{"value": "..."}',
        "hoba": '{"value": "..."}',
        "oauth": '{"value": "ACCESS_TOKEN"}',
        "oidc": '{"value": "ACCESS_TOKEN"}',
        "tls": '{"certificate": "PEM", "private_key": "PEM"}',
    }
