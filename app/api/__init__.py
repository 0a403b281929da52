"""The control plane: REST under `/api/v1`, described by its own `/api/openapi.json`."""

from app.api.application import create_api, create_metrics_api
from app.api.dependencies import ControlPlane, ToolPort

__all__ = ["ControlPlane", "ToolPort", "create_api", "create_metrics_api"]
