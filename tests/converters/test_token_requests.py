from __future__ import annotations

import json
from typing import Any

import pytest

from converters.credentials import ClientCredentials, Secret
from converters.origins import requestable
from converters.token_requests import (
    AccessToken,
    Endpoints,
    TokenAnswerError,
    TokenRequest,
    read_metadata,
    read_token,
)

CLIENT = ClientCredentials("c", Secret("s"), "client_secret_post")


def body(**members: Any) -> bytes:
    return json.dumps(members).encode()


@pytest.mark.parametrize(
    ("scopes", "parameters"),
    [
        ((), {"grant_type": "client_credentials"}),
        (("a:b", "c"), {"grant_type": "client_credentials", "scope": "a:b c"}),
    ],
)
def test_the_parameters_are_those_of_rfc_6749_section_4_4_2(
    scopes: tuple[str, ...], parameters: dict[str, str]
) -> None:
    assert TokenRequest("it", Endpoints(token="https://a.example/"), CLIENT, scopes).parameters() == parameters


@pytest.mark.parametrize(
    ("answer", "lifetime"),
    [
        (body(access_token="t", token_type="Bearer", expires_in=60), 60),
        (body(access_token="t", token_type="bearer", expires_in="3600"), 3600),
        (body(access_token="t", token_type="BEARER"), None),
        (body(access_token="t", expires_in=0.5), 0.5),
        (body(access_token="t", expires_in=-5), 0),
        (body(access_token="t", expires_in=True), None),
        (body(access_token="t", expires_in="soon"), None),
        (b'{"access_token": "t", "expires_in": NaN}', None),
        (b'{"access_token": "t", "expires_in": Infinity}', 10**9),
    ],
)
def test_a_token_is_read_with_its_lifetime(answer: bytes, lifetime: float | None) -> None:
    assert read_token(200, answer) == AccessToken(Secret("t"), lifetime)


@pytest.mark.parametrize(
    ("status", "answer", "sentence"),
    [
        (401, body(error="invalid_client", error_description="No."), "answered 401 invalid_client: No."),
        (400, body(error="invalid_scope"), "answered 400 invalid_scope."),
        (400, body(error="x\n\u202ey" + "z" * 400), "answered 400 x??y" + "z" * 296 + "."),
        (500, b"<html>", "answered 500."),
        (302, b"", "answered 302."),
        (200, b"[" * 100_000, "answered 200, and its body holds no `access_token` (RFC 6749 section 5.1)."),
        (200, b"[]", "answered 200, and its body holds no `access_token` (RFC 6749 section 5.1)."),
        (200, body(access_token="a b"), "answered 200, and its body holds no `access_token` (RFC 6749 section 5.1)."),
        (200, body(error="access_denied"), "answered 200 access_denied."),
        (
            200,
            body(access_token="t", token_type="DPoP"),
            "answered with a token of the type 'DPoP', not a bearer token.",
        ),
        (200, body(access_token="t", token_type=1), "answered with a token of the type '1', not a bearer token."),
    ],
)
def test_without_a_token_the_error_of_the_server_is_told(status: int, answer: bytes, sentence: str) -> None:
    with pytest.raises(TokenAnswerError) as raised:
        read_token(status, answer)
    assert raised.value.message == sentence


ISSUER = "https://auth.example/tenant"
METADATA_URL = f"{ISSUER}/.well-known/openid-configuration"


@pytest.mark.parametrize("issuer", [ISSUER, f"{ISSUER}/"])
def test_metadata_name_the_token_endpoint(issuer: str) -> None:
    answer = body(issuer=issuer, token_endpoint="https://tokens.example/t")
    assert read_metadata(METADATA_URL, 200, answer).endpoints.token == "https://tokens.example/t"


@pytest.mark.parametrize(
    ("status", "answer", "sentence"),
    [
        (404, b"", "is not known: its metadata were answered with 404."),
        (200, b"", "the metadata are those of another issuer than their URL says."),
        (200, body(issuer="https://evil.example", token_endpoint="https://x.example/"), "another issuer"),
        (200, body(issuer=ISSUER), "name no `token_endpoint` that can be used."),
        (200, body(issuer=ISSUER, token_endpoint="/relative"), "name no `token_endpoint` that can be used."),
        (
            200,
            body(issuer=ISSUER, token_endpoint="http://auth.example/t"),
            "name no `token_endpoint` that can be used.",
        ),
    ],
)
def test_metadata_that_are_not_the_issuer_s_own_are_refused(status: int, answer: bytes, sentence: str) -> None:
    with pytest.raises(TokenAnswerError) as raised:
        read_metadata(METADATA_URL, status, answer)
    assert sentence in raised.value.message


@pytest.mark.parametrize(
    ("reference", "url"),
    [
        ("/token", "https://api.example/token"),
        ("token?a=b", "https://api.example/token?a=b"),
        ("//other.example/t", "https://other.example/t"),
        ("http://a.example:8080/t", "http://a.example:8080/t"),
        ("ftp://a.example/", ""),
        ("https:///t", ""),
        ("https://a.example:0/", ""),
        ("https://a.example:x/", ""),
        ("https://good@127.0.0.1/", ""),
        ("https://127.0.0.1#@good/", ""),
        ("https://good\\@127.0.0.1/", ""),
        ("https://a.exa\tmple/", ""),
        ("https://[::1/", ""),
        ("https://ä.example/", ""),
    ],
)
def test_a_url_that_parsers_read_differently_is_none(reference: str, url: str) -> None:
    """Acceptance S09 and S10, for token URLs."""
    assert requestable(reference, "https://api.example/v1") == url
