from __future__ import annotations

import time
import tracemalloc
from email import policy
from email.message import EmailMessage

import pytest
from hypothesis import given
from hypothesis import strategies as st

from converters.multipart_answers import parts

TYPE = "multipart/mixed; boundary=x"
CLOSED = b"\r\n--x--\r\n"


def whole(*written: bytes) -> bytes:
    return b"".join(b"\r\n--x\r\n" + part for part in written) + CLOSED


@pytest.mark.parametrize(
    ("body", "found"),
    [
        (b"preamble" + whole(b"\r\none", b"A: b\r\n\r\ntwo") + b"epilogue", [b"one", b"two"]),
        (b"--x\n\none\n--x \t\n\ntwo\n--x--", [b"one", b"two"]),
        (whole(b"", b"", b"\r\n"), [b"", b"", b""]),
        (b"--x\r\n\r\ncut off", [b"cut off"]),
        (b"--x\r\n\r\na --x\r\n--xy\r\n--x--", [b"a --x\r\n--xy"]),
        (b"--x\r\n\r\n\r\nafter an empty line\r\n--x--", [b"\r\nafter an empty line"]),
        (b"--x\r\nno header field\r\n--x--", [b"no header field"]),
        (b"--x\r\nno header field\r\n\r\nat all\r\n--x--", [b"no header field\r\n\r\nat all"]),
        (b"--x--\r\n", []),
        (b"no delimiter", []),
        (b"--x\r\n\r\none\r\n--x--\r\n--x\r\n\r\nof the epilogue\r\n--x--", [b"one"]),
    ],
)
def test_parts_stand_between_delimiter_lines(body: bytes, found: list[bytes]) -> None:
    assert [content for _, content, _ in parts(body, TYPE)] == found


@pytest.mark.parametrize(
    ("encoding", "written", "content"),
    [
        ("base64", b"iVB\r\nORw==", b"\x89PNG"),
        ("Base64 ", b"iVBORw", b"\x89PNG"),
        ("base64", b"A", b"A"),
        ("quoted-printable", b"a=3D=\r\nb\xc3", b"a=b\xc3"),
        ("8bit", b"\xff\r\n", b"\xff\r\n"),
        ("x-own", b"=41", b"=41"),
    ],
)
def test_a_transfer_encoding_is_undone(encoding: str, written: bytes, content: bytes) -> None:
    body = whole(b"Content-Transfer-Encoding: " + encoding.encode() + b"\r\n\r\n" + written)

    assert [each[1] for each in parts(body, TYPE)] == [content]


def test_header_fields_are_read_in_any_case_and_over_several_lines() -> None:
    body = whole(b"content-type: image/png;\r\n name=a\r\nCONTENT-LOCATION: test://a\r\n\r\n1", b"\r\n2")

    assert parts(body, TYPE) == [("image/png; name=a", b"1", "test://a"), ("text/plain", b"2", "")]


def test_parts_of_parts_are_listed_in_their_place_three_levels_deep() -> None:
    inner = b"Content-Type: multipart/mixed; boundary=%d\r\n\r\n--%d\r\n"
    tail = b"\r\n--%d--"
    three = inner % (2, 2) + inner % (3, 3) + b"\r\ndeep" + tail % 3 + tail % 2
    four = inner % (2, 2) + inner % (3, 3) + inner % (4, 4) + b"\r\ndeep" + tail % 4 + tail % 3 + tail % 2

    assert [content for _, content, _ in parts(whole(b"\r\na", three, b"\r\nb"), TYPE)] == [b"a", b"deep", b"b"]
    assert parts(whole(b"\r\na", four), TYPE) == []


@pytest.mark.parametrize(
    ("body", "count"),
    [
        (whole(*[b"\r\n1"] * 100), 100),
        (whole(*[b"\r\n1"] * 101), 0),
        (b"--x\r\n\r\n1\r\n" * 100, 100),
        (b"--x\r\n\r\n1\r\n" * 101, 0),
        (whole(b"A: " + b"b" * 8_000 + b"\r\n\r\n1"), 1),
        (whole(b"A: " + b"b" * 8_200 + b"\r\n\r\n1"), 0),
    ],
)
def test_more_than_the_limits_is_not_taken_apart(body: bytes, count: int) -> None:
    """Nothing is lost: the caller gives the whole answer as one."""
    assert len(parts(body, TYPE)) == count


def test_parts_of_parts_count_together() -> None:
    sixty = b"Content-Type: multipart/mixed; boundary=y\r\n\r\n" + b"--y\r\n\r\n1\r\n" * 60 + b"--y--"

    assert len(parts(whole(sixty), TYPE)) == 60
    assert parts(whole(sixty, sixty), TYPE) == []


@pytest.mark.parametrize(
    "body",
    [
        b"--x\r\n" * 400_000,
        b"--x\r\n" + b"A:b\r\n" * 400_000 + b"\r\n--x--",
        b"--x\r\n" + b"\r\n" + b"--x" + b" " * 2_000_000 + b"!",
        b"--x\r\nContent-Type: " + b"(" * 8_000 + b"\r\n\r\n1\r\n--x--",
    ],
)
def test_hostile_answers_cost_little_more_than_their_bytes(body: bytes) -> None:
    """U4, U5: the email library takes a gigabyte and many seconds for the first two."""
    tracemalloc.start()
    started = time.process_time()
    parts(body, TYPE)
    spent, (_, peak) = time.process_time() - started, tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert spent < 2
    assert peak < 2 * len(body) + 4_000_000


@given(st.lists(st.binary(max_size=200), min_size=1, max_size=6), st.sampled_from(["base64", "quoted-printable"]))
def test_what_the_email_library_writes_is_read_as_it_was(contents: list[bytes], encoding: str) -> None:
    message = EmailMessage(policy=policy.SMTP)
    message.make_mixed()
    for content in contents:
        message.add_attachment(content, "application", "octet-stream", cte=encoding)
    _, _, body = message.as_bytes().partition(b"\r\n\r\n")

    assert [content for _, content, _ in parts(body, str(message["Content-Type"]))] == contents


@given(st.lists(st.sampled_from([b"--x", b"--x--", b"\r\n", b"\n", b"a: b", b"text", b" ", b"-"]), max_size=30))
def test_no_body_breaks_it(pieces: list[bytes]) -> None:
    assert all(isinstance(content, bytes) for _, content, _ in parts(b"".join(pieces), TYPE))
