"""JSON-RPC 2.0 messages on the wire: read strictly, written without a second look.

Strictly means: no duplicate keys, no NaN, bounded depth, one message per body; so that policy, audit and dispatch
never read one body differently.
"""

from __future__ import annotations

import json
import re
import unicodedata
from typing import Any, Final, NamedTuple

from app.gateway.snapshots import to_bytes
from converters import json_values
from converters.json_values import exact_integer, exact_number

PARSE_ERROR: Final = -32700
INVALID_REQUEST: Final = -32600
METHOD_NOT_FOUND: Final = -32601
INVALID_PARAMS: Final = -32602
INTERNAL_ERROR: Final = -32603

MAX_DEPTH: Final = 64
_MEMBERS: Final = frozenset({"jsonrpc", "id", "method", "params", "result", "error"})
"""Members of a message (JSON-RPC 2.0, sections 4 and 5)."""
_PARAMETERS: Final = frozenset(
    {"_meta", "name", "arguments", "inputResponses", "requestState", "uri", "cursor", "protocolVersion"}
    | {"capabilities", "clientInfo", "requestId", "progressToken"}
)
"""Parameters of requests that decide what is done, and for whom."""
_FOLDED: Final = {name.casefold(): name for name in _MEMBERS | _PARAMETERS}
_LONGEST: Final = 32
"""Characters of a member that are looked at: more than any of these has."""
_TEXT: Final = re.compile(rb'"(?:[^"\\]|\\.)*"', re.DOTALL)
_NEGATIVE_ZERO: Final = re.compile(rb"-0(?![.0-9Ee])")
_NOT_BRACKETS: Final = bytes(byte for byte in range(256) if byte not in b"{[]}")
RequestId = str | int


class MessageError(Exception):
    """The body is not one JSON-RPC message; answered with HTTP 400."""

    def __init__(self, code: int, message: str, request_id: RequestId | None = None) -> None:
        """Keep what the error object needs."""
        super().__init__(message)
        self.code = code
        self.message = message
        self.request_id = request_id


class Message(NamedTuple):
    """One JSON-RPC request (`request_id` set), notification, or response of the client (`method` is "")."""

    method: str
    params: dict[str, Any] | None
    request_id: RequestId | None
    body: dict[str, Any]


def read(raw: bytes) -> Message:
    """Read one message.

    Raises:
        MessageError: for anything else.

    """
    body = _parse(raw)
    if isinstance(body, list):
        raise MessageError(INVALID_REQUEST, "Batches are not supported: send one message per request.")
    if not isinstance(body, dict) or body.get("jsonrpc") != "2.0":
        raise MessageError(INVALID_REQUEST, "The body is not a JSON-RPC 2.0 message.")
    request_id = body.get("id")
    if "id" in body and (isinstance(request_id, bool) or not isinstance(request_id, (str, int))):
        raise MessageError(INVALID_REQUEST, "The request id must be a text or an integer.")
    _refuse_misspelt(body, _MEMBERS, INVALID_REQUEST, request_id)
    method = body.get("method")
    if method is None and ("result" in body or "error" in body):
        return Message("", None, request_id, body)
    if not isinstance(method, str) or not method:
        raise MessageError(INVALID_REQUEST, "The message has no method.", request_id)
    params = body.get("params")
    if params is not None and not isinstance(params, dict):
        raise MessageError(INVALID_REQUEST, "`params` must be an object.", request_id)
    if params:
        _refuse_misspelt(params, _PARAMETERS, INVALID_PARAMS, request_id)
    return Message(method, params, request_id, body)


def _refuse_misspelt(value: dict[str, Any], members: frozenset[str], code: int, request_id: RequestId | None) -> None:
    """Refuse a member that a reader who is lax about letters would take for one of `members`, as `Method`."""
    if value.keys() <= members:
        return
    for name in value.keys() - members:
        folded = unicodedata.normalize("NFKC", name[:_LONGEST]).casefold()
        if _FOLDED.get(folded) in members:
            text = f"There is no member {name[:100]!r}: {_FOLDED[folded]!r} is written in exactly these letters."
            raise MessageError(code, text, request_id)


def _parse(raw: bytes) -> Any:
    if raw.count(b"{") + raw.count(b"[") > MAX_DEPTH and _depth(raw) > MAX_DEPTH:
        raise MessageError(PARSE_ERROR, f"The message is nested deeper than {MAX_DEPTH} levels.")
    try:
        # Decoded here: `json` would also take UTF-16, a byte order mark and halves of surrogate pairs.
        text = raw.decode()
        # Few messages hold the negative zero, for which every integer costs a call.
        has_negative_zero = b"-0" in raw and _NEGATIVE_ZERO.search(raw)
        return (_ALL_DIGITS if has_negative_zero else _DECODER).decode(text)
    except (ValueError, ArithmeticError, RecursionError):
        raise MessageError(PARSE_ERROR, "The body is not JSON.") from None


def _depth(raw: bytes) -> int:
    """Give the deepest nesting of brackets outside of texts."""
    depth = deepest = 0
    for bracket in _TEXT.sub(b"", raw).translate(None, _NOT_BRACKETS):
        depth += 1 if bracket in b"{[" else -1
        deepest = max(deepest, depth)
    return deepest


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    built = dict(pairs)
    if len(built) != len(pairs):
        raise MessageError(PARSE_ERROR, "An object of the message holds a key twice.")
    return built


def _refuse_constant(name: str) -> Any:
    raise MessageError(PARSE_ERROR, f"{name} is not JSON.")


# Made once: `json.loads` with hooks makes a decoder for every message.
_DECODER: Final = json.JSONDecoder(object_pairs_hook=_unique, parse_constant=_refuse_constant, parse_float=exact_number)
_ALL_DIGITS: Final = json.JSONDecoder(
    object_pairs_hook=_unique, parse_constant=_refuse_constant, parse_float=exact_number, parse_int=exact_integer
)


def result_bytes(request_id: RequestId | None, result: bytes) -> bytes:
    """Write a response around an already rendered result."""
    return b"".join((b'{"jsonrpc":"2.0","id":', json_values.to_bytes(request_id), b',"result":', result, b"}"))


def error_bytes(request_id: RequestId | None, code: int, message: str, data: Any = None) -> bytes:
    """Write an error response; a request whose id could not be read is answered with id null."""
    error = {"code": code, "message": message, **({} if data is None else {"data": data})}
    return to_bytes({"jsonrpc": "2.0", "id": request_id, "error": error})
