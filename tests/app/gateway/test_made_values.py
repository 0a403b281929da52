"""L03: what is made of definitions is bounded over the process, and made again where it is needed."""

from __future__ import annotations

import gc
from typing import Any

import pytest

from app.gateway.made_values import MadeValues
from app.gateway.snapshots import NEWEST_HANDSHAKE, ServerSnapshot
from app.security.callers import Caller
from converters import ArgumentsError
from tests.app.descriptions import snapshot as example


def size_of_one() -> int:
    everything = MadeValues(1_000_000_000)
    used = served("a", everything)
    use(used)
    return everything.total


def served(name: str, made_values: MadeValues) -> ServerSnapshot:
    stored: list[dict[str, Any]] = [tool.stored() for tool in example().tools.values()]
    definitions = [{**each, "name": f"{each['name']}_{number}"} for number in range(20) for each in stored]
    return ServerSnapshot(
        namespace="default", name=name, title=name, revision=1, definitions=definitions, made_values=made_values
    )


def use(snapshot: ServerSnapshot) -> bytes:
    for tool in snapshot.tools.values():
        assert tool.checker is tool.checker
    return snapshot.tool_list(NEWEST_HANDSHAKE)


def test_many_servers_with_every_tool_called_and_listed_stay_within_the_bound() -> None:
    """L03: a server that nobody uses any more takes what it took before it was used."""
    most = 3 * size_of_one()
    made_values = MadeValues(most)
    servers = [served(f"s{number}", made_values) for number in range(10)]
    lists = [use(each) for each in servers]
    assert most // 2 < made_values.total <= most
    assert [use(each) for each in servers] == lists
    assert made_values.total <= most


def test_what_was_used_last_is_kept() -> None:
    made_values = MadeValues(2 * size_of_one())
    kept, idle, *_ = served("first", made_values).tools.values()
    before = kept.checker, idle.checker
    others = [served(f"s{number}", made_values) for number in range(5)]
    for each in others:
        use(each)
        assert kept.checker is before[0]
    assert idle.checker is not before[1]


def test_a_validator_that_was_dropped_is_made_again_and_refuses_the_same() -> None:
    made_values = MadeValues(1)
    one, other = served("one", made_values), served("other", made_values)
    use(one)
    use(other)
    tool = one.tools["get_pet_0"]
    with pytest.raises(ArgumentsError) as refused:
        tool.checker.check({"petId": "no number"})
    assert refused.value.problems[0].pointer == "/petId"


def test_servers_that_are_gone_are_not_counted() -> None:
    made_values = MadeValues(1_000_000_000)
    servers = [served("a", made_values)]
    use(servers[0])
    use(servers[0].seen_by(Caller("key:1", tools=frozenset({"get_pet_0"}))))
    servers.clear()
    gc.collect()
    assert made_values.total == 0
