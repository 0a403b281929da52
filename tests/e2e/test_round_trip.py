"""Arguments made from published input schemas become requests that are valid by the description, and broken ones none.

A sample runs with all tests. `CAUSEWAY_ROUND_TRIP=whole ./test tests/e2e/test_round_trip.py` takes some fifty
descriptions of the corpus and some seven minutes, and prints what became of each: calls; requests judged; those that
the validator holds something against (`faulted`), and where the mistake is `ours`; those that it could check `in part`
only; calls with broken arguments; our refusals by code.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.e2e.gateways import Gateway
from tests.e2e.round_trip.descriptions import IS_WHOLE, SPECS, Described, chosen
from tests.e2e.round_trip.explained import EXPLAINED, explanation
from tests.e2e.round_trip.runs import Judged, Run, call_with_broken, call_with_fitting, serve
from tests.e2e.round_trip.validating_api import ValidatingApi, running_validating_api
from tests.node_tools import installed

REQUESTS = 90 if IS_WHOLE else 40
ENOUGH_DESCRIPTIONS, ENOUGH_REQUESTS = 40, 3_000


@pytest.fixture(scope="module")
def api(request: pytest.FixtureRequest) -> Iterator[ValidatingApi]:
    assert request.config.cache is not None
    with running_validating_api(installed(request.config.cache)) as running:
        yield running


@pytest.mark.parametrize("described", chosen(), ids=lambda described: described.name)
def test_what_fits_is_sent_as_described_and_what_does_not_is_not_sent(
    described: Described, gateway: Gateway, api: ValidatingApi, round_trips: list[Run]
) -> None:
    served = serve(described.name, described.file.read_bytes(), gateway, api)

    result = call_with_fitting(served, gateway, api, requests=REQUESTS)
    call_with_broken(result, gateway, api)

    round_trips.append(result)
    unexplained = [
        (judged.tool.operation_key, fault, judged.verdict.target, judged.verdict.body[:500], judged.arguments)
        for judged, fault in result.faults
        if explanation(judged, fault) is None
    ]
    assert unexplained == []
    assert result.judged
    assert result.broken


def test_a_wrong_request_is_held_against_us_and_not_explained_away(gateway: Gateway, api: ValidatingApi) -> None:
    document = SPECS / "published/petstore-3.0.yaml"
    served = serve("wrong-requests", document.read_bytes(), gateway, api)
    api.describe(served.description)
    tools = {tool.name: tool for tool in served.tools}
    wrong = [
        ("addPet", "/pet", b'{"name":7,"photoUrls":"a"}', {"body/name", "body/photoUrls"}),
        ("addPet", "/pet", b'{"name":"a"}', {"body"}),
        ("updatePetWithForm", "/pet/seven", b"", {"path/petid"}),
        ("updatePetWithForm", "/pets/7", b"", {""}),
    ]

    for name, target, body, locations in wrong:
        tool = tools[name]
        api.expect(tool.method, tool.path)
        api.http.post(f"{api.url}{target}", content=body, headers={"Content-Type": "application/json"})
        [verdict] = api.verdicts()
        assert {fault.location for fault in verdict.faults} == locations
        judged = Judged(served, tool, {}, verdict)
        assert [explanation(judged, fault) for fault in verdict.faults] == [None] * len(verdict.faults)


@pytest.mark.skipif(not IS_WHOLE, reason="of the whole run only: CAUSEWAY_ROUND_TRIP=whole")
def test_the_whole_run_is_large_and_needs_every_explanation(round_trips: list[Run]) -> None:
    assert len(round_trips) >= ENOUGH_DESCRIPTIONS
    assert sum(len(each.judged) for each in round_trips) >= ENOUGH_REQUESTS
    used = {explanation(judged, fault) for each in round_trips for judged, fault in each.faults}
    assert [each.reason for each in EXPLAINED if each not in used] == []
