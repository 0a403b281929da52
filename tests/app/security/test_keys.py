"""A01, A02, A04: the text of a key, and who it stands for."""

from __future__ import annotations

import dataclasses
import hashlib

import pytest

from app.security.authentication import AdminKey, Authentication, Presented, Refusal
from app.security.callers import LOCAL, NOBODY, SCOPES, Caller
from app.security.keys import ApiKeys, KnownKey, holds_key, is_key, new_key

CALLER = Caller("key:7", SCOPES["call"], frozenset({"team-a"}))


def known(expires_at: float | None = None, *, at: float = 1_000.0) -> tuple[str, ApiKeys]:
    made = new_key()
    keys = ApiKeys(clock=lambda: at)
    keys.know([KnownKey("7", made.digest, CALLER, expires_at)])
    return made.text, keys


async def found(keys: ApiKeys, text: str | bytes) -> Caller | Refusal | None:
    credential = text if isinstance(text, bytes) else text.encode()
    return await keys.authenticate(Presented(credential, "/", "127.0.0.1"))


def test_a_key_has_a_prefix_256_bits_and_a_checksum_and_only_its_hash_is_kept() -> None:
    made = [new_key() for _ in range(200)]
    assert len({each.text for each in made}) == 200
    for each in made:
        assert each.text.startswith("cwk_")
        assert len(each.text) == 4 + 43 + 6
        assert each.digest == hashlib.sha256(each.text.encode()).digest()
        assert each.text.startswith(each.prefix)
        assert len(each.prefix) == 10
        assert is_key(each.text.encode())
    seen = {letter for each in made for letter in each.text[5:47]}
    assert len(seen) == 62


def test_a_mistyped_key_is_told_by_itself() -> None:
    text = new_key().text
    for index in range(4, len(text)):
        other = "x" if text[index] != "x" else "y"
        assert not is_key((text[:index] + other + text[index + 1 :]).encode())
    for wrong in (text[:-1], text + "0", text[4:], text.upper(), text.replace("cwk_", "cwk-"), "", "é"):
        assert not is_key(wrong.encode())


def test_a_key_in_a_text_is_found() -> None:
    text = new_key().text
    assert holds_key(f"a=1&b=x{text}y".encode())
    assert not holds_key(b"cwk_ is what keys start with")


async def test_a_known_key_is_who_it_stands_for() -> None:
    text, keys = known()
    assert await found(keys, text) is CALLER
    assert keys.take_used() == {"7": 1_000.0}
    assert keys.take_used() == {}


async def test_unknown_wrong_and_mistyped_keys_are_nobody() -> None:
    """A02."""
    text, keys = known()
    for wrong in (new_key().text, text[:-1], text + "0", "cwk_", "cwk_é", b"cwk_\xff\x00"):
        assert await found(keys, wrong) is NOBODY
    assert keys.take_used() == {}


async def test_a_revoked_key_is_nobody_at_once() -> None:
    text, keys = known()
    keys.know([])
    assert await found(keys, text) is NOBODY


@pytest.mark.parametrize(("at", "is_known"), [(1_999.0, True), (1_999.999, True), (2_000.0, False), (2_001.0, False)])
async def test_a_key_expires_exactly_when_it_says(at: float, is_known: bool) -> None:
    """A04."""
    text, keys = known(2_000.0, at=at)
    assert await found(keys, text) is (CALLER if is_known else NOBODY)


async def test_before_it_is_known_which_keys_there_are_nobody_is_told_that_theirs_is_wrong() -> None:
    refused = await found(ApiKeys(), new_key().text)
    assert isinstance(refused, Refusal)
    assert (refused.status, refused.code) == (503, "registry_unavailable")


async def test_what_is_no_key_is_left_to_other_authenticators() -> None:
    _, keys = known()
    for other in ("", "an-admin-key-of-some-length", "eyJhbGciOiJub25lIn0.e30."):
        assert await found(keys, other) is None


async def test_every_key_that_is_not_valid_is_refused_in_the_same_words() -> None:
    """A02."""
    text, keys = known(2_000.0, at=3_000.0)
    authentication = Authentication([keys, AdminKey("an-admin-key-of-some-length")])
    answers = [
        await authentication.caller("/api/v1/keys", [(b"x-api-key", shown)], address="127.0.0.1")
        for shown in (text.encode(), new_key().text.encode(), b"cwk_x", b"something", b"")
    ]
    assert all(answer == answers[0] and isinstance(answer, Refusal) and answer.status == 401 for answer in answers)


async def test_local_mode_takes_a_key_at_its_word() -> None:
    text, keys = known()
    local = Authentication([keys], otherwise=LOCAL)
    assert await local.caller("/", [(b"x-api-key", text.encode())], address="") is CALLER
    assert await local.caller("/", [], address="") is LOCAL
    assert await local.caller("/", [(b"authorization", b"Bearer whatever")], address="") is LOCAL
    refused = await local.caller("/", [(b"authorization", f"Bearer {new_key().text}".encode())], address="")
    assert isinstance(refused, Refusal)
    assert refused.status == 401


def test_a_caller_covers_what_permits_no_more() -> None:
    wide = Caller("a", SCOPES["admin"], frozenset({"*"}))
    team = Caller("b", SCOPES["admin"], frozenset({"team-a"}))
    server = dataclasses.replace(team, servers=frozenset({"pets"}))
    tool = dataclasses.replace(server, tools=frozenset({"get_pet"}), permissions=SCOPES["call"])
    for outer, inner in ((wide, team), (team, server), (server, tool), (wide, wide), (tool, tool)):
        assert outer.covers(inner)
        assert outer == inner or not inner.covers(outer)
    assert not team.covers(dataclasses.replace(team, namespaces=frozenset({"team-b"})))
    assert not dataclasses.replace(team, permissions=SCOPES["import"]).covers(
        dataclasses.replace(team, permissions=SCOPES["call"])
    )
