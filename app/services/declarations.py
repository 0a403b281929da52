"""Declarations: all of a server's configuration as one value, secrets by reference only."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from app.errors import CausewayError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from app.registry.records import ServerChanges, ToolOverride
    from app.services.import_description import Source

STORED: Final = {"source": "stored"}
"""Where a secret is kept that was supplied to the gateway itself."""


class DeclarationError(CausewayError):
    """A part of a declaration cannot be used; nothing was changed."""

    code = "declaration_invalid"

    def __init__(self, message: str, *, pointer: str) -> None:
        """Say what is wrong, and where in the declaration."""
        super().__init__(message)
        self.pointer = pointer


@dataclass(frozen=True, slots=True)
class Declaration:
    """All of a server: its description's source, settings, overrides by operation, and secrets.

    Credentials are what `PUT .../credentials/{scheme}` takes and header fields what `PUT .../headers/{name}` does, with
    the source of the secret and never a secret.
    """

    namespace: str
    name: str
    source: Source
    settings: ServerChanges
    overrides: Sequence[ToolOverride] = ()
    credentials: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    headers: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
