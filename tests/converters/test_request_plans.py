from __future__ import annotations

import json
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from converters import ArgumentsError, ToolDefinition
from converters.oas import Server, ServerVariable
from converters.request_plans import ServerUnknownError, base_url, check_base_url
from tests.converters.descriptions import (
    BASE,
    body_tool,
    compiled,
    description,
    only_tool,
    parameter_tool,
    planned,
)
from tests.converters.wire_vectors import RESERVED, VECTORS

TEXTS = st.text(st.characters(codec="utf-8"))


def sent(tool: ToolDefinition, location: str, **arguments: Any) -> str:
    """Give what one parameter became: path segment, query string, or header value."""
    request = planned(tool, **arguments)
    parts = urlsplit(request.url)
    headers = dict(request.headers)
    if location == "path":
        return parts.path.removeprefix("/v1/things/")
    return parts.query if location == "query" else headers.get("Cookie" if location == "cookie" else "color", "")


def problems(tool: ToolDefinition, **arguments: Any) -> list[tuple[str, str]]:
    with pytest.raises(ArgumentsError) as caught:
        planned(tool, **arguments)
    return [(each.code, each.pointer) for each in caught.value.problems]


def path_tool(path: str = "/things/{a}/tail", **fields: Any) -> ToolDefinition:
    parameter = {"name": "a", "in": "path", "required": True, "schema": {}, **fields}
    return only_tool({"parameters": [parameter]}, path=path, method="get", version="3.2.0")


def query_tool(name: str = "q", **fields: Any) -> ToolDefinition:
    return parameter_tool({"name": name, "in": "query", **({} if "content" in fields else {"schema": {}}), **fields})


# --- the wire vectors, from a description to the request


@pytest.mark.parametrize(("location", "style", "explode", "value", "wire"), VECTORS)
def test_a_parameter_of_a_description_reaches_the_wire(
    location: str,
    style: str,
    explode: bool,
    value: Any,
    wire: str,
) -> None:
    tool = parameter_tool(
        {"name": "color", "in": location, "style": style, "explode": explode, "schema": {}}, version="3.2.0"
    )

    assert sent(tool, location, color=value) == wire


@pytest.mark.parametrize(("location", "style", "explode", "value", "wire"), RESERVED)
def test_reserved_expansion_reaches_the_wire(
    location: str,
    style: str,
    explode: bool,
    value: Any,
    wire: str,
) -> None:
    tool = parameter_tool(
        {"name": "color", "in": location, "style": style, "explode": explode, "allowReserved": True, "schema": {}}
    )

    assert sent(tool, location, color=value) == wire


# --- path


@pytest.mark.parametrize(
    ("value", "segment"),
    [
        ("../admin", "..%2Fadmin"),
        ("..\\admin", "..%5Cadmin"),
        ("....//x", "....%2F%2Fx"),
        ("%2e%2e%2f", "%252e%252e%252f"),
        ("%252e", "%25252e"),
        ("a/b", "a%2Fb"),
        ("a;b", "a%3Bb"),
        ("a?b#c", "a%3Fb%23c"),
        ("http://169.254.169.254/", "http%3A%2F%2F169.254.169.254%2F"),
        ("//evil", "%2F%2Fevil"),
        (" ", "%20"),
        ("...", "..."),
    ],
)
def test_a_path_value_is_one_encoded_segment(value: str, segment: str) -> None:
    assert planned(path_tool(), a=value).url == f"{BASE}/things/{segment}/tail"


@pytest.mark.parametrize(
    "value", [".", "..", "", [], {}, None, "\x00", "a\nb", "a\u2028b", "\u202eabc", "\x7f", "\x85"]
)
def test_a_value_that_is_no_segment_is_refused(value: Any) -> None:
    assert problems(path_tool(), a=value) == [("arg_path_segment", "/a")]


@pytest.mark.parametrize(
    ("path", "arguments"),
    [
        ("/x/{a}{b}/y", {"a": ".", "b": "."}),
        ("/x/.{a}", {"a": "."}),
        ("/x/%2e{a}", {"a": "."}),
        ("/{+a}", {"a": "b/../../c"}),
        ("/{+a}", {"a": "./c"}),
    ],
)
def test_segments_that_only_become_dots_together_are_refused(path: str, arguments: dict[str, str]) -> None:
    declared = [{"name": name, "in": "path", "required": True, "schema": {}} for name in arguments]
    tool = only_tool({"parameters": declared}, path=path, method="get")

    assert {code for code, _ in problems(tool, **arguments)} == {"arg_path_segment"}


@pytest.mark.parametrize(("style", "explode"), [("label", True), ("label", False)])
def test_a_label_of_dots_is_refused(style: str, explode: bool) -> None:
    tool = path_tool(style=style, explode=explode)

    assert problems(tool, a=".") == [("arg_path_segment", "/a")]
    assert problems(tool, a="") == [("arg_path_segment", "/a")]


@given(value=TEXTS)
def test_no_text_changes_host_or_path_and_the_segment_decodes_to_it(value: str) -> None:
    try:
        url = planned(PATH_TOOL, a=value).url
    except ArgumentsError:
        # Nothing that a path may hold is refused.
        assert value in {"", ".", ".."} or not value.isprintable()
        return
    assert url.startswith(f"{BASE}/things/")
    assert url.endswith("/tail")
    assert urlsplit(url)[3:] == ("", "")
    (segment,) = urlsplit(url).path.removeprefix("/v1/things/").removesuffix("/tail").split("/")
    assert segment not in {"", ".", ".."}
    assert unquote(segment, errors="strict") == value


PATH_TOOL = path_tool()


@given(value=TEXTS, style=st.sampled_from(["simple", "label", "matrix"]), explode=st.booleans(), reserved=st.booleans())
def test_no_style_lets_a_text_leave_the_path_prefix(value: str, style: str, explode: bool, reserved: bool) -> None:
    tool = STYLED[style, explode, reserved]
    try:
        url = planned(tool, a=[value, value]).url
    except ArgumentsError:
        return
    assert url.startswith(f"{BASE}/things/")
    assert url.endswith("/tail")
    assert urlsplit(url)[3:] == ("", "")
    assert not {".", ".."} & {unquote(each) for each in urlsplit(url).path.split("/")}


STYLED = {
    (style, explode, reserved): path_tool(style=style, explode=explode, allowReserved=reserved)
    for style in ("simple", "label", "matrix")
    for explode in (False, True)
    for reserved in (False, True)
}


@pytest.mark.parametrize(
    ("path", "url"),
    [
        ("/größe/{a}", "/gr%C3%B6%C3%9Fe/x%2Fy"),
        ("/a b/{a}", "/a%20b/x%2Fy"),
        ("/a%20b/{a}", "/a%20b/x%2Fy"),
        ("/{a}:cancel", "/x%2Fy:cancel"),
        ("/files({a})", "/files(x%2Fy)"),
        ("/{a}#fragment", "/x%2Fy"),
        ("/{a}?static=1", "/x%2Fy?static=1"),
        ("/x?method=get&id={a}", "/x?method=get&id=x%2Fy"),
        ("/{+a}", "/x/y"),
        ("/{a*}", "/x%2Fy"),
    ],
)
def test_a_path_template_is_written_as_a_url(path: str, url: str) -> None:
    assert planned(path_tool(path), a="x/y").url == BASE + url


def test_a_query_of_the_template_comes_before_the_parameters() -> None:
    parameters = [{"name": "q", "in": "query", "schema": {}}]

    assert planned(only_tool({"parameters": parameters}, path="/x?a=1", method="get"), q=2).url == f"{BASE}/x?a=1&q=2"


# --- query


@given(value=TEXTS)
def test_no_text_adds_a_query_parameter(value: str) -> None:
    url = planned(QUERY_TOOL, q=value).url

    assert parse_qsl(urlsplit(url).query, keep_blank_values=True) == [("q", value)]
    assert url.startswith(f"{BASE}/things?q=")


QUERY_TOOL = query_tool()


def test_parameters_that_are_not_given_are_not_sent() -> None:
    parameters = [{"name": name, "in": "query", "schema": {"default": 1}} for name in "abc"]
    tool = only_tool({"parameters": parameters}, method="get")

    assert planned(tool, c=1, a=2).url == f"{BASE}/things?a=2&c=1"
    assert planned(tool).url == f"{BASE}/things"


def test_null_is_sent_empty_where_the_parameter_is_required_and_not_at_all_else() -> None:
    assert planned(query_tool(required=True), q=None).url == f"{BASE}/things?q="
    assert planned(query_tool(required=False), q=None).url == f"{BASE}/things"


@pytest.mark.parametrize(
    ("media_type", "value", "query"),
    [
        ("application/json", {"a": [1, "b c"]}, "q=%7B%22a%22%3A%5B1%2C%22b%20c%22%5D%7D"),
        ("application/json", "text", "q=%22text%22"),
        ("application/vnd.x+json", None, "q=null"),
        ("text/plain", "a b&c", "q=a%20b%26c"),
    ],
)
def test_a_parameter_with_content_is_written_in_its_media_type(media_type: str, value: Any, query: str) -> None:
    assert urlsplit(planned(query_tool(content={media_type: {"schema": {}}}), q=value).url).query == query


# OAS 3.2 section 4.12.8, "Parameter Object Examples".
@pytest.mark.parametrize(
    ("media_type", "value", "query"),
    [
        ("application/x-www-form-urlencoded", {"foo": "a + b", "bar": True}, "foo=a+%2B+b&bar=true"),
        (
            "application/json",
            {"numbers": [1, 2], "flag": None},
            "%7B%22numbers%22%3A%5B1%2C2%5D%2C%22flag%22%3Anull%7D",
        ),
        ("application/jsonpath", "$.a.b[1:1]", "%24.a.b%5B1%3A1%5D"),
    ],
)
def test_a_whole_query_string_is_written_in_its_media_type(media_type: str, value: Any, query: str) -> None:
    parameter = {"name": "all", "in": "querystring", "content": {media_type: {"schema": {}}}}
    tool = parameter_tool(parameter, version="3.2.0")

    assert planned(tool, all=value).url == f"{BASE}/things?{query}"


# --- headers and cookies


def header_tool(location: str = "header", **fields: Any) -> ToolDefinition:
    return parameter_tool({"name": "color", "in": location, "schema": {}, **fields}, version="3.2.0")


@pytest.mark.parametrize(
    "value",
    [
        *("a\r\nX-Evil: 1", "a\nb", "a\rb", "a\x00b", "\x1b[0m", "a\x7f", " a", "a ", "\ta", "x" * 65_536),
        ["a", "b\r\nc"],
        {"a\r\n": "b"},
    ],
)
def test_a_value_that_breaks_a_header_is_refused(value: Any) -> None:
    assert problems(header_tool(), color=value) == [("arg_header_value", "/color")]


@pytest.mark.parametrize("value", ["a b", "a\tb", "a;b=c", 'quoted "x"', "", "50%"])
def test_a_value_of_one_line_is_sent_as_it_is(value: str) -> None:
    assert sent(header_tool(), "header", color=value) == value


def test_a_header_with_content_is_json_of_one_line() -> None:
    tool = parameter_tool({"name": "color", "in": "header", "content": {"application/json": {}}})

    assert sent(tool, "header", color={"a": "b\r\nc"}) == '{"a":"b\\r\\nc"}'


@pytest.mark.parametrize("value", ["a; admin=1", "a\r\nb", {"a": "b; c=d"}, {"a; b": "c"}, "a\x00"])
def test_a_value_that_breaks_a_cookie_is_refused(value: Any) -> None:
    assert problems(header_tool("cookie", style="cookie"), color=value) == [("arg_header_value", "/color")]


@given(value=TEXTS | st.dictionaries(TEXTS, TEXTS, max_size=3))
def test_no_text_adds_a_cookie(value: Any) -> None:
    try:
        cookie = sent(COOKIE_TOOL, "cookie", color=value)
    except ArgumentsError:
        return
    pairs = cookie.split("; ") if cookie else []
    expected = value.items() if isinstance(value, dict) else [("color", value)]
    assert [tuple(map(unquote, pair.split("=", 1))) for pair in pairs] == list(expected)


COOKIE_TOOL = header_tool("cookie")


def test_cookies_share_one_header_and_each_refusal_names_its_own() -> None:
    parameters: list[dict[str, Any]] = [
        {"name": name, "in": "cookie", "style": "cookie", "schema": {}} for name in ("one", "two")
    ]
    tool = only_tool({"parameters": parameters}, method="get", version="3.2.0")

    assert dict(planned(tool, one=1, two="b").headers)["Cookie"] == "one=1; two=b"
    assert problems(tool, one="x;y", two="fine") == [("arg_header_value", "/one")]


def test_a_cookie_with_content_is_encoded_json() -> None:
    tool = parameter_tool({"name": "c", "in": "cookie", "content": {"application/json": {}}})

    assert dict(planned(tool, c={"a": ";"}).headers)["Cookie"] == "c=%7B%22a%22%3A%22%3B%22%7D"


def test_headers_of_our_own_are_accept_and_content_type() -> None:
    responses: dict[str, Any] = {
        "200": {"content": {"text/csv": {}, "application/json": {}}},
        "404": {"content": {"application/problem+json": {}}},
    }
    body = {"content": {"application/vnd.x+json": {"schema": {"type": "array"}}}}
    tool = only_tool({"responses": responses, "requestBody": body})

    assert planned(tool, body=[]).headers == (
        ("Accept", "application/json, text/csv, */*;q=0.1"),
        ("Content-Type", "application/vnd.x+json"),
    )
    assert planned(only_tool({})).headers == (("Accept", "*/*"),)


def test_every_problem_is_told_at_once() -> None:
    parameters: list[dict[str, Any]] = [
        {"name": "a", "in": "path", "required": True, "schema": {}},
        {"name": "b", "in": "header", "schema": {}},
    ]
    tool = only_tool({"parameters": parameters}, path="/{a}")

    assert problems(tool, a="..", b="x\n") == [("arg_path_segment", "/a"), ("arg_header_value", "/b")]


# --- bodies


def test_arguments_become_the_properties_of_the_body_under_their_own_names() -> None:
    schema = {"type": "object", "properties": {"filter[a]": {}, "$b": {}, "größe": {}, "c": {}}}
    tool = body_tool(schema)
    assert tool.body is not None
    names = {each.name: each.argument for each in tool.body.properties}

    arguments = {names["filter[a]"]: 1, names["größe"]: 2, "c": None}
    request = planned(tool, **arguments)

    assert request.body == '{"filter[a]":1,"größe":2,"c":null}'.encode()
    assert [(each.part, each.name) for each in request.pieces if each.part == "body"] == [
        ("body", "filter[a]"),
        ("body", "größe"),
        ("body", "c"),
    ]


def test_a_whole_body_is_sent_whole() -> None:
    assert planned(body_tool({"type": "array"}), body=[1, None]).body == b"[1,null]"
    assert planned(body_tool({}), body=None).body == b"null"


def test_a_required_body_is_sent_even_if_empty_and_an_optional_one_is_not() -> None:
    schema = {"type": "object", "properties": {"a": {}}}
    optional = only_tool({"requestBody": {"content": {"application/json": {"schema": schema}}}})

    assert planned(body_tool(schema)).body == b"{}"
    assert (planned(optional).body, dict(planned(optional).headers).get("Content-Type")) == (None, None)


def test_an_optional_body_that_is_begun_must_be_complete() -> None:
    schema = {"type": "object", "required": ["a", "b"], "properties": {"a": {}, "b": {}, "c": {}}}
    tool = only_tool({"requestBody": {"content": {"application/json": {"schema": schema}}}})

    assert problems(tool, c=1) == [("arg_required", "/a"), ("arg_required", "/b")]
    assert planned(tool, a=1, b=2).body == b'{"a":1,"b":2}'
    assert planned(tool).body is None


@given(value=TEXTS)
def test_any_text_survives_a_json_body(value: str) -> None:
    body = planned(JSON_TOOL, body=value).body

    assert body is not None
    assert json.loads(body) == value


JSON_TOOL = body_tool({"type": "string"})


# --- what a plan is


def test_a_plan_holds_no_credential_and_lists_the_alternatives() -> None:
    schemes = {"key": {"type": "apiKey", "in": "query", "name": "k"}}
    tool = only_tool({"security": [{"key": []}, {}]}, components={"securitySchemes": schemes})

    request = planned(tool)

    assert request.security == tool.security
    assert request.url == f"{BASE}/things"
    assert dict(request.headers).keys() == {"Accept"}


@pytest.mark.parametrize("method", ["get", "delete", "patch", "query"])
def test_the_method_is_that_of_the_operation(method: str) -> None:
    assert planned(only_tool({}, method=method, version="3.2.0")).method == method.upper()


def test_methods_are_case_sensitive_where_the_description_names_its_own() -> None:
    paths: dict[str, Any] = {"/things": {"additionalOperations": {"Purge": {"responses": {}}}}}
    (tool,) = compiled(description(paths, "3.2.0")).tools

    assert planned(tool).method == "Purge"


# --- base URL


def chosen(*servers: Server, override: str | None = None, document_url: str | None = None, **variables: str) -> str:
    return base_url(servers, override=override, variables=variables, document_url=document_url)


REGIONAL = Server(
    "https://{region}.example.com/{version}",
    {"region": ServerVariable("eu", ("eu", "us")), "version": ServerVariable("v1")},
)


@pytest.mark.parametrize(
    ("servers", "options", "url"),
    [
        ([Server("https://a.example/v1/")], {}, "https://a.example/v1"),
        ([Server("https://a.example"), Server("https://b.example")], {}, "https://a.example"),
        ([Server("https://a.example")], {"override": "http://b.example/x/"}, "http://b.example/x"),
        ([], {"override": "https://b.example"}, "https://b.example"),
        ([REGIONAL], {}, "https://eu.example.com/v1"),
        ([REGIONAL], {"region": "us", "version": "v2/beta"}, "https://us.example.com/v2/beta"),
        ([Server("/v1")], {"document_url": "https://a.example/docs/openapi.json"}, "https://a.example/v1"),
        ([Server("v1")], {"document_url": "https://a.example/docs/openapi.json"}, "https://a.example/docs/v1"),
        ([Server("/")], {"document_url": "https://a.example/docs/openapi.json"}, "https://a.example"),
        ([Server("//b.example/v1")], {"document_url": "https://a.example/o.json"}, "https://b.example/v1"),
        ([Server("https://a.example:8443")], {}, "https://a.example:8443"),
        ([Server("https://[::1]:8080/x")], {}, "https://[::1]:8080/x"),
    ],
)
def test_the_base_url_is_the_override_or_the_first_server(
    servers: list[Server], options: dict[str, Any], url: str
) -> None:
    assert chosen(*servers, **options) == url


@pytest.mark.parametrize(
    ("servers", "options"),
    [
        ([], {}),
        ([Server("/v1")], {}),
        ([Server("/v1")], {"document_url": "openapi.yaml"}),
        ([REGIONAL], {"region": "cn"}),
        ([REGIONAL], {"version": "../x"}),
        ([REGIONAL], {"version": "v1?a=b"}),
        ([REGIONAL], {"version": "v1#x"}),
        ([REGIONAL], {"version": "a b"}),
        ([Server("https://{host}", {"host": ServerVariable("a")})], {"host": "a@evil.example"}),
        ([Server("ftp://a.example")], {}),
        ([Server("https://{undeclared}/")], {}),
    ],
)
def test_a_base_url_that_is_not_known_is_refused(servers: list[Server], options: dict[str, Any]) -> None:
    with pytest.raises(ServerUnknownError):
        chosen(*servers, **options)


@pytest.mark.parametrize(
    "url",
    [
        *("", "a.example", "/v1", "file:///etc/passwd", "ftp://a", "gopher://a", "data:,x", "javascript:alert(1)"),
        *("http://user@a.example", "http://user:pass@a.example", "http://good@127.0.0.1/", "http://@a.example"),
        *("http://a.example?x=1", "http://a.example#x", "http://a.example?", "http://127.0.0.1#@good/"),
        *("http://good\\@127.0.0.1/", "http://a\texample", "http://a.example\n", " http://a.example"),
        *("http://a.example:0", "http://a.example:99999", "http://a.example:x", "http://", "http://[::1", "https:///x"),
    ],
)
def test_a_base_url_is_an_absolute_http_url_and_nothing_more(url: str) -> None:
    with pytest.raises(ServerUnknownError):
        check_base_url(url)
