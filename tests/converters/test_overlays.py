from __future__ import annotations

import json
from typing import Any

import pytest

from converters import Compilation, DescriptionError, compile_description
from tests.converters.descriptions import OK, description, reported

DOCUMENT = description(
    {
        "/pets": {"get": {"operationId": "list", "tags": ["a"], "responses": OK}},
        "/internal": {"get": {"operationId": "internal", "responses": OK}},
    }
)


def overlaid(*actions: Any, version: str = "1.0.0", **more: Any) -> Compilation:
    overlay = {"overlay": version, "info": {"title": "o", "version": "1"}, "actions": list(actions), **more}
    return compile_description(json.dumps(DOCUMENT).encode(), overlays=[json.dumps(overlay).encode()])


def test_an_update_is_merged_into_what_the_target_selects() -> None:
    compilation = overlaid({"target": "$.paths['/pets'].get", "update": {"summary": "Lists.", "tags": ["b"]}})
    assert (compilation.tools[0].description, compilation.tools[0].tags) == ("Lists.", ("a", "b"))


def test_a_removed_operation_is_no_tool() -> None:
    compilation = overlaid({"target": "$.paths['/internal']", "remove": True})
    assert [tool.name for tool in compilation.tools] == ["list"]


def test_every_match_is_updated() -> None:
    compilation = overlaid({"target": "$.paths.*.get", "update": {"deprecated": True}})
    assert [tool.deprecated for tool in compilation.tools] == [True, True]


def test_matches_in_a_list_are_removed_without_missing_one() -> None:
    compilation = overlaid(
        {"target": "$.paths['/pets'].get.tags", "update": ["b", "c"]},
        {"target": "$.paths['/pets'].get.tags[?@ != 'b']", "remove": True},
    )
    assert compilation.tools[0].tags == ("b",)


def test_a_copy_merges_what_another_path_selects() -> None:
    action = {"target": "$.paths['/internal'].get", "copy": "$.paths['/pets'].get"}
    compilation = overlaid(action, version="1.1.0")
    assert compilation.tools[1].tags == ("a",)


def test_an_action_that_selects_nothing_is_a_diagnostic() -> None:
    assert ("overlay_action_unmatched", "") in reported(overlaid({"target": "$.nope", "remove": True}))


@pytest.mark.parametrize(
    ("overlay", "pointer"),
    [
        ({"overlay": "2.0", "actions": [{"target": "$"}]}, "/overlay"),
        ({"overlay": "1.0.0", "actions": []}, "/actions"),
        ({"overlay": "1.0.0", "actions": [{"update": {}}]}, "/actions/0"),
        ({"overlay": "1.0.0", "actions": [{"target": "$[[", "remove": True}]}, "/actions/0"),
        ({"overlay": "1.1.0", "actions": [{"target": "$.info", "copy": "$.paths.*"}]}, "/actions/0"),
    ],
)
def test_an_overlay_that_is_none_is_refused(overlay: Any, pointer: str) -> None:
    with pytest.raises(DescriptionError) as caught:
        compile_description(json.dumps(DOCUMENT).encode(), overlays=[json.dumps(overlay).encode()])
    assert (caught.value.code, caught.value.pointer) == ("overlay_invalid", pointer)


def test_an_overlay_is_part_of_the_digest() -> None:
    plain = compile_description(json.dumps(DOCUMENT).encode())
    assert overlaid({"target": "$.info", "update": {"x-a": 1}}).digest != plain.digest
