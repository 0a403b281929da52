"""The golden vectors once more, on a socket: the client sends what was planned, byte for byte."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from app.outbound import EgressPolicy, HttpUpstream
from converters.request_plans import RequestPlan
from tests.app.backends import Backend, backend, json_reply
from tests.converters.test_wire import planned, tool_of, vectors

# What a client adds: where to, how long, and what it understands.
_OF_THE_CLIENT = frozenset({"host", "content-length", "accept-encoding", "user-agent"})


def sent_here(api: Backend) -> list[tuple[RequestPlan, Mapping[str, Any]]]:
    """Plan every vector that is not refused against `api`; those about servers say where they go themselves."""
    planned_here = []
    for each in vectors():
        group, vector = each.values
        if not each.id.startswith("servers") and "refused" not in vector:
            request = planned(tool_of(group), {**vector, "base_url": f"{api.url}/v1"})
            planned_here.append((request, vector))
    return planned_here


async def test_every_vector_arrives_as_it_was_planned() -> None:
    async with backend(json_reply(b"{}")) as api:
        upstream = HttpUpstream(EgressPolicy(allow_private=True))
        requests = sent_here(api)
        for request, _ in requests:
            await upstream.send(request, deadline=5)
        await upstream.close()

    assert len(api.requests) == len(requests) >= 260
    for (request, vector), arrived in zip(requests, api.requests, strict=True):
        target = request.url.removeprefix(api.url)
        assert arrived.line == f"{request.method} {target} HTTP/1.1", vector
        headers = sorted((name, value) for name, value in arrived.headers if name.lower() not in _OF_THE_CLIENT)
        assert headers == sorted(request.headers), vector
        assert arrived.body == (request.body or b""), vector
