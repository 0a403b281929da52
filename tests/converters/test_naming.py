from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from converters import naming
from converters.oas import Operation

LEGAL = re.compile(r"[A-Za-z0-9_-]{1,64}")
OPERATIONS = st.builds(
    lambda method, path, operation_id: Operation(method, f"/{path}", "", operation_id),
    st.sampled_from(["get", "post", "delete"]),
    st.text("ab/{}-_.é😀 ", max_size=30),
    st.text("abAB-_.é😀/ ", max_size=80),
)


def operation(
    operation_id: str = "", *, method: str = "get", path: str = "/pets/{petId}", **extension: Any
) -> Operation:
    return Operation(method, path, "", operation_id, extension=extension)


@pytest.mark.parametrize(
    ("operation_id", "name"),
    [
        ("listPets", "listPets"),
        ("pets/list", "pets_list"),
        ("pets.list-all", "pets_list-all"),
        ("  spaced out  ", "spaced_out"),
        ("users::create", "users_create"),
        ("_private_", "private"),
        ("getPet😀", "getPet"),
        ("1", "1"),
    ],
)
def test_an_operation_id_is_cleaned(operation_id: str, name: str) -> None:
    assert naming.preferred_name(operation(operation_id)) == name


@pytest.mark.parametrize(
    ("method", "path", "name"),
    [
        ("get", "/pets", "get_pets"),
        ("get", "/pets/{petId}", "get_pets_by_petId"),
        ("post", "/pets/{pet-id}/photos", "post_pets_by_pet-id_photos"),
        ("get", "/", "get"),
        ("get", "/v1/{+name}:watch", "get_v1_by_name_watch"),
        ("get", "/files/{path*}", "get_files_by_path"),
        ("PURGE", "/cache", "purge_cache"),
    ],
)
def test_without_an_operation_id_method_and_path_are_the_name(method: str, path: str, name: str) -> None:
    assert naming.preferred_name(operation(method=method, path=path)) == name


def test_the_name_of_the_x_mcp_extension_wins() -> None:
    assert naming.preferred_name(operation("listPets", name="pets")) == "pets"


@pytest.mark.parametrize("operation_id", ["größe", "取得", "Ünïcödé_name"])
def test_names_that_lose_letters_are_told_apart_by_a_hash(operation_id: str) -> None:
    name = naming.preferred_name(operation(operation_id))

    assert LEGAL.fullmatch(name)
    assert re.search(r"_[0-9a-f]{8}$", name)


def test_names_that_lose_different_letters_differ() -> None:
    assert naming.preferred_name(operation("größe")) != naming.preferred_name(operation("grüße"))


@given(operations=st.lists(OPERATIONS, max_size=8, unique_by=lambda each: each.key), budget=st.integers(24, 64))
def test_names_are_legal_unique_and_within_the_budget(operations: list[Operation], budget: int) -> None:
    names = naming.tool_names(operations, budget)

    assert all(LEGAL.fullmatch(name) and len(name) <= budget for name in names)
    assert len({name.lower() for name in names}) == len(names)


@given(operations=st.lists(OPERATIONS, max_size=6, unique_by=lambda each: each.key), data=st.data())
def test_names_do_not_depend_on_the_order_of_the_document(operations: list[Operation], data: st.DataObject) -> None:
    shuffled = data.draw(st.permutations(operations))

    named = dict(zip((each.key for each in operations), naming.tool_names(operations), strict=True))
    assert dict(zip((each.key for each in shuffled), naming.tool_names(shuffled), strict=True)) == named


def test_colliding_names_all_get_a_hash_of_their_own() -> None:
    twins = [operation("get_pet", path="/a"), operation("get/pet", path="/b"), operation("GET.PET", path="/c")]

    names = naming.tool_names(twins)

    assert len(set(names)) == 3
    assert all(re.fullmatch(r"(?i:get_pet)_[0-9a-f]{8}", name) for name in names)


def test_another_operation_does_not_rename_one_that_does_not_collide() -> None:
    alone = naming.tool_names([operation("list", path="/a")])
    among = naming.tool_names([operation("x", path="/0"), operation("list", path="/a"), operation("y", path="/z")])

    assert alone == among[1:2] == ("list",)


def test_a_long_name_is_shortened_with_a_hash_of_method_and_path() -> None:
    (name,) = naming.tool_names([operation("a" * 200)])
    (other,) = naming.tool_names([operation("a" * 200, path="/other")])

    assert (len(name), len(other)) == (64, 64)
    assert name[:55] == other[:55]
    assert name != other


@pytest.mark.parametrize(("server", "budget"), [("pets", 56), ("a" * 30, 30), ("a" * 50, 24), ("", 60)])
def test_tool_names_leave_room_for_the_server_name(server: str, budget: int) -> None:
    assert naming.budget_for(server) == budget


@pytest.mark.parametrize(
    ("title", "name"),
    [
        ("Swagger Petstore - OpenAPI 3.0", "swagger-petstore-openapi-3-0"),
        ("  Über API ", "ber-api"),
        ("x" * 60, "x" * 40),
    ],
)
def test_a_server_is_named_after_the_title(title: str, name: str) -> None:
    assert naming.server_name(title) == name


def test_a_title_without_latin_letters_gives_a_name_all_the_same() -> None:
    assert re.fullmatch(r"api-[0-9a-f]{8}", naming.server_name("天気"))


# --- arguments


@pytest.mark.parametrize(
    ("wanted", "names"),
    [
        ([("query", "limit"), ("header", "X-Request-ID")], ("limit", "X-Request-ID")),
        ([("path", "id"), ("query", "id")], ("path_id", "query_id")),
        (
            [("path", "id"), ("query", "id"), ("header", "id"), ("cookie", "id"), ("body", "id")],
            ("path_id", "query_id", "header_id", "cookie_id", "body_id"),
        ),
        ([("query", "filter[name]"), ("query", "$top"), ("query", "a.b")], ("filter_name", "top", "a.b")),
        ([("query", "_id"), ("query", "-x-")], ("_id", "-x-")),
    ],
)
def test_arguments_have_their_own_names_and_are_qualified_where_they_meet(
    wanted: list[tuple[str, str]], names: tuple[str, ...]
) -> None:
    assert naming.argument_names(wanted) == names


@pytest.mark.parametrize(
    "wanted",
    [
        [("query", "a[b]"), ("query", "a_b")],
        [("query", "a[b]"), ("query", "a b"), ("body", "a.b"), ("query", "a_b")],
        [("path", "id"), ("query", "id"), ("body", "path_id")],
        [("query", "größe"), ("query", "grüße")],
        [("query", "名"), ("query", "前")],
        [("query", "x" * 100), ("query", "x" * 101)],
        [("query", "x" * 63 + "é"), ("body", "x" * 64)],
        [("query", "[]"), ("query", "$")],
    ],
)
def test_no_argument_is_lost_where_cleaned_names_meet(wanted: list[tuple[str, str]]) -> None:
    names = naming.argument_names(wanted)

    assert len(set(names)) == len(wanted)
    assert all(re.fullmatch(r"[A-Za-z0-9_.-]{1,64}", name) for name in names)


@given(
    wanted=st.lists(
        st.tuples(st.sampled_from(["path", "query", "header", "cookie", "body"]), st.text("ab[]$. é", min_size=1)),
        unique=True,
    )
)
def test_argument_names_are_unique_and_legal_whatever_the_wire_names_are(wanted: list[tuple[str, str]]) -> None:
    names = naming.argument_names(wanted)

    assert len(set(names)) == len(wanted)
    assert all(re.fullmatch(r"[A-Za-z0-9_.-]{1,64}", name) for name in names)
