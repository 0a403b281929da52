"""How well the search finds the tool for what somebody wants to do, over the questions of `search_questions.json`.

The questions were written as a person or a model would ask, each with the operations that do what it asks for. Those on
`gitea`, which is in this repository, were written after the ranking was made; the others are on documents of the
corpus, where it is present.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

import pytest

from app.gateway.tool_ranking import ToolRanking, words
from converters import ToolDefinition, compile_description
from tests.converters.test_corpus import CORPUS, SPECS, compiled
from tests.tables import add_table

QUESTIONS: Final[dict[str, dict[str, list[str]]]] = json.loads(
    Path(__file__).with_name("search_questions.json").read_text()
)
ROOT: Final = Path(__file__).parents[3]
SHOWN: Final = 5
MEASURED: Final = {"gitea": 24, "github": 27, "stripe": 28, "kubernetes-2.0": 11, "digitalocean": 13}
"""Questions whose tool is among the first five: what was measured, of 26, 30, 28, 12 and 14."""


def tools_of(name: str) -> tuple[ToolDefinition, ...]:
    if name == "gitea":
        return compile_description((ROOT / "specs/published/gitea.json").read_bytes()).tools
    spec = next((each for each in SPECS if each["name"] == name), None)
    if spec is None:
        pytest.skip(f"the corpus is not at {CORPUS}")
    return compiled(spec).tools


@pytest.mark.parametrize("name", QUESTIONS)
def test_the_tool_that_is_meant_is_among_the_first_five(name: str, pytestconfig: pytest.Config) -> None:
    tools = tools_of(name)
    does = {tool.name: f"{tool.method} {tool.path}" for tool in tools}
    ranking = ToolRanking(tools)
    places: dict[str, int] = {}
    for question, wanted in QUESTIONS[name].items():
        assert set(wanted) & set(does.values()), question
        found = [does[each] for each in ranking.find(question, SHOWN)]
        places[question] = next((place for place, each in enumerate(found, 1) if each in wanted), 0)
    hits = sum(place > 0 for place in places.values())
    first = sum(place == 1 for place in places.values())
    add_table(
        pytestconfig,
        f"search in {name}",
        [f"{len(tools)} tools, {len(places)} questions: {first} found first, {hits} among the first {SHOWN}"],
    )

    assert hits >= MEASURED[name], [question for question, place in places.items() if not place]


def named(*names: str, **texts: str) -> ToolRanking:
    """Rank operations of an empty API by name; `texts` are their descriptions."""
    paths = {
        f"/{name}": {"get": {"operationId": name, "summary": texts.get(name, "X"), "responses": {}}} for name in names
    }
    document: dict[str, Any] = {"openapi": "3.1.0", "info": {"title": "T", "version": "1"}, "paths": paths}
    return ToolRanking(compile_description(json.dumps(document).encode()).tools)


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("reserve an IP", ["reservedIps"]),
        ("reservations", ["reservation"]),
        ("remove", ["deleteThing"]),
        ("car", []),
        ("the car of my cargo", ["cargo"]),
        ("LIST_ips", ["reservedIps"]),
    ],
)
def test_words_find_what_they_begin_and_verbs_what_means_the_same(query: str, found: list[str]) -> None:
    """`car` is too short to begin `cargo`; `list` is what every GET may mean, and counts for less than a name."""
    got = named("reservedIps", "reservation", "deleteThing", "cargo").find(query, 10)

    assert got[: len(found)] == found
    assert found or not got


def test_a_name_counts_for_more_than_a_description() -> None:
    assert named("ship", "crew", crew="Who sails the ship, and who loads the ship").find("ship", 2) == ["ship", "crew"]


def test_a_query_of_a_million_words_is_answered_by_its_first() -> None:
    query = " ".join(["ship", *(f"w{number}q" for number in range(1_000_000))])

    assert named("ship", "crew").find(query, 5) == ["ship"]


@pytest.mark.parametrize(
    ("text", "split"),
    [
        ("getHTTPServerById2", ["get", "http", "server", "by", "id", "2"]),
        ("list-all_pods.v1", ["list", "all", "pod", "v", "1"]),
        ("Größe", ["gr", "öß", "e"]),
        ("注文 status", ["注文", "statu"]),
    ],
)
def test_names_are_split_at_their_parts(text: str, split: list[str]) -> None:
    assert list(words(text)) == split
