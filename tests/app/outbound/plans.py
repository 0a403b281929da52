"""Requests to send and errors to expect, for every test of the way out."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from app.errors import UpstreamError
from app.outbound import EgressPolicy
from converters.request_plans import RequestPlan
from tests.app.backends import json_reply

LOCAL = EgressPolicy(allow_private=True)
OK = json_reply(b'{"ok":true}')


def plan(url: str, method: str = "GET", *headers: tuple[str, str], body: bytes | None = None) -> RequestPlan:
    return RequestPlan(method, url, headers or (("Accept", "*/*"),), body, ())


@contextmanager
def refused(kind: type[UpstreamError]) -> Iterator[pytest.ExceptionInfo[UpstreamError]]:
    """Expect an error of exactly this kind, with a sentence that is fit for the caller."""
    with pytest.raises(UpstreamError) as caught:
        yield caught
    assert type(caught.value) is kind, caught.value.message
    # No query, no address, no name of a class or library.
    message = caught.value.message
    assert not any(hint in message for hint in ("secret", "127.0.0", "://", "Error", "aiohttp"))
