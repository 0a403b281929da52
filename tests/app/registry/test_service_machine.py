"""F29: whatever is done in whatever order, and broken off wherever, the registry is as a small model says.

Of what is broken off, all has happened or nothing, and the audit says which. It is tried for some minutes with
`CAUSEWAY_HYPOTHESIS_PROFILE=nightly`.
"""

from __future__ import annotations

import asyncio
import itertools
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test
from sqlalchemy import text

from app.adapters import Stage
from app.gateway.calls import ToolCalls, UnknownToolError
from app.gateway.catalog import SnapshotCatalog
from app.registry.errors import ServerNotFound
from app.registry.records import AuditFilter, ServerName
from app.security.callers import ADMIN
from app.services.events import ServerEvents
from app.services.tools import Tools
from converters.results import ApiResponse
from tests.app.registry.operator import (
    BROKEN,
    CUT,
    KILL,
    MOMENTS,
    SERVER,
    SOON,
    SUBJECT,
    TOOLS,
    Killable,
    Operator,
    Order,
)
from tests.app.registry.service_model import Refused, Server, State
from tests.databases import postgresql_database, sqlite_database

DOCUMENTS = st.integers(0, BROKEN)
ALWAYS = frozenset({"review", "override", "activate_revision", "put_credential"})
"""What is in the audit although it may set what is set already."""
NAMES = st.sampled_from(sorted(TOOLS[2]))
NO_FAULT = ("", "", 0, 0)
_AFTER = st.tuples(st.sampled_from(MOMENTS[1:]), st.integers(1, 3))
MOMENT = st.one_of(_AFTER, st.tuples(st.just(MOMENTS[0]), st.integers(1, 15)))
FAULTS = st.one_of(
    st.just(NO_FAULT),
    st.tuples(st.sampled_from([CUT, KILL, SOON]), MOMENT, st.integers(0, 3000)).map(
        lambda each: (each[0], *each[1], each[2])
    ),
)
Fault = tuple[str, str, int, int]
SECONDS = 60
"""For what waits for nobody."""


@dataclass
class Ground:
    """What all runs of the machine share: a database, and a program whose processes are killed."""

    loop: asyncio.AbstractEventLoop
    operator: Operator
    killable: Killable
    namespaces: Iterator[str]
    broken_off: Counter[str] = field(default_factory=Counter)

    def do(self, work: Any) -> Any:
        async def bounded() -> Any:
            async with asyncio.timeout(SECONDS):
                return await work

        return self.loop.run_until_complete(bounded())


class NoTokens:
    """The gateway's `TokenSource`, which nobody asks."""

    def retain(self, *_: Any) -> None:
        """Forget nothing."""


class Api:
    """The gateway's `Upstream`: answers everything, and knows the credential of the last request."""

    def __init__(self) -> None:
        self.key = ""

    async def send(self, plan: Any, *, authorization: Any, **_: Any) -> ApiResponse:
        attempt = next(authorization.flow("GET", plan.url, plan.headers, client_nonce=str))
        self.key = dict(attempt.headers)["X-Key"]
        return ApiResponse(200, "application/json", b"{}")


class Registry(RuleBasedStateMachine):
    """The services and the registry, and a model of them."""

    def __init__(self, ground: Ground) -> None:
        super().__init__()
        self._ground = ground
        self._namespace = next(ground.namespaces)
        self._state = State()
        self._steps = itertools.count(1)
        self._made: list[str] = []
        self._keys: tuple[int, ...] = (0,)
        self.perform("create_namespace")
        self.perform("create_server", document=1)

    def perform(self, what: str, fault: Fault = NO_FAULT, **arguments: Any) -> None:
        """Do something, and find that it was done, refused, or done or not as the audit says."""
        order = Order(what, self._namespace, f"step {next(self._steps)}", arguments, self._keys, *fault)
        try:
            expected, state = "done", self._state.after(what, key=self._keys[-1], **arguments)
        except Refused as refused:
            expected, state = str(refused), self._state
        ended = self._ground.killable.do(order) if order.fault in {KILL, SOON} else self._here(order)
        if ended == expected:
            if ended == "done":
                self._accept(order, state)
        else:
            assert order.fault, f"{what} was {ended}, and the model says {expected}"
            assert ended in {"killed", "RegistryUnavailable"}
            self._ground.broken_off[ended] += 1
            self._broken_off(order, state)

    def _here(self, order: Order) -> str:
        try:
            self._ground.do(self._ground.operator.do(order))
        except Exception as error:  # noqa: BLE001 - judged by its name, as in a process of its own
            return type(error).__name__
        return "done"

    def _accept(self, order: Order, state: State) -> None:
        # What changes nothing is not in the audit, but for what sets to the same what was set.
        if state != self._state or order.what in ALWAYS:
            self._made.append(order.step)
        self._state = state

    def _broken_off(self, order: Order, state: State) -> None:
        if self._audited() == self._made:
            # Keys are shredded before a deletion is certain (ADR 35); what they sealed cannot be read then.
            server = self._state.server
            if order.what == "delete_namespace" and server is not None and not self._ground.do(self._secret()):
                self._state = replace(self._state, server=replace(server, secret=""))
            return
        self._made.append(order.step)
        self._state = state

    def _audited(self) -> list[str]:
        async def read() -> list[str]:
            wanted = AuditFilter(namespace=self._namespace, subject=SUBJECT)
            async with self._ground.operator.database.transaction(read_only=True) as registry:
                found = (await registry.audit.list(wanted, limit=1000)).items
            return [each.target for each in reversed(found)]

        found: list[str] = self._ground.do(read())
        return found

    # --- rules

    @rule(fault=FAULTS)
    def create_namespace(self, fault: Fault) -> None:
        """Make the namespace, unless it is there."""
        self.perform("create_namespace", fault)

    @rule(fault=FAULTS, really=st.integers(0, 3))
    def delete_namespace(self, fault: Fault, really: int) -> None:
        """Delete it, not too often."""
        if not really:
            self.perform("delete_namespace", fault)

    @rule(document=DOCUMENTS, fault=FAULTS)
    def create(self, document: int, fault: Fault) -> None:
        """Make the server."""
        self.perform("create_server", fault, document=document)

    @rule(document=DOCUMENTS, fault=FAULTS)
    def replace(self, document: int, fault: Fault) -> None:
        """Import a description: good, there already, breaking, or none."""
        self.perform("replace_document", fault, document=document)

    @rule(fault=FAULTS, really=st.integers(0, 3))
    def delete(self, fault: Fault, really: int) -> None:
        """Delete the server, not too often."""
        if not really:
            self.perform("delete_server", fault)

    @rule(policy=st.sampled_from(["auto", "review", "freeze"]), fault=FAULTS)
    def review(self, policy: str, fault: Fault) -> None:
        """Say what becomes of what breaks callers."""
        self.perform("review", fault, policy=policy)

    @rule(number=st.integers(1, 6), fault=FAULTS)
    def activate(self, number: int, fault: Fault) -> None:
        """Have an earlier revision, or a later one, live; also one that waits."""
        self.perform("activate_revision", fault, number=number)

    @rule(tool=NAMES, enabled=st.booleans(), fault=FAULTS)
    def override(self, tool: str, enabled: bool, fault: Fault) -> None:
        """Enable or disable a tool."""
        self.perform("override", fault, tool=tool, enabled=enabled)

    @rule(value=st.sampled_from(["one-secret", "two-secret"]), fault=FAULTS)
    def put_credential(self, value: str, fault: Fault) -> None:
        """Supply a credential, or another one."""
        self.perform("put_credential", fault, value=value)

    @rule(fault=FAULTS)
    def delete_credential(self, fault: Fault) -> None:
        """Take it away."""
        self.perform("delete_credential", fault)

    @rule(fault=FAULTS)
    def rotate_secret_key(self, fault: Fault) -> None:
        """Seal everything with a new key of the operator's."""
        self._keys = (*self._keys, self._keys[-1] + 1)
        self.perform("rotate_secrets", fault)

    @precondition(lambda self: self._state.server is None or self._state.server.key == self._keys[-1])
    @rule()
    def forget_old_keys(self) -> None:
        """Take the keys away that nothing is sealed with."""
        self._keys = self._keys[-1:]

    @rule(tool=NAMES)
    def call(self, tool: str) -> None:
        """Call a tool through what the gateway serves."""
        server = self._state.server
        if server is None:
            with pytest.raises(ServerNotFound):
                self._ground.do(self._called(tool))
        elif tool not in server.listed():
            with pytest.raises(UnknownToolError):
                self._ground.do(self._called(tool))
        else:
            assert self._ground.do(self._called(tool)) == (server.secret or "credential_missing")

    async def _called(self, tool: str) -> str:
        """Give the credential that a call carried, or the code that it was refused with."""
        operator, api, catalog = self._ground.operator, Api(), SnapshotCatalog()
        credentials: Any = operator.credentials(self._keys)
        tokens: Any = NoTokens()
        (loaded,) = await Tools(operator.database, ServerEvents()).load([ServerName(self._namespace, SERVER)])
        await Stage(catalog, credentials, tokens).put(loaded)
        snapshot = catalog.find(self._namespace, SERVER)
        assert snapshot is not None
        result = await ToolCalls(api, deadline=SECONDS, credentials=credentials).call(snapshot, tool, {}, caller=ADMIN)
        return str(result.meta["causeway/code"]) if result.is_error else api.key

    # --- what is always so

    @invariant()
    def the_registry_is_the_model(self) -> None:
        """Find the revisions, which of them is live and waits, the tools, the policy and the credential."""
        server = self._state.server
        assert self._ground.do(self._found()) == (server, None if server is None else server.listed())

    @invariant()
    def the_audit_has_each_change_once(self) -> None:
        """Find in it what was done, and nothing else."""
        assert self._audited() == self._made

    async def _found(self) -> tuple[Server | None, frozenset[str] | None]:
        database = self._ground.operator.database
        async with database.transaction(read_only=True) as registry:
            assert await registry.namespaces.exists(self._namespace) == self._state.exists
            if ServerName(self._namespace, SERVER) not in await registry.servers.versions():
                return None, None
            server = await registry.servers.get(self._namespace, SERVER)
            revisions = (await registry.revisions.list(self._namespace, SERVER, limit=200)).items
            credentials = await registry.credentials.list(self._namespace, SERVER)
            overrides = await registry.revisions.overrides(self._namespace, SERVER)
        titles = [each.description["title"] for each in reversed(revisions)]
        assert [each.number for each in reversed(revisions)] == list(range(1, len(revisions) + 1))
        assert server.title == titles[server.revision - 1]
        (loaded,) = await Tools(database, ServerEvents()).load([ServerName(self._namespace, SERVER)])
        numbers = [int(credential.key_id.partition(".")[0], 16) for credential in credentials]
        ids = {int(self._ground.operator.secret_keys((each,)).current_id, 16): each for each in self._keys}
        known = self._state.server
        is_readable = bool(await self._secret())
        return Server(
            documents=tuple(int(each.removeprefix("Document ")) for each in titles),
            live=server.revision,
            draft=server.draft_revision,
            review=(server.policies or {}).get("review", ""),
            disabled=frozenset(each.operation_key.removeprefix("GET /") for each in overrides if not each.enabled),
            secret=await self._secret(),
            has_secret=bool(credentials),
            # Of what cannot be read any more, nobody asks what it was sealed with.
            key=ids[numbers[0]] if is_readable else known.key if known is not None else 0,
        ), frozenset(each["name"] for each in loaded.definitions)

    async def _secret(self) -> str:
        credentials = self._ground.operator.credentials(self._keys)
        async with self._ground.operator.database.transaction(read_only=True) as registry:
            server = await registry.servers.get(self._namespace, SERVER)
            records = await registry.credentials.list(self._namespace, SERVER)
        await credentials.hold(server, records)
        held = credentials.held(self._namespace, SERVER).by_scheme.get("key")
        value: Any = None if held is None else held.credential
        return "" if value is None else str(value.value.reveal())

    def teardown(self) -> None:
        """Leave nothing that the next run's rotations would find, and no tool without its revision."""
        if self._state.exists:
            self.perform("delete_namespace")
        orphans = "SELECT count(*) FROM tools WHERE revision_id NOT IN (SELECT id FROM revisions)"
        assert self._ground.do(self._counted(orphans)) == 0

    async def _counted(self, query: str) -> int:
        async with self._ground.operator.database._engines.reader.connect() as connection:  # noqa: SLF001 - what the repositories do not show
            return int((await connection.execute(text(query))).scalar_one())


@pytest.fixture(params=["sqlite", "postgresql"])
def ground(request: pytest.FixtureRequest, tmp_path: Path, clean_environment: None) -> Iterator[Ground]:
    """Prepare a database, and a program that works on it."""
    loop = asyncio.new_event_loop()
    context = None
    if request.param == "sqlite":
        url = sqlite_database(tmp_path)
    else:
        context = postgresql_database(request.getfixturevalue("postgresql"))
        url = loop.run_until_complete(context.__aenter__())
    operator = Operator(url, tmp_path / "keys")
    loop.run_until_complete(operator.database.migrate())
    killable = Killable(url, tmp_path / "keys")
    try:
        yield Ground(loop, operator, killable, (f"n{number}" for number in itertools.count()))
    finally:
        killable.close()
        loop.run_until_complete(operator.database.close())
        if context is not None:
            loop.run_until_complete(context.__aexit__(None, None, None))
        loop.close()


def test_the_registry_is_as_the_model_says_wherever_it_is_broken_off(ground: Ground) -> None:
    """F29."""
    is_long = settings.default is not None and settings.default.max_examples > 100
    bounds = settings(
        max_examples=60 if is_long else 4,
        stateful_step_count=60 if is_long else 20,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    machine: Any = lambda: Registry(ground)  # noqa: E731 - called as a class is
    run_state_machine_as_test(machine, settings=bounds)
    assert ground.broken_off["killed"] > 3, "nothing was shown of what is broken off"
