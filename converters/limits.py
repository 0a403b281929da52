"""What a description may cost (acceptance.md, "Limits"); an operator can change these, a tenant only lower them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of one document.

    `size` in bytes after decoding; `depth` nested containers; `nodes` values; `aliases` YAML aliases; `expanded`
    values once aliases are followed.
    """

    size: int = 20 * 1024 * 1024
    depth: int = 100
    nodes: int = 2_000_000
    aliases: int = 1_000
    expanded: int = 2_000_000


DEFAULT_LIMITS: Final = Limits()
