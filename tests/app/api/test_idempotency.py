"""F30: a request with an `Idempotency-Key` is done once, whatever it changes."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest
from sqlalchemy import func, select, update

from app.registry.tables import Base
from app.security.callers import ADMIN
from app.services import idempotency
from app.services.compiling import Compiler
from tests.app.api.test_permissions import routes_of
from tests.app.descriptions import PETS
from tests.app.gateways import SERVERS, Gateway, InProcessCompiler, gateway
from tests.app.tenants import KEYS, NAMESPACES, caller

ONCE = {"Idempotency-Key": "4b1c"}
IMPORT = {"name": "pets", "document": PETS}


def told(answer: httpx2.Response) -> tuple[int, Any]:
    return answer.status_code, answer.json().get("code")


async def names(running: Gateway) -> list[str]:
    return [each["name"] for each in (await running.http.get(SERVERS)).json()["items"]]


async def claimed_until(running: Gateway) -> Any:
    async with running.application.database._engines.reader.connect() as connection:  # noqa: SLF001 - the row itself
        return await connection.scalar(select(func.max(Base.metadata.tables["idempotency_keys"].c.claimed_until)))


async def stored(running: Gateway) -> str:
    async with running.application.database._engines.reader.connect() as connection:  # noqa: SLF001 - the row itself
        rows = await connection.execute(select(Base.metadata.tables["idempotency_keys"]))
        return repr(rows.all())


async def test_the_same_request_is_done_once_and_answered_the_same(served: Gateway) -> None:
    """F30: same body, same answer once."""
    first = await served.http.post(SERVERS, json=IMPORT, headers=ONCE)
    again = await served.http.post(SERVERS, json=IMPORT, headers=ONCE)
    assert (first.status_code, first.headers.get("idempotency-replayed")) == (201, None)
    assert (again.status_code, again.headers["idempotency-replayed"]) == (201, "true")
    assert (again.content, again.headers["content-type"]) == (first.content, first.headers["content-type"])
    new = await served.http.post(SERVERS, json=IMPORT, headers={"Idempotency-Key": "another"})
    assert told(new) == (409, "server_exists")


async def test_another_request_with_the_key_is_409_and_changes_nothing(served: Gateway) -> None:
    """F30: different body."""
    headers = {"Idempotency-Key": "taken"}
    assert (await served.http.post(SERVERS, json=IMPORT, headers=headers)).status_code == 201
    for method, path, body in (
        ("POST", SERVERS, {**IMPORT, "name": "cats"}),
        ("PUT", f"{SERVERS}/pets/document", IMPORT),
        ("POST", f"{SERVERS}?a=b", IMPORT),
    ):
        answered = await served.http.request(method, path, json=body, headers=headers)
        assert told(answered) == (409, "idempotency_key_reused"), (method, path)
    assert await names(served) == ["pets"]


async def test_a_form_with_another_boundary_is_the_same_request(served: Gateway) -> None:
    def form(boundary: str) -> dict[str, Any]:
        part = f'--{boundary}\r\nContent-Disposition: form-data; name="document"\r\n\r\nopenapi: 3.1.0\r\n'
        document = 'info: {title: Pets, version: "1"}\npaths: {}\r\n'
        media_type = {"Content-Type": f'multipart/form-data; boundary="{boundary}"', "Idempotency-Key": "form"}
        return {"content": f"{part[:-2]}\n{document}--{boundary}--\r\n", "headers": media_type}

    first = await served.http.post(SERVERS, **form("----one"))
    again = await served.http.post(SERVERS, **form("----two"))
    assert (first.status_code, again.status_code) == (201, 201), first.text
    assert again.headers["idempotency-replayed"] == "true"


async def test_a_refusal_is_not_kept(served: Gateway) -> None:
    headers = {"Idempotency-Key": "corrected"}
    wrong = await served.http.post(SERVERS, json={"name": "pets", "document": "{"}, headers=headers)
    assert wrong.status_code == 422
    assert (await served.http.post(SERVERS, json=IMPORT, headers=headers)).status_code == 201


async def test_every_request_that_changes_something_takes_a_key(served: Gateway) -> None:
    """One place for all routes: whatever it does, a key that is none is refused before it."""
    found = [each for each in routes_of(served.application._api.routes) if each.method != "GET"]  # noqa: SLF001 - nobody else shows its routes
    assert len(found) > 15
    for route in found:
        path = re.sub(r"\{[^}]*\}", "default", route.path)
        for key in ("", "x" * 256, "two words"):
            answered = await served.http.request(route.method, path, json={}, headers={"Idempotency-Key": key})
            assert told(answered) == (400, "idempotency_key_invalid"), (route, key)


async def test_what_deletes_is_answered_again_without_a_body(served: Gateway) -> None:
    await served.create()
    headers = {"Idempotency-Key": "delete"}
    given = [await served.http.delete(f"{SERVERS}/pets", headers=headers) for _ in range(2)]
    assert [(each.status_code, each.content) for each in given] == [(204, b"")] * 2
    assert "content-length" not in given[1].headers


async def test_callers_and_namespaces_have_keys_of_their_own(served: Gateway) -> None:
    headers = {"Idempotency-Key": "mine"}
    for namespace in ("team-a", "team-b"):
        assert (await served.http.post(NAMESPACES, json={"name": namespace})).status_code == 201
    paths = [f"{NAMESPACES}/{each}/servers" for each in ("team-a", "team-b")]
    made = [(await served.http.post(path, json=IMPORT, headers=headers)).headers for path in paths]
    assert ["idempotency-replayed" in each for each in made] == [False, False]
    async with caller(served, "import", namespace="team-a") as http:
        answered = await http.post(paths[0], json=IMPORT, headers=headers)
        assert told(answered) == (409, "server_exists")
    async with caller(served, "call", namespace="team-a") as http:
        assert told(await http.post(paths[0], json=IMPORT, headers=headers)) == (403, "insufficient_scope")


async def test_no_secret_is_kept(served: Gateway) -> None:
    """F30, A01: a key is made once, and its text is in one answer and nowhere else."""
    headers = {"Idempotency-Key": "secret"}
    body = {"name": "ci", "scopes": ["call"]}
    first = await served.http.post(KEYS, json=body, headers=headers)
    assert (first.status_code, first.headers["cache-control"]) == (201, "no-store")
    again = await served.http.post(KEYS, json=body, headers=headers)
    assert told(again) == (409, "idempotency_answer_not_kept")
    keys = [each for each in (await served.http.get(KEYS)).json()["items"] if each["name"] == "ci"]
    assert len(keys) == 1
    assert first.json()["key"] not in await stored(served)

    schemes = {"securitySchemes": {"key": {"type": "apiKey", "in": "header", "name": "X-Key"}}}
    await served.create({**PETS, "components": {**PETS.get("components", {}), **schemes}, "security": [{"key": []}]})
    put = f"{SERVERS}/pets/credentials/key"
    for _ in range(2):
        supplied = await served.http.put(put, json={"value": "hunter2-hunter2"}, headers=headers)
        assert supplied.status_code == 200, supplied.text
    assert "hunter2" not in await stored(served)


async def test_of_a_large_answer_it_is_kept_that_it_was_given(served: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(idempotency, "MAX_ANSWER", 100)
    headers = {"Idempotency-Key": "large"}
    assert (await served.http.post(SERVERS, json=IMPORT, headers=headers)).status_code == 201
    again = await served.http.post(SERVERS, json=IMPORT, headers=headers)
    assert told(again) == (409, "idempotency_answer_not_kept")
    assert "201" in again.json()["detail"]


async def test_what_is_kept_of_a_caller_is_bounded(served: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(idempotency, "MAX_REQUESTS", 2)
    assert (await served.http.post(NAMESPACES, json={"name": "bounded"})).status_code == 201
    path = f"{NAMESPACES}/bounded/servers"
    for number, status in enumerate((201, 201, 429)):
        headers = {"Idempotency-Key": f"bounded-{number}"}
        answered = await served.http.post(path, json={**IMPORT, "name": f"pets-{number}"}, headers=headers)
        assert answered.status_code == status, answered.text
    assert int(answered.headers["retry-after"]) > 0
    assert [each["name"] for each in (await served.http.get(path)).json()["items"]] == ["pets-0", "pets-1"]


class HeldCompiler(InProcessCompiler):
    """The compiler as one that takes its time."""

    started = asyncio.Event()
    go_on = asyncio.Event()

    @staticmethod
    async def _run(job: bytes) -> bytes:
        HeldCompiler.started.set()
        await HeldCompiler.go_on.wait()
        return await InProcessCompiler._run(job)  # noqa: SLF001 - its own base


@pytest.fixture
async def held(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, clean_environment: None) -> AsyncIterator[Gateway]:
    """Run a gateway whose imports wait for `HeldCompiler.go_on`."""
    HeldCompiler.started, HeldCompiler.go_on = asyncio.Event(), asyncio.Event()
    compiler: type[Compiler] = HeldCompiler
    async with gateway(tmp_path, monkeypatch, compiler=compiler, admin_key="an-admin-key-of-some-length") as running:
        yield running


async def test_a_twin_at_the_same_time_is_409_and_after_it_gets_the_answer(held: Gateway) -> None:
    """F30: concurrent twin."""
    first = asyncio.ensure_future(held.http.post(SERVERS, json=IMPORT, headers=ONCE))
    await HeldCompiler.started.wait()
    twin = await held.http.post(SERVERS, json=IMPORT, headers=ONCE)
    assert told(twin) == (409, "idempotency_in_progress")
    assert int(twin.headers["retry-after"]) > 0
    HeldCompiler.go_on.set()
    done = await first
    again = await held.http.post(SERVERS, json=IMPORT, headers=ONCE)
    assert (done.status_code, again.status_code, again.content) == (201, 201, done.content)


async def test_an_answer_is_kept_for_a_day_and_then_the_request_is_another_one(served: Gateway) -> None:
    """F30: kept for 24 hours."""
    headers, rows = {"Idempotency-Key": "a-day"}, Base.metadata.tables["idempotency_keys"]
    began = datetime.now(UTC)
    assert (await served.http.post(SERVERS, json=IMPORT, headers=headers)).status_code == 201
    async with served.application.database._engines.writer.begin() as connection:  # noqa: SLF001 - nobody else turns clocks
        own = rows.c.key == headers["Idempotency-Key"]
        expires_at: Any = await connection.scalar(select(rows.c.expires_at).where(own))
        assert timedelta(hours=24) <= expires_at - began < timedelta(hours=25)
        await connection.execute(update(rows).where(own).values(expires_at=began))
    assert told(await served.http.post(SERVERS, json=IMPORT, headers=headers)) == (409, "server_exists")


async def test_a_request_that_fails_by_a_defect_of_ours_can_be_made_again(
    served: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any, **__: Any) -> Any:
        raise ZeroDivisionError

    headers = {"Idempotency-Key": "defect"}
    with monkeypatch.context() as patched:
        replacement: Callable[..., Any] = broken
        patched.setattr(served.application.publishing.importer, "create", replacement)
        assert (await served.http.post(SERVERS, json=IMPORT, headers=headers)).status_code == 500
    assert (await served.http.post(SERVERS, json=IMPORT, headers=headers)).status_code == 201


async def test_a_request_under_way_is_said_to_be_again_and_again(served: Gateway) -> None:
    """A request may take longer than a claim lasts, and is still under way."""
    keys = served.application.secrets.credentials._keys  # noqa: SLF001 - any keys
    many = idempotency.Idempotency(served.application.database, keys, claim_seconds=0.3)
    async with many.attempt(many.request(ADMIN, "long", namespace="", content=b"content")):
        first = await claimed_until(served)
        while await claimed_until(served) == first:  # noqa: ASYNC110 - the database tells nobody
            await asyncio.sleep(0.05)
