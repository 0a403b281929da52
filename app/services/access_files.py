"""Who may come in, as it was known last: for starts while the registry's database is away.

API keys (their digests) and issuers are kept in a file each, sealed with the operator's key: nobody who can write to
the disk can let themselves in, and nothing of one database is taken for another's. A file is good for a day after it
was last known to be right, so that what was revoked meanwhile does not stay good on an instance that was off.
"""

from __future__ import annotations

import hashlib
import json
import logging
import time
from typing import TYPE_CHECKING, Any, Final

from anyio import to_thread

from app.security.sealing import Sealed, UnreadableSecretError
from app.services.server_files import replace_file

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from app.security.sealing import SecretKeys

GOOD_SECONDS: Final = 24 * 3600
"""How long a file is good for after it was last known to be right."""
_CONFIRM_SECONDS: Final = 3600
_log: Final = logging.getLogger(__name__)


class AccessFile:
    """One file with a JSON value."""

    def __init__(
        self, folder: Path, registry_url: str, name: str, *, keys: SecretKeys, clock: Callable[[], float] = time.time
    ) -> None:
        """Keep the value `name` of a registry below `folder`; nothing is made yet. `clock` gives seconds since 1970."""
        registry = hashlib.sha256(registry_url.encode()).hexdigest()[:16]
        self._path = folder / "access" / f"{registry}-{name}"
        self._place = ("access", registry, name)
        self._keys = keys
        self._clock = clock
        self._written: tuple[Any, float] | None = None
        self._has_failed = False

    async def read(self) -> Any | None:
        """Give the value; None where there is none, or none that can be relied on."""
        return await to_thread.run_sync(self._read)

    async def write(self, value: Any) -> None:
        """Keep a value that is right now. A disk that is full or read-only is told once, and nothing more."""
        now = self._clock()
        if self._written is not None and self._written[0] == value and now - self._written[1] < _CONFIRM_SECONDS:
            return
        self._written = value, now
        await to_thread.run_sync(self._write, value, now)

    async def confirm(self) -> None:
        """Note that the value that was written last is still right."""
        if self._written is not None:
            await self.write(self._written[0])

    def _write(self, value: Any, now: float) -> None:
        sealed = self._keys.seal(json.dumps([now, value]).encode(), self._place)
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            replace_file(self._path, f"{sealed.key_id}\n".encode() + sealed.content)
        except OSError as error:
            if not self._has_failed:
                _log.warning("who may come in could not be kept on disk: %s", error.strerror)
            self._has_failed = True

    def _read(self) -> Any | None:
        try:
            key_id, _, content = self._path.read_bytes().partition(b"\n")
            opened = self._keys.open(Sealed(key_id.decode("latin-1"), content), self._place)
        except (OSError, UnreadableSecretError):
            return None
        written, value = json.loads(opened)
        return value if self._clock() - written < GOOD_SECONDS else None
