"""JSON values -> YAML that reads the same by YAML 1.1 and 1.2 (section 10.3): whatever could be no text is quoted."""

from __future__ import annotations

import re
from typing import Any, Final

import yaml

# Words that no schema of YAML reads as anything but a text; PyYAML quotes what YAML 1.1 does.
_PLAIN: Final = re.compile(r"[A-Za-z/][A-Za-z0-9_./{}-]*( [A-Za-z0-9_./{}-]+)*")


class _Dumper(yaml.SafeDumper):
    """Quotes texts, and writes those of several lines as blocks."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002 - the signature is PyYAML's
        return True


def _text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
    style = None if _PLAIN.fullmatch(value) else "|" if "\n" in value else '"'
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)


_Dumper.add_representer(str, _text)


def to_yaml(value: Any) -> str:
    """Write JSON values in the order they have."""
    return yaml.dump(value, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120)
