"""What routes share: the control plane they work with, and the parameters of paged lists."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from fastapi import Depends, Path, Query, Request

if TYPE_CHECKING:
    from app.api.application import ControlPlane


def _control(request: Request) -> ControlPlane:
    control: ControlPlane = request.app.state.control
    return control


Control = Annotated["ControlPlane", Depends(_control)]
NamespaceName = Annotated[str, Path(alias="namespace", description="Name of the namespace.")]
ServerName = Annotated[str, Path(alias="server", description="Name of the server.")]
ToolName = Annotated[str, Path(alias="tool", description="Name of the tool.")]
Cursor = Annotated[str | None, Query(description="`next_cursor` of the page before.")]
Limit = Annotated[int, Query(ge=1, le=200, description="Entries per page.")]
