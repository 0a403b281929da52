"""Values -> multipart bodies (RFC 2046 section 5.1, RFC 7578): parts by name or by position.

The boundary is derived from the content, so that a plan is repeatable.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, Final

from converters import files, json_values, media_types, serialization, xml_bodies
from converters.errors import BodyValueError
from converters.oas import Encoding
from converters.tool_definitions import PropertyBinding

if TYPE_CHECKING:
    from collections.abc import Iterator

    from converters.tool_definitions import BodyBinding

_UNKNOWN: Final = PropertyBinding("", "")


def encode(binding: BodyBinding, value: Any) -> tuple[bytes, str]:
    """Build the body of `value`: an object's properties are named parts, a list's items parts in their order.

    Raises:
        BodyValueError: for what a part cannot hold.

    """
    kind = media_types.essence(binding.media_type)
    parts = [each.written(kind) for each in _parts(binding, value)]
    digest = hashlib.sha256(b"\0".join(parts)).hexdigest()[:32]
    boundary = f"causeway-{digest}"
    body = b"".join(b"--" + boundary.encode() + b"\r\n" + part + b"\r\n" for part in parts)
    parameters = "".join(f";{each}" for each in binding.media_type.split(";")[1:] if "boundary=" not in each.lower())
    return body + f"--{boundary}--\r\n".encode(), f"{kind}{parameters}; boundary={boundary}"


def _parts(binding: BodyBinding, value: Any) -> Iterator[_Part]:
    if isinstance(value, dict):
        known = {each.name: each for each in binding.properties}
        for name, each in value.items():
            yield from _named(name, each, known.get(name, _UNKNOWN))
        return
    for index, each in enumerate(value if isinstance(value, list) else [value]):
        part = binding.item_part or _UNKNOWN
        if index < len(binding.prefix_parts):
            part = binding.prefix_parts[index]
        yield _Part(None, each, part, (str(index),))


def _named(name: str, value: Any, part: PropertyBinding) -> Iterator[_Part]:
    """List the parts of one property: each item of a list, unless a style asks for one delimited value."""
    if value is None:
        return
    encoding = part.encoding or Encoding()
    if encoding.style is not None or encoding.explode is not None:
        for field, text in serialization.form_fields(name, value, encoding.style, explode=encoding.explode):
            # A style takes the place of the content type (OAS 3.2 section 4.15.1.2).
            yield _Part(field, text, PropertyBinding("", "", encoding=Encoding(headers=encoding.headers)), (name,))
    elif isinstance(value, list):
        for index, each in enumerate(value):
            if each is not None:
                yield _Part(name, each, part, (name, str(index)))
    else:
        yield _Part(name, value, part, (name,))


class _Part:
    """One part: its name (None by position), its value, and how it is written."""

    def __init__(self, name: str | None, value: Any, binding: PropertyBinding, path: tuple[str, ...]) -> None:
        self._name = name
        self._value = value
        self._binding = binding
        self._path = path

    def written(self, kind: str) -> bytes:
        """Give header lines and content; `kind` is the media type of the whole body."""
        binding = self._binding
        declared = (binding.encoding.content_type if binding.encoding else None) or ""
        declared = declared.partition(",")[0].strip() or binding.media_type
        disposition = [] if self._name is None else [f'form-data; name="{_quoted(self._name)}"']
        try:
            if binding.is_file:
                file = files.read(self._value, media_type=declared, content_encoding=binding.content_encoding)
                content, media_type = file.content, file.media_type or _sent(declared)
                if disposition:
                    disposition.append(f'filename="{_quoted(file.name or self._name or "")}"')
            else:
                content, media_type = self._content(declared, kind)
        except BodyValueError as error:
            raise BodyValueError((*self._path, *error.path), error.expected, error.received) from None
        headers = [f"Content-Disposition: {'; '.join(disposition)}"] if disposition else []
        headers += [f"Content-Type: {media_type}"] if media_type else []
        headers += [f"{name}: {value}" for name, value in (binding.encoding.headers if binding.encoding else ())]
        return "".join(f"{line}\r\n" for line in headers).encode() + b"\r\n" + content

    def _content(self, declared: str, kind: str) -> tuple[bytes, str]:
        """Write a value in its media type: JSON for what is nested, XML where that is declared, else text."""
        nested = isinstance(self._value, (dict, list))
        if media_types.is_xml(declared) and nested:
            return xml_bodies.write(self._binding.xml, self._value).encode(), declared
        if nested or media_types.is_json(declared):
            return json_values.write(self._value).encode(), declared or "application/json"
        content = serialization.scalar(self._value).encode()
        if not declared and kind != "multipart/form-data" and not content.isascii():
            # Outside of forms the default is US-ASCII (RFC 2046 section 5.1).
            declared = "text/plain; charset=utf-8"
        return content, declared


def _sent(declared: str) -> str:
    """Give the media type of a file that does not name its own; a range cannot be sent."""
    return "application/octet-stream" if not declared or "*" in declared else declared


def _quoted(name: str) -> str:
    """Escape a name so that it cannot end the quoted string or the line (WHATWG HTML section 4.10.21.8)."""
    return name.replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A")
