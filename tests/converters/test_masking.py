"""Acceptance K03: whatever form an API gives a secret back in, it does not leave."""

from __future__ import annotations

import base64
import html
import json
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from converters.credentials import MASK, ClientCredentials, Secret, Token, UserPassword
from converters.masking import NO_MASK, Mask

KEY = 'sk/live+ü"4f9a\\77'
MASKS = Mask([Token(Secret(KEY)), UserPassword("bob", Secret("pa ss/word"))])


@pytest.mark.parametrize(
    "form",
    [
        KEY,
        json.dumps(KEY)[1:-1],
        json.dumps(KEY, ensure_ascii=False)[1:-1],
        json.dumps(KEY)[1:-1].replace("/", "\\/"),
        quote(KEY),
        quote(KEY, safe=""),
        "sk%2flive%2b%c3%bc%224f9a%5c77",
        html.escape(KEY),
        "pa ss/word",
        "bob:pa ss/word",
        "pa+ss%2Fword",
    ],
)
def test_every_form_is_masked_in_texts_and_bodies(form: str) -> None:
    told = f'{{"you sent": "{form}", "twice": "{form}"}}'
    for masked in (MASKS.text(told), MASKS.body(told.encode()).decode()):
        assert masked == f'{{"you sent": "{MASK}", "twice": "{MASK}"}}' or ("bob" in masked and MASK in masked)
        assert form not in masked


@pytest.mark.parametrize("prefix", [b"", b"1", b"12", b"123", b"bob:"])
@pytest.mark.parametrize("suffix", [b"", b"1", b"12", b"123"])
@pytest.mark.parametrize("encode", [base64.b64encode, base64.urlsafe_b64encode])
def test_base64_is_masked_wherever_the_secret_begins(prefix: bytes, suffix: bytes, encode: object) -> None:
    assert callable(encode)
    encoded = encode(prefix + KEY.encode() + suffix).decode()
    masked = MASKS.text(f"Basic {encoded}")
    assert MASK in masked
    assert len(masked.replace("Basic ", "").replace(MASK, "")) <= 16


@pytest.mark.parametrize("coding", ["utf-16", "utf-16-le", "utf-16-be"])
def test_utf_16_is_masked(coding: str) -> None:
    assert KEY.encode("utf-16-le") not in MASKS.body(f"key {KEY}".encode(coding))
    assert KEY.encode("utf-16-be") not in MASKS.body(f"key {KEY}".encode(coding))


def test_a_secret_that_begins_with_another_is_masked_whole() -> None:
    mask = Mask([Token(Secret("abcdef")), Token(Secret("abcdefghij"))])
    assert mask.text("abcdefghij abcdef") == f"{MASK} {MASK}"


def test_what_holds_no_secret_stays_the_same_object() -> None:
    body = b'{"id": 7, "name": "Rex"}'
    assert MASKS.body(body) is body
    assert NO_MASK.body(body) is body
    assert NO_MASK.text("x") == "x"


def test_a_form_too_short_to_be_told_from_other_text_is_left() -> None:
    assert Mask([Token(Secret("admin"))]).text("admin of it") == "admin of it"
    assert Mask([Token(Secret("s3cr3t"))]).text("s3cr3t of it") == f"{MASK} of it"
    basic = Mask([UserPassword("bob", Secret("pw"))])
    assert basic.text("bob:pw Ym9iOnB3 pw") == f"{MASK} {MASK} pw"


def test_a_client_s_secret_is_masked_and_its_name_is_not() -> None:
    mask = Mask([ClientCredentials("client-1", Secret("s3cr3t-value"), "client_secret_post")])
    assert mask.text("client-1 s3cr3t-value") == f"client-1 {MASK}"
    assert Mask([ClientCredentials("client-1", None, "none")]).text("client-1") == "client-1"


@given(st.text(min_size=8), st.text(), st.text())
def test_no_secret_survives(secret: str, before: str, after: str) -> None:
    secret = secret.encode("utf-8", "ignore").decode()
    if len(secret) < 8 or secret in MASK * 20:
        return
    mask = Mask([Token(Secret(secret))])
    assert secret not in mask.text(f"{before}|{secret}|{after}").replace(MASK, "\udcff")


def test_a_secret_whose_bytes_were_read_as_latin_1_is_masked() -> None:
    mask = Mask([Token(Secret("canary-schlüssel"))])
    misread = "canary-schlüssel".encode().decode("latin-1")
    assert mask.text(f"You sent {misread}!") == "You sent ***!"
    assert mask.body(json.dumps({"echo": misread}).encode()) == b'{"echo": "***"}'
