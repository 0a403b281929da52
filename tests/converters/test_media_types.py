from __future__ import annotations

import pytest

from converters import media_types
from converters.oas import MediaType


@pytest.mark.parametrize(
    ("name", "essence"),
    [
        ("application/json", "application/json"),
        ("Application/JSON; charset=utf-8", "application/json"),
        (" text/plain ;x=y", "text/plain"),
        ("", ""),
    ],
)
def test_the_essence_is_type_and_subtype_in_lower_case(name: str, essence: str) -> None:
    assert media_types.essence(name) == essence


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("application/json", "json"),
        ("application/json; charset=utf-8", "json"),
        ("application/vnd.api+json", "json"),
        ("application/merge-patch+json", "json"),
        ("application/problem+JSON", "json"),
        ("text/json", "json"),
        ("*/*", "json"),
        ("application/*", "json"),
        ("application/x-www-form-urlencoded", "form"),
        ("multipart/form-data", "multipart"),
        ("multipart/mixed", "multipart"),
        ("text/plain", "text"),
        ("text/csv", "text"),
        ("text/*", "text"),
        ("application/xml", "xml"),
        ("application/atom+xml", "xml"),
        ("application/yaml", "text"),
        ("application/octet-stream", "binary"),
        ("image/png", "binary"),
        ("image/*", "binary"),
        ("application/pdf", "binary"),
        ("application/jsonp", "binary"),
    ],
)
def test_a_media_type_says_how_a_body_is_made(name: str, kind: str) -> None:
    assert media_types.body_kind(name) == kind


@pytest.mark.parametrize(
    ("offered", "chosen"),
    [
        (["application/xml", "application/json"], "application/json"),
        (["application/vnd.api+json", "application/json"], "application/json"),
        (["application/merge-patch+json", "application/json-patch+json"], "application/merge-patch+json"),
        (["multipart/form-data", "application/x-www-form-urlencoded"], "application/x-www-form-urlencoded"),
        (["text/plain", "multipart/form-data"], "multipart/form-data"),
        (["text/plain", "application/octet-stream"], "application/octet-stream"),
        (["text/csv", "text/plain"], "text/csv"),
        (["application/xml", "*/*"], "*/*"),
    ],
)
def test_json_comes_first_and_document_order_decides_ties(offered: list[str], chosen: str) -> None:
    content = tuple(MediaType(name, None, "") for name in offered)

    assert media_types.preferred(content).name == chosen


@pytest.mark.parametrize(
    ("name", "sent"),
    [("*/*", "application/json"), ("application/*", "application/json"), ("text/plain", "text/plain")],
)
def test_a_range_is_sent_as_what_it_is_used_as(name: str, sent: str) -> None:
    assert media_types.concrete(name) == sent
