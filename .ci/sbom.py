"""Print a CycloneDX 1.6 bill of materials of everything that is installed: .venv/bin/python .ci/sbom.py > sbom.json.

With `requirements-otel.lock` as its argument, that of an installation with the extra for traces. It is made of the
lock: each package with its version, the files that it may be installed from with their hashes, its licence, and what
it depends on. The same lock gives the same text.
"""

from __future__ import annotations

import sys
import tomllib
import uuid
from typing import Any

from cyclonedx.contrib.hash.factories import HashTypeFactory
from cyclonedx.contrib.license.factories import LicenseFactory
from cyclonedx.model import ExternalReference, ExternalReferenceType, XsUri
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.output import make_outputter
from cyclonedx.schema import OutputFormat, SchemaVersion
from locked import ROOT, licence, locked, runtime_packages
from packageurl import PackageURL

LICENCES = LicenseFactory()


def component(package: dict[str, Any]) -> Component:
    """Describe a package of the lock."""
    name, version = package["name"], package["version"]
    archives = [*package.get("wheels", []), *([package["sdist"]] if "sdist" in package else [])]
    return Component(
        type=ComponentType.LIBRARY,
        name=name,
        version=version,
        bom_ref=f"{name}@{version}",
        purl=PackageURL("pypi", name=name, version=version),
        licenses=[LICENCES.make_from_string(licence(name))],
        external_references=[
            ExternalReference(
                type=ExternalReferenceType.DISTRIBUTION,
                url=XsUri(archive["url"]),
                hashes=[HashTypeFactory().from_composite_str(archive["hash"])],
            )
            for archive in archives
        ],
    )


def wanted(package: dict[str, Any]) -> list[str]:
    """Give the names of what a package of the lock needs, extras and the build backend included."""
    groups = [
        package.get("dependencies", []),
        *package.get("optional-dependencies", {}).values(),
        package.get("dev-dependencies", {}).get("build", []),
    ]
    return [each["name"] for group in groups for each in group]


def bill(export: str) -> Bom:
    """Describe the project and what is installed with it."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    packages = locked()
    root = Component(
        type=ComponentType.APPLICATION,
        name=project["name"],
        version=project["version"],
        description=project["description"],
        licenses=[LICENCES.make_from_string(project["license"])],
        bom_ref=project["name"],
    )
    components = {name: component(packages[name]) for name in runtime_packages(export)}
    made = Bom(components=components.values())
    made.metadata.component = root
    made.metadata.timestamp = None  # type: ignore[assignment] # of the lock, not of the moment
    made.serial_number = uuid.uuid5(uuid.NAMESPACE_OID, (ROOT / export).read_text(encoding="utf-8"))
    made.register_dependency(root, [components[name] for name in wanted(packages["causeway"]) if name in components])
    for name, each in components.items():
        made.register_dependency(each, [components[one] for one in wanted(packages[name]) if one in components])
    return made


def text(export: str) -> str:
    """Give the bill of materials as it is printed."""
    return make_outputter(bill(export), OutputFormat.JSON, SchemaVersion.V1_6).output_as_string(indent=2) + "\n"


if __name__ == "__main__":
    sys.stdout.write(text(*sys.argv[1:] or ["requirements.lock"]))
