"""What is locked and what its licences are, for the scripts beside this file."""

from __future__ import annotations

import re
import tomllib
from importlib.metadata import PackageNotFoundError, metadata
from pathlib import Path
from typing import Any

from license_expression import get_spdx_licensing

ROOT = Path(__file__).resolve().parents[1]
# What classifiers say that mean one licence each; "BSD License" does not.
CLASSIFIERS = {
    "Apache Software License": "Apache-2.0",
    "MIT License": "MIT",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "Python Software Foundation License": "PSF-2.0",
}
# Read in the packages' files, where their metadata are ambiguous or only other systems and Pythons have the package.
READ = {
    "async-timeout": "Apache-2.0",
    "isodate": "BSD-3-Clause",
    "protobuf": "BSD-3-Clause",
    "pywin32": "PSF-2.0",
    "uvloop": "Apache-2.0 OR MIT",
}
LICENSING = get_spdx_licensing()


class LicenceError(Exception):
    """A package does not say what its licence is."""


def runtime_packages(export: str) -> list[str]:
    """Give the names in an export of the lock, in its order.

    `requirements.lock` is what `./run` and the image install, `requirements-otel.lock` these and the extra for traces.
    """
    text = (ROOT / export).read_text(encoding="utf-8")
    return re.findall(r"^([\w.-]+)(?:\[[\w,-]+\])?==", text, re.MULTILINE)


def locked() -> dict[str, dict[str, Any]]:
    """Give the tables of uv.lock by name."""
    lock = tomllib.loads((ROOT / "uv.lock").read_text(encoding="utf-8"))
    return {package["name"]: package for package in lock["package"]}


def licence(name: str) -> str:
    """Give a package's licence as an SPDX expression.

    Raises:
        LicenceError: its metadata do not say it, or the package is not installed, and it is not in READ.

    """
    if name in READ:
        return READ[name]
    try:
        told = metadata(name)
    except PackageNotFoundError:
        raise LicenceError(f"{name} is not installed: install it, or add its licence to READ in {__file__}") from None
    for text in (told.get("License-Expression"), told.get("License")):
        if text and "\n" not in text and not LICENSING.validate(text).errors:
            return str(text)
    classifiers = [each.split(" :: ")[-1] for each in told.get_all("Classifier") or [] if each.startswith("License")]
    if len(classifiers) == 1 and classifiers[0] in CLASSIFIERS:
        return CLASSIFIERS[classifiers[0]]
    raise LicenceError(f"The licence of {name} is unclear ({classifiers}): add it to READ in {__file__}")
