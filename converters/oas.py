"""OpenAPI's nouns as frozen values, in the shape of OAS 3.1 whatever version the description has.

Every value knows the JSON Pointer of the place in the uploaded document that made it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

Location = Literal["path", "query", "header", "cookie", "querystring"]

DEFAULT_STYLES: Final[Mapping[str, str]] = {
    "path": "simple",
    "query": "form",
    "header": "simple",
    "cookie": "form",
    "querystring": "form",
}
"""Default `style` per location (OAS 3.1 section 4.8.12.2.1)."""

_DELIMITED: Final = frozenset({"spaceDelimited", "pipeDelimited", "tabDelimited"})

STYLES: Final[Mapping[str, frozenset[str]]] = {
    "path": frozenset({"simple", "label", "matrix"}) | _DELIMITED,
    "query": frozenset({"form", "deepObject"}) | _DELIMITED,
    "header": frozenset({"simple"}) | _DELIMITED,
    "cookie": frozenset({"form", "cookie"}),
    "querystring": frozenset({"form"}),
}
"""Styles per location (OAS 3.1 section 4.8.12.3). `tabDelimited`, and the delimited styles outside of the query, carry
Swagger 2.0's `collectionFormat` values `tsv`, `ssv` and `pipes`."""


class Schema(NamedTuple):
    """A Schema Object (or boolean) as the document writes it, and where it stands."""

    value: Any
    pointer: str


@dataclass(frozen=True, slots=True)
class Encoding:
    """Encoding Object (OAS 3.1 section 4.8.15): how one property of a form or multipart body is written."""

    content_type: str | None = None
    style: str | None = None
    explode: bool | None = None
    allow_reserved: bool = False
    headers: tuple[tuple[str, str], ...] = ()
    """Headers of the part whose value the description fixes, by `const`, an `enum` of one, or `default`."""


@dataclass(frozen=True, slots=True)
class MediaType:
    """Media Type Object (OAS 3.1 section 4.8.14) with its name, such as `application/json`.

    `prefix_encoding` and `item_encoding` are for parts by position (OAS 3.2 section 4.14.5.2). Where there is an
    `itemSchema` and no `schema`, `schema` is the list of such items.
    """

    name: str
    schema: Schema | None
    pointer: str
    encoding: Mapping[str, Encoding] = field(default_factory=dict)
    prefix_encoding: tuple[Encoding, ...] = ()
    item_encoding: Encoding | None = None


@dataclass(frozen=True, slots=True)
class Parameter:
    """Parameter Object (OAS 3.1 section 4.8.12); exactly one of `schema` and `content` says what values it takes."""

    name: str
    location: Location
    required: bool
    schema: Schema
    style: str
    explode: bool
    pointer: str
    content_type: str | None = None
    allow_reserved: bool = False
    allow_empty_value: bool = False
    deprecated: bool = False
    description: str = ""
    examples: tuple[Any, ...] = ()


@dataclass(frozen=True, slots=True)
class RequestBody:
    """Request Body Object (OAS 3.1 section 4.8.13), media types in document order."""

    required: bool
    content: tuple[MediaType, ...]
    pointer: str
    description: str = ""


@dataclass(frozen=True, slots=True)
class Response:
    """Response Object (OAS 3.1 section 4.8.17); `status` is a code, `2XX` or `default`."""

    status: str
    content: tuple[MediaType, ...]
    pointer: str


@dataclass(frozen=True, slots=True)
class ServerVariable:
    """Server Variable Object (OAS 3.1 section 4.8.6)."""

    default: str
    enum: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Server:
    """Server Object (OAS 3.1 section 4.8.5): where the API behind Causeway is; the URL may hold `{variables}`."""

    url: str
    variables: Mapping[str, ServerVariable] = field(default_factory=dict)
    pointer: str = ""


@dataclass(frozen=True, slots=True)
class SecurityRequirement:
    """Security Requirement Object (OAS 3.1 section 4.8.30): all `schemes` together, each with its scopes."""

    schemes: tuple[tuple[str, tuple[str, ...]], ...]


@dataclass(frozen=True, slots=True)
class Operation:
    """Operation Object (OAS 3.1 section 4.8.10) with everything it inherits from its path item and the description.

    `security` is the list of alternatives: any one is enough, and an empty alternative means that no credential is
    needed; an empty list means that none is declared.
    """

    method: str
    path: str
    pointer: str
    operation_id: str = ""
    summary: str = ""
    description: str = ""
    tags: tuple[str, ...] = ()
    deprecated: bool = False
    parameters: tuple[Parameter, ...] = ()
    request_body: RequestBody | None = None
    responses: tuple[Response, ...] = ()
    servers: tuple[Server, ...] = ()
    security: tuple[SecurityRequirement, ...] = ()
    extension: Mapping[str, Any] = field(default_factory=dict)

    @property
    def key(self) -> str:
        """Identify the operation within its description: `GET /pets/{petId}`."""
        return f"{self.method.upper()} {self.path}"
