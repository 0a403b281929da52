from __future__ import annotations

import hashlib

import pytest

from converters.credentials import Secret, UserPassword
from converters.digest import Request, answer

MUFASA = UserPassword("Mufasa", Secret("Circle of Life"))
NONCE = "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v"
CLIENT_NONCE = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ"
OPAQUE = "FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"


def challenge(**changes: str) -> str:
    members = {
        "realm": '"http-auth@example.org"',
        "qop": '"auth, auth-int"',
        "algorithm": "SHA-256",
        "nonce": f'"{NONCE}"',
        "opaque": f'"{OPAQUE}"',
        **changes,
    }
    return "Digest " + ", ".join(f"{name}={value}" for name, value in members.items() if value)


def answered(*challenges: str, user: UserPassword = MUFASA) -> str | None:
    return answer(user, Request("GET", "/dir/index.html"), challenges=challenges, client_nonce=CLIENT_NONCE)


@pytest.mark.parametrize(
    ("algorithm", "response"),
    [
        ("SHA-256", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
        ("MD5", "8ca523f5e9506fed4657c9700eebdbec"),
    ],
)
def test_the_examples_of_rfc_7616_section_3_9_1(algorithm: str, response: str) -> None:
    assert answered(challenge(algorithm=algorithm)) == (
        f'Digest username="Mufasa", realm="http-auth@example.org", nonce="{NONCE}", uri="/dir/index.html", '
        f'algorithm={algorithm}, response="{response}", opaque="{OPAQUE}", qop=auth, nc=00000001, '
        f'cnonce="{CLIENT_NONCE}"'
    )


def test_the_example_of_rfc_2617_section_3_5_without_an_algorithm() -> None:
    given = 'Digest realm="testrealm@host.com", qop="auth,auth-int", nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093"'
    user = UserPassword("Mufasa", Secret("Circle Of Life"))
    found = answer(user, Request("GET", "/dir/index.html"), challenges=[given], client_nonce="0a4f113b")
    assert 'response="6629fae49393a05397450978507c4ef1"' in (found or "")


def test_without_qop_it_is_the_digest_of_rfc_2069() -> None:
    found = answered(challenge(qop="", algorithm="MD5")) or ""
    first = hashlib.md5(b"Mufasa:http-auth@example.org:Circle of Life").hexdigest()  # noqa: S324 - the protocol's
    second = hashlib.md5(b"GET:/dir/index.html").hexdigest()  # noqa: S324 - as above
    wanted = hashlib.md5(f"{first}:{NONCE}:{second}".encode()).hexdigest()  # noqa: S324 - as above
    assert f'response="{wanted}"' in found
    assert "qop" not in found


def test_a_session_variant_hashes_the_nonces_into_the_key() -> None:
    found = answered(challenge(algorithm="SHA-256-sess")) or ""
    plain = answered(challenge()) or ""
    assert "algorithm=SHA-256-sess" in found
    key = hashlib.sha256(b"Mufasa:http-auth@example.org:Circle of Life").hexdigest()
    key = hashlib.sha256(f"{key}:{NONCE}:{CLIENT_NONCE}".encode()).hexdigest()
    last = hashlib.sha256(b"GET:/dir/index.html").hexdigest()
    wanted = hashlib.sha256(f"{key}:{NONCE}:00000001:{CLIENT_NONCE}:auth:{last}".encode()).hexdigest()
    assert wanted in found
    assert wanted not in plain


def test_a_user_name_is_hashed_where_asked_and_extended_where_it_is_not_ascii() -> None:
    hashed = hashlib.sha256(b"Mufasa:http-auth@example.org").hexdigest()
    found = answered(challenge(userhash="true")) or ""
    assert f'username="{hashed}"' in found
    assert found.endswith("userhash=true")
    extended = answered(challenge(), user=UserPassword("Jäsøn Doe", Secret("Secret"))) or ""
    assert "username*=UTF-8''J%C3%A4s%C3%B8n%20Doe" in extended


def test_the_example_of_rfc_7616_section_3_9_2_as_erratum_4897_corrects_it() -> None:
    given = (
        'Digest realm="api@example.org", qop="auth", algorithm=SHA-512-256, '
        'nonce="5TsQWLVdgBdmrQ0XsxbDODV+57QdFR34I9HAbC/RVvkK", '
        'opaque="HRPCssKJSGjCrkzDg8OhwpzCiGPChXYjwrI2QmXDnsOS", charset=UTF-8, userhash=true'
    )
    found = answer(
        UserPassword("Jäsøn Doe", Secret("Secret, or not?")),
        Request("GET", "/doe.json"),
        challenges=[given],
        client_nonce="NTg6RKcb9boFIAS3KrFK9BGeh+iDa/sm6jUMp2wds69v",
    )
    assert 'username="793263caabb707a56211940d90411ea4a575adeccb7e360aeb624ed06ece9b0b"' in (found or "")
    assert 'response="3798d4131c277846293534c3edc11bd8a5e4cdcbff78b05db9d95eeb1cec68a5"' in (found or "")


@pytest.mark.parametrize("body", [b"", b'{"name": "Rex"}'])
def test_where_nothing_else_is_offered_the_body_is_protected_too(body: bytes) -> None:
    """`auth-int`, RFC 7616 section 3.4.3: A2 ends with the hash of the body."""
    found = answer(
        MUFASA, Request("POST", "/pets", body), challenges=[challenge(qop='"auth-int"')], client_nonce=CLIENT_NONCE
    )
    first = hashlib.sha256(b"Mufasa:http-auth@example.org:Circle of Life").hexdigest()
    second = hashlib.sha256(b"POST:/pets:" + hashlib.sha256(body).hexdigest().encode()).hexdigest()
    wanted = hashlib.sha256(f"{first}:{NONCE}:00000001:{CLIENT_NONCE}:auth-int:{second}".encode()).hexdigest()
    assert f'response="{wanted}"' in (found or "")
    assert "qop=auth-int, " in (found or "")


@pytest.mark.parametrize(
    ("challenges", "algorithm"),
    [
        (['Basic realm="a, b"', challenge()], "SHA-256"),
        ([f'Basic realm="x", {challenge(algorithm="MD5")}, Bearer'], "MD5"),
        ([challenge(algorithm="SHA-512"), challenge(algorithm="MD5")], "MD5"),
        ([challenge(), challenge(algorithm="MD5")], "SHA-256"),
        ([challenge(algorithm="MD5"), challenge()], "SHA-256"),
        ([challenge(algorithm="MD5"), challenge(algorithm="SHA-512-256"), challenge()], "SHA-512-256"),
        ([challenge(algorithm="SHA-256-sess"), challenge()], "SHA-256-sess"),
        ([challenge(qop='"auth-conf"'), challenge(algorithm="MD5")], "MD5"),
        ([f"Negotiate abc==, {challenge(algorithm='MD5')}"], "MD5"),
        ([challenge(algorithm='"MD5"', realm='"say \\"hi\\""')], "MD5"),
    ],
)
def test_the_strongest_challenge_that_can_be_answered_is_and_of_equal_ones_the_first(
    challenges: list[str], algorithm: str
) -> None:
    assert f"algorithm={algorithm}, " in (answered(*challenges) or "")


@pytest.mark.parametrize(
    "challenges",
    [
        [],
        ["Basic realm=x"],
        ["Digest"],
        ["Digest realm=x"],
        [challenge(qop='"auth-conf"')],
        [challenge(algorithm="SHA-512")],
        ["\x00=,,=\"'"],
        [challenge(realm='"a\udcff"')],
    ],
)
def test_what_cannot_be_answered_is_left_to_the_caller(challenges: list[str]) -> None:
    assert answered(*challenges) is None
