"""Security requirements: which alternatives (OR of AND) an operation accepts (OAS 3.1 section 4.8.30)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from converters import pointers
from converters.oas import SecurityRequirement

if TYPE_CHECKING:
    from collections.abc import Mapping

    from converters.diagnostics import DiagnosticLog
    from converters.references import Description


def read_requirements(
    declared: Any, pointer: str, schemes: Mapping[str, Any], log: DiagnosticLog
) -> tuple[SecurityRequirement, ...]:
    """Read a `security` list; an alternative that names an undeclared scheme stays, so that it never grants."""
    if not isinstance(declared, list):
        log.report("security_invalid", pointer, "`security` is not a list.")
        return ()
    alternatives: list[SecurityRequirement] = []
    for index, entry in enumerate(declared):
        at = pointers.join(pointer, index)
        if not isinstance(entry, dict):
            log.report("security_invalid", at, "The security requirement is not an object.")
            continue
        for name in entry:
            if name not in schemes:
                log.report("security_scheme_missing", at, f"The security scheme {name!r} is not declared.")
        alternatives.append(SecurityRequirement(tuple((name, _scopes(scopes)) for name, scopes in entry.items())))
    return tuple(alternatives)


def _scopes(scopes: Any) -> tuple[str, ...]:
    return tuple(str(scope) for scope in scopes) if isinstance(scopes, list) else ()


def declared_schemes(description: Description) -> dict[str, Any]:
    """Give the declared Security Scheme Objects by name, references resolved, broken ones left out."""
    components = description.root.get("components")
    schemes = components.get("securitySchemes") if isinstance(components, dict) else None
    found: dict[str, Any] = {}
    for name, scheme in (schemes if isinstance(schemes, dict) else {}).items():
        value = description.try_resolve(scheme, pointers.join("/components/securitySchemes", name))
        if isinstance(value, dict):
            found[name] = value
    return found
