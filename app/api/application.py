"""The FastAPI application of the control plane."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastapi import Depends, FastAPI

from app.api import (
    audit,
    connections,
    credentials,
    declarations,
    headers,
    health,
    issuers,
    keys,
    metrics,
    namespaces,
    problems,
    revisions,
    servers,
    setup,
    tools,
)
from app.api.idempotency import IdempotentMutations
from app.api.permissions import permitted

if TYPE_CHECKING:
    from app.api.dependencies import ControlPlane


def create_api(control: ControlPlane, *, version: str, has_metrics: bool = True) -> FastAPI:
    """Build the control plane; its own description is at `/api/openapi.json`, and metrics where it `has_metrics`."""
    api = FastAPI(
        title="Causeway",
        version=version,
        summary="The control plane of this Causeway gateway.",
        description=(
            "Import OpenAPI descriptions, look at the servers and tools made of them, and try calls out. Requests that "
            "change something take an `Idempotency-Key`: sent again within a day, they are done once."
        ),
        openapi_url="/api/openapi.json",
        docs_url=None,
        redoc_url=None,
        dependencies=[Depends(permitted)],
        responses=problems.RESPONSES,
    )
    api.state.control = control
    problems.install(api)
    api.add_middleware(IdempotentMutations, idempotency=control.idempotency)
    for module in (
        health,
        *((metrics,) if has_metrics else ()),
        namespaces,
        issuers,
        servers,
        revisions,
        declarations,
        tools,
        credentials,
        headers,
        connections,
        keys,
        setup,
        audit,
    ):
        api.include_router(module.router)
    return api


def create_metrics_api(control: ControlPlane) -> FastAPI:
    """Build what answers on the port of the metrics: `/metrics`, under the same permissions, and nothing else."""
    api = FastAPI(openapi_url=None, docs_url=None, redoc_url=None, dependencies=[Depends(permitted)])
    api.state.control = control
    problems.install(api)
    api.include_router(metrics.router)
    return api
