from __future__ import annotations

from converters.diagnostics import DiagnosticLog
from converters.oas import SecurityRequirement
from converters.references import Description
from converters.security import declared_schemes, read_requirements


def test_alternatives_are_read_in_order_and_schemes_of_one_go_together() -> None:
    declared = [{"key": [], "oauth": ["read", "write"]}, {}]

    assert read_requirements(declared, "/security", {"key": {}, "oauth": {}}, DiagnosticLog()) == (
        SecurityRequirement((("key", ()), ("oauth", ("read", "write")))),
        SecurityRequirement(()),
    )


def test_declared_schemes_are_resolved_and_broken_ones_left_out() -> None:
    root = {
        "components": {
            "securitySchemes": {"a": {"$ref": "#/x/a"}, "b": {"type": "http"}, "c": {"$ref": "#/nowhere"}, "d": 5}
        },
        "x": {"a": {"type": "apiKey"}},
    }

    assert declared_schemes(Description(root, root)) == {"a": {"type": "apiKey"}, "b": {"type": "http"}}


def test_a_description_without_components_has_no_schemes() -> None:
    assert declared_schemes(Description({}, {})) == {}
    assert declared_schemes(Description({}, {"components": []})) == {}
