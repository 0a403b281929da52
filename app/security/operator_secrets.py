"""Secrets that the operator keeps outside of the database: environment variables and files that the settings list.

Whoever may set credentials names one of them; nothing that is not listed is looked at, and both cases sound the same.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from app.errors import CausewayError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from app.settings import Settings

_MAX_SIZE: Final = 64 * 1024


class SecretSourceError(CausewayError):
    """The source of a secret is not listed, or has none."""

    code = "secret_source_invalid"


class OperatorSecrets:
    """Reads secrets from the sources that the settings list, by default none."""

    def __init__(self, settings: Settings) -> None:
        """Take the lists of the settings."""
        self._settings = settings

    def read(self, source: Mapping[str, str]) -> str:
        """Give the secret of `{"source": "env", "name"}` or `{"source": "file", "path"}`, a last line end left out.

        Raises:
            SecretSourceError: with a sentence that names the setting.

        """
        kind, name, path = source.get("source"), source.get("name"), source.get("path")
        if kind == "env" and name and not path:
            found = self._settings.credential_variable(name)
            setting = "CAUSEWAY_CREDENTIAL_ENV"
        elif kind == "file" and path and not name:
            found = self._file(Path(path))
            setting = "CAUSEWAY_CREDENTIAL_FILES"
        else:
            raise SecretSourceError(
                'A source is {"source": "env", "name": "..."} or {"source": "file", "path": "..."}.'
            )
        if not found:
            raise SecretSourceError(f"The source is not one of those that {setting} lists, or there is nothing in it.")
        return found.removesuffix("\n").removesuffix("\r")

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
