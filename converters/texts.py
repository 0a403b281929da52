"""Texts from a description are untrusted: what a person could not see does not reach a model."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from converters.diagnostics import DiagnosticLog

# C0 and C1 controls except tab and newline, zero-width and invisible operators, bidirectional controls, tag characters.
_HIDDEN: Final = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    "\U000e0000-\U000e007f]"
)
# U+200C and U+200D shape letters in Persian, Indic scripts and emoji; they stay between visible characters.
_JOINERS: Final = frozenset("\u200c\u200d")


def visible(text: str, pointer: str, log: DiagnosticLog) -> str:
    """Remove what is invisible from `text`, reporting which characters stood at `pointer`."""
    text = text.replace("\r\n", "\n").replace("\r", "\n").strip()
    if text.isascii() and text.isprintable():
        return text
    found = [mark for mark in _HIDDEN.findall(text) if mark not in _JOINERS]
    if not found:
        return text
    names = ", ".join(sorted({f"U+{ord(mark):04X}" for mark in found})[:8])
    log.report("hidden_text_removed", pointer, f"The text held {len(found)} invisible character(s): {names}.")
    return _HIDDEN.sub(lambda match: match.group() if match.group() in _JOINERS else "", text).strip()


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
