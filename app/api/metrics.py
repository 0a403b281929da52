"""What is counted, for Prometheus."""

from __future__ import annotations

import asyncio

from fastapi import APIRouter, Response

from app.api.dependencies import Control
from app.errors import CausewayError
from app.telemetry.exposition import CONTENT_TYPE, exposition

router = APIRouter(include_in_schema=False)


class MetricsUnavailableError(CausewayError):
    """The other processes of this gateway do not answer: a part of the sum would look like a restart."""

    code = "metrics_unavailable"


@router.get("/metrics", operation_id="metrics", summary="Read the metrics")
async def metrics(control: Control) -> Response:
    """Give the counts of this gateway, to who has a key for every namespace."""
    reading = await control.read_metrics()
    if reading is None:
        raise MetricsUnavailableError("The worker processes have not answered in time; ask again.")
    # Beside the event loop: thousands of tools are megabytes of text.
    return Response(await asyncio.to_thread(exposition, reading), media_type=CONTENT_TYPE)
