"""Secrets that the operator keeps outside of the database: variables, files and paths in Vault that the settings list.

Whoever may set credentials names one of them; nothing that is not listed is looked at, and both cases sound the same.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

from app.errors import CausewayError, UpstreamError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from app.settings import Settings

_MAX_SIZE: Final = 64 * 1024
# Of each kind of source what it consists of, and the setting that lists what may be read.
_MEMBERS: Final[Mapping[str, tuple[frozenset[str], str]]] = {
    "env": (frozenset({"name"}), "CAUSEWAY_CREDENTIAL_ENV"),
    "file": (frozenset({"path"}), "CAUSEWAY_CREDENTIAL_FILES"),
    "vault": (frozenset({"path", "field"}), "CAUSEWAY_VAULT_PATHS"),
}
# Segments that are no way up.
_PATH: Final = re.compile(r"(?!\.)[A-Za-z0-9_.-]+(?:/(?!\.)[A-Za-z0-9_.-]+)*")


class SecretSourceError(CausewayError):
    """The source of a secret is not listed, or has none."""

    code = "secret_source_invalid"


class KeyValueStore(Protocol):
    """Where the fields of secrets are read by path: HashiCorp Vault."""

    async def read(self, path: str, *, is_fresh: bool = False) -> Mapping[str, Any] | None:
        """Give the fields at a path, None where there are none; `is_fresh` asks although something is known.

        Raises:
            UpstreamError: where it cannot be asked.

        """
        ...


class OperatorSecrets:
    """Reads secrets from the sources that the settings list, by default none."""

    def __init__(self, settings: Settings, store: KeyValueStore | None = None) -> None:
        """Take the lists of the settings, and the Vault that they name."""
        self._settings = settings
        self._store = store

    async def read(self, source: Mapping[str, str], *, is_fresh: bool = False) -> str:
        """Give the secret of a source, a last line end left out; `is_fresh` as it is now, not as it was some time ago.

        That is `{"source": "env", "name"}`, `{"source": "file", "path"}` or `{"source": "vault", "path", "field"}`.

        Raises:
            SecretSourceError: with a sentence that names the setting.

        """
        kind = source.get("source", "")
        wanted, setting = _MEMBERS.get(kind, (frozenset(), ""))
        if not wanted or source.keys() - {"source"} != wanted or not all(source.values()):
            raise SecretSourceError(
                'A source is {"source": "env", "name": "..."}, {"source": "file", "path": "..."} or '
                '{"source": "vault", "path": "...", "field": "..."}.'
            )
        if kind == "env":
            found = self._settings.credential_variable(source["name"])
        elif kind == "file":
            found = self._file(Path(source["path"]))
        else:
            found = await self._stored(source["path"], source["field"], is_fresh=is_fresh)
        if not found:
            raise SecretSourceError(f"The source is not one of those that {setting} lists, or there is nothing in it.")
        return found.removesuffix("\n").removesuffix("\r")

    async def _stored(self, path: str, field: str, *, is_fresh: bool) -> str | None:
        is_listed = any(f"{path}/".startswith(f"{each.strip('/')}/") for each in self._settings.vault_paths)
        if self._store is None or not is_listed or not _PATH.fullmatch(path):
            return None
        try:
            fields = await self._store.read(path, is_fresh=is_fresh)
        except UpstreamError as error:
            raise SecretSourceError(f"{error.message} Try again when it is back.") from None
        value = (fields or {}).get(field)
        return value if isinstance(value, str) else None

    def _file(self, path: Path) -> str | None:
        """Read a file; links are followed first, so that none leads out of what is listed."""
        try:
            real = path.resolve(strict=True)
            listed = any(real.is_relative_to(each.resolve()) for each in self._settings.credential_files)
            if not path.is_absolute() or not listed or not real.is_file() or real.stat().st_size > _MAX_SIZE:
                return None
            return real.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError, ValueError, RuntimeError):
            return None
