"""Acceptance K05 and the secret store: what is sealed opens in its place and nowhere else."""

from __future__ import annotations

import secrets

import pytest

from app.security.sealing import Sealed, SecretKeys, UnreadableSecretError

KEY, OTHER = bytes(range(32)), bytes(range(1, 33))
PLACE = ("default", "pets", "key", {"origins": ["https://a.example"]})
SECRET = b"canary-secret"


def test_what_is_sealed_opens_in_its_place() -> None:
    keys = SecretKeys(KEY)
    sealed = keys.seal(SECRET, PLACE)
    assert keys.open(sealed, PLACE) == SECRET
    assert SECRET not in sealed.content
    assert sealed.key_id == keys.current_id
    assert len(sealed.content) == 12 + len(SECRET) + 16
    assert keys.seal(SECRET, PLACE).content != sealed.content


@pytest.mark.parametrize(
    "place",
    [
        ("other", "pets", "key", PLACE[3]),
        ("default", "dogs", "key", PLACE[3]),
        ("default", "pets", "other", PLACE[3]),
        ("default", "pets", "key", {"origins": ["https://evil.example"]}),
        ("default", "pets", "key", {}),
        ("default", "pets", "key"),
        ("defaultpets", "", "key", PLACE[3]),
    ],
)
def test_in_another_place_it_is_refused(place: tuple[object, ...]) -> None:
    keys = SecretKeys(KEY)
    with pytest.raises(UnreadableSecretError) as caught:
        keys.open(keys.seal(SECRET, PLACE), place)
    assert caught.value.__cause__ is None
    assert "canary" not in caught.value.message


def test_with_any_one_bit_changed_it_is_refused() -> None:
    keys = SecretKeys(KEY)
    sealed = keys.seal(SECRET, PLACE)
    for bit in range(len(sealed.content) * 8):
        changed = bytearray(sealed.content)
        changed[bit // 8] ^= 1 << bit % 8
        with pytest.raises(UnreadableSecretError):
            keys.open(Sealed(sealed.key_id, bytes(changed)), PLACE)


@pytest.mark.parametrize("length", [0, 5, 12, 27])
def test_what_is_too_short_is_refused(length: int) -> None:
    with pytest.raises(UnreadableSecretError):
        SecretKeys(KEY).open(Sealed(SecretKeys(KEY).current_id, secrets.token_bytes(length)), PLACE)


def test_another_key_does_not_open_it_and_an_old_one_does_but_writes_nothing() -> None:
    old, new = SecretKeys(OTHER), SecretKeys(KEY, [OTHER])
    sealed = old.seal(SECRET, PLACE)
    with pytest.raises(UnreadableSecretError):
        SecretKeys(KEY).open(sealed, PLACE)
    assert new.open(sealed, PLACE) == SECRET
    assert new.seal(SECRET, PLACE).key_id == SecretKeys(KEY).current_id
    assert new.ids == {old.current_id, SecretKeys(KEY).current_id}
    with pytest.raises(UnreadableSecretError):
        new.open(Sealed(new.current_id, sealed.content), PLACE)


def test_a_fingerprint_tells_secrets_apart_and_needs_the_key() -> None:
    keys = SecretKeys(KEY)
    assert keys.fingerprint(SECRET, "default") == keys.fingerprint(SECRET, "default")
    others = {
        keys.fingerprint(SECRET, "default"),
        keys.fingerprint(SECRET, "other"),
        keys.fingerprint(b"x", "default"),
        SecretKeys(OTHER).fingerprint(SECRET, "default"),
        keys.fingerprint(b"lt" + SECRET, "defau"),
    }
    assert len(others) == 5
