"""Who may come in, on disk: sealed, of one registry, and good for a day."""

from __future__ import annotations

from pathlib import Path

from app.security.sealing import SecretKeys
from app.services.access_files import GOOD_SECONDS, AccessFile

URL = "postgresql://causeway@db.example/causeway"
KEYS = SecretKeys(bytes(range(32)))
VALUE = [{"id": "1", "digest": "00ff"}]


class Clock:
    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


def file(folder: Path, *, url: str = URL, name: str = "keys", keys: SecretKeys = KEYS, clock: Clock) -> AccessFile:
    return AccessFile(folder, url, name, keys=keys, clock=clock)


async def test_what_was_kept_is_read_for_its_registry_and_with_its_key_alone(tmp_path: Path) -> None:
    clock = Clock()
    assert await file(tmp_path, clock=clock).read() is None
    await file(tmp_path, clock=clock).write(VALUE)
    assert await file(tmp_path, clock=clock).read() == VALUE
    assert await file(tmp_path, url=f"{URL}-2", clock=clock).read() is None
    assert await file(tmp_path, keys=SecretKeys(bytes(32)), clock=clock).read() is None
    (kept,) = (tmp_path / "access").iterdir()
    assert kept.stat().st_mode & 0o077 == 0
    assert b"00ff" not in kept.read_bytes()


async def test_a_file_that_was_changed_or_put_in_the_place_of_another_is_none(tmp_path: Path) -> None:
    clock = Clock()
    await file(tmp_path, clock=clock).write(VALUE)
    (kept,) = (tmp_path / "access").iterdir()
    whole = kept.read_bytes()
    kept.with_name(kept.name.replace("keys", "issuers")).write_bytes(whole)
    assert await file(tmp_path, name="issuers", clock=clock).read() is None
    for changed in (whole[:-1], whole[:-1] + bytes([whole[-1] ^ 1]), b"", b"\n", b"\xff\n" + whole):
        kept.write_bytes(changed)
        assert await file(tmp_path, clock=clock).read() is None


async def test_a_file_is_good_for_a_day_after_it_was_confirmed(tmp_path: Path) -> None:
    clock = Clock()
    written = file(tmp_path, clock=clock)
    await written.confirm()
    assert await written.read() is None
    await written.write(VALUE)
    clock.now += GOOD_SECONDS - 1
    assert await file(tmp_path, clock=clock).read() == VALUE
    await written.confirm()
    clock.now += GOOD_SECONDS - 1
    assert await file(tmp_path, clock=clock).read() == VALUE
    clock.now += 1
    assert await file(tmp_path, clock=clock).read() is None


async def test_a_disk_that_takes_nothing_is_no_failure(tmp_path: Path) -> None:
    (tmp_path / "access").write_text("in the way")
    await file(tmp_path, clock=Clock()).write(VALUE)
    assert await file(tmp_path, clock=Clock()).read() is None
