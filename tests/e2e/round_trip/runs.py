"""One description through the gateway: generated arguments in, requests out, each judged by a validator not of ours."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Final, TypeVar
from urllib.parse import quote

from hypothesis.errors import Unsatisfiable

from converters import ToolDefinition, compile_description, documents
from tests.e2e.gateways import Gateway, request
from tests.e2e.round_trip.arguments import broken, fitting
from tests.e2e.round_trip.request_side import request_side
from tests.e2e.round_trip.validating_api import Fault, RefusedError, ValidatingApi, Verdict

T = TypeVar("T")

TOOLS: Final = 24
"""Tools of a description that are called, evenly spread over it."""
CALLS_OF_A_TOOL: Final = 40
"""Requests of a tool at most, where a description has few of them."""
DRAWN: Final = 4
"""Sets of arguments made at most for one request: many texts are refused in paths and headers."""
BROKEN: Final = 10
"""Sets of broken arguments of a tool at most."""


@dataclass(frozen=True)
class Served:
    """A description that the gateway serves.

    `tools` are those to call, `schemas` the input schemas that clients are listed, and `description` is what the
    validator reads.
    """

    name: str
    version: str
    tools: Sequence[ToolDefinition]
    schemas: dict[str, dict[str, Any]]
    description: dict[str, Any]


@dataclass(frozen=True)
class Judged:
    """A call that became a request, and what the validator says of it."""

    served: Served
    tool: ToolDefinition
    arguments: dict[str, Any]
    verdict: Verdict


@dataclass
class Run:
    """What came of one description.

    `refused` counts the calls that we refused before sending, by code, and `broken` those that had to be; `unjudged`
    lists the tools that could not be tried, with the reason.
    """

    served: Served
    calls: int = 0
    judged: list[Judged] = field(default_factory=list)
    refused: Counter[str] = field(default_factory=Counter)
    unjudged: list[str] = field(default_factory=list)
    broken: int = 0

    @property
    def faults(self) -> list[tuple[Judged, Fault]]:
        return [(each, fault) for each in self.judged for fault in each.verdict.faults]

    @property
    def unchecked(self) -> int:
        """Count the requests of which the validator could not check a part."""
        return sum(bool(each.verdict.unchecked) for each in self.judged)


def serve(name: str, raw: bytes, gateway: Gateway, api: ValidatingApi) -> Served:
    """Upload a description to the gateway, with the validating API behind it."""
    answer = gateway.upload(raw, file_name="description", name=name, base_url=api.url)
    assert answer.status_code == 201, answer.text
    # Where a description asks for schemes that it does not declare, nothing can be supplied.
    lenient = {"policies": {"require_credentials": False}}
    assert gateway.http.patch(f"{gateway.api}/{name}", json=lenient).status_code == 200
    for scheme in answer.json()["security_schemes"]:
        supply(f"{gateway.api}/{name}/credentials/{quote(scheme['name'], safe='')}", scheme, gateway)
    compilation = compile_description(raw, server_name=name)
    description = request_side(documents.parse(raw).root)
    return Served(name, compilation.openapi, spread(compilation.tools), listed(name, gateway), description)


def supply(url: str, scheme: dict[str, Any], gateway: Gateway) -> None:
    """Supply some credential for a scheme; the validating API does not look at it."""
    is_password = scheme["type"] == "http" and str(scheme["scheme"]).lower() in {"basic", "digest"}
    body = {"username": "someone", "password": "a password"} if is_password else {"value": "a-token-for-the-api"}
    answer = gateway.http.put(url, json=body)
    assert answer.status_code in {200, 201, 204}, answer.text


def spread(tools: Sequence[T]) -> Sequence[T]:
    """Choose `TOOLS` of them, evenly."""
    if len(tools) <= TOOLS:
        return tools
    return [tools[index * len(tools) // TOOLS] for index in range(TOOLS)]


def listed(name: str, gateway: Gateway) -> dict[str, dict[str, Any]]:
    """Give the input schemas that clients are listed, by tool."""
    schemas: dict[str, dict[str, Any]] = {}
    following: dict[str, Any] = {}
    while True:
        answer = gateway.http.post(gateway.mcp_url(name), json=request("tools/list", **following))
        result = answer.json()["result"]
        schemas |= {tool["name"]: tool["inputSchema"] for tool in result["tools"]}
        if "nextCursor" not in result:
            return schemas
        following = {"cursor": result["nextCursor"]}


def call_with_fitting(served: Served, gateway: Gateway, api: ValidatingApi, *, requests: int) -> Run:
    """Call the tools with arguments that fit, until some `requests` were sent in all."""
    api.describe(served.description)
    result = Run(served)
    each = min(CALLS_OF_A_TOOL, max(1, round(requests / max(1, len(served.tools)))))
    for tool in served.tools:
        try:
            api.expect(tool.method, tool.path)
            _call_until(each, tool, result, gateway, api)
        except RefusedError as error:
            result.unjudged.append(f"{tool.operation_key}: {error}")
        except Unsatisfiable as error:
            result.unjudged.append(f"{tool.operation_key}: no arguments fit: {str(error).splitlines()[-1]}")
    return result


def _call_until(count: int, tool: ToolDefinition, result: Run, gateway: Gateway, api: ValidatingApi) -> None:
    aim = len(result.judged) + count
    for arguments in _enough(result.served.schemas[tool.name], count):
        if len(result.judged) == aim:
            return
        result.calls += 1
        sent = performed(result.served.name, tool, arguments, gateway, api)
        if isinstance(sent, Verdict):
            result.judged.append(Judged(result.served, tool, arguments, sent))
        else:
            result.refused[sent] += 1


def _enough(input_schema: dict[str, Any], count: int) -> Iterator[dict[str, Any]]:
    """Generate more than `count` only when asked for them: making them is what takes time."""
    first = fitting(input_schema, count)
    yield from first
    if len(first) == count:
        yield from fitting(input_schema, DRAWN * count)[count:]


def performed(
    server: str, tool: ToolDefinition, arguments: dict[str, Any], gateway: Gateway, api: ValidatingApi
) -> Verdict | str:
    """Call a tool: one request with its verdict, or no request and the code of our refusal; nothing else may be."""
    answer = gateway.call(server, tool.name, arguments)
    sent = api.verdicts()
    if answer.get("isError"):
        assert sent == [], (tool.name, arguments, answer)
        code: str = answer["_meta"]["causeway/code"]
        return code
    assert len(sent) == 1, (tool.name, arguments, sent)
    return sent[0]


def call_with_broken(result: Run, gateway: Gateway, api: ValidatingApi) -> None:
    """Break arguments that fit, and call with them: nothing may be sent."""
    for tool in result.served.tools:
        schema = result.served.schemas[tool.name]
        try:
            arguments = fitting(schema, 1)[0]
        except Unsatisfiable:
            continue  # `call_with_fitting` lists these
        for what, wrong in islice(broken(schema, arguments), BROKEN):
            sent = performed(result.served.name, tool, wrong, gateway, api)
            assert isinstance(sent, str), (tool.name, what, wrong)
            result.broken += 1
