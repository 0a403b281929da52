from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path

import pytest

from app.services.compile_worker import Job, answered
from app.services.compiling import CompileFailedError, Compiler
from converters import DescriptionError
from tests.app.descriptions import PETS, written


async def test_a_process_of_its_own_compiles() -> None:
    compilation = await Compiler().compile(Job(written(PETS)))
    assert compilation == json.loads(json.dumps(answered(Job(written(PETS)))))["compilation"]
    assert [tool["name"] for tool in compilation["tools"]] == ["list_pets", "add_pet", "get_pet", "delete_pet"]


async def test_an_unusable_description_is_an_error_with_its_place() -> None:
    with pytest.raises(DescriptionError) as caught:
        await Compiler().compile(Job(b"openapi: 3.1.0\ninfo: {title: a}\npaths: []\n"))
    assert (caught.value.code, caught.value.pointer, caught.value.line) == ("spec_paths", "/paths", 3)
    assert caught.value.remedy


async def test_a_process_that_dies_is_an_error_and_no_crash(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.services.compiling._WORKER", "app.services.there_is_no_such_module")
    with pytest.raises(CompileFailedError, match="more time or memory") as caught:
        await Compiler().compile(Job(written(PETS)))
    assert caught.value.code == "spec_too_costly"


async def test_the_process_has_none_of_the_gateway_s_secrets_in_its_environment(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """K15: it reads what strangers wrote."""
    (tmp_path / "telling_worker.py").write_text("import json, os\nprint(json.dumps(dict(os.environ)))\n")
    monkeypatch.setattr("app.services.compiling._WORKER", "telling_worker")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    for name in ("CAUSEWAY_SECRET_KEY", "CAUSEWAY_ADMIN_KEY", "CAUSEWAY_VAULT_TOKEN", "PETS_KEY"):
        monkeypatch.setenv(name, "canary")
    told = json.loads(await Compiler._run(b""))  # noqa: SLF001 - what the process prints
    assert told["PYTHONPATH"] == str(tmp_path)
    assert "canary" not in told.values()


async def test_a_process_that_takes_too_long_is_killed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "sleeping_worker.py").write_text(
        "import os, time, pathlib\npathlib.Path('pid').write_text(str(os.getpid()))\ntime.sleep(60)\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("app.services.compiling._WORKER", "sleeping_worker")
    monkeypatch.setattr("app.services.compiling._TIMEOUT", 1.0)
    with pytest.raises(CompileFailedError, match="longer than 1 seconds"):
        await Compiler().compile(Job(written(PETS)))
    pid = int((tmp_path / "pid").read_text())
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


async def test_a_cancelled_import_takes_its_process_with_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "sleeping_worker.py").write_text(
        "import os, time, pathlib\npathlib.Path('pid').write_text(str(os.getpid()))\ntime.sleep(60)\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("app.services.compiling._WORKER", "sleeping_worker")
    compiling = asyncio.ensure_future(Compiler().compile(Job(written(PETS))))
    async with asyncio.timeout(10):
        while not (tmp_path / "pid").exists() or not (tmp_path / "pid").read_text():  # noqa: ASYNC110 - no event in a file
            await asyncio.sleep(0.02)
    compiling.cancel()
    with pytest.raises(asyncio.CancelledError):
        await compiling
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)


@pytest.mark.skipif(sys.platform != "linux", reason="memory is limited on Linux alone")
async def test_an_alias_bomb_costs_the_importer_one_sentence() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 10)]
    with pytest.raises(DescriptionError) as caught:
        await Compiler().compile(Job("\n".join(lines).encode()))
    assert caught.value.code.startswith("spec_")


async def test_two_compile_at_once_and_no_more() -> None:
    running = most = 0

    class Counting(Compiler):
        @staticmethod
        async def _run(job: bytes) -> bytes:  # noqa: ARG004 - the real one's signature
            nonlocal running, most
            running += 1
            most = max(most, running)
            await asyncio.sleep(0.01)
            running -= 1
            return b'{"compilation": {}}'

    compiler = Counting()
    await asyncio.gather(*(compiler.compile(Job(b"")) for _ in range(8)))
    assert most == 2
