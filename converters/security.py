"""Security requirements and schemes, as written.

Which alternatives (OR of AND) an operation accepts (OAS 3.1 section 4.8.30), and what each scheme that they name is
(section 4.8.27).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import starmap
from typing import TYPE_CHECKING, Any, Final

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


_TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
"""What names a header field, a cookie or an authentication scheme (RFC 9110 section 5.6.2)."""

_LOCATIONS: Final = frozenset({"query", "header", "cookie"})
_TYPES: Final = frozenset({"apiKey", "http", "mutualTLS", "oauth2", "openIdConnect"})
# Fields that frame the message or belong to the connection (RFC 9110 section 7.6.1, RFC 9112 section 6): a key in one
# of them would not authenticate the request but break it.
_FRAMING: Final = frozenset(
    {
        *("connection", "content-length", "expect", "host", "keep-alive", "proxy-authorization", "proxy-connection"),
        *("te", "trailer", "transfer-encoding", "upgrade"),
    }
)


@dataclass(frozen=True, slots=True)
class OAuthFlow:
    """OAuth Flow Object (OAS 3.2 section 4.29) by its name; URLs as the document spells them, "" where it does not."""

    name: str
    token_url: str = ""
    refresh_url: str = ""
    authorization_url: str = ""
    device_authorization_url: str = ""


@dataclass(frozen=True, slots=True)
class SecurityScheme:
    """Security Scheme Object (OAS 3.1 section 4.8.27), Swagger 2.0's in the same form.

    An `apiKey` has `location` (query, header or cookie) and `parameter`, the name it has there; an `http` scheme has
    `http_scheme`, a name of the IANA registry as the document spells it. An `oauth2` scheme has `flows`, and
    `metadata_url` (OAS 3.2) where the authorization server's metadata are (RFC 8414); `openIdConnect` has
    `discovery_url`; both as the document spells them, "" where it does not. `fault` says why the scheme cannot be used,
    or is "". `pointer` is where the document declares it.
    """

    name: str
    type: str
    pointer: str
    location: str = ""
    parameter: str = ""
    http_scheme: str = ""
    flows: tuple[OAuthFlow, ...] = ()
    discovery_url: str = ""
    metadata_url: str = ""
    fault: str = ""

    def flow(self, name: str) -> OAuthFlow | None:
        """Give a flow by its name (OAuth Flows Object, OAS 3.2 section 4.28), or None where it is not declared."""
        return next((each for each in self.flows if each.name == name), None)

    @property
    def http_name(self) -> str:
        """The name of the HTTP authentication scheme in lower case; names are compared so (RFC 9110 section 11.1)."""
        return self.http_scheme.lower()

    @property
    def summary(self) -> str:
        """Say in a few words what the scheme is: `apiKey in header X-Key`, `http basic`, `oauth2`."""
        if self.type == "apiKey":
            return f"apiKey in {self.location} {self.parameter}"
        return f"http {self.http_scheme}" if self.type == "http" else self.type


def read_schemes(declared: Mapping[str, Any], version: str) -> dict[str, SecurityScheme]:
    """Read Security Scheme Objects by name, as `declared_schemes` gives them; `version` is the description's."""
    place = "/securityDefinitions" if version.startswith("2") else "/components/securitySchemes"
    return {
        name: _scheme(name, value, pointers.join(place, name))
        for name, value in declared.items()
        if isinstance(value, dict)
    }


def _scheme(name: str, value: Mapping[str, Any], pointer: str) -> SecurityScheme:
    kind = str(value.get("type", ""))
    if kind == "apiKey":
        location, parameter = str(value.get("in", "")), str(value.get("name", ""))
        fault = _api_key_fault(location, parameter)
        return SecurityScheme(name, kind, pointer, location=location, parameter=parameter, fault=fault)
    if kind == "http":
        scheme = str(value.get("scheme", ""))
        fault = "" if _TOKEN.fullmatch(scheme) else "its `scheme` is not the name of an HTTP authentication scheme"
        return SecurityScheme(name, kind, pointer, http_scheme=scheme, fault=fault)
    if kind == "oauth2":
        flows = value.get("flows")
        flows = flows if isinstance(flows, dict) else {}
        metadata = str(value.get("oauth2MetadataUrl", ""))
        return SecurityScheme(name, kind, pointer, flows=tuple(starmap(_flow, flows.items())), metadata_url=metadata)
    if kind == "openIdConnect":
        return SecurityScheme(name, kind, pointer, discovery_url=str(value.get("openIdConnectUrl", "")))
    return SecurityScheme(name, kind, pointer, fault="" if kind in _TYPES else "its `type` is not one of OpenAPI's")


def _flow(name: Any, flow: Any) -> OAuthFlow:
    members = flow if isinstance(flow, dict) else {}
    urls = ("tokenUrl", "refreshUrl", "authorizationUrl", "deviceAuthorizationUrl")
    return OAuthFlow(str(name), *(str(members.get(each, "")) for each in urls))


def _api_key_fault(location: str, parameter: str) -> str:
    if location not in _LOCATIONS:
        return "its `in` is not query, header or cookie"
    if not parameter or (location != "query" and not _TOKEN.fullmatch(parameter)):
        return f"its `name` cannot be the name of a {location} parameter"
    if location == "header" and parameter.lower() in _FRAMING:
        return f"the header field {parameter} belongs to the connection"
    return ""
