"""Which descriptions go round: a few in every test run, and many of varied origin and version in the whole run."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Final, NamedTuple

from tests.converters.test_corpus import CORPUS

SPECS: Final = Path(__file__).parents[3] / "specs"

IS_WHOLE: Final = os.environ.get("CAUSEWAY_ROUND_TRIP") == "whole"
"""Whether the whole run was asked for."""

# Each takes a second or some; those that the validator cannot read, cannot route, or that refer to other files are left
# out.
CORPUS_SPECS: Final = (
    # 2.0
    "amadeus-flights-2.0", "autorest-url-2.0", "docker-2.0", "gitea-2.0", "grpcgw-abe-2.0", "jira-2.0",
    "kubernetes-2.0", "netlify-2.0", "nytimes-books-2.0", "petstore-2.0", "slack-2.0", "uber-2.0",
    # 3.0
    "airflow", "amadeus-hotellist", "azure-web-service", "box", "cn-business-info", "cn-invoice", "cn-stock-history",
    "cn-weather", "connexion-simple", "dispatch-fastapi", "fulfillment", "github", "google-drive", "google-gmail",
    "httpbin", "id4i-springfox", "intellifi", "keyserv-nswag", "netbox", "ogen-form", "ogen-parameters", "petstore-3.0",
    "spotify", "stripe", "superset", "telegram-bot", "twilio-api-2010", "vocadb-swashbuckle", "wiremock",
    # 3.1
    "adyen-checkout-3.1", "burgershop-3.1", "discord-3.1", "discourse-3.1", "figma-3.1", "grpcgw-abe-3.1",
    "linqr-fastapi-3.1", "notion-3.1", "ogen-sample-3.1", "openai-3.1", "petstore-3.1", "polar-fastapi-3.1",
    "readme-params-3.1", "sendgrid-3.1", "zeno-springdoc-3.1",
)  # fmt: skip
PUBLISHED: Final = ("petstore-2.0.json", "petstore-3.0.yaml", "petstore-3.1.json", "notion.json")
FEATURES: Final = ("form-body.yaml", "json-bodies.yaml", "query-styles.yaml")
CORPUS_SAMPLE: Final = ("twilio-api-2010", "box")


class Described(NamedTuple):
    """A description to go round, under the name it is served as."""

    name: str
    file: Path


def chosen() -> list[Described]:
    """Choose those of this run; the corpus is left out where it is not."""
    manifest = CORPUS / "manifest.json"
    files = {}
    if manifest.exists():
        files = {each["name"]: CORPUS / each["file"] for each in json.loads(manifest.read_bytes())["specs"]}
    features = [Described(Path(file).stem, SPECS / "features" / file) for file in FEATURES]
    if IS_WHOLE:
        return features + [Described(name, files[name]) for name in CORPUS_SPECS]
    published = [Described(Path(file).stem, SPECS / "published" / file) for file in PUBLISHED]
    return features + published + [Described(name, files[name]) for name in CORPUS_SAMPLE if name in files]
