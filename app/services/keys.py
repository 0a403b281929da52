"""API keys: made, listed, revoked; and what every process knows of them, for the guard.

Each process holds the keys in memory and asks the registry every two seconds whether one came or went, so that a key
that was revoked anywhere is refused everywhere within seconds, and no request waits for the database.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from app.errors import CausewayError
from app.registry.errors import KeyNotFound, NamespaceNotFound, RegistryUnavailable
from app.registry.records import KeyGrant, NewApiKey
from app.security.callers import EVERY, SCOPES, Caller, CallerLimits
from app.security.keys import ApiKeys, KnownKey, new_key
from app.services.repeating import alongside, repeated
from app.telemetry.records import note_target

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from app.registry import Database
    from app.registry.records import ApiKeyRecord, Page
    from app.services.access_files import AccessFile

_SUBJECT: Final = "key:"
POLL_SECONDS: Final = 2.0
"""How often the registry is asked whether keys came or went."""
_NOTE_SECONDS: Final = 60.0
"""How often the last uses are written down."""
_LONGEST: Final = timedelta(days=36_525)


class InvalidKeyError(CausewayError):
    """A key with these properties would be of no use."""

    code = "key_invalid"


class KeyNotPermittedError(CausewayError):
    """A key would permit more than who makes it may do."""

    code = "insufficient_scope"


@dataclass(frozen=True, slots=True)
class CreatedKey:
    """A key that was made: its record, and its text, which is given this once."""

    record: ApiKeyRecord
    text: str


class Keys:
    """The use cases around API keys."""

    def __init__(self, database: Database, known: ApiKeys, *, file: AccessFile | None = None) -> None:
        """Work on `database`, telling `known` which keys there are; keep them in `file` for starts without it."""
        self._file = file
        self._listener: Callable[[Callable[[Caller], bool]], None] = _nobody
        self._database = database
        self._known = known
        self._state: tuple[int, int, int] | None = None
        self._refreshing = asyncio.Lock()

    async def create(self, name: str, *, grant: KeyGrant, expires_at: datetime | None, by: Caller) -> CreatedKey:
        """Make a key, which can never do more than who makes it.

        Raises:
            NamespaceNotFound: when there is no such namespace, or none that `by` reaches.
            KeyNotPermittedError: when the key would permit more than `by` may do.
            InvalidKeyError: when it has expired before it is made, or expires beyond any use, or names tools and edits.

        """
        if grant.namespace != "*" and not by.reaches(grant.namespace):
            raise NamespaceNotFound(grant.namespace)
        if not by.covers(caller_of_key("", grant)):
            raise KeyNotPermittedError("A key cannot permit more than you may do: narrow its scopes or its reach.")
        _check_expiry(expires_at)
        if "*" not in grant.tools and set(grant.scopes) != {"call"}:
            raise InvalidKeyError("Tools narrow what may be called: a key with `tools` has the scope `call` alone.")
        new, text = key_made(name, grant, expires_at=expires_at, created_by=by.subject)
        async with self._database.transaction() as registry:
            record = await registry.keys.add(new)
            note_target(target=new.id)
        await self.refresh()
        return CreatedKey(record, text)

    async def list(self, *, by: Caller, cursor: str | None, limit: int) -> Page[ApiKeyRecord]:
        """Give a page of the keys for the namespaces that `by` reaches, revoked ones included."""
        namespaces = None if by.namespaces == EVERY else by.namespaces
        async with self._database.transaction(read_only=True) as registry:
            return await registry.keys.list(namespaces, cursor=cursor, limit=limit)

    async def revoke(self, key_id: str, *, by: Caller) -> None:
        """Have a key refused from now on; raises `KeyNotFound`, also for one that can do more than `by`."""
        async with self._database.transaction() as registry:
            record = await registry.keys.get(key_id)
            if not by.covers(caller_of_key(record.id, record.grant)):
                raise KeyNotFound(key_id)
            await registry.keys.revoke(key_id)
        await self.refresh()

    def listen(self, listener: Callable[[Callable[[Caller], bool]], None]) -> None:
        """Have `listener` told, again and again, of whom it is true that their key is revoked or has expired."""
        self._listener = listener

    async def refresh(self) -> None:
        """Learn which keys there are now, and tell who has none any more."""
        await self._learn()
        valid = self._known.subjects()
        self._listener(lambda caller: caller.subject.startswith(_SUBJECT) and caller.subject not in valid)

    async def _learn(self) -> None:
        async with self._refreshing:
            async with self._database.transaction(read_only=True) as registry:
                state = await registry.keys.state()
                records = None if state == self._state else await registry.keys.usable()
            if records is not None:
                self._known.know(map(_known, records))
                self._state = state
            if self._file is not None and records is not None:
                await self._file.write([_written(each) for each in records])
            elif self._file is not None:
                await self._file.confirm()

    @contextlib.asynccontextmanager
    async def following(self) -> AsyncIterator[None]:
        """Know the keys there are, and those that come and go, as long as the block runs."""
        try:
            await self.refresh()
        except RegistryUnavailable:
            await self._restore()
        # What is known stays while the registry is away: without it nobody can have revoked a key.
        learning = repeated(self.refresh, seconds=POLL_SECONDS, name="looking for revoked keys")
        noting = repeated(self.note_uses, seconds=_NOTE_SECONDS, name="noting when keys were used")
        try:
            async with alongside(learning, noting):
                yield
        finally:
            with contextlib.suppress(RegistryUnavailable):
                await self.note_uses()

    async def _restore(self) -> None:
        kept = None if self._file is None else await self._file.read()
        if kept is not None:
            self._known.know(map(_read, kept))

    async def note_uses(self) -> None:
        """Write down when keys were used last."""
        used = {key: datetime.fromtimestamp(time, UTC) for key, time in self._known.take_used().items()}
        if used:
            async with self._database.transaction(is_change=False) as registry:
                await registry.keys.used(used)


def _nobody(is_gone: Callable[[Caller], bool]) -> None:
    """Take note of nothing, as long as nobody listens."""


def _check_expiry(expires_at: datetime | None) -> None:
    now = datetime.now(UTC)
    if expires_at is not None and expires_at <= now:
        raise InvalidKeyError("`expires_at` has passed already.")
    if expires_at is not None and expires_at > now + _LONGEST:
        raise InvalidKeyError("`expires_at` is more than 100 years away: leave it out for a key that does not expire.")


def key_made(name: str, grant: KeyGrant, *, expires_at: datetime | None, created_by: str) -> tuple[NewApiKey, str]:
    """Make a key: what is to be stored of it, and its text."""
    made = new_key()
    new = NewApiKey(
        id=secrets.token_hex(8),
        digest=made.digest,
        prefix=made.prefix,
        name=name,
        grant=grant,
        created_by=created_by,
        expires_at=expires_at,
    )
    return new, made.text


def caller_of_key(key_id: str, grant: KeyGrant) -> Caller:
    """Give who a key stands for."""
    return Caller(
        f"{_SUBJECT}{key_id}",
        frozenset().union(*(SCOPES[each] for each in grant.scopes)),
        frozenset({grant.namespace}),
        frozenset(grant.servers),
        frozenset(grant.tools),
        CallerLimits(**grant.limits),
    )


def _known(record: ApiKeyRecord) -> KnownKey:
    expires_at = None if record.expires_at is None else record.expires_at.timestamp()
    return KnownKey(record.id, record.digest, caller_of_key(record.id, record.grant), expires_at)


def _written(record: ApiKeyRecord) -> dict[str, Any]:
    """Give what is kept of a key on disk: never the key itself."""
    expires_at = None if record.expires_at is None else record.expires_at.timestamp()
    return {"id": record.id, "digest": record.digest.hex(), "grant": asdict(record.grant), "expires_at": expires_at}


def _read(kept: dict[str, Any]) -> KnownKey:
    digest, caller = bytes.fromhex(kept["digest"]), caller_of_key(kept["id"], KeyGrant(**kept["grant"]))
    return KnownKey(kept["id"], digest, caller, kept["expires_at"])
