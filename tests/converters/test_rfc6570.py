"""Our styles beside uritemplate, which implements RFC 6570, wherever OpenAPI means its expansions.

Where OAS 3.1.1 (appendix C) says that there is no equivalent, there is nothing to compare: spaceDelimited,
pipeDelimited, deepObject, headers and cookies. Where uritemplate differs, it is because of
- nested values: it writes Python's `str` of them; RFC 6570 has none, and we write JSON;
- numbers and booleans: it takes texts; we hand it the text of the JSON value;
- the order of an object's members: it sorts them, and we keep it, so objects are sorted here;
- an undefined value in a path: it writes an empty segment, and we refuse it (tests/converters/wire/safety.yaml);
- `allowReserved` in the query: reserved expansion would let `&`, `=`, `+`, `#` and brackets end the value, so we encode
  them, as OAS 3.1.1 section 4.8.12.3 asks.
"""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st
from uritemplate import URITemplate

from tests.converters.descriptions import parameter_tool, planned

TEXTS: Final = st.text(
    st.characters(codec="utf-8", exclude_categories=("Cc", "Cf", "Cs", "Zl", "Zp")), min_size=3, max_size=8
)
OBJECTS: Final = st.dictionaries(TEXTS, TEXTS, min_size=1, max_size=4).map(lambda value: dict(sorted(value.items())))
VALUES: Final = TEXTS | st.lists(TEXTS, min_size=1, max_size=4) | OBJECTS

EXPANSIONS: Final = [
    ("path", "simple", False, "{p}"),
    ("path", "simple", True, "{p*}"),
    ("path", "label", False, "{.p}"),
    ("path", "label", True, "{.p*}"),
    ("path", "matrix", False, "{;p}"),
    ("path", "matrix", True, "{;p*}"),
    ("query", "form", False, "{?p}"),
    ("query", "form", True, "{?p*}"),
]


@pytest.mark.parametrize(("location", "style", "explode", "template"), EXPANSIONS)
@given(value=VALUES)
def test_a_style_is_written_as_its_expansion(
    location: str, style: str, explode: bool, template: str, value: Any
) -> None:
    tool = parameter_tool({"name": "p", "in": location, "style": style, "explode": explode, "schema": {}})

    url = urlsplit(planned(tool, p=value).url)

    written = url.path.removeprefix("/v1/things/") if location == "path" else f"?{url.query}"
    assert written == URITemplate(template).expand(p=value)


@given(value=TEXTS.filter(lambda text: not set(text) & set("&=+#[]%")))
def test_reserved_expansion_is_that_of_the_rfc_but_for_what_would_end_the_value(value: str) -> None:
    tool = parameter_tool({"name": "p", "in": "query", "allowReserved": True, "schema": {}})

    assert urlsplit(planned(tool, p=value).url).query == "p=" + URITemplate("{+p}").expand(p=value)
