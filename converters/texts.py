"""Texts from a description are untrusted: what a person could not see does not reach a model."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from converters.diagnostics import DiagnosticLog

BUDGET: Final = 2_000
"""Characters of one description."""

# C0 and C1 controls except tab and newline, zero-width and invisible operators, bidirectional controls, tag characters.
_HIDDEN: Final = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    "\U000e0000-\U000e007f]"
)
# An inline link or image of CommonMark (sections 6.3 and 6.4): its text, and a destination without brackets and title.
_LINK: Final = re.compile(r"!?\[([^\[\]]*)\]\([^()\s]*(?:\([^()\s]*\)[^()\s]*)?(?:\s+\"[^\"]*\")?\)")
# U+200C and U+200D shape letters in Persian, Indic scripts and emoji; they stay between two such characters.
_JOINERS: Final = frozenset("\u200c\u200d")


def visible(text: str, pointer: str, log: DiagnosticLog) -> str:
    """Remove what is invisible from `text`, reporting which characters stood at `pointer`."""
    text = text.replace("\r\n", "\n").replace("\r", "\n").strip()
    if text.isascii() and text.isprintable():
        return text
    found: list[str] = []

    def removed(match: re.Match[str]) -> str:
        if _joins(match):
            return match.group()
        found.append(match.group())
        return ""

    cleaned = _HIDDEN.sub(removed, text).strip()
    if found:
        names = ", ".join(sorted({f"U+{ord(mark):04X}" for mark in found})[:8])
        log.report("hidden_text_removed", pointer, f"The text held {len(found)} invisible character(s): {names}.")
    return cleaned


def prose(text: str, pointer: str, log: DiagnosticLog) -> str:
    """Read a description (CommonMark): what is visible of it within the budget, links and images by their text.

    A URL is where a person reads on; in a list of tools it is what a model reads first, and pays for.
    """
    text = visible(text, pointer, log)
    if "](" in text:
        text = _LINK.sub(lambda link: link[1] or link[0], text)
    if len(text) > BUDGET:
        log.report("text_truncated", pointer, f"The description has {len(text):,} characters and was shortened.")
    return shortened(text, BUDGET)


def _joins(match: re.Match[str]) -> bool:
    """Tell whether a hidden character is a joiner between two visible characters of a script that needs it."""
    around = match.string[match.start() - 1 : match.start()], match.string[match.end() : match.end() + 1]
    return match.group() in _JOINERS and all(each and not each.isascii() and not _HIDDEN.match(each) for each in around)


def shortened(text: str, budget: int) -> str:
    """Cut `text` to `budget` characters, at the end of a paragraph, sentence or word."""
    if len(text) <= budget:
        return text
    head = text[: budget - 1]
    for mark in ("\n\n", ". ", "\n", " "):
        at = head.rfind(mark)
        if at > budget // 2:
            return head[: at + (mark == ". ")].rstrip() + "…"
    return head + "…"
