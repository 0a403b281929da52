"""Liveness and readiness."""

from __future__ import annotations

from fastapi import APIRouter, Response

from app.api.dependencies import Control

router = APIRouter(include_in_schema=False)


@router.get("/healthz", operation_id="healthz")
async def healthz() -> dict[str, str]:
    """Tell that the process answers."""
    return {"status": "ok"}


@router.get("/readyz", operation_id="readyz")
async def readyz(control: Control, response: Response) -> dict[str, str]:
    """Tell whether the database is reachable and migrated, and its secrets can be read.

    Without its Redis an instance is as ready: it counts calls by itself meanwhile.
    """
    if not await control.database.is_ready():
        detail = "The registry's database is not reachable or not migrated."
    elif not await control.credentials.has_all_keys():
        detail = (
            "Credentials are stored under a key that is not in CAUSEWAY_SECRET_KEY or CAUSEWAY_SECRET_KEYS_OLD, or "
            "under keys of namespaces that are not in the folder CAUSEWAY_NAMESPACE_KEYS."
        )
    else:
        return {"status": "ready", **_redis(control)}
    response.status_code = 503
    return {"status": "not ready", "detail": detail}


def _redis(control: Control) -> dict[str, str]:
    if control.redis is None:
        return {}
    return {"redis": "ready" if control.redis.is_up else "away: each instance counts calls by itself"}
