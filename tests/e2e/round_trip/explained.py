"""Why a request that the validator holds something against is right all the same, by the shape of the fault.

`whose` says where the mistake is: in the `validator`, in the `description`, or `ours`. What is ours is known and open;
its entry goes away with the mistake.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any, Final, Literal, NamedTuple
from urllib.parse import parse_qsl, urlsplit

from converters import pointers
from converters.tool_definitions import ParameterBinding
from tests.e2e.round_trip.runs import Judged
from tests.e2e.round_trip.validating_api import Fault


class Explained(NamedTuple):
    """A kind of fault: three regular expressions and what else must hold, and the reason why it is none of ours."""

    whose: Literal["validator", "description", "ours"]
    code: str
    location: str
    message: str
    holds: Callable[[Judged, Fault], bool]
    reason: str


def explanation(judged: Judged, fault: Fault) -> Explained | None:
    """Give the first entry that fits."""
    for each in EXPLAINED:
        if (
            re.fullmatch(each.code, fault.code)
            and re.fullmatch(each.location, fault.location)
            and re.search(each.message, fault.message)
            and each.holds(judged, fault)
        ):
            return each
    return None


_EXACT_INTEGER: Final = str(2**53 - 1)

# --- what else must hold


def _always(_judged: Judged, _fault: Fault) -> bool:
    return True


def _parameter(judged: Judged, fault: Fault) -> ParameterBinding | None:
    """Give the parameter that a fault is about: named in its location or, where it is missing, in its message."""
    place, _, rest = fault.location.partition("/")
    named = re.search(r"required property '(.*)'", fault.message)
    name = named[1] if named and not rest else rest.partition("/")[0]
    for each in judged.tool.parameters:
        if (each.location, each.name.lower()) == (place, name):
            return each
    return None


def _values_sent(judged: Judged, parameter: ParameterBinding) -> list[str]:
    if parameter.location == "header":
        value = judged.verdict.headers.get(parameter.name.lower())
        return [] if value is None else [value]
    query = parse_qsl(urlsplit(judged.verdict.target).query, keep_blank_values=True)
    return [value for name, value in query if name == parameter.name]


def _is_sent_empty(judged: Judged, fault: Fault) -> bool:
    parameter = _parameter(judged, fault)
    return parameter is not None and _values_sent(judged, parameter) == [""]


def _is_not_given(judged: Judged, fault: Fault) -> bool:
    parameter = _parameter(judged, fault)
    return parameter is not None and not judged.arguments.get(parameter.argument)


def _has_optional_list_not_given(judged: Judged, _fault: Fault) -> bool:
    return any(not judged.arguments.get(each.argument) for each in judged.tool.parameters)


def _is_falsy_body(judged: Judged, _fault: Fault) -> bool:
    return judged.verdict.body in {"", "null", "false", "0", "0.0", "-0", "-0.0", '""'}


def _declares_no_media_type(judged: Judged, _fault: Fault) -> bool:
    return "consumes" not in judged.served.description and "consumes" not in _operation(judged)


def _is_reserved_header(judged: Judged, fault: Fault) -> bool:
    return "3." in str(judged.served.description.get("openapi", "")) and _parameter(judged, fault) is None


def _is_no_plain_path(judged: Judged, _fault: Fault) -> bool:
    return "?" in judged.tool.path or "#" in judged.tool.path


def _has_uncommon_name(judged: Judged, _fault: Fault) -> bool:
    return re.search(r"\{\w*[^\w}]+.*?\}", judged.tool.path) is not None


def _has_no_place(judged: Judged, fault: Fault) -> bool:
    named = re.search(r"required property '(.*)'", fault.message)
    return named is not None and f"{{{named[1]}}}" not in judged.tool.path.lower()


def _has_discriminator(judged: Judged, _fault: Fault) -> bool:
    return any("discriminator" in each for each in _objects(judged))


def _is_form(judged: Judged, _fault: Fault) -> bool:
    return judged.tool.body is not None and judged.tool.body.kind in {"form", "multipart"}


def _is_multipart(judged: Judged, _fault: Fault) -> bool:
    return judged.tool.body is not None and judged.tool.body.kind == "multipart"


def _has_only_delimiters(judged: Judged, fault: Fault) -> bool:
    """Tell whether a property of a urlencoded body has no reserved characters on the wire but commas, `*` and `+`.

    Forms leave `*` as it is and write a blank as `+` (WHATWG URL, application/x-www-form-urlencoded serializing).
    """
    name = fault.location.split("/")[1]
    written = [pair.partition("=")[2] for pair in judged.verdict.body.split("&") if pair.startswith(f"{name}=")]
    return bool(written) and not any(re.search(r"[/?#\[\]@!$&'();=]", each) for each in written)


def _is_deep_object_not_given(judged: Judged, fault: Fault) -> bool:
    """Tell whether no name on the wire leads into the object that a fault is about."""
    names = _names_sent(judged, fault)
    first, *inner = fault.location.split("/")[1:]
    start = first
    for each in inner:
        start += f"[{_index(names, start, int(each)) if each.isdigit() else each}]"
    return not any(name.startswith(start) for name in names)


def _names_sent(judged: Judged, fault: Fault) -> list[str]:
    if _is_multipart(judged, fault) and fault.location.startswith("body/"):
        return re.findall(r'; name="([^"]*)"', judged.verdict.body)
    sent = judged.verdict.body if fault.location.startswith("body/") else urlsplit(judged.verdict.target).query
    # Prism reads names of parameters in lower case.
    pairs = parse_qsl(sent, keep_blank_values=True)
    return [name if fault.location.startswith("body/") else name.lower() for name, _ in pairs]


def _index(names: list[str], start: str, position: int) -> int:
    """Give the index of the item that Prism calls by its position: items without a member are not on the wire."""
    found = (re.match(re.escape(start) + r"\[(\d+)\]", name) for name in names)
    indexes = sorted({int(each[1]) for each in found if each})
    return indexes[position] if position < len(indexes) else position


def _is_beside_exact_integer(judged: Judged, fault: Fault) -> bool:
    return any(
        each.message.endswith(_EXACT_INTEGER) and each.location.startswith(fault.location)
        for each in judged.verdict.faults
    )


def _is_list_of_several_types(judged: Judged, fault: Fault) -> bool:
    parameter = _parameter(judged, fault)
    if parameter is None:
        return False
    schema = judged.tool.input_schema["properties"][parameter.argument]
    return isinstance(judged.arguments.get(parameter.argument), list) and schema.get("type") != "array"


def _has_empty_value(judged: Judged, _fault: Fault) -> bool:
    return re.search(r";[^;=/,]+(?:[/;]|$)", judged.verdict.target) is not None


def _holds_long_number(judged: Judged, _fault: Fault) -> bool:
    return re.search(r"\d{16}", judged.verdict.body) is not None


def _operation(judged: Judged) -> dict[str, Any]:
    operation: dict[str, Any] = judged.served.description["paths"][judged.tool.path][judged.tool.method.lower()]
    return operation


def _objects(judged: Judged) -> Iterator[dict[str, Any]]:
    """Give every object of the operation, also behind references."""
    waiting: list[Any] = [_operation(judged)]
    seen: set[str] = set()
    while waiting:
        value = waiting.pop()
        if isinstance(value, list):
            waiting += value
        elif isinstance(value, dict):
            yield value
            reference = value.get("$ref")
            waiting += value.values()
            if isinstance(reference, str) and reference not in seen:
                seen.add(reference)
                waiting.append(_target(judged.served.description, reference))


def _target(description: dict[str, Any], reference: str) -> Any:
    value: Any = description
    for token in pointers.tokens(reference[1:]):
        value = value.get(token, {}) if isinstance(value, dict) else {}
    return value


ANY: Final = r".*"

EXPLAINED: Final = (
    Explained(
        "validator", r"maximum|minimum", ANY, rf"-?{_EXACT_INTEGER}$", _always,
        "`int64` goes to 2^63 (OAS 3.1, Data Types); Prism's bound is that of JavaScript's exact integers.",
    ),
    Explained(
        "validator", "oneOf|anyOf|type", ANY, "must (match|be)", _is_beside_exact_integer,
        "An alternative to the `int64` above.",
    ),
    Explained(
        "validator", "multipleOf", ANY, "must be multiple of", _holds_long_number,
        "More digits than JavaScript's numbers have.",
    ),
    Explained(
        "validator", "oneOf", r"(path|query|header)/.*", "must match exactly one", _always,
        "On the wire every value is text; Prism lets one that reads as a number fit the number and the string.",
    ),
    Explained(
        "validator", "type|anyOf", r"query/.*", "must (be|match)", _is_list_of_several_types,
        "Prism reads a list of one value as a list only where `type` is `array` and nothing else.",
    ),
    Explained(
        "validator", "required", r"query|header", "must have required", _is_sent_empty,
        "The parameter is there, with an empty value; Prism takes an empty value for none.",
    ),
    Explained(
        "validator", "required", "", "^Body parameter is required", _is_falsy_body,
        "The body is there: an empty file, or JSON that JavaScript takes for false.",
    ),
    Explained(
        "validator", "415", "", "^No supported content types", _declares_no_media_type,
        "2.0 Operation Object, `consumes`: where nobody declares it, no media type is excluded.",
    ),
    Explained(
        "validator", "required", "header", "'(accept|authorization|content-type)'", _is_reserved_header,
        "3.x Parameter Object, `name`: header parameters of these three names shall be ignored.",
    ),
    Explained(
        "validator", "oracle-failed", "", "reading 'split'", _has_optional_list_not_given,
        "Prism reads an optional list or object that is not there.",
    ),
    Explained(
        "validator", "required|type", r"query/[^/]+(/0)?", "must (have|be)", _is_not_given,
        "Prism makes an empty object or a list of nothing of a parameter that is not there.",
    ),
    Explained(
        "validator", "oracle-failed", "", "only applicable to array", _always,
        "3.1.1 Parameter Object, `style`: the delimited styles are for objects as well.",
    ),
    Explained(
        "validator", "format", ANY, r'format "(url|binary|password)"', _always,
        "No format of JSON Schema: it says nothing that a validator could check (2020-12 Validation section 7).",
    ),
    Explained(
        "validator", "type", r"body/[^/]+(/\d+)?", "must be (array|object)", _is_form,
        "Prism keeps the last of repeated names, and reads no JSON in a part or property of a form.",
    ),
    Explained(
        "validator", "required", r"(query|body)/.+", "must have required",
        lambda judged, fault: (fault.location.startswith("query/") or _is_form(judged, fault))
        and _is_deep_object_not_given(judged, fault),
        "Prism makes an empty object of a `deepObject` that is not there.",
    ),
    Explained(
        "validator", "oracle-failed", "", "^URI malformed", _is_multipart,
        "The value of a part is not percent-encoded (RFC 7578); Prism decodes it all the same.",
    ),
    Explained(
        "validator", "oracle-failed", "", "^Matrix serialization", _has_empty_value,
        "A name without a value is an empty text (RFC 6570 section 3.2.7); Prism expects an equals sign.",
    ),
    Explained(
        "validator", "", r"body/.*", "^Reserved characters", _is_multipart,
        "The value of a part is not percent-encoded (RFC 7578).",
    ),
    Explained(
        "validator", "", r"body/.*", "^Reserved characters", _has_only_delimiters,
        "Commas of style `form` stand between encoded values (RFC 6570 section 3.2.8), and forms write `*` and `+`.",
    ),
    Explained(
        "description", r".*NO_PATH_MATCHED_ERROR", "", "", _is_no_plain_path,
        "Paths Object: a path has neither query nor fragment; Prism does not find one that has, we send it as meant.",
    ),
    Explained(
        "validator", r".*NO_PATH_MATCHED_ERROR", "", "", _has_uncommon_name,
        "Prism does not find a path in which a name has other characters than letters, digits and `_`.",
    ),
    Explained(
        "description", "required", "path", "must have required", _has_no_place,
        "Parameter Object, `in: path`: the name must be in the path's template; here it is not.",
    ),
    Explained(
        "description", "oneOf", r"body.*", "must match exactly one", _has_discriminator,
        "Several alternatives fit by the letter, so that only the discriminator tells them apart, as is meant.",
    ),
    Explained(
        "validator", "maximum|minimum", ANY, r"3\.40282\d+e\+38$", _always,
        "`format: float` is single precision; unlike `int32` it is published without its bounds.",
    ),
)  # fmt: skip
