"""What compiling costs, over a folder of descriptions with a `manifest.json`: `python benchmarks/corpus.py FOLDER`.

Each description is compiled in a process of its own; CPU seconds are from bytes to a rendered tools/list.

With `--peer PYTHON`, the Python of an environment that has FastMCP, the descriptions that are one file are imported by
FastMCP as well, and the two are printed side by side as Markdown.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import resource
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from converters import DescriptionError, compile_description, documents

PEER_SECONDS = 120
PEER = Path(__file__).with_name("peer.py")
RATIOS = ("stripe", "twilio-api-2010")


def measure(entry: Path, folder: Path) -> dict[str, Any]:
    """Compile one description and render its list."""
    further = {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path != entry
    }
    raw = entry.read_bytes()
    started = time.process_time()
    try:
        compilation = compile_description(raw, uri=entry.relative_to(folder).as_posix(), further=further)
    except DescriptionError as error:
        return {"refused": error.code}
    listed = json.dumps([tool.to_tool() for tool in compilation.tools], separators=(",", ":")).encode()
    return {
        "operations": compilation.counts.operations,
        "tools": compilation.counts.tools,
        "seconds": time.process_time() - started,
        "list_bytes": len(listed),
        "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def measure_peer(python: str, spec: dict[str, Any], entry: Path) -> dict[str, Any]:
    """Have the peer import one description; it takes one file, whose YAML is read for it."""
    if spec["files_reached"] != 1:
        return {"refused": "not tried: several files"}
    try:
        document = json.dumps(documents.parse(entry.read_bytes()).root)
    except DescriptionError as error:
        return {"refused": f"not tried: {error.code}"}
    try:
        done = subprocess.run(
            [python, str(PEER)], input=document, capture_output=True, text=True, timeout=PEER_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        return {"refused": f"not done after {PEER_SECONDS} s"}
    lines = done.stdout.splitlines()
    if done.returncode != 0 or not lines:
        return {"refused": f"the process ended with {done.returncode}"}
    found: dict[str, Any] = json.loads(lines[-1])
    return found


def measured(corpus: Path) -> Iterator[tuple[dict[str, Any], Path, dict[str, Any]]]:
    """Compile every description of the manifest; gives (entry of the manifest, file, what was measured)."""
    manifest = json.loads((corpus / "manifest.json").read_bytes())
    with multiprocessing.get_context("spawn").Pool(1, maxtasksperchild=1) as pool:
        for spec in manifest["specs"]:
            entry = corpus / spec["file"]
            yield spec, entry, pool.apply(measure, (entry, corpus / Path(spec["file"]).parts[0]))


def print_own(corpus: Path) -> None:
    """Print one row per description and the slowest at the end."""
    seconds: list[float] = []
    print(f"{'description':32} {'bytes':>9} {'ops':>5} {'tools':>5} {'CPU s':>6} {'list KiB':>9} {'peak MiB':>8}")
    for spec, entry, row in measured(corpus):
        if "refused" in row:
            print(f"{spec['name']:32} {entry.stat().st_size:9,} refused: {row['refused']}")
            continue
        seconds.append(row["seconds"])
        print(
            f"{spec['name']:32} {entry.stat().st_size:9,} {row['operations']:5} {row['tools']:5} "
            f"{row['seconds']:6.2f} {row['list_bytes'] / 1024:9,.0f} {row['peak_mib']:8,.0f}"
        )
    ordered = sorted(seconds)
    print(f"{len(ordered)} compiled; 95 % within {ordered[int(len(ordered) * 0.95) - 1]:.2f} s of CPU")


def print_side_by_side(corpus: Path, python: str) -> None:
    """Print one row per description, ours and the peer's, and the sums."""
    asked = subprocess.run([python, str(PEER), "--version"], capture_output=True, text=True, timeout=60, check=True)
    peer_name = f"FastMCP {json.loads(asked.stdout)['version']}"
    print(
        f"| Description | Version | Operations | Causeway: tools | CPU s | list bytes | {peer_name}: tools | CPU s "
        "| list bytes |\n|---|---|--:|--:|--:|--:|--:|--:|--:|"
    )
    rows = []
    for spec, entry, own in measured(corpus):
        peer = measure_peer(python, spec, entry)
        rows.append((spec, own, peer))
        print(
            f"| {spec['name']} | {spec['version']} | {spec['operations']} | {_cells(own)} | {_cells(peer)} |",
            flush=True,
        )
    print()
    for name, found in (("Causeway", [own for _, own, _ in rows]), (peer_name, [peer for _, _, peer in rows])):
        imported = [row for row in found if "refused" not in row]
        print(
            f"- {name}: imported {len(imported)}/{len(rows)}, {_sum(imported, 'tools'):,} operations kept of "
            f"{sum(spec['operations'] for spec, _, _ in rows):,}, {_sum(imported, 'seconds'):.0f} s of CPU, "
            f"{_sum(imported, 'list_bytes'):,} bytes of lists."
        )
    both = [(own, peer) for _, own, peer in rows if "refused" not in own and "refused" not in peer]
    print(
        f"- On the {len(both)} that both import: {_sum((own for own, _ in both), 'tools'):,} and "
        f"{_sum((peer for _, peer in both), 'tools'):,} tools, {_compared(both)}."
    )
    for spec, own, peer in rows:
        if spec["name"] in RATIOS and "refused" not in own and "refused" not in peer:
            print(f"- {spec['title']}: {_compared([(own, peer)])}.")


def _cells(row: dict[str, Any]) -> str:
    if "refused" in row:
        return f"{row['refused'].replace('|', '/')} | |"
    return f"{row['tools']} | {row['seconds']:.2f} | {row['list_bytes']:,}"


def _sum(rows: Any, field: str) -> Any:
    return sum(row[field] for row in rows)


def _compared(pairs: list[tuple[dict[str, Any], dict[str, Any]]]) -> str:
    own, peer = (sum(pair[side]["list_bytes"] for pair in pairs) for side in (0, 1))
    ratio = peer / own if own else 0
    return f"{own:,} and {peer:,} bytes of lists, a ratio of 1 : {ratio:.1f}"


def main() -> None:
    """Read the arguments and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpus", type=Path, help="folder with a manifest.json")
    parser.add_argument("--peer", metavar="PYTHON", help="Python of an environment that has FastMCP")
    arguments = parser.parse_args()
    if arguments.peer:
        print_side_by_side(arguments.corpus, arguments.peer)
    else:
        print_own(arguments.corpus)


if __name__ == "__main__":
    main()
