from __future__ import annotations

from converters.readiness import assess, overall
from tests.converters.descriptions import OK, compiled, description

GOOD = {"summary": "Lists pets.", "parameters": [{"name": "q", "in": "query", "description": "A word.", "schema": {}}]}
POOR = {"deprecated": True, "parameters": [{"name": "q", "in": "query", "schema": {"type": "string"}}]}


def test_a_tool_that_explains_itself_scores_full_and_one_that_does_not_says_why() -> None:
    paths = {"/good": {"get": {**GOOD, "responses": OK}}, "/poor": {"get": {**POOR, "responses": OK}}}
    compilation = compiled(description(paths))
    good, poor = assess(compilation.tools, compilation.diagnostics)
    assert (good.score, good.findings) == (100, ())
    assert poor.score < good.score
    assert poor.findings == ("1 arguments without a description", "deprecated")
    assert overall((good, poor)) == round((good.score + poor.score) / 2)


def test_no_tools_score_nothing() -> None:
    assert overall(()) == 0
