"""Which tools fit what somebody wants to do: BM25F over the parts of tools.

BM25F (Robertson and Zaragoza, "The Probabilistic Relevance Framework", 2009, section 3.6) counts a word by the part it
stands in: the name says more than the description of an argument. Words are not cut to stems, which differ by language
and are wrong for names. Instead a word of a query also finds those that it begins, or that begin it (`reserve` and
`reserved`), and the verbs that all APIs mean the same by (`add` and `POST`), for less.
"""

from __future__ import annotations

import math
import re
from bisect import bisect_left
from collections import Counter
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from converters import ToolDefinition

_K1: Final = 1.2
_WEIGHTS: Final = {
    "name": 4.0,
    "path": 3.0,
    "summary": 2.0,
    "tags": 1.0,
    "description": 0.5,
    "arguments": 0.5,
    "texts": 0.2,
}
"""How much a word counts in each part of a tool; `texts` are the descriptions of its arguments."""
_LENGTH: Final = 0.6
"""How much less a word counts in a long part than in a short one, from not at all to in proportion."""
_BEGUN: Final = 0.8
"""How much a word counts that another one begins."""
_LEAST_BEGINNING: Final = 4
_MOST_FURTHER: Final = 4
"""Characters that both have at least, and that the longer one has more at most."""
_ALIKE: Final = 0.3
"""How much a verb counts that is meant by another one."""
_VERBS: Final = (
    frozenset({"create", "add", "new", "make", "insert", "post"}),
    frozenset({"get", "read", "show", "fetch", "retrieve", "view", "find", "list"}),
    frozenset({"list", "get", "all", "show", "find", "search"}),
    frozenset({"delete", "remove", "destroy"}),
    frozenset({"update", "edit", "change", "modify", "set", "patch", "put"}),
)
_LITTLE: Final = (
    "a am an and are as at be by can do doe for from has how i in is it me my of on or our that the their this to what "
    "which who with your"
)
_LITTLE_WORDS: Final = frozenset(_LITTLE.split())
"""Words of a question that say nothing of what is looked for, with `does` as `words` gives it."""
_SUBJECTS: Final = 20
_MOST_WORDS: Final = 32
_MOST_CHARACTERS: Final = 2_000
"""Words, and characters, of a query that count."""
_WORD: Final = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+|[^\W\d_a-zA-Z]+")


class ToolRanking:
    """The words of one server's tools."""

    def __init__(self, tools: Sequence[ToolDefinition]) -> None:
        """Index tools; of equal ones the first is the better."""
        self._tools = [tool.name for tool in tools]
        parts = [_parts(tool) for tool in tools]
        average = {part: sum(len(each[part]) for each in parts) / max(1, len(parts)) or 1.0 for part in _WEIGHTS}
        self._places: dict[str, dict[int, float]] = {}
        for index, each in enumerate(parts):
            for part, weight in _WEIGHTS.items():
                counted = weight / (1 - _LENGTH + _LENGTH * len(each[part]) / average[part])
                for word, count in Counter(each[part]).items():
                    places = self._places.setdefault(word, {})
                    places[index] = places.get(index, 0.0) + counted * count
        self._words = sorted(self._places)
        subjects = Counter(word for each in parts for word in dict.fromkeys(each["path"][1:]))
        self.subjects = tuple(word for word, _ in subjects.most_common(_SUBJECTS))
        """What most of the tools are about, by the words of their paths."""

    def find(self, query: str, limit: int) -> list[str]:
        """Give the names of the tools that fit best, best first; none for words that are nowhere."""
        wanted = list(dict.fromkeys(words(query[:_MOST_CHARACTERS])))
        wanted = [each for each in wanted if each not in _LITTLE_WORDS] or wanted
        scores: dict[int, float] = {}
        for word in wanted[:_MOST_WORDS]:
            found = self._found(word)
            rarity = math.log(1 + (len(self._tools) - len(found) + 0.5) / (len(found) + 0.5))
            for index, count in found.items():
                scores[index] = scores.get(index, 0.0) + rarity * count * (_K1 + 1) / (count + _K1)
        return [self._tools[index] for index in sorted(scores, key=lambda index: (-scores[index], index))[:limit]]

    def _found(self, word: str) -> dict[int, float]:
        """Give how much of a word, or of one like it, each tool has."""
        found: dict[int, float] = {}
        for each, weight in self._like(word).items():
            for index, count in self._places.get(each, {}).items():
                found[index] = max(found.get(index, 0.0), weight * count)
        return found

    def _like(self, word: str) -> Mapping[str, float]:
        like = {other: _ALIKE for verbs in _VERBS if word in verbs for other in verbs}
        if len(word) >= _LEAST_BEGINNING:
            like |= dict.fromkeys(self._begun(word), _BEGUN)
        return like | {word: 1.0}

    def _begun(self, word: str) -> Iterator[str]:
        for at in range(bisect_left(self._words, word), len(self._words)):
            longer = self._words[at]
            if not longer.startswith(word):
                break
            if len(longer) <= len(word) + _MOST_FURTHER:
                yield longer
        for length in range(max(_LEAST_BEGINNING, len(word) - _MOST_FURTHER), len(word)):
            if word[:length] in self._places:
                yield word[:length]


def words(text: str) -> Iterator[str]:
    """Split names and sentences into words; a plural is its singular."""
    for found in _WORD.findall(text):
        word = found.lower()
        yield word[:-1] if len(word) > 3 and word.endswith("s") and not word.endswith("ss") else word  # noqa: PLR2004 - "was" is no plural


def _parts(tool: ToolDefinition) -> dict[str, list[str]]:
    properties = tool.input_schema.get("properties", {})
    summary, _, description = tool.description.partition("\n")
    texts = (str(each.get("description", "")) for each in properties.values() if isinstance(each, dict))
    steps = (step for step in tool.path.split("/") if not step.startswith("{"))
    parts = {
        "name": f"{tool.name} {tool.title}",
        "path": f"{tool.method.lower()} {' '.join(steps)}",
        "summary": summary,
        "tags": " ".join(tool.tags),
        "description": description,
        "arguments": " ".join(properties),
        "texts": " ".join(texts),
    }
    return {part: list(words(text)) for part, text in parts.items()}
