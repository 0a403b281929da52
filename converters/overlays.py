"""OpenAPI Overlay 1.0 and 1.1: actions applied to a description before it is compiled.

An action's `target` is an RFC 9535 JSONPath. `update` is merged into the objects it selects (and appended to lists),
`copy` (1.1) merges what another path selects, `remove` takes the selected values out. An action that selects nothing is
a diagnostic, never a failure.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any, Final

import jsonpath

from converters import pointers
from converters.errors import DescriptionError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from converters.diagnostics import DiagnosticLog

VERSIONS: Final = ("1.0", "1.1")


def apply(root: dict[str, Any], overlay: Mapping[str, Any], log: DiagnosticLog) -> None:
    """Apply one overlay document to `root`, in place.

    Raises:
        DescriptionError: `overlay_invalid`, where the overlay itself is not one.

    """
    actions = _actions(overlay)
    for index, action in enumerate(actions):
        at = pointers.join("/actions", index)
        if not isinstance(action, dict) or not isinstance(action.get("target"), str):
            raise _invalid("An action has no `target`.", at)
        found = _select(root, action["target"], at)
        if not found:
            log.report(
                "overlay_action_unmatched", "", f"The overlay's target {action['target'][:200]!r} selects nothing."
            )
        elif action.get("remove") is True:
            _remove(found)
        else:
            _merge_all(root, action, found, at)


def _actions(overlay: Mapping[str, Any]) -> list[Any]:
    version = str(overlay.get("overlay", ""))
    if not version.startswith(VERSIONS):
        raise _invalid(f"The overlay says `overlay: {version[:40]}`; supported are 1.0 and 1.1.", "/overlay")
    actions = overlay.get("actions")
    if not isinstance(actions, list) or not actions:
        raise _invalid("The overlay has no `actions`.", "/actions")
    return actions


def _select(root: dict[str, Any], path: str, at: str) -> list[jsonpath.JSONPathMatch]:
    try:
        return list(jsonpath.finditer(path, root, strict=True))
    except jsonpath.JSONPathError as error:
        raise _invalid(f"The JSONPath {path[:200]!r} is not valid: {error}.", at) from None


def _remove(found: list[jsonpath.JSONPathMatch]) -> None:
    """Take matches out of what holds them, the last first, so that list positions stay true."""
    for match in reversed(found):
        if match.parent is not None:
            holder: Any = match.parent.obj
            del holder[match.parts[-1]]


def _merge_all(root: dict[str, Any], action: dict[str, Any], found: list[jsonpath.JSONPathMatch], at: str) -> None:
    updates = [action["update"]] if "update" in action else []
    if isinstance(action.get("copy"), str):
        sources = _select(root, action["copy"], at)
        if len(sources) != 1:
            raise _invalid(f"`copy` must select one value, and selects {len(sources)}.", at)
        updates.insert(0, sources[0].obj)
    for match in found:
        for update in updates:
            _update(match, copy.deepcopy(update))


def _update(match: jsonpath.JSONPathMatch, update: Any) -> None:
    target = match.obj
    if isinstance(target, dict) and isinstance(update, dict):
        _merge(target, update)
    elif isinstance(target, list):
        target.extend(update if isinstance(update, list) else [update])
    elif match.parent is not None:
        holder: Any = match.parent.obj
        holder[match.parts[-1]] = update


def _merge(target: dict[str, Any], update: dict[str, Any]) -> None:
    """Merge recursively: objects into objects, lists appended, anything else replaced."""
    for key, value in update.items():
        current = target.get(key)
        if isinstance(current, dict) and isinstance(value, dict):
            _merge(current, value)
        elif isinstance(current, list) and isinstance(value, list):
            current.extend(value)
        else:
            target[key] = value


def _invalid(message: str, pointer: str) -> DescriptionError:
    return DescriptionError("overlay_invalid", message, pointer=pointer, remedy="Correct the overlay document.")
