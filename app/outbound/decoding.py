"""Undoing content codings within limits (RFC 9110 section 8.4): a few bytes cannot become many.

Ours instead of the client's, so that the same codings are asked for and read wherever this runs, and so that size and
ratio are checked piece by piece while decoding.
"""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Final

from app.errors import ResponseTooLargeError, UpstreamProtocolError, UpstreamResetError

if TYPE_CHECKING:
    from collections.abc import Iterator

ACCEPT_ENCODING: Final = "gzip, deflate"
"""What is asked for; an answer in another coding cannot be read."""

_NAMES: Final = {"gzip": "gzip", "x-gzip": "gzip", "deflate": "deflate"}
_MAX_CODINGS: Final = 2
_PIECE: Final = 64 * 1024
_MAX_RATIO: Final = 200
# Below this size a ratio proves nothing: short repetitive answers shrink a lot.
_RATIO_FROM: Final = 1024 * 1024
# A stream of members that decode to nothing would never reach a size.
_MAX_MEMBERS: Final = 1000


class Decoder:
    """Decodes one body whose Content-Encoding is `header`; it and every stage of it has at most `max_size` bytes."""

    def __init__(self, header: str, max_size: int) -> None:
        """Take the codings, the one applied last first.

        Raises:
            UpstreamProtocolError: for a coding that was not asked for, or too many.

        """
        codings = [name for each in header.split(",") if (name := each.strip().lower()) not in {"", "identity"}]
        if any(name not in _NAMES for name in codings) or len(codings) > _MAX_CODINGS:
            raise UpstreamProtocolError(
                f"The API encoded its answer in a way that was not asked for ({header[:40]!r}); "
                f"it was asked for {ACCEPT_ENCODING.replace(', ', ' or ')}."
            )
        self._stages = [_Stage(_NAMES[name], max_size) for name in reversed(codings)]

    def feed(self, chunk: bytes) -> list[bytes]:
        """Decode what arrived; gives pieces of at most 64 KiB.

        Raises:
            ResponseTooLargeError: beyond the size, or beyond 200 times what arrived.
            UpstreamProtocolError: when it is not encoded as it says.

        """
        pieces = [chunk]
        for stage in self._stages:
            pieces = [decoded for piece in pieces for decoded in stage.decode(piece)]
        return pieces

    def finish(self) -> None:
        """Check that the body ended where its coding does; raises `UpstreamResetError` where it did not."""
        if any(stage.is_broken_off for stage in self._stages):
            raise UpstreamResetError("The API broke off its answer.", is_transient=True)


class _Stage:
    """One coding, with zlib."""

    def __init__(self, coding: str, max_size: int) -> None:
        self._coding = coding
        self._max_size = max_size
        self._inflater: zlib._Decompress | None = None
        self._members = 0
        self._taken = 0
        self._given = 0

    @property
    def is_broken_off(self) -> bool:
        return self._inflater is not None

    def decode(self, chunk: bytes) -> Iterator[bytes]:
        self._taken += len(chunk)
        is_full = False
        while chunk or is_full:
            inflater = self._inflater or self._begun(chunk)
            if inflater is None:
                return
            try:
                piece = inflater.decompress(chunk, _PIECE)
            except zlib.error:
                raise UpstreamProtocolError(f"The API's answer is not {self._coding} data as it says.") from None
            is_full = len(piece) == _PIECE
            chunk = inflater.unconsumed_tail
            if inflater.eof:
                chunk, is_full, self._inflater = inflater.unused_data, False, None
            self._count(piece)
            yield piece

    def _begun(self, chunk: bytes) -> zlib._Decompress | None:
        """Begin a member; None where only padding follows the last one."""
        if self._members and (self._coding == "deflate" or not chunk.strip(b"\0")):
            return None
        self._members += 1
        if self._members > _MAX_MEMBERS:
            raise UpstreamProtocolError(f"The API's answer has more than {_MAX_MEMBERS:,} gzip members.")
        # "deflate" is zlib's format, but some send its inside bare: then the first byte is none of zlib's (RFC 1950).
        is_bare = self._coding == "deflate" and chunk[0] & 0x0F != 8  # noqa: PLR2004 - the compression method "deflate"
        wrapped = zlib.MAX_WBITS | 16 if self._coding == "gzip" else zlib.MAX_WBITS
        self._inflater = zlib.decompressobj(wbits=-zlib.MAX_WBITS if is_bare else wrapped)
        return self._inflater

    def _count(self, piece: bytes) -> None:
        self._given += len(piece)
        if self._given > self._max_size:
            raise ResponseTooLargeError(f"The answer of the API is larger than {self._max_size:,} bytes.")
        if self._given > _RATIO_FROM and self._given > _MAX_RATIO * self._taken:
            raise ResponseTooLargeError(f"The answer of the API unpacks to more than {_MAX_RATIO} times its size.")
