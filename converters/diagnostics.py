"""Diagnostics: what of a description did not reach a tool, or reached it changed, and what to do about it.

`CATALOGUE` is the one list of codes: severity and remedy stand there, so that two places never word one problem
differently and the documentation is generated from it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


class Severity(StrEnum):
    """How much a diagnostic costs: a lost operation, a changed construct, or nothing a caller would notice."""

    ERROR = "error"
    WARNING = "warning"
    INFO = "info"


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One problem of a description.

    `pointer` is an RFC 6901 JSON Pointer into the document as it was uploaded; `line` is 1-based, or None where the
    document gives none. `document` is the URI of the further document of a split description, "" for the entry.
    """

    code: str
    severity: Severity
    pointer: str
    message: str
    remedy: str
    line: int | None = None
    document: str = ""


_E, _W, _I = Severity.ERROR, Severity.WARNING, Severity.INFO

CATALOGUE: Final[Mapping[str, tuple[Severity, str]]] = MappingProxyType(
    {
        "operation_invalid": (_E, "Write the operation as an object, as the Operation Object section says."),
        "operation_schema_unusable": (_E, "Correct the schema of the operation's parameters and body."),
        "operation_path_invalid": (
            _E,
            "Start the path with '/' and name each template expression once: /pets/{petId}.",
        ),
        "path_parameter_undeclared": (_W, "Declare a parameter with `in: path` and this name."),
        "parameter_schema_missing": (_W, "Give the parameter a schema; any value is accepted now."),
        "operation_unsupported_method": (
            _E,
            "Use one of the methods that the Path Item Object of this version defines.",
        ),
        "path_item_invalid": (_E, "Write the path item as an object of operations."),
        "parameter_invalid": (_W, "Give the parameter a name, a location (`in`) and a schema or content."),
        "parameter_duplicate": (_W, "Keep one parameter per name and location; the first one was used."),
        "parameter_reserved_header": (
            _I,
            "Nothing to do: the gateway sets this header itself, or a security scheme does.",
        ),
        "parameter_of_security_scheme": (
            _I,
            "Nothing to do: supply the credential of the security scheme, and the gateway sends it.",
        ),
        "parameter_unused_path": (_W, "Remove the parameter or add {name} to the path."),
        "parameter_required_forced": (_I, "Write `required: true`: a path parameter is always required."),
        "parameter_style_invalid": (_W, "Use a style that the location allows; the default style was used."),
        "request_body_invalid": (_W, "Write the request body as an object with `content`."),
        "request_body_media_type_unused": (_I, "Nothing to do: the operation is called with the other media type."),
        "request_body_extra_properties": (
            _I,
            "Declare the properties that callers may send, so that they become arguments.",
        ),
        "part_header_unset": (
            _I,
            "Give the header's schema a `const`, an `enum` of one or a `default`: only fixed headers are sent.",
        ),
        "xml_root_unnamed": (_W, "Give the schema an XML Object with `name`; the element is called `root` now."),
        "property_undeclared": (_W, "Declare the property; any value is accepted now."),
        "argument_renamed": (_I, "Nothing to do: the name on the wire stays as the document spells it."),
        "reference_unresolved": (_W, "Correct the `$ref`, or add what it points at."),
        "reference_cycle": (_W, "Let the chain of `$ref`s end at something that is not a `$ref`."),
        "ref_remote_disabled": (_W, "Put the referenced document into the upload (zip) or inline it."),
        "reference_document_missing": (_W, "Upload the description as a zip that holds the referenced file."),
        "schema_invalid": (_W, "Write the schema as an object or a boolean; it was read as 'anything'."),
        "schema_keyword_invalid": (_W, "Correct the keyword's value; the keyword was left out."),
        "schema_keyword_unsupported": (_I, "Nothing to do, unless you rely on this keyword."),
        "schema_type_corrected": (
            _I,
            "Use a JSON Schema type: null, boolean, object, array, number, string or integer.",
        ),
        "schema_pattern_dropped": (_W, "Rewrite the pattern in ECMA-262 syntax; values are not checked against it."),
        "schema_over_budget": (
            _W,
            "Split the operation or simplify its schema; deep parts are described as 'anything', and not checked.",
        ),
        "schema_discriminator_dropped": (
            _I,
            "Nothing to do: the alternatives are published without their discriminator.",
        ),
        "output_schema_dropped": (
            _I,
            "Nothing to do: results are returned as they are, only their schema is not listed.",
        ),
        "response_invalid": (_W, "Write the response as an object with `description` and `content`."),
        "security_scheme_missing": (_W, "Declare the scheme under components.securitySchemes."),
        "security_invalid": (_W, "Write `security` as a list of objects: scheme name to list of scopes."),
        "server_missing": (_W, "Set `base_url` for this server: the description does not say where the API is."),
        "server_relative": (
            _W,
            "Set `base_url` for this server: its URL is relative to where the document was published.",
        ),
        "server_invalid": (_W, "Give the server an absolute http or https URL."),
        "hidden_text_removed": (_W, "Remove control, zero-width and direction-changing characters from the text."),
        "text_truncated": (_I, "Shorten the summary and description; what is over the budget is not listed."),
        "overlay_action_unmatched": (_W, "Correct the action's target, or remove the action."),
        "extension_invalid": (_W, "Correct the `x-mcp` extension; names are those of the tool's arguments."),
        "operation_excluded": (_I, "Nothing to do: the description's own `x-mcp` selection leaves it out."),
        "extension_cycle_cut": (_W, "Write the extension without the alias."),
        "text_replaced": (_W, "Correct the text: it held characters that are not Unicode text."),
        "description_no_operations": (_W, "Add operations under `paths`; webhooks and callbacks are not callable."),
        "webhook_ignored": (_I, "Nothing to do: a webhook is sent by the API, so it cannot be called as a tool."),
        "callback_ignored": (_I, "Nothing to do: a callback is sent by the API, so it cannot be called as a tool."),
    }
)
"""Every diagnostic code with its severity and remedy."""


class Place(NamedTuple):
    """Where a diagnostic stands; see `Diagnostic`."""

    document: str
    pointer: str
    line: int | None


class DiagnosticLog:
    """Collects diagnostics in the order they are found; the same problem at the same place counts once."""

    def __init__(self) -> None:
        """Start empty."""
        self._found: dict[tuple[str, str, str], Diagnostic] = {}

    def report(self, code: str, pointer: str, message: str) -> None:
        """Record `code` (a key of `CATALOGUE`) at `pointer`."""
        severity, remedy = CATALOGUE[code]
        self._found.setdefault((code, pointer, message), Diagnostic(code, severity, pointer, message, remedy))

    def located(self, place_of: Callable[[str], Place]) -> tuple[Diagnostic, ...]:
        """Give every diagnostic with its place in the documents as uploaded, as `place_of` finds it for a pointer."""
        return tuple(replace(found, **place_of(found.pointer)._asdict()) for found in self._found.values())

    def found(self) -> tuple[Diagnostic, ...]:
        """Give every diagnostic as it was found, without lines: pointers lead into the bundled description."""
        return tuple(self._found.values())
