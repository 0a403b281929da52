"""Reading an import request: multipart with a file, or JSON with a text, an object or a URL."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException

from app.api.schemas import NewServer
from app.registry.records import UNSET
from app.services.import_description import ImportOptions, Source
from converters import DescriptionError

if TYPE_CHECKING:
    from fastapi import Request

_MAX_PART: Final = 1024 * 1024
_MAX_FILES: Final = 4

REQUEST_BODY: Final[dict[str, Any]] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {"schema": NewServer.model_json_schema()},
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["document"],
                    "properties": {
                        "document": {
                            "type": "string",
                            "format": "binary",
                            "description": "The JSON or YAML document, or a zip of a split description.",
                        },
                        "overlay": {
                            "type": "string",
                            "format": "binary",
                            "description": "An OpenAPI Overlay to apply first.",
                        },
                        "entry": {"type": "string", "description": "The document of a zip that the others hang on."},
                        "name": {
                            "type": "string",
                            "description": "Name of the server; made from the title if left out.",
                        },
                        "base_url": {"type": "string", "description": "Where the API is."},
                        "server_variables": {"type": "string", "description": "Server variables, as a JSON object."},
                    },
                }
            },
        },
    }
}
"""The body of an import, for the control plane's own description: FastAPI cannot derive two media types."""


@dataclass(frozen=True, slots=True)
class Upload:
    """An import request: the server's name (None to take the title), the source, and settings that come with it."""

    name: str | None
    source: Source
    options: ImportOptions


async def read_upload(request: Request) -> Upload:
    """Read an import request; raises what `problems` answers for a body that cannot be read."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "multipart/form-data":
        return await _from_form(request)
    if kind in {"", "application/json"} or kind.endswith("+json"):
        return _from_json(await request.body())
    raise HTTPException(415, "Send the document as multipart/form-data or in application/json.")


@dataclass(frozen=True, slots=True)
class Form:
    """A multipart form: the document, or None without one, with its media type; overlays; and the texts by name."""

    document: bytes | None
    media_type: str
    overlays: tuple[bytes, ...]
    fields: dict[str, Any]


async def _from_form(request: Request) -> Upload:
    form = await read_form(request)
    fields = form.fields
    entry = fields.pop("entry", None) or None
    source = Source(document=form.document, entry=entry, overlays=form.overlays, media_type=form.media_type)
    if fields.get("server_variables"):
        fields["server_variables"] = _object(fields["server_variables"])
    return _upload(_checked(fields), source)


async def read_form(request: Request) -> Form:
    """Read a multipart form; raises the HTTP error to answer with for one that cannot be read."""
    if not request.headers.get("content-type", "").lower().startswith("multipart/form-data"):
        raise HTTPException(415, "Send the document as multipart/form-data.")
    try:
        form = await request.form(max_files=_MAX_FILES, max_fields=20, max_part_size=_MAX_PART)
    except (MultiPartException, HTTPException) as error:
        detail = str(getattr(error, "message", None) or getattr(error, "detail", "it cannot be read"))
        raise HTTPException(400, f"The multipart body is not valid: {detail.rstrip('.')}.") from None
    twice = next((name for name in form if name != "overlay" and len(form.getlist(name)) > 1), None)
    if twice is not None:
        await form.close()
        raise HTTPException(400, f"The multipart body is not valid: {twice!r} stands twice.")
    document = form.get("document")
    content: bytes | None
    if isinstance(document, UploadFile):
        content, media_type = await document.read(), document.content_type or "application/octet-stream"
    else:
        content, media_type = (document.encode() if isinstance(document, str) else None), "text/plain"
    fields = {name: value for name, value in form.items() if isinstance(value, str) and name != "document"}
    overlays = tuple([await each.read() for each in form.getlist("overlay") if isinstance(each, UploadFile)])
    await form.close()
    return Form(content, media_type, overlays, fields)


def _object(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _from_json(raw: bytes) -> Upload:
    try:
        body = json.loads(raw)
    except (ValueError, RecursionError):
        raise HTTPException(400, "The body is not valid JSON.") from None
    wanted = _checked(body)
    if (wanted.document is None) == (wanted.document_url is None):
        raise DescriptionError(
            "spec_missing", "Give exactly one of `document` and `document_url`.", remedy="Send the document or its URL."
        )
    if isinstance(wanted.document, dict):
        source = Source(document=json.dumps(wanted.document).encode(), media_type="application/json")
    elif wanted.document is not None:
        source = Source(document=wanted.document.encode("utf-8", "replace"), media_type="text/plain")
    else:
        source = Source(url=wanted.document_url)
    return _upload(wanted, source)


def _checked(body: Any) -> NewServer:
    try:
        return NewServer.model_validate(body)
    except ValidationError as error:
        errors = [{**each, "loc": ("body", *_within(body, each["loc"]))} for each in error.errors(include_url=False)]
        raise RequestValidationError(errors) from None


def _within(body: Any, place: tuple[int | str, ...]) -> list[int | str]:
    """Keep of an error's place what is one in the body: pydantic adds which of several types it tried."""
    kept: list[int | str] = []
    for token in place:
        if not isinstance(body, dict):
            break
        kept.append(token)
        body = body.get(token)
    return kept


def _upload(wanted: NewServer, source: Source) -> Upload:
    options = ImportOptions(
        base_url=UNSET if wanted.base_url is None else wanted.base_url,
        server_variables=UNSET if wanted.server_variables is None else wanted.server_variables,
    )
    return Upload(wanted.name or None, source, options)
