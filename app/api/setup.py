"""The first key of a gateway that was started without an operator's key."""

from __future__ import annotations

from fastapi import APIRouter, Request

from app.api.dependencies import NOT_STORED, Control
from app.api.key_schemas import CreatedApiKey, SetupRequest
from app.api.keys import shown_key

router = APIRouter(prefix="/api/v1/setup", tags=["keys"])


@router.post("", status_code=201, operation_id="set_up", summary="Make the first key", dependencies=[NOT_STORED])
async def set_up(control: Control, request: Request, body: SetupRequest) -> CreatedApiKey:
    """Exchange the set-up token, once, for a key that may do everything, whose text is in this answer alone."""
    address = request.client.host if request.client else ""
    created = await control.setup.redeem(body.token, name=body.name, address=address)
    return CreatedApiKey(**shown_key(created.record).model_dump(), key=created.text)
