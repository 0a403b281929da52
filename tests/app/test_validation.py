from __future__ import annotations

from typing import Any

import pytest

from app.services.compile_worker import Job
from app.services.compiling import Compiler
from app.validation import ValidityProblem, problems
from tests.converters.descriptions import OK, description, swagger

VALID: dict[str, Any] = {"/a": {"get": {"responses": OK}}}


@pytest.mark.parametrize("document", [description(VALID), description(VALID, "3.0.3"), swagger(VALID)])
def test_a_valid_description_has_no_problems(document: dict[str, Any]) -> None:
    assert problems(document) == ()


def test_every_problem_is_listed_with_its_place() -> None:
    broken = description(
        {"/a": {"get": {"responses": OK, "tags": 7}, "post": {"responses": OK, "summary": []}}}, "3.0.3"
    )
    assert problems(broken) == (
        ValidityProblem("/paths/~1a/get/tags", '7 is not of type "array"'),
        ValidityProblem("/paths/~1a/post/summary", '[] is not of type "string"'),
    )


def test_a_reference_to_another_host_is_neither_followed_nor_a_problem() -> None:
    schema = {"$ref": "http://127.0.0.1:1/schema.json"}
    responses = {"200": {"description": "ok", "content": {"application/json": {"schema": schema}}}}
    assert problems(description({"/a": {"get": {"responses": responses}}})) == ()


async def test_the_compile_process_validates_and_has_no_network() -> None:
    assert await Compiler().validate(b'{"openapi": "3.0.3", "info": {"title": "x", "version": "1"}, "paths": {}}') == []
    assert await Compiler().validate(b'{"openapi": "3.0.3", "info": {"title": "x"}, "paths": {}}') != []
    compilation = await Compiler().compile(Job(b'{"openapi": "3.1.0", "info": {"title": "x", "version": "1"}}'))
    assert compilation["counts"] == {"operations": 0, "tools": 0, "skipped": 0}
