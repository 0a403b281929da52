"""Builds of other people: the action's script, the GitLab snippet and the README's section, as they are written."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.app.gateways import KEY, SECRET_KEY
from tests.e2e.backends import described
from tests.e2e.gateways import Gateway, environment, started_gateway, wait_until

ROOT = Path(__file__).parents[2]
# The first use in a checkout installs the dependencies.
SECONDS = 300


@pytest.fixture(scope="module")
def gateway_settings() -> Mapping[str, str]:
    return {"CAUSEWAY_ADMIN_KEY": KEY, "CAUSEWAY_SECRET_KEY": SECRET_KEY}


@pytest.fixture
def build(tmp_path: Path) -> Path:
    """Give a folder as a build has it: the description, and Causeway beside it."""
    (tmp_path / "causeway").symlink_to(ROOT)
    write(tmp_path, "/pets", "/cats")
    return tmp_path


def write(folder: Path, *paths: str) -> None:
    operations = {path: {"get": {"operationId": f"list_{path.strip('/')}"}} for path in paths}
    document = json.dumps(described("https://pets.example/v1", operations))
    for name in ("openapi.json", "openapi.yaml"):
        (folder / name).write_text(document)


def run(script: str, folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a script as GitHub runs the `run` of a step whose shell is bash."""
    return subprocess.run(
        ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script],
        cwd=folder,
        env={**environment(folder), "PATH": os.environ["PATH"], **variables},
        capture_output=True,
        text=True,
        check=False,
        timeout=SECONDS,
    )


def revision(gateway: Gateway, name: str) -> int:
    answer = gateway.http.get(f"{gateway.api}/{name}", headers={"X-API-Key": KEY})
    number: int = answer.json()["revision"]
    return number


def step(given: Mapping[str, str]) -> tuple[str, dict[str, str]]:
    """Give the script of the action's one step, and its variables with these inputs."""
    action: dict[str, Any] = yaml.safe_load((ROOT / "action.yml").read_text())
    inputs = {name: str(declared.get("default", "")) for name, declared in action["inputs"].items()}
    assert set(given) <= set(inputs)
    assert {name for name, declared in action["inputs"].items() if declared.get("required")} <= set(given)
    (found,) = action["runs"]["steps"]
    assert "${{" not in found["run"], "an input must not become part of the script"
    values = {f"${{{{ inputs.{name} }}}}": value for name, value in {**inputs, **given}.items()}
    return found["run"], {name: values[text] for name, text in found["env"].items()}


def test_the_action_imports_shows_the_diff_and_refuses_what_breaks(gateway: Gateway, build: Path) -> None:
    summary = build / "summary.md"
    given = {"document": "openapi.json", "gateway": gateway.url, "name": "acted", "key": KEY}

    def act(**more: str) -> subprocess.CompletedProcess[str]:
        script, variables = step({**given, **{name.replace("_", "-"): value for name, value in more.items()}})
        places = {"GITHUB_ACTION_PATH": str(ROOT), "GITHUB_STEP_SUMMARY": str(summary)}
        return run(script, build, **variables, **places)

    made, again = act(), act(base_url="https://pets.example/v2", entry="openapi.json", namespace="default")
    assert (made.returncode, made.stderr) == (0, "")
    assert (again.returncode, "Nothing changed" in again.stdout) == (0, True)
    write(build, "/pets")
    refused = act()
    assert refused.returncode == 1
    assert "removed  list_cats" in refused.stdout
    assert revision(gateway, "acted") == 1
    tried = act(fail_on_breaking="false", dry_run="true")
    assert (tried.returncode, "would be served" in tried.stdout, revision(gateway, "acted")) == (0, True, 1)
    assert summary.read_text().count("### default/acted") == 4


def documented(section: str) -> dict[Any, Any]:
    """Give the file that a section of docs/ci.md shows."""
    shown = re.search(rf"## {section}\n.*?```yaml\n(.*?)```", (ROOT / "docs" / "ci.md").read_text(), re.DOTALL)
    assert shown
    found: dict[Any, Any] = yaml.safe_load(shown[1])
    return found


@pytest.mark.parametrize("event", ["pull_request", "push"])
def test_the_documented_workflow_gives_the_action_what_it_takes(gateway: Gateway, build: Path, event: str) -> None:
    """A pull request only looks, and fails where callers would break."""
    workflow = documented("GitHub Actions")
    # YAML 1.1 reads the key `on` as a boolean.
    assert event in workflow[True]
    *checkouts, used = workflow["jobs"]["causeway"]["steps"]
    assert (used["uses"], checkouts[-1]["with"]["path"]) == ("./.causeway", ".causeway")
    expressions = {
        "https://causeway.example.com": gateway.url,
        "petstore": f"worked-{event.replace('_', '-')}",
        "${{ secrets.CAUSEWAY_KEY }}": KEY,
        "${{ github.event_name == 'pull_request' }}": str(event == "pull_request").lower(),
    }
    script, variables = step({name: expressions.get(value, value) for name, value in used["with"].items()})
    variables = {**variables, "GITHUB_ACTION_PATH": str(ROOT)}

    done = run(script, build, **variables)
    assert (done.returncode, done.stderr) == (0, "")
    served = gateway.http.get(f"{gateway.api}/{variables['INPUT_NAME']}", headers={"X-API-Key": KEY})
    assert served.status_code == (200 if event == "push" else 404)
    if event == "push":
        pull_request = {**variables, "INPUT_DRY_RUN": "true"}
        write(build, "/pets")
        refused = run(script, build, **pull_request)
        assert (refused.returncode, "removed  list_cats" in refused.stdout) == (1, True)


def test_the_gitlab_snippet_imports_and_a_merge_request_only_looks(gateway: Gateway, build: Path) -> None:
    script = "\n".join(documented("GitLab")["causeway"]["script"])
    variables = {"CAUSEWAY_URL": gateway.url, "CAUSEWAY_KEY": KEY}
    assert run(script, build, **variables, CI_PIPELINE_SOURCE="push").returncode == 0
    assert revision(gateway, "petstore") == 1
    write(build, "/pets", "/cats", "/dogs")
    looked = run(script, build, **variables, CI_PIPELINE_SOURCE="merge_request_event")
    assert (looked.returncode, "added    list_dogs" in looked.stdout) == (0, True)
    write(build, "/pets")
    for source in ("merge_request_event", "push"):
        refused = run(script, build, **variables, CI_PIPELINE_SOURCE=source)
        assert (refused.returncode, "removed  list_cats" in refused.stdout) == (1, True)
    assert revision(gateway, "petstore") == 1
    gateway.http.delete(f"{gateway.api}/petstore", headers={"X-API-Key": KEY})


def test_the_readme_is_all_that_a_build_needs(gateway: Gateway, build: Path) -> None:
    """A changed document imported twice is one revision; a breaking one is refused with the diff; exit codes 0 to 3."""
    section = (ROOT / "README.md").read_text().partition("## Importing from a build\n")[2].partition("\n## ")[0]
    script = "\n".join(re.findall(r"```sh\n(.*?)```", section, re.DOTALL))
    assert "https://causeway.example.com" in script
    script = script.replace("https://causeway.example.com", gateway.url)

    def imported(key: str = KEY) -> subprocess.CompletedProcess[str]:
        return run(script, build, CAUSEWAY_KEY=key)

    assert imported().returncode == 0
    write(build, "/pets", "/cats", "/dogs")
    first, second = imported(), imported()
    assert (first.returncode, "added    list_dogs" in first.stdout) == (0, True)
    assert (second.returncode, "Nothing changed (revision 2)" in second.stdout) == (0, True)
    write(build, "/pets")
    refused = imported()
    assert refused.returncode == 1
    assert "2 changes, 2 breaking" in refused.stdout
    assert revision(gateway, "petstore") == 2
    (build / "openapi.json").write_text('{"openapi": "3.1.0", ')
    unusable, stranger = imported(), imported("a-key-of-nobody-at-all")
    assert (unusable.returncode, "line 1" in unusable.stderr) == (2, True)
    assert (stranger.returncode, len(stranger.stderr.splitlines())) == (3, 1)
    assert "Traceback" not in refused.stderr + unusable.stderr + stranger.stderr
    assert revision(gateway, "petstore") == 2


def test_serve_follows_a_directory_while_it_changes(tmp_path: Path) -> None:
    """A bad file is told and replaces nothing; a good one is served without a restart."""
    config = tmp_path / "config"
    config.mkdir()
    declaration = {"name": "pets", "source": {"file": "../openapi.json"}, "instructions": "First."}
    write(tmp_path, "/pets")
    (config / "pets.yaml").write_text(json.dumps(declaration))
    with started_gateway(tmp_path, "--config", str(config), is_quiet=False) as gateway:
        assert gateway.tool_names("pets") == ["list_pets"]
        (config / "pets.yaml").write_text("name: [")
        wait_until(lambda: b"pets.yaml" in gateway.errors.read_bytes(), "the bad file is told", seconds=60)
        assert gateway.tool_names("pets") == ["list_pets"]
        (config / "pets.yaml").write_text(json.dumps(declaration))
        write(tmp_path, "/pets", "/cats")
        wait_until(lambda: gateway.tool_names("pets") == ["list_pets", "list_cats"], "the good one", seconds=60)
