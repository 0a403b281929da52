"""A19, K10: one permission table, enforced before every route, and nothing of another tenant is there."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest
from fastapi import Depends, FastAPI
from fastapi.routing import APIRoute
from sqlalchemy import MetaData, select

from app.api import problems
from app.api.permissions import permitted
from app.registry.tables import ApiKeyRow, Base
from app.security.callers import ADMIN, SCOPES, Caller
from app.security.permissions import OPEN, RULES, rule_of
from tests.app.api.test_servers import problem
from tests.app.asgi import answer
from tests.app.descriptions import PETS
from tests.app.gateways import Gateway
from tests.app.tenants import KEYS, NAMESPACES, caller, make_key

DOCS = Path(__file__).parents[3] / "docs" / "permissions.md"
# Read before a fixture hides it.
REGENERATE = "CAUSEWAY_REGENERATE" in os.environ
ROLES = {
    "call": Caller("key:1", SCOPES["call"], frozenset({"team-a"})),
    "import": Caller("key:2", SCOPES["import"], frozenset({"team-a"})),
    "admin": Caller("key:3", SCOPES["admin"], frozenset({"team-a"})),
    "admin, every namespace": ADMIN,
}
"""What a key is: its scope, for one namespace unless told otherwise."""


@dataclass(frozen=True, slots=True)
class Route:
    """One operation of the control plane."""

    method: str
    path: str
    operation: str
    summary: str


def routes_of(found: Iterable[Any]) -> Iterator[Route]:
    for each in found:
        if hasattr(each, "original_router"):
            yield from routes_of(each.original_router.routes)
        elif isinstance(each, APIRoute):
            for method in sorted(each.methods or ()):
                yield Route(method, each.path, each.operation_id or "", each.summary or "")


@pytest.fixture
async def routes(kept: Gateway) -> list[Route]:
    return list(routes_of(kept.application._api.routes))  # noqa: SLF001 - nobody else shows its routes


# --- the table


async def test_every_route_has_a_rule_and_every_rule_a_route(routes: list[Route]) -> None:
    assert {each.operation for each in routes} == RULES.keys() | OPEN
    assert {"healthz", "readyz", "protected_resource", "set_up"} == OPEN


def test_what_is_not_in_the_table_is_for_nobody() -> None:
    assert not rule_of("not_listed").permits(ADMIN)
    assert not rule_of("").permits(ADMIN)
    assert not any(rule.permits(Caller("nothing")) for rule in RULES.values())


async def test_a_route_that_somebody_forgot_to_list_is_denied_to_everybody() -> None:
    api = FastAPI(dependencies=[Depends(permitted)])
    problems.install(api)

    @api.get("/forgotten", operation_id="forgotten")
    async def forgotten() -> str:
        return "secret"

    for who in (ADMIN, *ROLES.values()):
        given = await answer(api, method="GET", path="/forgotten", caller=who)
        assert (given.status, given.json()["code"]) == (403, "insufficient_scope")


async def test_the_documentation_is_the_table(routes: list[Route]) -> None:
    lines = [
        "# Permissions",
        "",
        "What a key may do with the control plane, printed from the one table that is enforced. A key reaches the",
        "namespace, servers and tools that it was made for; everything else is 404, whether it is there or not. What",
        "is there and not permitted is 403 `insufficient_scope`. Without a valid key every route is 401 but",
        "`/healthz`, `/readyz` and `/api/v1/setup`, which takes the set-up token. MCP servers (`/mcp/...`) need the",
        "scope `call`.",
        "",
        f"| operation | route | {' | '.join(ROLES)} |",
        f"|---|---|{'---|' * len(ROLES)}",
    ]
    for each in sorted((each for each in routes if each.operation in RULES), key=lambda each: (each.path, each.method)):
        marks = ["yes" if RULES[each.operation].permits(who) else "-" for who in ROLES.values()]
        lines.append(f"| {each.summary} | `{each.method} {each.path}` | {' | '.join(marks)} |")
    written = "\n".join(lines) + "\n"
    if REGENERATE:
        DOCS.write_text(written, encoding="utf-8")
    assert DOCS.read_text(encoding="utf-8") == written


# --- every role at every route


async def test_every_role_meets_at_every_route_what_the_table_says(served: Gateway, routes: list[Route]) -> None:
    """A19."""
    await served.http.post(NAMESPACES, json={"name": "team-a"})
    for role, who in ROLES.items():
        namespace = "*" if "*" in who.namespaces else "team-a"
        async with caller(served, role.partition(",")[0], namespace=namespace) as http:
            for each in routes:
                # Nothing of these names is there, so that what is permitted changes nothing.
                path = each.path.replace("{namespace}", "absent" if namespace == "*" else "team-a")
                given = await http.request(each.method, re.sub(r"\{[^}]*\}", "1", path), json={})
                is_denied = each.operation in RULES and not RULES[each.operation].permits(who)
                assert (given.status_code == 403) == is_denied, (role, each, given.text)
                assert given.status_code not in {401, 500}, (role, each)
                if is_denied:
                    assert given.json()["code"] == "insufficient_scope"
                    assert 'error="insufficient_scope"' in given.headers["www-authenticate"]


# --- other tenants


@pytest.fixture
async def tenants(served: Gateway) -> Gateway:
    """Give a gateway with two namespaces that hold the same, credentials and keys included."""
    for name in ("team-a", "team-b"):
        await served.http.post(NAMESPACES, json={"name": name})
        for server in ("pets", "other"):
            made = await served.http.post(f"{NAMESPACES}/{name}/servers", json={"name": server, "document": PETS})
            assert made.status_code == 201, made.text
        await make_key(served, "call", namespace=name)
    return served


async def stored(gateway: Gateway) -> dict[str, list[Any]]:
    """Give everything that is in the registry, but for when keys were used."""
    metadata: MetaData = Base.metadata
    async with gateway.application.database.transaction(read_only=True) as registry:
        session = registry.servers._session  # noqa: SLF001 - every table at once is nobody else's wish
        tables = metadata.sorted_tables
        found = {table.name: [tuple(row) for row in await session.execute(select(table))] for table in tables}
    assert ApiKeyRow.__tablename__ in found
    return found


BODIES: dict[str, Any] = {
    "create_server": {"name": "new", "document": PETS},
    "replace_document": {"document": PETS},
    "update_server": {"enabled": False, "base_url": "https://evil.example"},
    "update_tool": {"enabled": False},
    "put_credential": {"value": "stolen"},
    "put_header": {"value": "stolen"},
    "put_issuer": {"issuer": "https://evil.example"},
    "call_tool": {"arguments": {"petId": 1}},
    "preview_tool": {"arguments": {"petId": 1}},
}


async def refused(http: httpx2.AsyncClient, each: Route, names: dict[str, str]) -> httpx2.Response:
    path = re.sub(r"\{(\w+)\}", lambda found: names.get(found[1], "1"), each.path)
    return await http.request(each.method, path, json=BODIES.get(each.operation, {}))


SWEEPS = [
    ("admin", {"namespace": "team-a"}, {"namespace": "team-b"}, {"namespace": "team-c"}),
    ("admin", {"namespace": "team-a", "servers": ["pets"]}, {"server": "other"}, {"server": "absent"}),
    ("call", {"namespace": "team-a", "tools": ["list_pets"]}, {"tool": "get_pet"}, {"tool": "absent"}),
]


@pytest.mark.parametrize(("scope", "key", "foreign", "absent"), SWEEPS, ids=["namespace", "server", "tool"])
async def test_what_a_key_does_not_reach_is_not_there_by_any_route(
    tenants: Gateway,
    routes: list[Route],
    scope: str,
    key: dict[str, Any],
    foreign: dict[str, str],
    absent: dict[str, str],
) -> None:
    """K10: every operation, whatever it names of another tenant, is answered as for what is not there."""
    own = {"namespace": "team-a", "server": "pets", "tool": "get_pet", "revision": "1", "scheme": "key"}
    (part,) = foreign
    swept = [each for each in routes if f"{{{part}}}" in each.path and each.operation in RULES]
    assert len(swept) >= {"namespace": 18, "server": 15, "tool": 4}[part]
    async with caller(tenants, scope, **key) as http:
        before = await stored(tenants)
        for each in swept:
            given = await refused(http, each, {**own, **foreign})
            nothing = await refused(http, each, {**own, **absent})
            assert given.status_code == 404, (each, given.text)
            assert given.text.replace(foreign[part], "NAME") == nothing.text.replace(absent[part], "NAME"), each
        assert await stored(tenants) == before


IN_BODIES: dict[str, Callable[[str], tuple[str, str, dict[str, Any]]]] = {
    "a key for it": lambda name: ("POST", KEYS, {"json": {"scopes": ["call"], "namespace": name}}),
    "a declaration of it": lambda name: (
        "PUT",
        f"{NAMESPACES}/team-a/servers/pets/declaration",
        {
            "files": {
                "declaration": (
                    None,
                    json.dumps({"namespace": name, "name": "pets", "source": {"file": "a.json"}}),
                ),
                "document": ("a.json", json.dumps(PETS)),
            }
        },
    ),
}


@pytest.mark.parametrize("what", IN_BODIES)
async def test_another_tenant_that_a_body_names_is_not_there(tenants: Gateway, what: str) -> None:
    """K10: a name in a body leads no further than one in a path, and tells as little."""
    async with caller(tenants, "admin", namespace="team-a") as http:
        before = await stored(tenants)
        answers = []
        for name in ("team-b", "team-c"):
            method, path, body = IN_BODIES[what](name)
            given = await http.request(method, path, **body)
            assert given.status_code in {404, 422}, given.text
            answers.append((given.status_code, given.text.replace(name, "NAME")))
        assert answers[0] == answers[1]
        assert await stored(tenants) == before


async def test_what_a_key_does_not_reach_is_in_no_list(tenants: Gateway) -> None:
    """K10, A04."""
    reach = {"namespace": "team-a", "servers": ["pets"]}
    async with caller(tenants, "admin", **reach) as admin:
        assert {each["namespace"] for each in (await admin.get(KEYS)).json()["items"]} == {"team-a"}
    async with caller(tenants, "call", **reach, tools=["list_pets"]) as http:
        assert [each["name"] for each in (await http.get(NAMESPACES)).json()["items"]] == ["team-a"]
        servers = (await http.get(f"{NAMESPACES}/team-a/servers")).json()
        assert ([each["name"] for each in servers["items"]], servers["next_cursor"]) == (["pets"], None)
        tools = (await http.get(f"{NAMESPACES}/team-a/servers/pets/tools")).json()["items"]
        assert [each["name"] for each in tools] == ["list_pets"]


async def test_a_key_for_some_servers_creates_no_other(tenants: Gateway) -> None:
    async with caller(tenants, "import", namespace="team-a", servers=["pets", "new"]) as http:
        for body in ({"name": "mine", "document": PETS}, {"document": PETS}):
            answered = await http.post(f"{NAMESPACES}/team-a/servers", json=body)
            assert problem(answered) == (403, "insufficient_scope")
        made = await http.post(f"{NAMESPACES}/team-a/servers", json={"name": "new", "document": PETS})
        assert made.status_code == 201


async def test_a_key_that_reads_does_not_import(tenants: Gateway) -> None:
    """A04."""
    async with caller(tenants, "call", namespace="team-a") as http:
        assert (await http.get(f"{NAMESPACES}/team-a/servers/pets")).status_code == 200
        made = await http.post(f"{NAMESPACES}/team-a/servers", json={"name": "new", "document": PETS})
        assert problem(made) == (403, "insufficient_scope")
