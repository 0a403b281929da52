"""The first key of a gateway that was started in service mode without an operator's key.

There is no default password: whoever starts the gateway is shown a token, once, which makes one key with every
permission, once. It is kept as a digest in the database: it outlives restarts, and is the same for all instances.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from app.errors import CausewayError, TooManyRequestsError
from app.registry.records import KeyGrant
from app.security.keys import digest_of, is_setup_token, new_setup_token
from app.services.keys import CreatedKey, key_made
from app.telemetry.records import Change, note_change, note_subject

if TYPE_CHECKING:
    from datetime import datetime

    from app.registry import Database
    from app.security.attempts import Attempts
    from app.services.keys import Keys

SUBJECT: Final = "setup"
"""Who makes the first key."""
_EVERYTHING: Final = KeyGrant(scopes=("admin",), namespace="*", servers=("*",), tools=("*",), limits={})


class SetupTokenError(CausewayError):
    """A set-up token is not, or no longer, good for anything."""

    code = "setup_token_invalid"


@dataclass(frozen=True, slots=True)
class SetupOffer:
    """There is no key yet. `token` makes the first; "" where it was shown before, which was at `since`."""

    token: str
    since: datetime


class Setup:
    """The use cases around the first key."""

    def __init__(self, database: Database, keys: Keys, attempts: Attempts, *, is_open: bool) -> None:
        """Work on `database`, telling `keys`; `is_open` is whether this gateway has no other way in."""
        self._database = database
        self._keys = keys
        self._attempts = attempts
        self._is_open = is_open

    async def offer(self) -> SetupOffer | None:
        """Give the token, made if there is none yet; None where it is not needed.

        Raises:
            RegistryUnavailable: when the database is away.

        """
        if not self._is_open:
            return None
        made = new_setup_token()
        async with self._database.transaction() as registry:
            is_first = await registry.setup.offer(made.digest)
            since = await registry.setup.open_since()
        return None if since is None else SetupOffer(made.text if is_first else "", since)

    async def redeem(self, token: str, *, name: str, address: str) -> CreatedKey:
        """Make the first key; of several who try at once, one does.

        Raises:
            SetupTokenError: for any token but the one, and for that when it was used or there is a key.
            TooManyRequestsError: when too many wrong ones came from `address`.

        """
        wait = self._attempts.wait(address)
        if wait:
            raise TooManyRequestsError("Too many wrong tokens came from there: wait.", wait)
        created = await self._redeemed(token, name) if self._is_open and is_setup_token(token.encode()) else None
        if created is None:
            self._attempts.failed(address)
            raise SetupTokenError("The set-up token is not good: it is mistyped, was used, or there is a key already.")
        await self._keys.refresh()
        return created

    async def _redeemed(self, token: str, name: str) -> CreatedKey | None:
        new, text = key_made(name, _EVERYTHING, expires_at=None, created_by=SUBJECT)
        async with self._database.transaction() as registry:
            if not await registry.setup.use(digest_of(token.encode())):
                return None
            note_subject(SUBJECT)
            note_change(Change("set_up", target=new.id))
            return CreatedKey(await registry.keys.add(new), text)
