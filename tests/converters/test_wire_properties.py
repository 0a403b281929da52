"""For any arguments that fit: what the API reads from the wire is what was given, and nothing else changes.

500 examples each time, 10,000 with the Hypothesis profile `nightly`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from decimal import Decimal
from functools import cache
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from hypothesis import given, settings
from hypothesis import strategies as st

from converters import ArgumentsError, ToolDefinition
from converters.arguments import ArgumentChecker
from converters.request_plans import RequestPlan, plan
from tests.converters import readers
from tests.converters.descriptions import BASE, OK, only_tool

EXAMPLES: Final = 10_000 if settings.get_current_profile_name() == "nightly" else 500
MANY: Final = settings(max_examples=EXAMPLES)

SCHEMAS: Final[Mapping[str, Any]] = {
    "text": {"type": ["string", "number", "boolean"]},
    "array": {"type": "array", "items": {"type": ["string", "number", "boolean"]}},
    "object": {"type": "object", "additionalProperties": {"type": ["string", "number", "boolean", "object", "array"]}},
}
_QUERY_STYLES: Final = ["form", "spaceDelimited", "pipeDelimited", "deepObject"]


def texts(without: str = "", **more: Any) -> st.SearchStrategy[str]:
    """Make texts of any script; those for a path are without what a path refuses."""
    return st.text(st.characters(codec="utf-8", exclude_characters=without, **more))


PATH: Final[dict[str, Any]] = {"exclude_categories": ("Cc", "Cf", "Cs", "Zl", "Zp")}
NUMBERS: Final = st.integers() | st.booleans() | st.decimals(allow_nan=False, allow_infinity=False, places=3)


def values(
    kind: str, text: st.SearchStrategy[str], keys: st.SearchStrategy[str] | None = None
) -> st.SearchStrategy[Any]:
    scalars = text | NUMBERS
    if kind == "text":
        return scalars
    if kind == "array":
        return st.lists(scalars, min_size=1, max_size=4)
    return st.dictionaries(text if keys is None else keys, scalars, min_size=1, max_size=4)


def checked(tool: ToolDefinition, arguments: Mapping[str, Any]) -> RequestPlan:
    arguments = ArgumentChecker(tool.input_schema).check(arguments).values
    return plan(tool, arguments, base=BASE)


def outcome(tool: ToolDefinition, arguments: Mapping[str, Any]) -> RequestPlan | set[str]:
    """Give the request, or the codes of what is refused."""
    try:
        return checked(tool, arguments)
    except ArgumentsError as error:
        return {each.code for each in error.problems}


@cache
def tool_with(location: str, kind: str, style: str, explode: bool, **more: bool) -> ToolDefinition:
    parameter = {"name": "p", "in": location, "required": True, "style": style, "explode": explode, **more}
    path = "/things/{p}/tail" if location == "path" else "/things"
    return only_tool({"parameters": [{**parameter, "schema": SCHEMAS[kind]}]}, path=path, method="get")


KINDS: Final = st.sampled_from(list(SCHEMAS))


@MANY
@given(st.data(), KINDS, st.sampled_from(["simple", "label", "matrix"]), st.booleans())
def test_a_path_parameter_reads_as_it_was_given(data: st.DataObject, kind: str, style: str, explode: bool) -> None:
    # A label that is exploded joins by what is not encoded, so a dot within a value cannot be told from it.
    value = data.draw(values(kind, texts("." if style == "label" else "", **PATH)))
    if style == "label" and "." in json.dumps(value, default=str):
        return
    request = outcome(tool_with("path", kind, style, explode), {"p": value})
    if not isinstance(request, RequestPlan):
        assert request == {"arg_path_segment"}
        assert "".join(_flat(value)) in {"", ".", ".."}
        return
    path = urlsplit(request.url).path
    assert path.startswith("/v1/things/")
    assert path.endswith("/tail")
    segment = path.removeprefix("/v1/things/").removesuffix("/tail")
    assert readers.path_segment(segment, kind, style=style, explode=explode) == readers.as_text(value)


def _flat(value: Any) -> list[str]:
    found = readers.as_text(value)
    return [*found, *found.values()] if isinstance(found, dict) else list(found) if isinstance(found, list) else [found]


@MANY
@given(st.data(), KINDS, st.sampled_from(_QUERY_STYLES), st.booleans())
def test_a_query_parameter_reads_as_it_was_given(data: st.DataObject, kind: str, style: str, explode: bool) -> None:
    if style == "deepObject":
        kind, explode = "object", True
    # These styles encode what delimits like what is within a value (OAS 3.1.1 appendix E).
    delimiter = {"spaceDelimited": " ", "pipeDelimited": "|"}.get(style, "") if not explode else ""
    value = data.draw(values(kind, texts(delimiter), texts("[]") if style == "deepObject" else None))
    request = checked(tool_with("query", kind, style, explode), {"p": value})

    assert request.url.startswith(f"{BASE}/things?")
    assert "#" not in request.url
    query = urlsplit(request.url).query
    assert readers.query(query, kind, style=style, explode=explode) == readers.as_text(value)


NESTED: Final = st.recursive(
    texts() | NUMBERS,
    lambda inner: (
        st.lists(inner, min_size=1, max_size=3) | st.dictionaries(texts("[]0"), inner, min_size=1, max_size=3)
    ),
    max_leaves=6,
)


@MANY
@given(st.dictionaries(texts("[]"), NESTED, min_size=1, max_size=3))
def test_a_nested_deep_object_reads_as_it_was_given(value: dict[str, Any]) -> None:
    query = urlsplit(checked(tool_with("query", "object", "deepObject", explode=True), {"p": value}).url).query

    assert readers.query(query, "object", style="deepObject", explode=True) == readers.as_text(value)


@MANY
@given(st.data(), KINDS, st.booleans())
def test_a_header_reads_as_it_was_given(data: st.DataObject, kind: str, explode: bool) -> None:
    # Nothing is encoded in a header, so what delimits cannot be told from what is within a value.
    without = "" if kind == "text" else ",=" if kind == "object" else ","
    value = data.draw(values(kind, texts(without, exclude_categories=("Cc", "Cs")).map(str.strip)))
    request = checked(tool_with("header", kind, "simple", explode), {"p": value})

    assert [name for name, _ in request.headers] == ["Accept", "p"]
    assert readers.header(dict(request.headers)["p"], kind, explode=explode) == readers.as_text(value)


@MANY
@given(st.data(), KINDS, st.booleans())
def test_a_cookie_reads_as_it_was_given(data: st.DataObject, kind: str, explode: bool) -> None:
    value = data.draw(values(kind, texts()))
    request = checked(tool_with("cookie", kind, "form", explode), {"p": value})

    assert [name for name, _ in request.headers] == ["Accept", "Cookie"]
    assert readers.cookie(dict(request.headers)["Cookie"], kind, explode=explode) == readers.as_text(value)


# --- bodies

PROPERTIES: Final[Mapping[str, Any]] = {
    "text": {"type": "string", "xml": {"name": "Text"}},
    "größe": {"type": "integer"},
    "number": {"type": "number", "xml": {"attribute": True}},
    "flag": {"type": "boolean", "xml": {"attribute": True}},
    "list": {"type": "array", "items": {"type": "string"}},
}
BODY: Final[Mapping[str, Any]] = {"type": "object", "xml": {"name": "root"}, "properties": PROPERTIES}


@cache
def body_of(media_type: str) -> ToolDefinition:
    return only_tool({"requestBody": {"required": True, "content": {media_type: {"schema": BODY}}}})


def sent(media_type: str, value: Mapping[str, Any]) -> RequestPlan:
    tool = body_of(media_type)
    assert tool.body is not None
    names = {each.name: each.argument for each in tool.body.properties}
    return checked(tool, {names[name]: each for name, each in value.items()})


def bodies(text: st.SearchStrategy[str]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries(
        {},
        optional={
            "text": text,
            "größe": st.integers(),
            "number": st.decimals(allow_nan=False, allow_infinity=False, places=3),
            "flag": st.booleans(),
            "list": st.lists(text, min_size=1, max_size=4),
        },
    )


@MANY
@given(bodies(texts()))
def test_a_json_body_reads_as_it_was_given(value: dict[str, Any]) -> None:
    request = sent("application/json", value)

    assert request.body is not None
    read = readers.json_value(request.body)
    assert read == value
    assert str(read.get("number")) == str(value.get("number"))


@MANY
@given(bodies(texts()))
def test_a_form_reads_as_it_was_given(value: dict[str, Any]) -> None:
    request = sent("application/x-www-form-urlencoded", value)

    assert request.body is not None
    expected = {name: each if isinstance(each, list) else [each] for name, each in readers.as_text(value).items()}
    assert readers.form(request.body) == expected


@MANY
@given(bodies(texts()))
def test_a_multipart_body_reads_as_it_was_given(value: dict[str, Any]) -> None:
    request = sent("multipart/form-data", value)

    assert request.body is not None
    parts = readers.multipart(dict(request.headers)["Content-Type"], request.body)
    expected = [
        ({"content-disposition": f'form-data; name="{name}"'}, each.encode())
        for name, given in readers.as_text(value).items()
        for each in (given if isinstance(given, list) else [given])
    ]
    assert sorted(parts, key=str) == sorted(expected, key=str)


@MANY
@given(bodies(texts("\ufffe\uffff", exclude_categories=("Cc", "Cs"), include_characters="\t\r\n")))
def test_an_xml_body_reads_as_it_was_given(value: dict[str, Any]) -> None:
    request = sent("application/xml", value)

    assert request.body is not None
    read = readers.xml_element(request.body, "list")
    assert {"text" if name == "Text" else name: each for name, each in read.items()} == readers.as_text(value)


@MANY
@given(st.lists(bodies(texts()), max_size=3))
def test_json_lines_read_as_they_were_given(items: list[dict[str, Any]]) -> None:
    tool = only_tool({"requestBody": {"required": True, "content": {"application/jsonl": {"itemSchema": BODY}}}})
    request = checked(tool, {"body": items})

    assert request.body is not None
    assert [readers.json_value(line) for line in request.body.split(b"\n")[:-1]] == items


# --- what no argument changes

TEMPLATES: Final = ["/things/{a}/{b}/tail", "/things/{a}{b}/tail", "/things/{a}.{b}/tail", "/things/x{a}/{b}:go"]
# Texts that are made of what paths and URLs are made of.
EVIL: Final = st.lists(
    st.sampled_from(
        [".", "..", "/", "\\", "%", "2e", "%2e", "%2F", "%252e", "?", "#", "@", ":", ";", "x", "\r\n", "//"]
    )
    | texts(),
    max_size=5,
).map("".join)


@cache
def path_tool(template: str, style: str, reserved: bool) -> ToolDefinition:
    common = {"in": "path", "required": True, "style": style, "allowReserved": reserved, "schema": {}}
    query = {"name": "q", "in": "query", "schema": {}}
    declared = [{"name": name, **common} for name in "ab"]
    paths = {"parameters": [*declared, query], "responses": OK}
    return only_tool(paths, path=template, method="get")


@MANY
@given(
    st.sampled_from(TEMPLATES),
    st.sampled_from(["simple", "label", "matrix"]),
    st.booleans(),
    st.fixed_dictionaries({"a": EVIL | st.lists(EVIL, max_size=2), "b": EVIL}, optional={"q": EVIL}),
)
def test_no_argument_changes_host_path_prefix_or_operation(
    template: str, style: str, reserved: bool, arguments: dict[str, Any]
) -> None:
    request = outcome(path_tool(template, style, reserved), arguments)
    if not isinstance(request, RequestPlan):
        assert request == {"arg_path_segment"}
        return
    url = urlsplit(request.url)
    assert (url.scheme, url.netloc, url.fragment) == ("https", "api.example.com", "")
    assert url.path.startswith("/v1/things/")
    segments = url.path.split("/")
    assert not {".", ".."} & {unquote(each) for each in segments}
    assert url.path.endswith(template.partition("{b}")[2])
    if not reserved:
        assert len(segments) == len(f"/v1{template}".split("/"))
    assert url.query.count("&") == 0
    assert bool(url.query) == ("q" in arguments)
    assert request.url.isascii()
    assert request.headers == (("Accept", "*/*"),)


def test_a_decimal_keeps_its_digits_in_every_place() -> None:
    tool = only_tool(
        {
            "parameters": [{"name": "q", "in": "query", "schema": {"type": "number"}}],
            "requestBody": {"content": {"application/json": {"schema": {"type": "object", "properties": {"n": {}}}}}},
        }
    )
    request = checked(tool, {"q": Decimal("1.10"), "n": Decimal("1.10")})

    assert (urlsplit(request.url).query, request.body) == ("q=1.10", b'{"n":1.10}')
