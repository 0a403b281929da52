"""The gateway and the API behind it that tests share, and at the end of the run a table of the round trips."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping

import pytest

from tests.e2e.backends import Backend, running_backend
from tests.e2e.gateways import Gateway, started_gateway
from tests.e2e.round_trip.descriptions import IS_WHOLE
from tests.e2e.round_trip.explained import explanation
from tests.e2e.round_trip.runs import Judged, Run
from tests.tables import add_table

_RUNS = pytest.StashKey[list[Run]]()


@pytest.fixture(scope="module")
def gateway_settings() -> Mapping[str, str]:
    """Give the environment of the module's gateway; a module that wants another one overrides this."""
    return {}


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory, gateway_settings: Mapping[str, str]) -> Iterator[Gateway]:
    """Run one gateway for all tests of a module."""
    with started_gateway(tmp_path_factory.mktemp("gateway"), settings=gateway_settings) as started:
        yield started


@pytest.fixture(scope="module")
def module_backend() -> Iterator[Backend]:
    with running_backend() as running:
        yield running


@pytest.fixture
def backend(module_backend: Backend) -> Backend:
    """Give a recording API that has received nothing yet."""
    module_backend.reset()
    return module_backend


@pytest.fixture(scope="session")
def round_trips(pytestconfig: pytest.Config) -> list[Run]:
    return pytestconfig.stash.setdefault(_RUNS, [])


def pytest_sessionfinish(session: pytest.Session) -> None:
    runs = session.config.stash.get(_RUNS, [])
    if runs:
        add_table(session.config, "round trips", list(_table(runs, each_run=session.config.get_verbosity() > 0)))


def _table(runs: list[Run], *, each_run: bool) -> Iterator[str]:
    yield (
        f"{'description':24} {'version':8} {'calls':>6} {'judged':>6} {'faulted':>7} {'ours':>4} "
        f"{'in part':>7} {'broken':>6}  refused"
    )
    if IS_WHOLE or each_run:
        for run in runs:
            yield _row(run.served.name, run.served.version, [run])
    yield _row(f"{len(runs)} descriptions", "", runs)
    found = Counter(explanation(judged, fault) for run in runs for judged, fault in run.faults)
    for explained, count in found.most_common():
        whose, reason = (explained.whose, explained.reason) if explained else ("?", "not explained")
        yield f"{count:6} {whose:11} {reason}"
    for run in runs:
        for tool in run.unjudged:
            yield f"not judged: {run.served.name} {tool}"


def _row(name: str, version: str, runs: list[Run]) -> str:
    judged = [each for run in runs for each in run.judged]
    refused = sum((run.refused for run in runs), Counter[str]())
    return (
        f"{name:24} {version:8} {sum(run.calls for run in runs):6} {len(judged):6} "
        f"{sum(bool(each.verdict.faults) for each in judged):7} {sum(map(_is_ours, judged)):4} "
        f"{sum(run.unchecked for run in runs):7} "
        f"{sum(run.broken for run in runs):6}  {', '.join(f'{code} {count}' for code, count in refused.most_common())}"
    )


def _is_ours(judged: Judged) -> bool:
    """Tell whether a request has a fault that is ours, or that nobody explains."""
    found = [explanation(judged, fault) for fault in judged.verdict.faults]
    return any(each is None or each.whose == "ours" for each in found)
