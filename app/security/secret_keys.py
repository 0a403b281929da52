"""The keys that credentials are stored under, and where they come from.

In service mode the operator gives the key; in local mode it is made once and kept in the data directory, readable by
its owner only. A key that was in use stays readable (`SECRET_KEYS_OLD`) until everything is stored under the new one.
"""

from __future__ import annotations

import base64
import binascii
import os
import secrets
from typing import TYPE_CHECKING, Final

from app.security.namespace_keys import NamespaceKeys
from app.security.sealing import SecretKeys
from app.settings import SettingsError

if TYPE_CHECKING:
    from pathlib import Path

    from app.settings import Settings

FILE: Final = "secret.key"
"""The key's file in the data directory of local mode."""

_SIZE: Final = 32
# 32 bytes at random have some 30 different values; fewer than this come from a pattern.
_MIN_VARIETY: Final = 16
_PRINTABLE: Final = range(0x20, 0x7F)


def load_keys(settings: Settings) -> SecretKeys:
    """Read the keys that the settings name, or in local mode those of the data directory.

    Raises:
        SettingsError: when there is none, or one is not 32 bytes at random; the sentence names the setting.

    """
    old = settings.secret_keys_old.get_secret_value() if settings.secret_keys_old else ""
    readable = [_decoded(each, "CAUSEWAY_SECRET_KEYS_OLD") for each in old.split(",") if each.strip()]
    folder = settings.namespace_keys_folder
    return SecretKeys(_current(settings), readable, namespaces=None if folder is None else NamespaceKeys(folder))


def _current(settings: Settings) -> bytes:
    if settings.secret_key is not None:
        return _decoded(settings.secret_key.get_secret_value(), "CAUSEWAY_SECRET_KEY")
    if settings.secret_key_file is not None:
        return _decoded(_read(settings.secret_key_file, "CAUSEWAY_SECRET_KEY_FILE"), "CAUSEWAY_SECRET_KEY_FILE")
    if not settings.is_local:
        raise SettingsError(
            "CAUSEWAY_SECRET_KEY (or CAUSEWAY_SECRET_KEY_FILE) must be set in service mode, to the key that stored "
            "credentials are encrypted with: 32 bytes at random in base64, as `openssl rand -base64 32` prints them."
        )
    return _kept(settings.data_dir)


def _kept(folder: Path) -> bytes:
    """Give local mode's key, made at the first start; two starters agree on the one that was first."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    path = folder / FILE
    made = folder / f"{FILE}.{secrets.token_hex(8)}"
    if not path.exists():
        descriptor = os.open(made, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(base64.b64encode(secrets.token_bytes(_SIZE)) + b"\n")
        # A link is made whole or not at all, and never over a file that is there.
        try:
            os.link(made, path)
        except FileExistsError:
            pass
        except OSError:  # a file system without links
            made.rename(path)
        finally:
            made.unlink(missing_ok=True)
    return _decoded(_read(path, "CAUSEWAY_DATA_DIR"), f"{FILE} in CAUSEWAY_DATA_DIR")


def _read(path: Path, setting: str) -> str:
    try:
        return path.read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError):
        raise SettingsError(f"{setting}: the file of the secret key cannot be read.") from None


def _decoded(text: str, setting: str) -> bytes:
    """Decode a key, and refuse one that is short, an example or a text somebody typed."""
    try:
        key = base64.b64decode(text.strip().translate(_URL_SAFE), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if len(key) != _SIZE:
        raise SettingsError(f"{setting} must be 32 bytes in base64, as `openssl rand -base64 32` prints them.")
    if len(set(key)) < _MIN_VARIETY or all(byte in _PRINTABLE for byte in key):
        raise SettingsError(
            f"{setting} is not at random, so it protects nothing: take what `openssl rand -base64 32` prints."
        )
    return key


_URL_SAFE: Final = str.maketrans("-_", "+/")
