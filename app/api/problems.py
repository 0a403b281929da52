"""Errors -> RFC 9457 problems: one table from `code` to HTTP status and title."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from app.api.changes import change_members
from app.api.permissions import InsufficientScopeError
from app.errors import CausewayError, TooManyRequestsError
from app.security.guard import MAX_BODY, BodyTooLargeError
from app.services.declarations import DeclarationError
from app.services.publishing import BreakingChangeError, ServerFrozenError
from converters import ArgumentsError, ConverterError, DescriptionError
from converters.credentials import CredentialError
from converters.pointers import from_tokens

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fastapi import FastAPI, Request

MEDIA_TYPE: Final = "application/problem+json"

_PROBLEM: Final = {
    "type": "object",
    "required": ["type", "title", "status", "detail", "code"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "code": {"type": "string"},
        "pointer": {"type": "string"},
    },
}
"""A Problem Details object (RFC 9457 section 3) with our members."""

RESPONSES: Final[dict[int | str, dict[str, Any]]] = {
    status: {"description": description, "content": {MEDIA_TYPE: {"schema": _PROBLEM}}}
    for status, description in (("4XX", "Why the request is refused."), ("5XX", "Why it cannot be answered now."))
}
"""What every operation may also answer, for the control plane's own description."""

_STATUS: Final[Mapping[str, int]] = {
    "namespace_not_found": 404,
    "server_not_found": 404,
    "issuer_not_found": 404,
    "issuer_invalid": 422,
    "revision_not_found": 404,
    "tool_not_found": 404,
    "tool_unknown": 404,
    "tool_gone": 410,
    "credential_not_found": 404,
    "header_not_found": 404,
    "connection_not_found": 404,
    "security_scheme_not_found": 404,
    "key_not_found": 404,
    "key_invalid": 422,
    "setup_token_invalid": 403,
    "insufficient_scope": 403,
    "too_many_requests": 429,
    "credential_unbound": 422,
    "secret_source_invalid": 422,
    "namespace_exists": 409,
    "quota_exceeded": 403,
    "server_exists": 409,
    "idempotency_key_reused": 409,
    "idempotency_in_progress": 409,
    "idempotency_answer_not_kept": 409,
    "breaking_change": 409,
    "server_frozen": 409,
    "source_missing": 409,
    "declaration_invalid": 422,
    "invalid_cursor": 400,
    "server_invalid": 422,
    "tool_invalid": 422,
    "server_unknown": 422,
    "registry_unavailable": 503,
    "metrics_unavailable": 503,
    "namespace_keys_unavailable": 503,
    "spec_not_text": 415,
    "spec_too_large": 413,
    "spec_missing": 422,
    "egress_denied": 422,
    "redirect_denied": 422,
    "response_too_large": 413,
    "upstream_timeout": 504,
    "upstream_unreachable": 502,
    "upstream_reset": 502,
    "upstream_protocol": 502,
    "unauthorized": 401,
    "body_too_large": 413,
    "internal": 500,
}
"""HTTP status per error code; a description's own codes (`spec_*`, `ref_*`) are 422 unless listed."""


def problem(code: str, detail: str, *, status: int | None = None, **members: Any) -> JSONResponse:
    """Build a problem answer (RFC 9457 section 3) with our `code` and further members."""
    chosen = status or _STATUS.get(code, 422 if code.startswith(("spec_", "ref_", "arg")) else 400)
    content = {
        "type": f"urn:causeway:problem:{code}",
        "title": HTTPStatus(chosen).phrase,
        "status": chosen,
        "detail": detail,
        "code": code,
        **{name: value for name, value in members.items() if value not in (None, "")},
    }
    return JSONResponse(content, status_code=chosen, media_type=MEDIA_TYPE)


def install(api: FastAPI) -> None:
    """Have every error of `api` answered as a problem."""
    api.add_exception_handler(InsufficientScopeError, _insufficient_scope)
    api.add_exception_handler(TooManyRequestsError, _too_many_requests)
    api.add_exception_handler(CausewayError, _service_error)
    api.add_exception_handler(ConverterError, _converter_error)
    api.add_exception_handler(RequestValidationError, _invalid_request)
    api.add_exception_handler(HTTPException, _http_error)
    api.add_exception_handler(BodyTooLargeError, _body_too_large)
    api.add_exception_handler(Exception, _unexpected)


async def _insufficient_scope(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, InsufficientScopeError)  # noqa: S101 - registered for this class
    answer = problem(error.code, error.message)
    answer.headers["www-authenticate"] = error.challenge
    return answer


async def _too_many_requests(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, TooManyRequestsError)  # noqa: S101 - registered for this class
    answer = problem(error.code, error.message)
    answer.headers["retry-after"] = str(error.retry_after)
    return answer


async def _service_error(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, CausewayError)  # noqa: S101 - registered for this class
    if isinstance(error, DeclarationError):
        return problem(error.code, error.message, pointer=error.pointer)
    members = change_members(error.change) if isinstance(error, (BreakingChangeError, ServerFrozenError)) else {}
    return problem(error.code, error.message, **members)


async def _converter_error(_: Request, error: Exception) -> JSONResponse:
    if isinstance(error, DescriptionError):
        return problem(error.code, error.message, pointer=error.pointer, line=error.line, remedy=error.remedy)
    if isinstance(error, ArgumentsError):
        problems = [{"code": each.code, "pointer": each.pointer, "detail": each.sentence()} for each in error.problems]
        return problem(
            "arguments_invalid", error.message, status=422, pointer=error.problems[0].pointer, errors=problems
        )
    if isinstance(error, CredentialError):
        return problem("credential_invalid", error.message, status=422, pointer=error.pointer)
    return problem("server_unknown", str(error))


async def _invalid_request(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)  # noqa: S101 - registered for this class
    errors = [
        # What is not JSON has no place in it: there the location is an offset.
        {"pointer": "" if each["type"] == "json_invalid" else from_tokens(each["loc"][1:]), "detail": each["msg"]}
        for each in error.errors()
    ]
    first = errors[0] if errors else {"pointer": "", "detail": "The request is not valid."}
    detail = f"{first['pointer'] or 'The body'}: {first['detail']}."
    return problem("request_invalid", detail, status=422, pointer=first["pointer"], errors=errors)


async def _http_error(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)  # noqa: S101 - registered for this class
    codes = {404: "not_found", 405: "method_not_allowed", 415: "unsupported_media_type"}
    answer = problem(codes.get(error.status_code, "request_invalid"), str(error.detail), status=error.status_code)
    answer.headers.update(error.headers or {})
    return answer


async def _body_too_large(_: Request, __: Exception) -> JSONResponse:
    return problem("body_too_large", f"The body is larger than {MAX_BODY:,} bytes.")


async def _unexpected(_: Request, __: Exception) -> JSONResponse:
    """Answer a defect of ours; the server logs the traceback, the client sees none of it."""
    return problem("internal", "The gateway met an error of its own; the operator's log has the details.")
