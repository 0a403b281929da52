"""Z04: no secret in the repository. The scanner is tried, and then it reads what is committed."""

from __future__ import annotations

import base64
import hashlib
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from app.security.keys import new_key

ROOT = Path(__file__).parents[2]
SCANNER = ROOT / ".ci" / "find_secrets.py"
ALLOWED = tomllib.loads((ROOT / ".ci" / "allowed_secrets.toml").read_text())["allowed"]
LETTERS = (
    base64.b64encode(hashlib.sha512(b"as random as a secret").digest()).decode().translate({43: 65, 47: 66, 61: 67})
)
# In pieces, so that the scanner finds none of them here.
PLANTED = {
    "assigned-secret": f'"client_secret": "{LETTERS[:32]}"',
    "aws-access-key": "AKIA" + "IOSFODNN7EXAMPLQ",
    "causeway-key": new_key().text,
    "github-token": "ghp_" + LETTERS[:36],
    "gitlab-token": "glpat-" + LETTERS[:20],
    "google-api-key": "AIza" + LETTERS[:35],
    "json-web-token": "ey" + "JhbGciOiJIUzI1NiJ9.ey" + "JzdWIiOiIxMjM0NTY3ODkwIn0." + LETTERS[:43],
    "npm-token": "npm_" + LETTERS[:36],
    "private-key": "-----BEGIN RSA " + "PRIVATE KEY-----",
    "pypi-token": "pypi-" + LETTERS[:60],
    "secret-in-url": f"postgresql://user:{LETTERS[:24]}@database/name",
    "sk-key": "sk-" + LETTERS[:48],
    "slack-token": "xoxb-" + "1234567890-abc",
    "stripe-key": "sk_live_" + LETTERS[:24],
    "vault-token": "hvs." + LETTERS[:24],
}
HARMLESS = [
    'password = "correct-horse-battery-staple"',
    "token: ${{ secrets.CAUSEWAY_KEY }}",
    "secret_key = SecretStr(settings.secret_key.get_secret_value())",
    "postgresql://causeway:password@localhost/causeway",
    "postgresql://causeway:$PASSWORD_OF_DATABASE_1@localhost/causeway",
    "api_key=aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa1",
    'hash = "sha256:065665c041c42a5938ed220bdcd7230f22527fbec085e1853d2402c8a3615d9d"',
]


def scan(*arguments: str) -> tuple[int, list[str]]:
    done = subprocess.run(
        [sys.executable, str(SCANNER), *arguments], capture_output=True, text=True, check=False, timeout=300
    )
    assert done.stderr == ""
    return done.returncode, done.stdout.splitlines()


@pytest.fixture(scope="module")
def tracked() -> list[str]:
    """Give everything that is found in what is committed, also what is allowed."""
    if not (ROOT / ".git").exists():
        pytest.skip("not a git checkout")
    return scan("--all", "--tracked")[1]


def test_each_rule_finds_what_it_is_for_and_does_not_print_it(tmp_path: Path) -> None:
    for rule, line in PLANTED.items():
        (tmp_path / rule).write_text(f"first line\n{line}\n")
    code, found = scan(str(tmp_path))
    assert code == 1
    assert [each.removeprefix(f"{tmp_path}/") for each in found] == [f"{rule}:2: {rule}" for rule in sorted(PLANTED)]


def test_what_only_speaks_of_secrets_is_none(tmp_path: Path) -> None:
    (tmp_path / "harmless").write_text("\n".join(HARMLESS))
    (tmp_path / "bytes").write_bytes(b"\0" + PLANTED["npm-token"].encode())
    assert scan(str(tmp_path)) == (0, [])


def test_no_secret_is_committed(tracked: list[str]) -> None:
    """Z04: nothing is found but what is allowed, and everything that is allowed is there and has a reason."""
    assert sorted({(line.split(":")[0], line.rpartition(" ")[2]) for line in tracked}) == sorted(
        (each["path"], each["rule"]) for each in ALLOWED
    )
    assert all(each["reason"].endswith(".") for each in ALLOWED)


@pytest.mark.skipif(not os.environ.get("CAUSEWAY_WHOLE_HISTORY"), reason="reads every commit: CAUSEWAY_WHOLE_HISTORY=1")
def test_no_secret_was_ever_committed() -> None:
    """Z04."""
    assert scan("--history") == (0, [])
