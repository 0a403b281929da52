"""What is counted, for Prometheus."""

from __future__ import annotations

from fastapi import APIRouter, Response

from app.api.dependencies import Control
from app.telemetry.metrics import CONTENT_TYPE

router = APIRouter(include_in_schema=False)


@router.get("/metrics", operation_id="metrics", summary="Read the metrics")
async def metrics(control: Control) -> Response:
    """Give the counts of this process, to who has a key for every namespace."""
    return Response(control.metrics.text(), media_type=CONTENT_TYPE)
