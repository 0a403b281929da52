"""What is different for callers, in words: for a terminal, and as Markdown for a pull request."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_LISTED: Final = 200
_MARKDOWN: Final = str.maketrans({mark: f"\\{mark}" for mark in "\\`*_{}[]<>|#"} | {"\n": " ", "\r": " "})


def lines(result: Mapping[str, Any]) -> Iterator[str]:
    """Write the members of the control plane's `SurfaceChange` line by line."""
    for change in result["changes"]:
        yield f"{change['level']:10}  {change['kind']:8} {change['tool']}  ({change['operation']})"
        yield from (
            f"{'':12}{each['level']}: {each['where'] or '/'}: {each['what']}"
            for each in change["details"]
            if each["level"] != "text only"
        )
    for approval in result["approvals"]:
        yield f"to approve  {approval['tool']}  ({approval['operation']}): {approval['what']}"
    if result["changes"]:
        yield counted(result)


def counted(result: Mapping[str, Any]) -> str:
    """Say how many changes there are."""
    count = len(result["changes"])
    return f"{count} changes, {result['breaking']} breaking"


def markdown(title: str, sentence: str, result: Mapping[str, Any]) -> str:
    """Write a summary for a pull request, of at most 200 changes: GitHub takes a mebibyte."""
    written = [f"### {_escaped(title)}", "", _escaped(sentence), ""]
    if result["changes"]:
        written += ["| | tool | operation | change |", "|---|---|---|---|"]
        written += [_row(each) for each in result["changes"][:_LISTED]]
        written += [
            f"\n{counted(result)}." if len(result["changes"]) <= _LISTED else f"\n{counted(result)}; not all listed."
        ]
    if result["approvals"]:
        written += ["", "To approve:", ""]
        written += [f"- {_escaped(each['tool'])}: {_escaped(each['what'])}" for each in result["approvals"][:_LISTED]]
    return "\n".join(written) + "\n"


def _row(change: Mapping[str, Any]) -> str:
    told = "; ".join(
        f"{each['where'] or '/'}: {each['what']}" for each in change["details"] if each["level"] != "text only"
    )
    cells = (change["level"], change["tool"], change["operation"], f"{change['kind']} {told}".strip())
    return "| " + " | ".join(_escaped(each) for each in cells) + " |"


def _escaped(text: str) -> str:
    return text.translate(_MARKDOWN)
