"""Run the sides, print how they compare, and what is promised of that."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from airflow_mlops.stages.drift.methods import DEFAULT_THRESHOLDS, is_beyond
from benchmarks import drift as words
from benchmarks.drift.rows import write_snapshot

# name: (promise in words, bound, whether the figure has to be at least the bound)
PROMISES = {
    "times faster than the preset": (40.0, True),
    "times faster than the tests alone": (10.0, True),
    "times less memory than the preset": (10.0, True),
    "times less memory than the preset, without the libraries": (10.0, True),
    "columns with another verdict than Evidently's": (0.0, False),
    "times the reading of the columns": (3.0, False),
    "time a row, most rows against fewest": (1.3, False),
    "most memory in MB": (1024.0, False),
}
WARM_ROWS = 20_000


def measure(folder: Path, sizes: list[int], *, threads: int, repeats: int, peer_repeats: int) -> dict[str, Any]:
    """Write the rows and run each side; return figures by number of rows and side."""
    refs = {"warm": write_snapshot(folder, "warm", WARM_ROWS, is_now=False).to_dict()}
    refs["reference"] = write_snapshot(folder, "reference", sizes[0], is_now=False).to_dict()
    found: dict[str, Any] = {}
    for size in sizes:
        current = write_snapshot(folder, f"now_{size}", size, is_now=True)
        request = {"folder": str(folder), "threads": threads, **refs, "current": current.to_dict()}
        sides = ("ours", "arrow", "tests", "preset") if size == sizes[0] else ("ours", "arrow")
        times = dict.fromkeys(("tests", "preset"), peer_repeats)
        found[str(size)] = {side: _alone(side, {**request, "repeats": times.get(side, repeats)}) for side in sides}
    return found


def _alone(side: str, request: dict[str, Any]) -> dict[str, Any]:
    command = [sys.executable, "-W", "ignore", "-m", "benchmarks.drift.side", side, json.dumps(request)]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def ratios(found: dict[str, Any]) -> dict[str, float]:
    """Put the sides beside each other."""
    sizes = sorted(map(int, found))
    first, last = found[str(sizes[0])], found[str(sizes[-1])]
    ours, tests, preset = (first[side] for side in ("ours", "tests", "preset"))
    per_row = [found[str(size)]["ours"]["seconds"] / size for size in (sizes[0], sizes[-1])]
    values = (
        preset["seconds"] / ours["seconds"],
        tests["seconds"] / ours["seconds"],
        preset["peak_mb"] / ours["peak_mb"],
        preset["rows_mb"] / ours["rows_mb"],
        len(differing(first)),
        max(each["ours"]["seconds"] / each["arrow"]["seconds"] for each in found.values()),
        per_row[1] / per_row[0],
        last["ours"]["peak_mb"],
    )
    return dict(zip(PROMISES, values, strict=True))


def differing(sides: dict[str, Any]) -> list[str]:
    """Name the columns whose verdict or method is not that of Evidently's test, or of its preset."""
    names = []
    for column, (method, _, is_drifted) in sides["ours"]["found"].items():
        peer_method, _, is_peer_drifted = sides["tests"]["found"][column]
        is_in_preset = is_beyond(peer_method, sides["preset"]["found"][column], DEFAULT_THRESHOLDS[peer_method])
        if method != peer_method or {is_drifted} != {is_peer_drifted, is_in_preset}:
            names.append(column)
    return names


def show(found: dict[str, Any], compared: dict[str, float], console: Console) -> bool:
    """Print the figures; tell whether all promises are kept."""
    table = Table(
        "rows", "side", "seconds", "CPU seconds", "peak MB", "warm libraries MB", "above MB", "heavy libraries"
    )
    for size, sides in found.items():
        for side, each in sides.items():
            figures = [f"{each['seconds']:.2f}", f"{each['cpu']:.2f}", f"{each['peak_mb']:,.0f}"]
            figures += [f"{each['warm_mb']:,.0f}", f"{each['rows_mb']:,.0f}"]
            table.add_row(f"{int(size):,}", side, *figures, ", ".join(each["heavy"]))
    console.print(table)
    promises, is_kept = Table("what", "found", "promised", ""), True
    for name, value in compared.items():
        bound, is_least = PROMISES[name]
        kept = value >= bound if is_least else value <= bound
        is_kept &= kept
        promises.add_row(
            name, f"{value:.2f}", f"{'at least' if is_least else 'at most'} {bound:g}", "" if kept else "missed"
        )
    console.print(promises)
    return is_kept


def main() -> int:
    """Measure and print; 1 where a promise is not kept."""
    parser = argparse.ArgumentParser(description=words.__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, nargs="+", default=[1_000_000, 10_000_000], metavar="N")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=5, help="of ours and of the reading; the median counts")
    parser.add_argument("--peer-repeats", type=int, default=1, help="of Evidently, which takes a minute")
    parser.add_argument("--json", type=Path, metavar="OUT", help="write the figures to this file")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = measure(
            Path(folder),
            options.rows,
            threads=options.threads,
            repeats=options.repeats,
            peer_repeats=options.peer_repeats,
        )
    compared = ratios(found)
    if options.json:
        options.json.write_text(json.dumps({"sides": found, "compared": compared}, indent=2) + "\n")
    return 0 if show(found, compared, Console()) else 1


if __name__ == "__main__":
    raise SystemExit(main())
