"""ToolDefinition + arguments -> RequestPlan: the request without its credentials, built once and never re-encoded.

Invariant 1: a plan holds no credential. Invariant 2: no argument changes which operation, host or path prefix is
called; each value is percent-encoded whole, and a path segment that comes out as `.` or `..` is refused.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote, unquote, urljoin, urlsplit

from converters import json_values, media_types, pointers, request_bodies, serialization
from converters.errors import ArgumentProblem, ArgumentsError, BodyValueError, ConverterError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from converters.oas import SecurityRequirement, Server
    from converters.tool_definitions import BodyBinding, ParameterBinding, ToolDefinition

    _Given = tuple[ParameterBinding, Any]

_EXPRESSION: Final = re.compile(r"\{([^{}]*)\}")
# What a path template or its query may hold unencoded (RFC 3986 sections 3.3 and 3.4); `%` is taken as encoded already.
_LITERAL: Final = "/?:@!$&'()*+,;=~%"
_VARIABLE: Final = re.compile(r"\{([^{}]+)\}")
# Control characters but for the tab (RFC 9110 section 5.5).
_HEADER_BREAKING: Final = re.compile("[\x00-\x08\x0a-\x1f\x7f]")
# Controls, line and paragraph separators, and direction overrides have no place in a path.
_PATH_BREAKING: Final = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
_SAFE_VARIABLE: Final = re.compile(r"[A-Za-z0-9._~:/%-]*")

# What follows a variable in a host: a slash in its value would cut it off.
_IN_HOST: Final = re.compile(r"[^/:]*[.{]")


class ServerUnknownError(ConverterError):
    """The description does not say (usably) where the API is, and no base URL was given."""


@dataclass(frozen=True, slots=True)
class Piece:
    """One piece of a request and the place in the description that made it.

    `part` is the location of a parameter, or one of `server`, `body`, `content_type` and `accept`; `pointer` is ""
    for a server that a setting names instead of the description.
    """

    part: str
    name: str
    pointer: str


@dataclass(frozen=True, slots=True)
class RequestPlan:
    """One HTTP request, complete but for credentials.

    `url` is absolute and fully encoded; `security` lists the alternatives of credentials that the operation accepts.
    """

    method: str
    url: str
    headers: tuple[tuple[str, str], ...]
    body: bytes | None
    security: tuple[SecurityRequirement, ...]
    pieces: tuple[Piece, ...] = field(default=(), compare=False)

    def with_headers(self, added: tuple[tuple[str, str], ...]) -> RequestPlan:
        """Give the request with these header fields, in the place of those of the same names."""
        names = [name.lower() for name, _ in added]
        kept = [each for each in self.headers if each[0].lower() not in names]
        # Not by `dataclasses.replace`, which takes three times as long, at each call.
        return RequestPlan(self.method, self.url, (*kept, *added), self.body, self.security, self.pieces)


def base_url(
    servers: tuple[Server, ...], *, override: str | None, variables: Mapping[str, str], document_url: str | None
) -> str:
    """Choose where requests go: the override, else the first server with its variables filled in.

    An override replaces the server's URL whole, its own path prefix kept; operation paths are appended to it.

    Raises:
        ServerUnknownError: with a sentence that says what to set.

    """
    if override:
        return _checked(override)
    if not servers:
        raise ServerUnknownError("The description names no server; set `base_url` for this server.")
    template = servers[0].url
    url = _VARIABLE.sub(lambda match: _variable(match, servers[0], variables), template)
    if "://" not in url:
        if not document_url or "://" not in document_url:
            raise ServerUnknownError(f"The server URL {url[:200]!r} is relative; set `base_url` for this server.")
        url = urljoin(document_url, url)
    return _checked(url)


def _variable(match: re.Match[str], server: Server, variables: Mapping[str, str]) -> str:
    name = match.group(1)
    declared = server.variables.get(name)
    value = variables.get(name, declared.default if declared else "")
    if declared and declared.enum and value not in declared.enum:
        raise ServerUnknownError(f"The server variable {name!r} must be one of {', '.join(declared.enum)}.")
    leaves_host = "/" in value and _IN_HOST.match(server.url[match.end() :]) and name in variables
    if not _SAFE_VARIABLE.fullmatch(value) or ".." in value.split("/") or leaves_host:
        raise ServerUnknownError(f"The server variable {name!r} has a value that cannot stand in a URL.")
    return value


def check_base_url(url: str) -> str:
    """Give a base URL in the form that is used: absolute http(s), no credentials, query or fragment, no end slash.

    Raises:
        ServerUnknownError: with a sentence, for anything else.

    """
    return _checked(url)


def _checked(url: str) -> str:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise ServerUnknownError(f"The base URL {url[:200]!r} is not a URL.") from None
    problem = ""
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        problem = "must be an absolute http or https URL"
    elif parts.username is not None or parts.password is not None:
        problem = "must not hold a user name or password"
    elif re.search(r"[\s\\\x00-\x1f\x7f]", url):
        problem = "holds white space, a backslash or control characters"
    elif parts.query or parts.fragment or "?" in url or "#" in url:
        problem = "must not have a query or fragment"
    elif port == 0:
        problem = "has an unusable port"
    if problem:
        raise ServerUnknownError(f"The base URL {url[:200]!r} {problem}.")
    return _as_uri(url.rstrip("/"))


def _as_uri(url: str) -> str:
    """Write a URL in ASCII (RFC 3986 section 2.5): the host as IDNA, what comes after percent-encoded."""
    if url.isascii():
        return url
    parts = urlsplit(url)
    try:
        host = parts.netloc.encode("idna").decode("ascii")
    except UnicodeError:
        raise ServerUnknownError(f"The base URL {url[:200]!r} has a host that is no domain name.") from None
    return f"{parts.scheme}://{host}{quote(parts.path, safe=_LITERAL)}"


def plan(
    definition: ToolDefinition,
    arguments: Mapping[str, Any],
    *,
    base: str,
    server_pointer: str = "",
    is_traced: bool = True,
) -> RequestPlan:
    """Build the request of one call; `arguments` fit the input schema, `base` comes from `base_url`.

    `server_pointer` says where in the description `base` stands, "" if nowhere. Without `is_traced` the plan does not
    tell what its pieces come from.

    Raises:
        ArgumentsError: when a value cannot be put where the operation wants it.

    """
    if definition.pinned:
        arguments = {**arguments, **definition.pinned}
    problems: list[ArgumentProblem] = []
    given = [(each, arguments[each.argument]) for each in definition.parameters if each.argument in arguments]
    path, static_query = _path(definition.path, given, problems)
    query = "&".join(filter(None, [static_query, *_query(given)]))
    headers = _headers(definition, given, problems)
    body, content_type = _body(definition.body, arguments, problems)
    if problems:
        raise ArgumentsError(tuple(problems))
    if content_type:
        headers.append(("Content-Type", content_type))
    return RequestPlan(
        method=definition.method,
        url=f"{base}{path}{'?' if query else ''}{query}",
        headers=tuple(headers),
        body=body,
        security=definition.security,
        pieces=_pieces(definition, arguments, headers, Piece("server", base, server_pointer)) if is_traced else (),
    )


def _pieces(
    definition: ToolDefinition, arguments: Mapping[str, Any], headers: list[tuple[str, str]], server: Piece
) -> tuple[Piece, ...]:
    """Say which place of the description made each piece; `headers` are those of the request."""
    accept = Piece("accept", headers[0][1], pointers.join(definition.pointer, *_ACCEPTED[bool(definition.accept)]))
    parameters = [
        Piece(each.location, each.name, each.pointer) for each in definition.parameters if each.argument in arguments
    ]
    body = definition.body
    if body is None:
        return server, *parameters, accept
    if body.whole is not None:
        content = [Piece("body", "", body.pointer)] if body.whole in arguments else []
    else:
        content = [Piece("body", each.name, each.pointer) for each in body.properties if each.argument in arguments]
    media_type = [
        Piece("content_type", value, body.media_type_pointer) for name, value in headers[-1:] if name == "Content-Type"
    ]
    return server, *parameters, accept, *content, *media_type


# What an `Accept` header is made of: the responses that name media types, else the operation itself.
_ACCEPTED: Final[Mapping[bool, tuple[str, ...]]] = {True: ("responses",), False: ()}


# --- path


_NO_QUERY: Final = ("",)


def _path(template: str, given: list[_Given], problems: list[ArgumentProblem]) -> tuple[str, str]:
    """Expand the path template; gives the path and the query that the template itself holds."""
    values = {each[0].name: each for each in given if each[0].location == "path"}

    def expand(expression: str) -> str:
        binding, value = values[expression.strip("+*")]
        reserved = binding.allow_reserved or expression.startswith("+")
        written = serialization.path_segment(
            binding.name,
            _content(binding, value) if binding.content_type else value,
            binding.style,
            explode=binding.explode,
            allow_reserved=reserved,
        )
        if not written or _PATH_BREAKING.search(serialization.scalar(value)):
            problems.append(_path_problem(binding, value))
        return written

    in_path, in_query = _template_parts(template)
    path = "".join([expand(part) if index % 2 else part for index, part in enumerate(in_path)])
    static_query = ""
    if in_query != _NO_QUERY:
        static_query = "".join([expand(part) if index % 2 else part for index, part in enumerate(in_query)])
    if ("." in path or "%" in path) and any(unquote(segment) in {".", ".."} for segment in path.split("/")):
        problems.extend(_path_problem(binding, value) for binding, value in values.values())
    return path, static_query


@lru_cache(maxsize=4096)
def _template_parts(template: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Split a path template and the query it holds; every second part is an expression, the others are encoded."""
    path, _, query = template.partition("#")[0].partition("?")
    return _parts(path), _parts(query)


def _parts(text: str) -> tuple[str, ...]:
    return tuple(
        part if index % 2 else quote(part, safe=_LITERAL) for index, part in enumerate(_EXPRESSION.split(text))
    )


def _path_problem(binding: ParameterBinding, value: Any) -> ArgumentProblem:
    return ArgumentProblem(
        code="arg_path_segment",
        pointer=f"/{binding.argument}",
        expected="a value that stays one path segment (not empty, '.', '..' or with control characters)",
        received=repr(value)[:80],
    )


# --- query, headers


def _query(given: list[_Given]) -> list[str]:
    pairs: list[str] = []
    for binding, value in given:
        if binding.location == "querystring":
            pairs.append(_query_string(binding, value))
        elif binding.location != "query":
            continue
        elif binding.content_type:
            pairs.append(f"{serialization.encode(binding.name)}={serialization.encode(_content(binding, value))}")
        elif value is not None or binding.required:
            pairs += serialization.query_pairs(
                binding.name, value, binding.style, explode=binding.explode, allow_reserved=binding.allow_reserved
            )
    return pairs


def _query_string(binding: ParameterBinding, value: Any) -> str:
    """Write the whole query string from one value (OAS 3.2, `in: querystring`)."""
    if media_types.is_json(binding.content_type or ""):
        return serialization.encode(json_values.write(value))
    if isinstance(value, dict):
        return "&".join(
            pair for name, each in value.items() for pair in serialization.form_pairs(name, each, None, explode=None)
        )
    return serialization.encode(serialization.scalar(value))


def _content(binding: ParameterBinding, value: Any) -> str:
    """Write a parameter with `content` in its media type: as JSON, else as it is."""
    is_json = media_types.is_json(media_types.concrete(binding.content_type or ""))
    return json_values.write(value) if is_json else serialization.scalar(value)


def _headers(definition: ToolDefinition, given: list[_Given], problems: list[ArgumentProblem]) -> list[tuple[str, str]]:
    headers = [("Accept", _accept(definition.accept))]
    cookies: list[str] = []
    for binding, value in given:
        if binding.location == "header" and (value is not None or binding.content_type):
            written = _header(binding, value)
            _check_header(binding, written, problems)
            headers.append((binding.name, written))
        elif binding.location == "cookie" and (value is not None or binding.content_type):
            own = _cookie(binding, value)
            _check_cookie(binding, own, problems)
            cookies += own
    if cookies:
        headers.append(("Cookie", "; ".join(cookies)))
    return headers


def _header(binding: ParameterBinding, value: Any) -> str:
    if binding.content_type:
        return _content(binding, value)
    return serialization.header_value(value, binding.style, explode=binding.explode)


def _cookie(binding: ParameterBinding, value: Any) -> list[str]:
    if binding.content_type:
        return [f"{binding.name}={serialization.encode(_content(binding, value))}"]
    return serialization.cookie_pairs(binding.name, value, binding.style, explode=binding.explode)


@lru_cache(maxsize=4096)
def _accept(media_types: tuple[str, ...]) -> str:
    return ", ".join([*media_types, "*/*;q=0.1"]) if media_types else "*/*"


_MAX_HEADER: Final = 16 * 1024


def _check_header(binding: ParameterBinding, written: str, problems: list[ArgumentProblem]) -> None:
    if _HEADER_BREAKING.search(written) or written != written.strip() or len(written) > _MAX_HEADER:
        problems.append(
            ArgumentProblem(
                code="arg_header_value",
                pointer=f"/{binding.argument}",
                expected=f"a header value of one line, without space at its ends, within {_MAX_HEADER:,} characters",
                received=repr(written)[:80],
            )
        )


def _check_cookie(binding: ParameterBinding, pairs: list[str], problems: list[ArgumentProblem]) -> None:
    """Refuse what would end the cookie and start another; only style `cookie` writes values as they are."""
    if any(";" in pair for pair in pairs):
        problems.append(
            ArgumentProblem(
                code="arg_header_value",
                pointer=f"/{binding.argument}",
                expected="a cookie value without semicolons",
                received=repr("; ".join(pairs))[:80],
            )
        )
    else:
        _check_header(binding, "; ".join(pairs), problems)


# --- body


def _body(
    binding: BodyBinding | None, arguments: Mapping[str, Any], problems: list[ArgumentProblem]
) -> tuple[bytes | None, str]:
    if binding is None:
        return None, ""
    if binding.whole is not None:
        if binding.whole not in arguments:
            return None, ""
        return _encoded(binding, arguments[binding.whole], lambda path: (str(binding.whole), *path), problems)
    value = {}
    for each in binding.properties:
        if each.argument in arguments:
            value[each.name] = arguments[each.argument]
    if not value and not binding.required:
        return None, ""
    by_name = {each.name: each.argument for each in binding.properties}
    problems.extend(
        ArgumentProblem(
            code="arg_required",
            pointer=f"/{by_name[name]}",
            expected="a value, because other properties of the request body are given",
        )
        for name in binding.required_properties
        if name not in value
    )
    return _encoded(binding, value, lambda path: (by_name[path[0]], *path[1:]), problems)


def _encoded(
    binding: BodyBinding,
    value: Any,
    argument: Callable[[tuple[str, ...]], tuple[str, ...]],
    problems: list[ArgumentProblem],
) -> tuple[bytes | None, str]:
    """Write the body; what cannot be written is a problem of the argument it comes from."""
    try:
        return request_bodies.encode(binding, value)
    except BodyValueError as error:
        at = pointers.from_tokens(argument(error.path))
        problems.append(ArgumentProblem("arg_body_value", at, error.expected, error.received))
        return None, ""
