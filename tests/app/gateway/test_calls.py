from __future__ import annotations

import json
from typing import Any

import pytest

from app import errors
from app.gateway.calls import ToolCalls, UnknownToolError, find_tool, planned
from app.security.callers import LOCAL
from converters import ArgumentsError
from converters.results import ApiResponse, ToolResult
from tests.app.descriptions import PETS, description, operation, snapshot
from tests.app.gateway.endpoints import PET, FakeUpstream


def every(kind: type[errors.UpstreamError]) -> set[type[errors.UpstreamError]]:
    """Give a kind of error and all those below it."""
    return {kind}.union(*map(every, kind.__subclasses__()))


UPSTREAM_ERRORS = {
    errors.UpstreamError: "upstream_error",
    errors.UpstreamTimeoutError: "upstream_timeout",
    errors.UpstreamUnreachableError: "upstream_unreachable",
    errors.UpstreamResetError: "upstream_reset",
    errors.UpstreamProtocolError: "upstream_protocol",
    errors.UpstreamUnavailableError: "upstream_unavailable",
    errors.UpstreamBusyError: "upstream_busy",
    errors.AuditUnavailableError: "audit_unavailable",
    errors.ResponseTooLargeError: "response_too_large",
    errors.EgressDeniedError: "egress_denied",
    errors.RedirectDeniedError: "redirect_denied",
    errors.TokenFailedError: "credential_token_failed",
    errors.AuthorizationRequiredError: "authorization_required",
    errors.ReconnectRequiredError: "reconnect_required",
}
# What some kinds are made with beside the sentence, and what of that is told.
MEMBERS: dict[type[errors.UpstreamError], tuple[dict[str, Any], dict[str, Any]]] = {
    kind: ({"url": "https://gateway.example/connect"}, {"causeway/url": "https://gateway.example/connect"})
    for kind in every(errors.AuthorizationRequiredError)
}


async def call(name: str, arguments: dict[str, Any], upstream: FakeUpstream) -> ToolResult:
    return await ToolCalls(upstream, deadline=12.5).call(snapshot(), name, arguments, caller=LOCAL)


async def test_a_call_becomes_one_request_within_the_deadline() -> None:
    upstream = FakeUpstream(PET)
    result = await call("add_pet", {"name": "Rex", "weight": 3.5}, upstream)

    (plan,) = upstream.plans
    assert (plan.method, plan.url) == ("POST", "https://api.pets.example/v1/pets")
    assert json.loads(plan.body or b"") == {"name": "Rex", "weight": 3.5}
    assert upstream.deadlines == [12.5]
    assert (result.is_error, result.structured) == (False, '{"id":7,"name":"Rex"}')


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        ({}, "arg_required", "/petId: expected the required argument 'petId' (an integer), got nothing."),
        ({"petId": "7"}, "arg_type", '/petId: expected an integer, got "7".'),
        ({"petId": True}, "arg_type", "/petId: expected an integer, got true."),
        ({"petId": None}, "arg_type", "/petId: expected an integer, got null."),
        ({"petId": [7]}, "arg_type", "/petId: expected an integer, got [7]."),
        ({"petId": 1.5}, "arg_type", "/petId: expected an integer, got 1.5."),
        ({"petId": 7, "petid": 8}, "arg_unknown", "Did you mean 'petId'?"),
    ],
)
async def test_arguments_that_do_not_fit_are_told_and_nothing_is_sent(
    arguments: dict[str, Any], code: str, told: str
) -> None:
    upstream = FakeUpstream(PET)
    result = await call("get_pet", arguments, upstream)

    assert upstream.plans == []
    assert (result.is_error, result.meta) == (True, {"causeway/code": code})
    assert told in result.content[0]["text"]
    assert result.content[0]["text"].startswith("The call of get_pet was not sent: one argument does not fit.")


async def test_every_problem_of_a_call_is_told_at_once() -> None:
    result = await call("add_pet", {"weight": "heavy", "chip": "x"}, FakeUpstream(PET))
    text = result.content[0]["text"]
    assert "3 arguments do not fit" in text
    assert all(pointer in text for pointer in ("/name", "/weight", "/chip"))


async def test_a_value_that_cannot_stand_in_a_path_is_refused() -> None:
    paths = {
        "/files/{name}": {
            "get": operation(
                "get_file", parameters=[{"name": "name", "in": "path", "required": True, "schema": {"type": "string"}}]
            )
        }
    }
    upstream = FakeUpstream(PET)
    calls, served = ToolCalls(upstream, deadline=1), snapshot(description(paths))
    for value in (".", "..", "a\x00b", "a\nb"):
        result = await calls.call(served, "get_file", {"name": value}, caller=LOCAL)
        assert result.meta == {"causeway/code": "arg_path_segment"}, value
    empty = await calls.call(served, "get_file", {"name": ""}, caller=LOCAL)
    assert empty.meta == {"causeway/code": "arg_minLength"}
    assert upstream.plans == []

    await calls.call(served, "get_file", {"name": "../admin?x#y"}, caller=LOCAL)
    assert upstream.plans[0].url == "https://api.pets.example/v1/files/..%2Fadmin%3Fx%23y"


async def test_half_a_surrogate_pair_is_no_argument() -> None:
    result = await call("add_pet", {"name": "a\ud800"}, FakeUpstream(PET))
    assert result.meta == {"causeway/code": "arg_not_text"}


async def test_an_unknown_tool_is_the_one_error_that_is_raised() -> None:
    with pytest.raises(UnknownToolError, match="no tool 'buy_pet'") as caught:
        await call("buy_pet", {}, FakeUpstream(PET))
    assert caught.value.code == "tool_unknown"


async def test_a_server_whose_place_nobody_knows_is_told() -> None:
    upstream = FakeUpstream(PET)
    served = snapshot(description(PETS["paths"], server=None))
    result = await ToolCalls(upstream, deadline=1).call(served, "get_pet", {"petId": 7}, caller=LOCAL)
    assert (result.is_error, result.meta) == (True, {"causeway/code": "server_unknown"})
    assert "base_url" in result.content[0]["text"]
    assert upstream.plans == []


@pytest.mark.parametrize(("error", "code"), UPSTREAM_ERRORS.items(), ids=UPSTREAM_ERRORS.values())
async def test_an_upstream_error_is_a_result_with_its_code(error: type[errors.UpstreamError], code: str) -> None:
    made_with, told = MEMBERS.get(error, ({}, {}))
    result = await call("get_pet", {"petId": 7}, FakeUpstream(error("The API is away.", **made_with)))
    assert result.to_json() == {
        "content": [{"type": "text", "text": "The API is away."}],
        "isError": True,
        "_meta": {"causeway/code": code, **told},
    }


async def test_where_the_user_is_to_connect_an_account_is_told() -> None:
    error = errors.AuthorizationRequiredError("Connect an account.", url="https://gateway.example/connect/1")
    result = await call("get_pet", {"petId": 7}, FakeUpstream(error))
    expected = {"causeway/code": "authorization_required", "causeway/url": "https://gateway.example/connect/1"}
    assert result.meta == expected


async def test_how_long_to_leave_an_api_alone_is_told() -> None:
    paused = errors.UpstreamUnavailableError("Calls to this API are paused.", retry_after=27)
    result = await call("get_pet", {"petId": 7}, FakeUpstream(paused))
    assert result.meta == {"causeway/code": "upstream_unavailable", "causeway/retryAfter": 27}


async def test_the_upstream_is_told_which_server_calls() -> None:
    upstream = FakeUpstream(PET)
    await call("get_pet", {"petId": 7}, upstream)
    assert upstream.servers == ["default/pets"]


@pytest.mark.parametrize(
    ("method", "marked", "is_repeatable"),
    [
        ("get", None, False),
        ("post", None, False),
        ("post", True, True),
        ("patch", True, True),
        ("put", None, False),
        ("delete", None, False),
        ("post", False, False),
    ],
)
async def test_only_what_the_description_marks_may_be_repeated(
    method: str, marked: bool | None, is_repeatable: bool
) -> None:
    extension = {} if marked is None else {"x-mcp": {"annotations": {"idempotentHint": marked}}}
    served = snapshot(description({"/pets": {method: operation("do_it", **extension)}}))
    upstream = FakeUpstream(PET)
    await ToolCalls(upstream, deadline=1).call(served, "do_it", {}, caller=LOCAL)
    assert upstream.repeatable == [is_repeatable]


def test_every_upstream_error_has_a_code_of_its_own() -> None:
    # Of those that say what became of a request; one that was not let out has its test where that is decided.
    assert UPSTREAM_ERRORS.keys() == {each for each in every(errors.UpstreamError) if each.__module__ == "app.errors"}
    assert len(set(UPSTREAM_ERRORS.values())) == len(UPSTREAM_ERRORS)


async def test_an_error_of_the_api_is_a_result_in_its_own_words() -> None:
    upstream = FakeUpstream(ApiResponse(404, "application/json", b'{"detail":"No such pet"}', reason="Not Found"))
    result = await call("get_pet", {"petId": 7}, upstream)
    assert result.is_error
    assert result.content[0]["text"].startswith("404 Not Found: No such pet")


def test_planning_sends_nothing_and_finds_the_same_problems() -> None:
    tool = find_tool(snapshot(), "get_pet", LOCAL)
    assert planned(tool, {"petId": 7}).request.url == "https://api.pets.example/v1/pets/7"
    with pytest.raises(ArgumentsError):
        planned(tool, {"petId": "seven"})
