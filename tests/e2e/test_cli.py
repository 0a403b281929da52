"""The command line: what it prints, and what it ends with."""

from __future__ import annotations

import base64
import importlib.metadata
import json
import signal
import socket
import subprocess
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

import pytest

from tests.e2e.backends import Backend, Received, answer, described, parameter
from tests.e2e.gateways import CAUSEWAY, Gateway, environment, run_causeway, started_gateway, wait_until

CLIENTS = ("cursor", "cline", "vscode", "claude", "claude-desktop", "codex", "generic")


@pytest.fixture
def pets(tmp_path: Path) -> Path:
    """Write a description with three operations, one of which cannot become a tool."""
    document = described(
        "https://pets.example/v1",
        {
            "/pets": {"get": {"operationId": "list_pets"}, "post": {"operationId": "add_pet"}},
            "/pets/{id}": {"get": {"operationId": "get_pet", "parameters": [{"in": "nowhere", "name": "id"}]}},
        },
        title="Pet Shop",
    )
    path = tmp_path / "pets.json"
    path.write_text(json.dumps(document))
    return path


# --- convert


def test_convert_json_gives_server_tools_diagnostics_and_counts(pets: Path, tmp_path: Path) -> None:
    done = run_causeway("convert", str(pets), "--json", folder=tmp_path)

    assert (done.returncode, done.stderr) == (0, "")
    printed = json.loads(done.stdout)
    assert set(printed) == {"server", "tools", "diagnostics", "counts"}
    assert printed["server"]["title"] == "Pet Shop"
    counts = printed["counts"]
    assert counts["operations"] == 3 == counts["tools"] + counts["skipped"]
    assert len(printed["tools"]) == counts["tools"]
    for tool in printed["tools"]:
        assert {"name", "description", "inputSchema"} <= set(tool)
        assert tool["inputSchema"]["type"] == "object"


def test_convert_writes_to_a_file_what_it_would_print(pets: Path, tmp_path: Path) -> None:
    printed = run_causeway("convert", str(pets), "--json", folder=tmp_path)
    written = run_causeway("convert", str(pets), "--json", "-o", "out.json", folder=tmp_path)

    assert (written.returncode, written.stdout) == (0, "")
    assert (tmp_path / "out.json").read_text() == printed.stdout


def test_convert_without_json_is_for_people(pets: Path, tmp_path: Path) -> None:
    done = run_causeway("convert", str(pets), folder=tmp_path)

    assert done.returncode == 0
    assert "list_pets" in done.stdout
    assert "GET /pets" in done.stdout


def test_a_valid_document_without_operations_is_converted(tmp_path: Path) -> None:
    (tmp_path / "empty.json").write_text(json.dumps(described("https://a.example", {})))

    done = run_causeway("convert", "empty.json", "--json", folder=tmp_path)

    assert done.returncode == 0
    assert json.loads(done.stdout)["counts"] == {"operations": 0, "tools": 0, "skipped": 0}


def test_convert_of_a_file_that_is_not_there_is_one_sentence_and_2(tmp_path: Path) -> None:
    done = run_causeway("convert", "missing.json", folder=tmp_path)

    assert (done.returncode, done.stdout) == (2, "")
    assert_one_sentence(done.stderr)
    assert "missing.json" in done.stderr


@pytest.mark.parametrize("arguments", [("convert",), ("convert", "--nonsense", "a"), ("nonsense",)])
def test_wrong_usage_ends_with_2_and_no_traceback(arguments: tuple[str, ...], tmp_path: Path) -> None:
    done = run_causeway(*arguments, folder=tmp_path)

    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr
    assert "Traceback" not in done.stderr


# --- call


@pytest.fixture
def notes(gateway: Gateway, backend: Backend) -> str:
    """Serve a small API; gives its MCP URL."""
    count = parameter("count", "query", {"type": "integer"})
    paths = {
        "/notes/{id}": {"get": {"operationId": "get_note", "parameters": [parameter("id", "path"), count]}},
    }
    return gateway.publish("notes", described(backend.url, paths))


def test_call_prints_the_answer_of_the_api(notes: str, backend: Backend, tmp_path: Path) -> None:
    done = run_causeway("call", notes, "get_note", "id=7", "count=3", folder=tmp_path)

    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout) == {"ok": True}
    assert backend.only().line == b"GET /notes/7?count=3 HTTP/1.1"


def test_call_json_prints_the_whole_mcp_result(notes: str, backend: Backend, tmp_path: Path) -> None:
    done = run_causeway("call", notes, "get_note", "id=7", "--json", folder=tmp_path)

    assert done.returncode == 0
    result = json.loads(done.stdout)
    assert result["isError"] is False
    assert result["structuredContent"] == {"ok": True}


def test_call_of_an_operation_that_fails_ends_with_1(notes: str, backend: Backend, tmp_path: Path) -> None:
    backend.table["GET", "/notes/7"] = answer(b'{"message":"no such note"}', status="404 Not Found")

    done = run_causeway("call", notes, "get_note", "id=7", folder=tmp_path)

    assert done.returncode == 1
    assert "404" in done.stdout
    assert "no such note" in done.stdout


def test_call_with_a_wrong_argument_ends_with_1_and_sends_nothing(notes: str, backend: Backend, tmp_path: Path) -> None:
    done = run_causeway("call", notes, "get_note", "id=7", "count=many", folder=tmp_path)

    assert done.returncode == 1
    assert "/count" in done.stdout
    assert backend.received == []


def test_call_of_a_tool_that_is_not_there_is_one_sentence_and_2(notes: str, tmp_path: Path) -> None:
    done = run_causeway("call", notes, "nonsense", folder=tmp_path)

    assert (done.returncode, done.stdout) == (2, "")
    assert_one_sentence(done.stderr)


def test_call_of_a_gateway_that_is_not_there_is_one_sentence_and_3(backend: Backend, tmp_path: Path) -> None:
    done = run_causeway("call", "http://127.0.0.1:1/mcp/default/notes", "get_note", folder=tmp_path)

    assert (done.returncode, done.stdout) == (3, "")
    assert_one_sentence(done.stderr)


@pytest.mark.parametrize("url", ["not-a-url", "ftp://127.0.0.1/mcp/default/notes", "http://"])
def test_call_of_something_that_is_not_a_url_is_one_sentence(url: str, tmp_path: Path) -> None:
    done = run_causeway("call", url, "get_note", folder=tmp_path)

    assert done.returncode in {2, 3}
    assert_one_sentence(done.stderr)


def test_call_of_a_server_that_is_not_there_is_one_sentence(gateway: Gateway, tmp_path: Path) -> None:
    done = run_causeway("call", gateway.mcp_url("nonsense"), "get_note", folder=tmp_path)

    assert done.returncode == 1
    assert_one_sentence(done.stderr)
    assert "There is no MCP server at this URL." in done.stderr


# --- connect


@pytest.mark.parametrize("client", CLIENTS)
def test_connect_names_the_server_s_url_for_each_client(client: str, tmp_path: Path) -> None:
    done = run_causeway("connect", "petshop", "--client", client, folder=tmp_path)

    assert (done.returncode, done.stderr) == (0, "")
    assert "http://127.0.0.1:8080/mcp/default/petshop" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "url"),
    [
        (("team/petshop",), "http://127.0.0.1:8080/mcp/team/petshop"),
        (("https://gateway.example/mcp/team/petshop",), "https://gateway.example/mcp/team/petshop"),
        (("petshop", "--gateway", "https://gateway.example/"), "https://gateway.example/mcp/default/petshop"),
    ],
)
def test_connect_takes_a_name_a_namespace_or_a_url(arguments: tuple[str, ...], url: str, tmp_path: Path) -> None:
    done = run_causeway("connect", *arguments, folder=tmp_path)

    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout) == {"mcpServers": {"petshop": {"type": "http", "url": url}}}


def test_connect_install_links_carry_the_same_configuration(tmp_path: Path) -> None:
    url = "http://127.0.0.1:8080/mcp/default/petshop"
    cursor = link(run_causeway("connect", "petshop", "--client", "cursor", folder=tmp_path).stdout, "cursor:")
    vscode = link(run_causeway("connect", "petshop", "--client", "vscode", folder=tmp_path).stdout, "vscode:")

    assert json.loads(base64.b64decode(parse_qs(urlsplit(cursor).query)["config"][0])) == {"url": url}
    assert json.loads(unquote(vscode.partition("?")[2])) == {"name": "petshop", "type": "http", "url": url}


def test_connect_refuses_a_url_that_holds_a_secret(tmp_path: Path) -> None:
    done = run_causeway("connect", "https://user:hunter2@gateway.example/mcp/default/petshop", folder=tmp_path)

    assert (done.returncode, done.stdout) == (2, "")
    assert "hunter2" not in done.stderr


@pytest.mark.parametrize("client", CLIENTS)
def test_connect_says_where_the_key_comes_from_and_never_in_a_link(client: str, tmp_path: Path) -> None:
    done = run_causeway("connect", "petshop", "--client", client, "--with-key", folder=tmp_path)

    assert done.returncode == 0
    assert "CAUSEWAY_KEY" in done.stdout or "${input:causeway-key}" in done.stdout
    links = [unquote(word) for word in done.stdout.split() if word.startswith(("cursor:", "vscode:"))]
    assert not any("Authorization" in each or "key" in each.lower() for each in links)


def link(printed: str, scheme: str) -> str:
    return next(word for word in printed.split() if word.startswith(scheme))


# --- version, serve


def test_version_is_that_of_the_package(tmp_path: Path) -> None:
    done = run_causeway("version", folder=tmp_path)

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"causeway {importlib.metadata.version('causeway')}\n"


def test_serve_imports_documents_under_the_names_they_are_given(tmp_path: Path, backend: Backend) -> None:
    document = json.dumps(described(backend.url, {"/a": {"get": {"operationId": "get_a"}}}, title="Pet Shop"))
    (tmp_path / "pets.json").write_text(document)
    backend.table["GET", "/openapi.json"] = answer(document.encode())

    folder = tmp_path / "gateway"
    places = (str(tmp_path / "pets.json"), f"mine={tmp_path / 'pets.json'}", f"theirs={backend.url}/openapi.json")
    with started_gateway(folder, *places) as gateway:
        names = [name for name, _ in gateway.servers()]
        assert len(names) == 4
        assert {"causeway", "mine", "theirs"} < set(names)
        (titled,) = set(names) - {"causeway", "mine", "theirs"}
        printed = gateway.output.read_text()
        assert all(gateway.mcp_url(name) in printed for name in names)
        for name in ("mine", "theirs", titled):
            assert gateway.call(name, "get_a")["isError"] is False

    with started_gateway(folder, *places) as gateway:
        assert {revision for _, revision in gateway.servers()} == {1}
        gateway.process.send_signal(signal.SIGINT)
        assert gateway.process.wait(10) == 0
        assert gateway.errors.read_text() == ""


def test_a_taken_port_is_one_sentence_and_3(gateway: Gateway, tmp_path: Path) -> None:
    done = run_causeway("serve", "--port", str(gateway.port), folder=tmp_path)

    assert (done.returncode, done.stdout) == (3, "")
    assert_one_sentence(done.stderr)
    assert str(gateway.port) in done.stderr


def test_beyond_loopback_a_secret_key_is_needed_and_the_sentence_names_the_setting(tmp_path: Path) -> None:
    done = run_causeway("serve", "--host", "0.0.0.0", "--port", "0", folder=tmp_path)  # noqa: S104 - refused

    assert (done.returncode, done.stdout) == (2, "")
    assert_one_sentence(done.stderr)
    assert "CAUSEWAY_SECRET_KEY" in done.stderr


@pytest.mark.parametrize(
    ("setting", "value"),
    [("CAUSEWAY_PORT", "http"), ("CAUSEWAY_CALL_TIMEOUT", "-1"), ("CAUSEWAY_EGRESS_DENY", '["no sense"]')],
)
def test_a_setting_that_cannot_be_used_is_one_sentence_that_names_it(setting: str, value: str, tmp_path: Path) -> None:
    command = [*CAUSEWAY, "serve"] if setting == "CAUSEWAY_PORT" else [*CAUSEWAY, "serve", "--port", "0"]
    done = subprocess.run(
        command,
        cwd=tmp_path,
        env=environment(tmp_path, {setting: value}),
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )

    assert (done.returncode, done.stdout) == (2, "")
    assert_one_sentence(done.stderr)
    assert setting in done.stderr


def test_sigterm_lets_a_call_finish_and_ends_the_gateway_with_0(tmp_path: Path, backend: Backend) -> None:
    released = threading.Event()

    def wait(_: Received, connection: socket.socket) -> None:
        released.wait(20)
        connection.sendall(answer())

    backend.table["GET", "/a"] = wait
    with started_gateway(tmp_path) as gateway, ThreadPoolExecutor(1) as pool:
        gateway.publish("slow", described(backend.url, {"/a": {"get": {"operationId": "get_a"}}}))
        call = pool.submit(gateway.call, "slow", "get_a")
        wait_until(lambda: len(backend.received) == 1, "the request")

        gateway.process.send_signal(signal.SIGTERM)
        wait_until(lambda: not accepts(gateway), "the end of listening")
        released.set()

        assert call.result(10)["isError"] is False
        assert gateway.process.wait(10) == 0
        assert gateway.errors.read_text() == ""


def accepts(gateway: Gateway) -> bool:
    try:
        socket.create_connection(("127.0.0.1", gateway.port), timeout=1).close()
    except OSError:
        return False
    return True


def assert_one_sentence(text: str) -> None:
    assert text.endswith(".\n"), text
    assert text.count("\n") == 1, text
    assert "Traceback" not in text
