#!/usr/bin/env python3
"""Find what looks like a secret: .ci/find_secrets.py [--tracked] [--history] [PATH ...].

`--tracked` reads what git would commit, `--history` every line that any commit of any branch added, PATH files and
folders. Prints `path:line: rule`, never the secret; exit code 1 if there is any. What is meant to look like one stands
with its reason in allowed_secrets.toml beside this file.
"""

from __future__ import annotations

import argparse
import fnmatch
import math
import re
import subprocess
import sys
import tomllib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
ALLOWED = Path(__file__).with_name("allowed_secrets.toml")
# Secrets have forms that are known, or they are random and something says what they are.
RULES = {
    "aws-access-key": r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b",
    "causeway-key": r"\bcw[ks]_[0-9A-Za-z]{49}\b",
    "github-token": r"\b(?:gh[pousr]_[0-9A-Za-z]{36}|github_pat_\w{50})",
    "gitlab-token": r"\bglpat-[\w-]{20}",
    "google-api-key": r"\bAIza[\w-]{35}\b",
    "json-web-token": r"\beyJ[\w-]{10,}\.eyJ[\w-]{10,}\.[\w-]{10,}",
    "npm-token": r"\bnpm_[0-9A-Za-z]{36}\b",
    "private-key": r"-----BEGIN (?:[A-Z]+ )*PRIVATE KEY-----(?:\s|\\n|$)",
    "pypi-token": r"\bpypi-[\w-]{50}",
    "sk-key": r"\bsk-(?:ant-|proj-)?[\w-]{32}",
    "slack-token": r"\bxox[abeoprs]-[\w-]{10}|hooks\.slack\.com/services/T\w{6}",
    "stripe-key": r"\b[rs]k_live_[0-9A-Za-z]{16}",
    "vault-token": r"\bhvs\.[\w-]{24}",
}
PATTERNS = {rule: re.compile(pattern) for rule, pattern in RULES.items()}
ASSIGNED = re.compile(
    r"(?i)(?:passw(?:or)?d|passphrase|secret|token|api_?key|credential|private_?key)\w*[\"']?\s*(?::|=|=>|:=)\s*[\"']?"
    r"([0-9A-Za-z+/_=-]{20,})"
)
IN_URL = re.compile(r"\b[a-z][a-z0-9+.-]*://[^\s/:@\"']+:([^\s/:@\"'{}$<>]{12,})@")
RANDOM_BITS = 3.7
"""Shannon entropy, in bits per character, that texts of 20 and more random characters exceed, and words do not."""
MAX_BYTES = 5_000_000


class Finding(NamedTuple):
    """Where something looks like a secret, and by which rule."""

    path: str
    line: int
    rule: str


def is_random(text: str) -> bool:
    """Tell whether a text looks like drawn characters: letters with digits, and many different ones."""
    if not (re.search(r"\d", text) and re.search(r"[A-Za-z]", text)):
        return False
    counts = Counter(text)
    return -sum(n / len(text) * math.log2(n / len(text)) for n in counts.values()) >= RANDOM_BITS


def rules_of(line: str) -> Iterator[str]:
    """Give the rules that a line breaks."""
    for rule, pattern in PATTERNS.items():
        if pattern.search(line):
            yield rule
    if any(is_random(found[1]) for found in ASSIGNED.finditer(line)):
        yield "assigned-secret"
    if any(is_random(found[1]) for found in IN_URL.finditer(line)):
        yield "secret-in-url"


def in_lines(path: str, lines: Iterator[tuple[int, str]]) -> Iterator[Finding]:
    """Give what is found in numbered lines of a file."""
    for number, line in lines:
        for rule in rules_of(line):
            yield Finding(path, number, rule)


def in_file(path: Path, name: str) -> Iterator[Finding]:
    """Give what is found in a file of text."""
    content = path.read_bytes()
    if b"\0" not in content[:8000] and len(content) <= MAX_BYTES:
        text = content.decode("utf-8", errors="replace")
        yield from in_lines(name, enumerate(text.splitlines(), start=1))


def in_paths(paths: list[Path]) -> Iterator[Finding]:
    """Give what is found in files, and in those of folders."""
    for path in paths:
        files = sorted(path.rglob("*")) if path.is_dir() else [path]
        for each in files:
            if each.is_file() and not each.is_symlink():
                yield from in_file(each, each.as_posix())


def git(*arguments: str) -> Iterator[str]:
    """Give the lines that git prints of the repository; it has to succeed."""
    command = ["git", "-C", str(ROOT), *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, errors="replace") as process:
        yield from process.stdout or ()
    if process.returncode != 0:
        raise SystemExit(2)


def in_tracked() -> Iterator[Finding]:
    """Give what is found in what is or would be committed."""
    listing = "".join(git("ls-files", "-z", "--cached", "--others", "--exclude-standard", "--deduplicate"))
    for name in filter(None, listing.split("\0")):
        path = ROOT / name
        if path.is_file() and not path.is_symlink():
            yield from in_file(path, name)


def in_history() -> Iterator[Finding]:
    """Give what is found in all lines that were ever added; line 0 stands for "some commit"."""
    path = ""
    seen: set[Finding] = set()
    options = ("--all", "--patch", "--unified=0", "--no-color", "--no-ext-diff", "--diff-merges=separate", "--format=")
    for line in git("log", *options):
        if line.startswith("+++ "):
            path = line[4:].strip().removeprefix("b/")
        elif line.startswith("+"):
            for found in in_lines(path, iter([(0, line[1:])])):
                if found not in seen:
                    seen.add(found)
                    yield found


def allowed() -> list[dict[str, str]]:
    """Give what may look like a secret: a pattern of paths, a rule, and why."""
    entries: list[dict[str, str]] = tomllib.loads(ALLOWED.read_text(encoding="utf-8")).get("allowed", [])
    return entries


def is_allowed(found: Finding, entries: list[dict[str, str]]) -> bool:
    """Tell whether a finding is one of those."""
    return any(found.rule == each["rule"] and fnmatch.fnmatchcase(found.path, each["path"]) for each in entries)


def main() -> int:
    """Print what was found, and give the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tracked", action="store_true", help="what git would commit")
    parser.add_argument("--history", action="store_true", help="every line that a commit added")
    parser.add_argument("--all", action="store_true", help="print also what is allowed")
    parser.add_argument("paths", nargs="*", type=Path)
    given = parser.parse_args()
    entries = [] if given.all else allowed()
    found = [
        each
        for findings in (
            in_tracked() if given.tracked else (),
            in_history() if given.history else (),
            in_paths(given.paths),
        )
        for each in findings
        if not is_allowed(each, entries)
    ]
    for each in found:
        sys.stdout.write(f"{each.path}:{each.line}: {each.rule}\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
