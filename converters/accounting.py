"""Loss accounting (invariant 8): find what of a description is in no tool and no diagnostic, apart from the compiler.

It reads the description as written, by its own simple rules, so that a mistake of the compiler is not repeated here.
What must be accounted for: operations, parameters, body properties at any depth, and security requirements.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from converters import pointers
from converters.references import UnresolvedReferenceError, mounted

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from converters.diagnostics import Diagnostic
    from converters.references import Description
    from converters.tool_definitions import ToolDefinition

_METHODS: Final = ("get", "put", "post", "delete", "options", "head", "patch", "trace", "query")


@dataclass(frozen=True, slots=True)
class Loss:
    """Something of the description that no tool and no diagnostic mentions; `pointer` is where it stands."""

    pointer: str
    what: str


def losses(
    description: Description, tools: Sequence[ToolDefinition], diagnostics: Sequence[Diagnostic]
) -> tuple[Loss, ...]:
    """List what was lost in silence; an empty answer is the proof that nothing was."""
    return tuple(_Account(description, tools, diagnostics).walk())


class _Account:
    def __init__(
        self, description: Description, tools: Sequence[ToolDefinition], diagnostics: Sequence[Diagnostic]
    ) -> None:
        self._description = description
        self._source = description.source
        self._tools = {tool.operation_key: tool for tool in tools}
        self._reported = {mounted(each.document, each.pointer) for each in diagnostics}
        self._prefixes = {
            pointers.from_tokens(parts[:length])
            for parts in map(pointers.tokens, self._reported)
            for length in range(len(parts) + 1)
        }

    def _is_reported(self, *places: str) -> bool:
        """Tell whether a diagnostic stands at one of the places, above it (to the operation), or below it."""
        return any(self._stands_at(place) for place in places)

    def _stands_at(self, place: str) -> bool:
        if place in self._prefixes:
            return True
        parts = pointers.tokens(place)
        return any(pointers.from_tokens(parts[:length]) in self._reported for length in range(len(parts), 1, -1))

    def _resolve(self, value: Any, at: str) -> tuple[Any, str]:
        try:
            return self._description.resolve(value, at)
        except UnresolvedReferenceError as error:
            return None, error.pointer

    # --- operations

    def walk(self) -> Iterator[Loss]:
        """Walk every path and method."""
        paths = self._source.get("paths")
        for path, entry in (paths if isinstance(paths, dict) else {}).items():
            if path.startswith("x-"):
                continue
            here = pointers.join("/paths", path)
            item, at = self._resolve(entry, here)
            if not isinstance(item, dict):
                if not self._is_reported(here, at):
                    yield Loss(here, f"the path {path}")
                continue
            for method in _METHODS:
                if method in item:
                    yield from self._operation(method, path, pointers.join(at, method), item=item, item_at=at)

    def _operation(self, method: str, path: str, at: str, *, item: Mapping[str, Any], item_at: str) -> Iterator[Loss]:
        operation, target = self._resolve(item[method], at)
        tool = self._tools.get(f"{method.upper()} {path}")
        if tool is None:
            if not self._is_reported(at, target):
                yield Loss(at, f"the operation {method.upper()} {path}")
            return
        for holder, place in ((operation, target), (item, item_at)):
            for index, entry in enumerate(_list(holder.get("parameters"))):
                yield from self._parameter(tool, entry, pointers.join(place, "parameters", index))
        yield from self._body(tool, operation, target)
        yield from self._security(tool, operation, target)

    # --- parameters and bodies

    def _parameter(self, tool: ToolDefinition, entry: Any, at: str) -> Iterator[Loss]:
        value, target = self._resolve(entry, at)
        name, location = _dict(value).get("name"), _dict(value).get("in")
        if location == "body":
            yield from self._schema_in_body(tool, _dict(value).get("schema"), pointers.join(target, "schema"))
            return
        if not isinstance(name, str) or not isinstance(location, str):
            if not self._is_reported(at, target):
                yield Loss(at, "a parameter")
            return
        bound = {(each.name, each.location) for each in tool.parameters}
        if location == "formData":
            bound = {(each.name, "formData") for each in (tool.body.properties if tool.body else ())}
        if (name, location) not in bound and not self._is_reported(at, target):
            yield Loss(target, f"the {location} parameter {name!r} of {tool.operation_key}")

    def _body(self, tool: ToolDefinition, operation: Mapping[str, Any], at: str) -> Iterator[Loss]:
        if "requestBody" not in operation:
            return
        here = pointers.join(at, "requestBody")
        body, target = self._resolve(operation["requestBody"], here)
        if tool.body is None:
            if body is not None and not self._is_reported(here, target):
                yield Loss(here, f"the request body of {tool.operation_key}")
            return
        for name, entry in _dict(_dict(body).get("content")).items():
            media_type, place = self._resolve(entry, pointers.join(target, "content", name))
            if not self._is_reported(place) or name == tool.body.media_type:
                schema = _dict(media_type).get("schema")
                yield from self._schema_in_body(tool, schema, pointers.join(place, "schema"))

    def _schema_in_body(self, tool: ToolDefinition, schema: Any, at: str) -> Iterator[Loss]:
        if tool.body is None:
            if not self._is_reported(at):
                yield Loss(at, f"the request body of {tool.operation_key}")
            return
        whole = tool.body.whole
        root = tool.input_schema
        if whole is not None:
            if tool.body.kind in {"text", "binary"}:
                return
            translated = root["properties"][whole]
        else:
            named = {each.name: root["properties"][each.argument] for each in tool.body.properties}
            translated = {"properties": named}
        yield from _SchemaAccount(self, tool, root).compare(schema, at, translated)

    # --- security

    def _security(self, tool: ToolDefinition, operation: Mapping[str, Any], at: str) -> Iterator[Loss]:
        declared, place = operation.get("security"), pointers.join(at, "security")
        if "security" not in operation:
            declared, place = self._source.get("security", []), "/security"
        wanted = [sorted(entry) for entry in _list(declared) if isinstance(entry, dict)]
        found = [sorted(name for name, _ in each.schemes) for each in tool.security]
        if wanted != found and not self._is_reported(place):
            yield Loss(place, f"security requirements of {tool.operation_key}")


class _SchemaAccount:
    """Follows a schema as written and as published side by side, property by property."""

    def __init__(self, account: _Account, tool: ToolDefinition, root: Mapping[str, Any]) -> None:
        self._account = account
        self._tool = tool
        self._definitions = root.get("$defs", {})
        self._seen: set[str] = set()

    def compare(self, source: Any, at: str, published: Any) -> Iterator[Loss]:
        source, at = self._account._resolve(source, at)  # noqa: SLF001 - the two walk together
        if at in self._seen or not isinstance(source, dict) or self._account._is_reported(at):  # noqa: SLF001
            return
        self._seen.add(at)
        views = list(self._views(published))
        for name, entry in _dict(source.get("properties")).items():
            place = pointers.join(at, "properties", name)
            found = [view["properties"][name] for view in views if name in _dict(view.get("properties"))]
            if found:
                yield from self.compare(entry, place, {"allOf": found})
            elif not self._is_hidden(entry, place) and not self._is_open(views):
                yield Loss(place, f"the body property {name!r} of {self._tool.operation_key}")
        yield from self._below(source, at, views, published)

    def _below(self, source: dict[str, Any], at: str, views: list[dict[str, Any]], published: Any) -> Iterator[Loss]:
        for keyword in ("items", "additionalProperties"):
            found = [view[keyword] for view in views if isinstance(view.get(keyword), dict)]
            if isinstance(source.get(keyword), dict) and found:
                yield from self.compare(source[keyword], pointers.join(at, keyword), {"allOf": found})
        for keyword in ("allOf", "anyOf", "oneOf"):
            for index, branch in enumerate(_list(source.get(keyword))):
                # A merged or nullable schema shows its branches elsewhere: any view may hold them.
                yield from self.compare(branch, pointers.join(at, keyword, index), published)

    def _views(self, published: Any, depth: int = 0) -> Iterator[dict[str, Any]]:
        """Give every object schema that a published schema consists of: references and combinators opened."""
        if not isinstance(published, dict) or depth > 12:  # noqa: PLR2004 - deeper than combinators are nested
            return
        reference = published.get("$ref")
        if isinstance(reference, str):
            name = pointers.tokens(reference.removeprefix("#"))[-1]
            yield from self._views(self._definitions.get(name), depth + 1)
        yield published
        for keyword in ("allOf", "anyOf", "oneOf"):
            for branch in _list(published.get(keyword)):
                yield from self._views(branch, depth + 1)

    def _is_hidden(self, entry: Any, at: str) -> bool:
        """Tell whether a property is read-only, so that no request may hold it."""
        if isinstance(entry, dict) and entry.get("readOnly") is True:
            return True
        value, _ = self._account._resolve(entry, at)  # noqa: SLF001
        branches = _list(_dict(value).get("allOf"))
        if len(branches) == 1:
            return self._is_hidden(branches[0], at)
        return isinstance(value, dict) and value.get("readOnly") is True

    @staticmethod
    def _is_open(views: list[dict[str, Any]]) -> bool:
        """Tell whether a schema was cut to "anything" for its size; that is a diagnostic of the operation."""
        return any(set(view) <= {"description"} for view in views)


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
