"""Write docs/licences.md, the licences of everything that is installed: .venv/bin/python .ci/licences.py."""

from __future__ import annotations

from locked import ROOT, licence, runtime_packages

HEADING = """# Licences

What is installed with Causeway and its extra for traces (`requirements-otel.lock`), and the licence of each package as
an SPDX expression, as its metadata say. Causeway itself is under the Apache License 2.0, which all of these allow. The
command `.venv/bin/python .ci/licences.py` writes this page.

| package | licence |
|---|---|
"""


def page() -> str:
    """Give the page's text."""
    return HEADING + "".join(f"| {name} | {licence(name)} |\n" for name in runtime_packages("requirements-otel.lock"))


if __name__ == "__main__":
    (ROOT / "docs" / "licences.md").write_text(page(), encoding="utf-8")
