"""HTTP+SSE of 2024-11-05: a stream, and POSTs whose answers come on it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from app.gateway import legacy_sse
from app.gateway.calls import ToolCalls
from app.gateway.catalog import SnapshotCatalog
from app.gateway.http_exchange import HttpError
from app.gateway.open_streams import OpenStream, OpenStreams, StreamBounds
from app.gateway.server import McpEndpoint
from app.security.callers import ADMIN, EVERY, LOCAL, NOBODY, SCOPES, Caller
from converters.results import ApiResponse
from tests.app.asgi import Answer, Asgi, Exchange, answer
from tests.app.descriptions import description, operation, snapshot
from tests.app.gateway.endpoints import PET, FakeUpstream, Hub, HubRelay, endpoint, request
from tests.app.gateway.streams import Listener, listening

SSE, MESSAGES = "/mcp/default/pets/sse", "/mcp/default/pets/messages"
JSON = [("Content-Type", "application/json")]
CALL = {"name": "get_pet", "arguments": {"petId": 7}}
ONE, TWO = Caller("key:one", LOCAL.permissions, EVERY), Caller("key:two", LOCAL.permissions, EVERY)


def initialize(version: str = "2024-11-05", client: str = "tests") -> bytes:
    offer = {"protocolVersion": version, "capabilities": {}, "clientInfo": {"name": client, "version": "1"}}
    return request("initialize", offer, request_id=0)


@asynccontextmanager
async def opened(app: Asgi, caller: Caller = LOCAL) -> AsyncIterator[tuple[Listener, Callable[..., Awaitable[Answer]]]]:
    """Open a stream; gives it, and a function that posts to the endpoint it names."""
    async with listening(app, SSE, headers=[("Accept", "text/event-stream")], caller=caller) as stream:
        assert stream.status == 200, stream.text
        kind, path = stream.events[0]
        assert kind == "endpoint"

        async def post(body: bytes, caller: Caller = caller) -> Answer:
            return await answer(app, path=path, headers=JSON, chunks=[body], caller=caller)

        yield stream, post


async def test_the_stream_begins_with_where_to_post_and_holds_the_answers() -> None:
    async with opened(endpoint(FakeUpstream(PET))) as (stream, post):
        assert stream.events[0][1].startswith(f"{MESSAGES}?sessionId=")
        taken = await post(initialize())
        assert (taken.status, taken.body) == (202, b"")
        handshake = (await stream.until(1))[0]
        assert (handshake["id"], handshake["result"]["protocolVersion"]) == (0, "2024-11-05")
        assert handshake["result"]["capabilities"]["tools"] == {"listChanged": True}

        assert (await post(b'{"jsonrpc":"2.0","method":"notifications/initialized"}')).status == 202
        await post(request("tools/list", request_id="a"))
        await post(request("tools/call", CALL, request_id="b"))
        answers = {each["id"]: each["result"] for each in await stream.until(3)}
        assert [tool["name"] for tool in answers["a"]["tools"]] == ["list_pets", "add_pet", "get_pet", "delete_pet"]
        assert answers["b"]["content"][0]["text"] == '{"id":7,"name":"Rex"}'
        assert "structuredContent" not in answers["b"]


async def test_answers_have_the_shape_of_the_version_that_was_negotiated() -> None:
    async with opened(endpoint(FakeUpstream(PET))) as (stream, post):
        await post(initialize("2025-11-25"))
        await stream.until(1)
        await post(request("tools/call", CALL))
        assert (await stream.until(2))[1]["result"]["structuredContent"] == {"id": 7, "name": "Rex"}


@pytest.mark.parametrize(("client", "count"), [("cursor-vscode", 3), ("tests", 41)])
async def test_the_list_fits_the_client_that_shook_hands(client: str, count: int) -> None:
    paths = {f"/pets/{n}": {"get": operation(f"get_{n}")} for n in range(41)}
    async with opened(endpoint(None, snapshot(description(paths)))) as (stream, post):
        await post(initialize(client=client))
        await stream.until(1)
        await post(request("tools/list"))
        assert len((await stream.until(2))[1]["result"]["tools"]) == count


async def test_an_error_comes_on_the_stream_too() -> None:
    async with opened(endpoint()) as (stream, post):
        assert (await post(request("tools/call", {"name": "no_such"}))).status == 202
        assert (await stream.until(1))[0]["error"]["code"] == -32602


async def test_news_of_the_work_comes_on_the_stream_before_the_answer() -> None:
    lines = (b'{"progress":1}\n', b'{"done":true}\n')
    upstream = FakeUpstream(ApiResponse(200, "application/x-ndjson", b"".join(lines)), chunks=lines)
    async with opened(endpoint(upstream)) as (stream, post):
        await post(request("tools/call", {**CALL, "_meta": {"progressToken": "p"}}))
        progress, result = await stream.until(2)
        assert progress["params"] == {"progressToken": "p", "progress": 1}
        assert result["result"]["content"][0]["text"] == '{"done":true}'


@pytest.mark.parametrize(
    ("body", "status"), [(b"{", 400), (b"[]", 400), (b'{"jsonrpc":"2.0","id":1,"result":{}}', 202)]
)
async def test_what_is_no_message_is_refused_and_what_wants_no_answer_is_taken(body: bytes, status: int) -> None:
    async with opened(endpoint()) as (_, post):
        assert (await post(body)).status == status


@pytest.mark.parametrize(
    "session", ["", "?sessionId=p.guessed", "?sessionId=", "?sessionId=p.a%0Ab", "?sessionId=guessed"]
)
async def test_a_message_without_a_stream_is_404(session: str) -> None:
    given = await answer(endpoint(), path=MESSAGES + session, headers=JSON, chunks=[request("ping")])
    assert given.status == 404


async def test_a_stream_takes_messages_only_from_who_opened_it() -> None:
    async with opened(endpoint(), ONE) as (stream, post):
        for other in (TWO, ADMIN, NOBODY):
            assert (await post(request("ping"), other)).status == 404
        assert (await post(request("ping"))).status == 202
        assert len(await stream.until(1)) == 1


async def test_a_stream_takes_messages_only_of_its_own_server() -> None:
    app = endpoint(None, snapshot(), snapshot(name="cats"))
    async with listening(app, SSE) as stream:
        path = stream.events[0][1].replace("/pets/", "/cats/")
        assert (await answer(app, path=path, headers=JSON, chunks=[request("ping")])).status == 404


async def test_a_stream_that_is_closed_takes_no_more_messages_and_its_calls_are_cancelled() -> None:
    upstream = FakeUpstream(None)
    async with opened(endpoint(upstream)) as (_, post):
        await post(request("tools/call", CALL))
        await upstream.arrived.wait()
    await asyncio.sleep(0.01)
    assert upstream.was_cancelled
    assert (await post(request("ping"))).status == 404


async def test_a_client_can_cancel_a_request() -> None:
    upstream = FakeUpstream(None)
    async with opened(endpoint(upstream)) as (stream, post):
        await post(request("tools/call", CALL, request_id=5))
        await upstream.arrived.wait()
        assert (await post(request("tools/call", CALL, request_id=5))).status == 400
        cancelled = b'{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":5}}'
        assert (await post(cancelled)).status == 202
        await asyncio.sleep(0.01)
        assert upstream.was_cancelled
        assert stream.messages == []
        assert (await post(request("ping", request_id=5))).status == 202


async def test_requests_of_a_stream_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(legacy_sse, "MAX_REQUESTS", 2)
    async with opened(endpoint(FakeUpstream(None))) as (_, post):
        given = [(await post(request("tools/call", CALL, request_id=each))).status for each in range(3)]
    assert given == [202, 202, 429]


@pytest.mark.parametrize(
    ("method", "path", "status", "allowed"),
    [("POST", SSE, 405, "GET"), ("GET", MESSAGES, 405, "POST"), ("GET", f"{SSE}/more", 404, None)],
)
async def test_each_url_has_its_method(method: str, path: str, status: int, allowed: str | None) -> None:
    given = await answer(endpoint(), method=method, path=path, headers=JSON)
    assert (given.status, given.header("allow")) == (status, allowed)


async def test_a_client_that_does_not_accept_events_gets_406() -> None:
    given = await answer(endpoint(), method="GET", path=SSE, headers=[("Accept", "application/json")])
    assert given.status == 406


async def test_a_path_that_a_proxy_adds_is_part_of_the_endpoint() -> None:
    catalog = SnapshotCatalog()
    catalog.put(snapshot())
    app = McpEndpoint(catalog, ToolCalls(FakeUpstream(PET), deadline=1), public_path="/gateway")
    async with listening(app, SSE) as stream:
        assert stream.events[0][1].startswith(f"/gateway{MESSAGES}?")


# --- changes and ends


async def test_a_client_is_told_of_another_list_of_tools_and_of_nothing_else() -> None:
    catalog = SnapshotCatalog()
    catalog.put(snapshot())
    app = McpEndpoint(catalog, ToolCalls(FakeUpstream(PET), deadline=1))
    async with opened(app) as (stream, post):
        catalog.put(snapshot(instructions="Before the handshake.", definitions=[]))
        await post(initialize())
        await stream.until(1)
        catalog.put(snapshot())
        assert (await stream.until(2))[1] == {"jsonrpc": "2.0", "method": "notifications/tools/list_changed"}
        catalog.put(snapshot(instructions="Another text, the same tools.", revision=9))
        await post(request("ping"))
        assert (await stream.until(3))[2]["result"] == {}


async def test_the_stream_of_a_server_that_is_gone_ends() -> None:
    catalog = SnapshotCatalog()
    catalog.put(snapshot())
    async with opened(McpEndpoint(catalog, ToolCalls(FakeUpstream(PET), deadline=1))) as (stream, post):
        catalog.drop("default", "pets")
        await stream.ended()
        assert (await post(request("ping"))).status == 404


async def test_every_stream_ends_when_the_process_stops() -> None:
    app = endpoint()
    async with listening(app, SSE) as one, listening(app, SSE) as two:
        app.end_streams()
        await one.ended()
        await two.ended()
        assert one.exchange.sent[-1] == {"type": "http.response.body", "body": b""}


# --- bounds of a stream


KEPT_ALIVE = b": keep-alive\n\n"


async def test_a_stream_without_events_is_kept_alive() -> None:
    stream = OpenStream(keep_alive=0.01)
    exchange = Exchange(lambda _, receive, send: stream.run(receive, send))
    task = asyncio.create_task(exchange.run())
    await asyncio.sleep(0.05)
    stream.end()
    given = await task
    assert given is not None
    assert given.body.startswith(b": keep-alive\n\n: keep-alive\n\n")


async def test_a_stream_on_which_nothing_is_told_ends_after_a_while_and_frees_its_place() -> None:
    """D06: what is told begins the while anew."""
    streams = OpenStreams(StreamBounds(of_server=1, idle=0.05))
    stream, sent = OpenStream(keep_alive=0.01, last=b"bye"), list[bytes]()

    async def send(event: Any) -> None:
        sent.append(event.get("body", b""))
        if sent.count(KEPT_ALIVE) == 2 and b"event" not in sent:
            with pytest.raises(HttpError):
                streams.check("default/pets", LOCAL)
            stream.push(b"event")

    async with asyncio.timeout(20):
        await streams.run("default/pets", stream, LOCAL, receive=asyncio.Event().wait, send=send)  # type: ignore[arg-type]
    assert sent == [b"", *[KEPT_ALIVE] * 2, b"event", *[KEPT_ALIVE] * 4, b"bye"]
    streams.check("default/pets", LOCAL)


async def test_the_stream_of_a_client_that_does_not_read_ends() -> None:
    stream = OpenStream(max_waiting=100)

    async def stuck(*_: Any) -> Any:
        await asyncio.Event().wait()

    task = asyncio.create_task(stream.run(stuck, stuck))
    await asyncio.sleep(0)
    for _ in range(3):
        stream.push(b"x" * 60)
    async with asyncio.timeout(5):
        await task


async def test_streams_of_a_server_are_bounded_and_those_of_others_are_not_touched() -> None:
    catalog = SnapshotCatalog()
    for name in ("pets", "cats"):
        catalog.put(snapshot(name=name))
    app = McpEndpoint(catalog, ToolCalls(FakeUpstream(PET), deadline=1), streams=StreamBounds(of_server=1))
    async with listening(app, SSE):
        refused = await answer(app, method="GET", path=SSE)
        assert (refused.status, refused.header("retry-after")) == (503, "30")
        async with listening(app, SSE.replace("pets", "cats")) as other:
            assert other.status == 200
    async with listening(app, SSE) as again:
        assert again.status == 200


# --- several processes


def processes(*names: str) -> dict[str, McpEndpoint]:
    hub = Hub()
    return {name: endpoint(relay=HubRelay(name, hub)) for name in names}


async def test_a_message_that_reaches_another_process_finds_its_stream() -> None:
    both = processes("one", "two")
    async with listening(both["one"], SSE) as stream:
        path = stream.events[0][1]
        taken = await answer(both["two"], path=path, headers=JSON, chunks=[request("ping")])
        assert taken.status == 202
        assert (await stream.until(1))[0]["result"] == {}
        unknown = path.replace("sessionId=one.", "sessionId=three.")
        refused = await answer(both["two"], path=unknown, headers=JSON, chunks=[request("ping")])
        assert refused.status == 404


async def test_streams_of_a_namespace_are_bounded_whoever_opens_them_and_others_have_theirs() -> None:
    """D06."""
    catalog = SnapshotCatalog()
    for namespace, name in (("default", "pets"), ("default", "cats"), ("team-a", "pets")):
        catalog.put(snapshot(namespace=namespace, name=name))
    app = McpEndpoint(catalog, ToolCalls(FakeUpstream(PET), deadline=1), streams=StreamBounds(of_namespace=2))
    first, second, third = (Caller(f"key:{each}", SCOPES["call"], EVERY) for each in "123")
    async with listening(app, SSE, caller=first), listening(app, SSE, caller=second):
        for path in (SSE, SSE.replace("pets", "cats")):
            refused = await answer(app, method="GET", path=path, caller=third)
            assert (refused.status, refused.header("retry-after")) == (503, "30")
            assert "namespace" in refused.json()["detail"]
        async with listening(app, SSE.replace("default", "team-a"), caller=third) as other:
            assert other.status == 200
    async with listening(app, SSE.replace("pets", "cats"), caller=third) as again:
        assert again.status == 200
