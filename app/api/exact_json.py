"""Request bodies whose numbers keep every digit, as those of MCP messages do: int64, decimals, `1E3`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from fastapi import Request
from fastapi.routing import APIRoute

from converters.json_values import exact_integer, exact_number

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from starlette.responses import Response


def _refuse_constant(name: str) -> Any:
    raise json.JSONDecodeError(f"{name} is not JSON", name, 0)


_DECODER: Final = json.JSONDecoder(parse_constant=_refuse_constant, parse_float=exact_number, parse_int=exact_integer)


class _ExactRequest(Request):
    async def json(self) -> Any:
        return _DECODER.decode((await self.body()).decode())


class ExactJsonRoute(APIRoute):
    """A route that reads JSON without rounding."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Wrap the handler so that it gets the exact reader."""
        handle = super().get_route_handler()

        async def exact(request: Request) -> Response:
            return await handle(_ExactRequest(request.scope, request.receive))

        return exact
