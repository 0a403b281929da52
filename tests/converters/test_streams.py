from __future__ import annotations

import time
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from converters.streams import Item, Kind, LogMessage, Progress, StreamReader, answer, items, kind_of, news

EVENTS = (
    b'\xef\xbb\xbf: hello\r\nevent: progress\r\ndata: {"progress": 1}\r\n\r\n'
    b"data: one\ndata:two\nid: 7\n\n\rdata: \xc3\xa9\r\r"
)
LINES = b'{"a": 1}\n\n  {"b": 2}\r\n\x1e{"c": 3}\n"last"'


@pytest.mark.parametrize(
    ("content_type", "kind"),
    [
        ("text/event-stream; charset=utf-8", "events"),
        ("application/x-ndjson", "lines"),
        ("application/jsonl", "lines"),
        ("application/json-seq", "lines"),
        ("application/json", None),
        ("", None),
    ],
)
def test_the_media_type_says_whether_an_answer_comes_piece_by_piece(content_type: str, kind: str | None) -> None:
    assert kind_of(content_type) == kind


def test_events_are_read_as_browsers_read_them() -> None:
    assert items(EVENTS, "events") == [Item('{"progress": 1}', "progress"), Item("one\ntwo"), Item("é")]


def test_lines_and_sequences_are_split_at_their_separators() -> None:
    assert items(LINES, "lines") == [Item('{"a": 1}'), Item('{"b": 2}'), Item('{"c": 3}'), Item('"last"')]


@given(cuts=st.lists(st.integers(0, 90)), kind=st.sampled_from(["events", "lines"]))
def test_how_the_bytes_are_cut_changes_nothing(cuts: list[int], kind: Kind) -> None:
    body = EVENTS if kind == "events" else LINES
    edges = sorted({0, len(body), *(cut for cut in cuts if cut < len(body))})
    reader = StreamReader(kind)
    found = [item for start, end in pairwise(edges) for item in reader.feed(body[start:end])]

    assert [*found, *reader.feed(b"", is_last=True)] == items(body, kind)


@pytest.mark.parametrize("kind", ["events", "lines"])
def test_a_long_line_in_small_pieces_costs_what_its_bytes_cost(kind: Kind) -> None:
    """U4: the reading is done on the event loop."""
    piece, pieces = b"data:xxx" * 4, 32 * 1024
    reader = StreamReader(kind)
    started = time.process_time()
    found = [item for _ in range(pieces) for item in reader.feed(piece)]
    found += reader.feed(b"", is_last=True)

    assert [len(item.data) for item in found] == [len(piece) * pieces - (5 if kind == "events" else 0)]
    assert time.process_time() - started < 5, "each piece was looked at again with every following one"


def test_an_item_too_large_for_news_is_part_of_the_answer_and_is_not_parsed() -> None:
    assert news(Item('{"progress": 1, "message": "%s"}' % ("x" * 60_000))) is not None
    assert news(Item('{"progress": 1, "message": "%s"}' % ("x" * 70_000))) is None


@pytest.mark.parametrize(
    ("item", "told"),
    [
        (Item('{"progress": 1}'), Progress(1)),
        (Item('{"progress": 0.5, "total": 1, "message": "half"}'), Progress(0.5, 1, "half")),
        (Item('{"progress": 1, "total": "x", "rows": 5}', "progress"), Progress(1)),
        (Item('{"level": "info", "message": "hi"}'), LogMessage("info", "hi")),
        (Item('{"level": "error", "logger": "db", "data": [1]}'), LogMessage("error", [1], "db")),
        (Item('{"level": "error", "code": 5}', "log"), LogMessage("error", None)),
        (Item('{"progress": 1, "rows": 5}'), None),
        (Item('{"progress": true}'), None),
        (Item('{"level": "loud", "message": "hi"}'), None),
        (Item('{"level": "info", "id": 7}'), None),
        (Item("[1]"), None),
        (Item("{broken"), None),
    ],
)
def test_news_of_the_work_is_told_from_the_answer(item: Item, told: object) -> None:
    assert news(item) == told


def test_the_answer_is_what_is_no_news() -> None:
    found = [Item('{"progress": 1}'), Item('{"a": 1}'), Item("[DONE]"), Item("two")]

    assert answer(found) == ['{"a": 1}', "two"]
    assert answer([*found, Item("first", "result"), Item("final", "result"), Item("after")]) == ["final"]
