from __future__ import annotations

import gzip
import zlib

import pytest

from app.errors import ResponseTooLargeError, UpstreamProtocolError, UpstreamResetError
from app.outbound.decoding import Decoder
from tests.app.backends import bomb

LIMIT = 10 * 1024 * 1024
TEXT = bytes(range(256)) * 300


def decoded(encoding: str, body: bytes, *, chunk: int = 1000) -> bytes:
    decoder = Decoder(encoding, LIMIT)
    pieces = [piece for start in range(0, len(body), chunk) for piece in decoder.feed(body[start : start + chunk])]
    decoder.finish()
    return b"".join(pieces)


def raw(body: bytes) -> bytes:
    return zlib.compress(body)[2:-4]


@pytest.mark.parametrize("chunk", [1, 7, 1000, 10**6])
@pytest.mark.parametrize(
    ("encoding", "body"),
    [
        ("gzip", gzip.compress(TEXT)),
        ("X-GZIP", gzip.compress(TEXT)),
        ("deflate", zlib.compress(TEXT)),
        ("deflate", raw(TEXT)),
        ("gzip, gzip", gzip.compress(gzip.compress(TEXT))),
        ("deflate ,gzip", gzip.compress(zlib.compress(TEXT))),
        ("identity", TEXT),
        (" , ", TEXT),
        ("gzip", gzip.compress(TEXT[:500]) + gzip.compress(TEXT[500:])),
        ("gzip", gzip.compress(TEXT) + bytes(700)),
        ("deflate", zlib.compress(TEXT) + b"what follows means nothing"),
    ],
)
def test_codings_are_undone_however_the_bytes_arrive(encoding: str, body: bytes, chunk: int) -> None:
    assert decoded(encoding, body, chunk=chunk) == TEXT


def test_an_empty_gzip_is_empty() -> None:
    assert decoded("gzip", gzip.compress(b"")) == b""


@pytest.mark.parametrize("size", [64 * 1024 - 1, 64 * 1024, 64 * 1024 + 1, 128 * 1024, 1024 * 1024])
def test_nothing_is_lost_where_a_piece_is_full(size: int) -> None:
    body = (TEXT * 20)[:size]
    assert decoded("gzip", gzip.compress(body)) == body


@pytest.mark.parametrize("encoding", ["br", "zstd", "compress", "gzip, br", "gzip, gzip, gzip", "aws-chunked"])
def test_a_coding_that_was_not_asked_for_is_told(encoding: str) -> None:
    with pytest.raises(UpstreamProtocolError, match="it was asked for gzip or deflate"):
        Decoder(encoding, LIMIT)


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "gzip, deflate"])
def test_what_is_not_encoded_as_it_says_is_told(encoding: str) -> None:
    with pytest.raises(UpstreamProtocolError, match=r"is not (gzip|deflate) data as it says"):
        decoded(encoding, b"this is not compressed")


def test_rubbish_after_a_gzip_is_told() -> None:
    with pytest.raises(UpstreamProtocolError):
        decoded("gzip", gzip.compress(TEXT) + b"rubbish")


@pytest.mark.parametrize(("encoding", "body"), [("gzip", gzip.compress(TEXT)), ("deflate", zlib.compress(TEXT))])
def test_a_coding_that_breaks_off_is_told(encoding: str, body: bytes) -> None:
    with pytest.raises(UpstreamResetError) as caught:
        decoded(encoding, body[:-4])
    assert caught.value.is_transient


@pytest.mark.parametrize("coding", ["gzip", "deflate", "raw"])
def test_a_bomb_stops_at_two_hundred_times_its_size(coding: str) -> None:
    decoder = Decoder(coding.replace("raw", "deflate"), LIMIT)
    given = 0
    with pytest.raises(ResponseTooLargeError, match="200 times"):
        given += sum(map(len, decoder.feed(bomb(30, coding)[:4096])))
    assert given <= 1024 * 1024


def test_a_slow_bomb_stops_at_the_limit() -> None:
    body = gzip.compress(bytes(LIMIT // 2), 0) + gzip.compress(bytes(LIMIT // 2 + 1))
    assert LIMIT / 200 < len(body) < LIMIT
    with pytest.raises(ResponseTooLargeError, match="larger than 10,485,760 bytes"):
        decoded("gzip", body)


def test_a_bomb_inside_a_coding_is_one_too() -> None:
    with pytest.raises(ResponseTooLargeError):
        decoded("gzip, gzip", gzip.compress(bomb(60)))


def test_a_short_answer_may_shrink_as_much_as_it_likes() -> None:
    assert len(decoded("gzip", gzip.compress(bytes(1024 * 1024)))) == 1024 * 1024


def test_members_without_content_do_not_go_on_for_ever() -> None:
    with pytest.raises(UpstreamProtocolError, match="1,000 gzip members"):
        decoded("gzip", gzip.compress(b"") * 1001)
