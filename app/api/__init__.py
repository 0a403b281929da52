"""The control plane: REST under `/api/v1`, described by its own `/api/openapi.json`."""

from app.api.application import ControlPlane, ToolPort, create_api

__all__ = ["ControlPlane", "ToolPort", "create_api"]
