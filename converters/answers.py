"""What an API answers, as values."""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass
from typing import Final

from converters import media_types

_CHARSET: Final = re.compile(r"charset\s*=\s*\"?([\w.:+-]+)", re.IGNORECASE)
# Python counts the encodings of domain names among its charsets; they take the square of a text's length.
_NO_CHARSETS: Final = frozenset({"punycode", "idna"})


@dataclass(frozen=True, slots=True)
class ApiResponse:
    """What came back from the API: `body` decoded from any content encoding, fields as sent (or "").

    `challenges` are the `WWW-Authenticate` fields of a 401, in order.
    """

    status: int
    content_type: str
    body: bytes
    reason: str = ""
    location: str = ""
    content_location: str = ""
    retry_after: str = ""
    challenges: tuple[str, ...] = ()
    etag: str = ""
    last_modified: str = ""

    def text(self) -> str | None:
        """Decode the body by its charset, else UTF-8; None where it is not text. A byte order mark is dropped."""
        declared = _CHARSET.search(self.content_type) if "=" in self.content_type else None
        for charset in (declared[1] if declared else "utf-8", "utf-8"):
            try:
                if codecs.lookup(charset).name not in _NO_CHARSETS:
                    return self.body.decode(charset).strip("\ufeff")
            except (LookupError, UnicodeDecodeError, ValueError):
                continue
        kind = media_types.essence(self.content_type)
        is_textual = not kind or media_types.is_text(kind) or media_types.is_json(kind)
        return self.body.decode("latin-1") if is_textual and kind else None
