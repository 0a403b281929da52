"""What compiling costs, over a folder of descriptions with a `manifest.json`: `python benchmarks/corpus.py FOLDER`.

Each description is compiled in a process of its own; CPU seconds are from bytes to a rendered tools/list.
"""

from __future__ import annotations

import json
import multiprocessing
import resource
import sys
import time
from pathlib import Path
from typing import Any

from converters import DescriptionError, compile_description


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


def main() -> None:
    """Print one row per description and the slowest at the end."""
    corpus = Path(sys.argv[1])
    manifest = json.loads((corpus / "manifest.json").read_bytes())
    seconds: list[float] = []
    print(f"{'description':32} {'bytes':>9} {'ops':>5} {'tools':>5} {'CPU s':>6} {'list KiB':>9} {'peak MiB':>8}")
    with multiprocessing.get_context("spawn").Pool(1, maxtasksperchild=1) as pool:
        for spec in manifest["specs"]:
            entry = corpus / spec["file"]
            row = pool.apply(measure, (entry, corpus / Path(spec["file"]).parts[0]))
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


if __name__ == "__main__":
    main()
