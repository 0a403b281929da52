"""Request bodies and responses of a description, with their media types and encodings."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from converters import lenient, pointers
from converters.oas import Encoding, MediaType, RequestBody, Response, Schema
from converters.references import UnresolvedReferenceError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from converters.diagnostics import DiagnosticLog
    from converters.references import Description

_TOKEN: Final = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")


class ContentReader:
    """Reads what one description sends and answers."""

    def __init__(self, description: Description, log: DiagnosticLog) -> None:
        """Read `description`, reporting to `log`."""
        self._description = description
        self._log = log

    def _report(self, code: str, pointer: str, message: str) -> None:
        self._log.report(code, self._description.origin(pointer), message)

    def request_body(self, entry: Any, pointer: str) -> RequestBody | None:
        """Read a request body; None where there is none, or none that can be sent."""
        if entry is None:
            return None
        try:
            value, pointer = self._description.resolve(entry, pointer)
        except UnresolvedReferenceError as error:
            self._report(error.code, error.pointer, error.message)
            return None
        if not isinstance(value, dict):
            self._report("request_body_invalid", pointer, "The request body is not an object.")
            return None
        content = self.media_types(value.get("content"), pointers.join(pointer, "content"))
        if not content:
            self._report("request_body_invalid", pointer, "The request body has no media type, so it cannot be sent.")
            return None
        return RequestBody(
            required=value.get("required") is True,
            content=content,
            pointer=self._description.origin(pointer),
            description=lenient.text(value.get("description")),
        )

    def media_types(self, content: Any, pointer: str) -> tuple[MediaType, ...]:
        """Read the media types of a `content` map, in document order."""
        found = []
        for name, entry in lenient.mapping(content).items():
            try:
                value, at = self._description.resolve(entry, pointers.join(pointer, name))
            except UnresolvedReferenceError as error:
                self._report(error.code, error.pointer, error.message)
                continue
            value = lenient.mapping(value)
            found.append(
                MediaType(
                    name=name,
                    schema=self._media_type_schema(value, at),
                    pointer=self._description.origin(at),
                    encoding={
                        key: self._encoding(each, pointers.join(at, "encoding", key))
                        for key, each in lenient.mapping(value.get("encoding")).items()
                    },
                    prefix_encoding=tuple(
                        self._encoding(each, pointers.join(at, "prefixEncoding", index))
                        for index, each in enumerate(lenient.array(value.get("prefixEncoding")))
                    ),
                    item_encoding=self._encoding(value["itemEncoding"], pointers.join(at, "itemEncoding"))
                    if "itemEncoding" in value
                    else None,
                )
            )
        return tuple(found)

    def _media_type_schema(self, value: dict[str, Any], at: str) -> Schema | None:
        """Read `schema`, or `itemSchema` as the list of its items (OAS 3.2 section 4.14.3)."""
        if "schema" in value:
            return Schema(value["schema"], self._description.origin(pointers.join(at, "schema")))
        if "itemSchema" not in value:
            return None
        item_at = pointers.join(at, "itemSchema")
        items = value["itemSchema"]
        if not (isinstance(items, dict) and items.keys() == {"$ref"}):
            # By reference, so that what is said of the items names the place where they are described.
            items = {"$ref": pointers.to_fragment(item_at)}
        return Schema({"type": "array", "items": items}, item_at)

    def _encoding(self, value: Any, at: str) -> Encoding:
        entry = lenient.mapping(value)
        return Encoding(
            content_type=entry["contentType"] if isinstance(entry.get("contentType"), str) else None,
            style=entry["style"] if isinstance(entry.get("style"), str) else None,
            explode=entry["explode"] if isinstance(entry.get("explode"), bool) else None,
            allow_reserved=entry.get("allowReserved") is True,
            headers=tuple(self._part_headers(lenient.mapping(entry.get("headers")), pointers.join(at, "headers"))),
        )

    def _part_headers(self, headers: dict[str, Any], at: str) -> Iterator[tuple[str, str]]:
        """List the headers of a part that have one possible value (OAS 3.1 section 4.8.15, `headers`)."""
        for name, entry in headers.items():
            where = pointers.join(at, name)
            header = lenient.mapping(self._description.try_resolve(entry, where))
            schema = lenient.mapping(
                self._description.try_resolve(header.get("schema"), pointers.join(where, "schema"))
            )
            text = lenient.text(_fixed(schema))
            if name.lower() == "content-type":
                continue
            if text and text.isprintable() and _TOKEN.fullmatch(name):
                yield name, text
            else:
                self._report("part_header_unset", where, f"The header {name!r} of a part has no fixed value.")

    def responses(self, responses: Any, pointer: str) -> Iterator[Response]:
        """Read the responses of an operation, in document order."""
        for status, entry in lenient.mapping(responses).items():
            at = pointers.join(pointer, status)
            if status.startswith("x-"):
                continue
            try:
                value, at = self._description.resolve(entry, at)
            except UnresolvedReferenceError as error:
                self._report(error.code, error.pointer, error.message)
                continue
            if not isinstance(value, dict):
                self._report("response_invalid", at, f"The response {status} is not an object.")
                continue
            content = self.media_types(value.get("content"), pointers.join(at, "content"))
            yield Response(status, content, self._description.origin(at))


def _fixed(schema: dict[str, Any]) -> Any:
    """Give the one value that a schema leaves: `const`, an `enum` of one, or the default."""
    enum = lenient.array(schema.get("enum"))
    return schema.get("const", enum[0] if len(enum) == 1 else schema.get("default"))
