from __future__ import annotations

import hashlib
import hmac
import json
import time
from typing import Any

import pytest

from app.security.access_tokens import MAX_TOKEN, AccessToken, Expected, TokenError, looks_like_token, verify
from app.security.signing_keys import MAX_KEYS, KeySetError, SigningKeys, read_key_set
from tests.app.security.tokens import (
    AUDIENCE,
    ISSUER,
    Key,
    claims,
    ec_key,
    ed_key,
    key_set,
    rsa_key,
    segment,
    signed,
)

EXPECTED = Expected(ISSUER, AUDIENCE)
KEYS = read_key_set(key_set(rsa_key(), ec_key(), ec_key("P-384"), ec_key("P-521"), ed_key()))


def checked(token: str, keys: SigningKeys = KEYS, expected: Expected = EXPECTED) -> AccessToken:
    return verify(token, keys, expected, now=time.time())


def refused(token: str, why: str = "token", keys: SigningKeys = KEYS, expected: Expected = EXPECTED) -> None:
    with pytest.raises(TokenError, match=why):
        checked(token, keys, expected)


@pytest.mark.parametrize(
    ("algorithm", "key"),
    [
        *((name, rsa_key()) for name in ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512")),
        ("ES256", ec_key()),
        ("ES384", ec_key("P-384")),
        ("ES512", ec_key("P-521")),
        ("EdDSA", ed_key()),
        ("Ed25519", ed_key()),
    ],
)
def test_a_token_signed_with_any_public_key_algorithm_is_accepted(algorithm: str, key: Key) -> None:
    token = checked(signed(claims(), key, algorithm=algorithm))
    assert (token.subject, token.issuer, *token.scopes) == ("alice", ISSUER, "mcp:call")
    refused(signed(claims(), key, algorithm=algorithm)[:-6] + "AAAAAA", "signature")


@pytest.mark.parametrize("kid", [None, "r1"])
def test_a_token_need_not_name_its_key(kid: str | None) -> None:
    assert checked(signed(claims(), kid=kid)).subject == "alice"


def test_a_token_may_have_several_audiences_and_its_scopes_as_a_list() -> None:
    token = checked(signed(claims(aud=["https://other.example", AUDIENCE], scope=None, scp=["a", "b"])))
    assert sorted(token.scopes) == ["a", "b"]


# --- A06: the signature


def test_an_unsigned_token_is_refused() -> None:
    """A06."""
    for name in ("none", "None", "NONE", ""):
        refused(f"{segment({'alg': name, 'typ': 'at+jwt'})}.{segment(claims())}.", "algorithm")


def test_a_token_signed_with_the_public_key_as_a_shared_secret_is_refused() -> None:
    """A06."""
    for encoded in (rsa_key().as_pem(private=False), json.dumps(rsa_key().as_dict(private=False)).encode()):
        text = f"{segment({'alg': 'HS256', 'typ': 'at+jwt', 'kid': 'r1'})}.{segment(claims())}"
        mac = hmac.new(encoded, text.encode(), hashlib.sha256).digest()
        refused(f"{text}.{segment(mac)}", "algorithm")


def test_a_key_that_the_token_brings_is_not_used() -> None:
    """A06."""
    own = rsa_key("attacker")
    public = own.as_dict(private=False)
    for header in ({"jwk": public}, {"jku": "https://evil.example/k"}, {"x5u": "https://evil.example/c"}):
        refused(signed(claims(), own, **header))
        refused(signed(claims(), own, kid="r1", **header), "signature")
        refused(signed(claims(), own, kid=None, **header), "signature")


@pytest.mark.parametrize("algorithm", ["HS256", "RS1", "ES256K", "dir", 5, None, [], {}, "rs256"])
def test_no_other_algorithm_is_known(algorithm: Any) -> None:
    """A06."""
    refused(f"{segment({'alg': algorithm})}.{segment(claims())}.{segment(b'x' * 64)}", "algorithm")


def test_an_algorithm_has_to_be_allowed_and_to_fit_the_key() -> None:
    refused(signed(claims()), "algorithm", expected=Expected(ISSUER, AUDIENCE, ("ES256",)))
    refused(signed(claims(), algorithm="PS256"), "signature", read_key_set(key_set(_with(rsa_key(), alg="RS256"))))
    swapped = signed(claims(), ec_key(), algorithm="ES256", kid="P-384")
    refused(swapped, "signature")


def _with(key: Any, **parameters: Any) -> Any:
    return type(key).import_key({**key.as_dict(private=False), **parameters})


# --- A07: the claims


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"iss": "https://evil.example"}, "iss"),
        ({"iss": None}, "iss"),
        ({"iss": f"{ISSUER}/"}, "iss"),
        ({"iss": [ISSUER]}, "iss"),
        ({"aud": "https://gateway.example/mcp/default/other"}, "aud"),
        ({"aud": "https://gateway.example"}, "aud"),
        ({"aud": f"{AUDIENCE}/"}, "aud"),
        ({"aud": AUDIENCE[:-1]}, "aud"),
        ({"aud": []}, "aud"),
        ({"aud": None}, "aud"),
        ({"aud": {AUDIENCE: 1}}, "aud"),
        ({"exp": None}, "exp"),
        ({"exp": 1}, "expired"),
        ({"exp": "9999999999"}, "exp"),
        ({"exp": True}, "exp"),
        ({"exp": 10**400}, "exp"),
        ({"exp": float("nan")}, "exp"),
        ({"exp": float("inf")}, "exp"),
        ({"nbf": 9_999_999_999}, "nbf"),
        ({"iat": 9_999_999_999}, "iat"),
        ({"sub": None}, "sub"),
        ({"sub": ""}, "sub"),
        ({"sub": 5}, "sub"),
        ({"sub": "a\nb"}, "sub"),
        ({"sub": "x" * 600}, "sub"),
    ],
)
def test_claims_have_to_be_there_and_to_fit(changed: dict[str, Any], why: str) -> None:
    """A07."""
    refused(signed(claims(**changed)), why)


def test_clocks_may_differ_by_seconds() -> None:
    now = time.time()
    for near in (claims(exp=int(now) - 10), claims(nbf=int(now) + 10)):
        assert verify(signed(near), KEYS, EXPECTED, now=now).subject == "alice"
    with pytest.raises(TokenError, match="expired"):
        verify(signed(claims(exp=int(now) - 60)), KEYS, EXPECTED, now=now)


@pytest.mark.parametrize("kind", ["JWT", "jwt", None])
def test_an_access_token_without_a_type_of_its_own_is_accepted(kind: str | None) -> None:
    assert checked(signed(claims(), typ=kind)).subject == "alice"


@pytest.mark.parametrize(
    ("kind", "changed"),
    [
        ("JWT", {"nonce": "n"}),
        (None, {"at_hash": "h"}),
        ("JWT", {"scope": None}),
        ("id+jwt", {}),
        ("logout+jwt", {}),
        ("dpop+jwt", {}),
        (5, {}),
    ],
)
def test_an_id_token_is_refused(kind: Any, changed: dict[str, Any]) -> None:
    """A07."""
    refused(signed(claims(**changed), typ=kind))


# --- A08 and bad forms


@pytest.mark.parametrize("crit", [["exp"], ["b64"], ["https://example/x"], [], "x", None, 5])
def test_a_critical_header_is_refused(crit: Any) -> None:
    """A08."""
    token = signed(claims(), crit=crit) if crit is not None else _with_null_crit()
    refused(token, "critical")


def _with_null_crit() -> str:
    return f"{segment({'alg': 'RS256', 'crit': None})}.{segment(claims())}.{segment(b'x')}"


@pytest.mark.parametrize(
    "token",
    ["", ".", "..", "a.b.c", "ey.ey.ey", f"{segment([])}.a.b", f"{segment('x')}.a.b", "ÿ.ÿ.ÿ", "e" * (MAX_TOKEN + 1)],
)
def test_what_is_no_token_is_refused(token: str) -> None:
    refused(token)


def test_a_token_with_more_or_fewer_parts_is_refused() -> None:
    token = signed(claims())
    refused(f"{token}.x")
    refused(token.rpartition(".")[0])
    refused(f"{segment({'alg': 'RS256', 'kid': 'r1'})}.{segment(b'[1]')}.{token.rpartition('.')[2]}")


def test_only_what_has_the_form_of_a_token_is_taken_for_one() -> None:
    assert looks_like_token(signed(claims()).encode())
    assert not any(looks_like_token(each) for each in (b"", b"an-admin-key", b"a.b.c", b"ey.x", b"cw_live_eyJ"))


# --- key sets


def test_keys_that_are_not_for_us_are_left_out_of_a_set() -> None:
    public = rsa_key().as_dict(private=False)
    odd: list[Any] = [
        {"kty": "oct", "k": "c2VjcmV0", "kid": "o"},
        {**public, "use": "enc"},
        {"kty": "RSA", "n": "AQAB", "e": "AQAB"},
        {"kty": "EC", "crv": "P-999", "x": "a", "y": "b"},
        {"kty": ["RSA"]},
        {},
        "key",
        None,
    ]
    assert read_key_set(json.dumps({"keys": odd}).encode()).keys == ()
    assert len(read_key_set(json.dumps({"keys": [*odd, public]}).encode()).keys) == 1


def test_a_private_key_in_a_set_is_read_as_its_public_half() -> None:
    read = read_key_set(json.dumps({"keys": [rsa_key().as_dict(private=True)]}).encode())
    assert [key.is_private for key in read.keys] == [False]


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"keys": 1}', b"\xff", b"[" * 100_000, b"null"])
def test_what_is_no_set_of_keys_is_refused(body: bytes) -> None:
    with pytest.raises(KeySetError):
        read_key_set(body)


def test_a_set_of_very_many_keys_is_refused() -> None:
    with pytest.raises(KeySetError):
        read_key_set(json.dumps({"keys": [{}] * (MAX_KEYS + 1)}).encode())
