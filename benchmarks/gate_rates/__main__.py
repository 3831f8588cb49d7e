"""Simulate how often the gate errs: how often it passes what it should not, and refuses what it should not.

    PYTHONPATH=operators python -m benchmarks.gate_rates --json OUT [--part tests|challengers|margins|all]
        [--repeats 2000] [--seeds 200] [--streams DIR [DIR ...]] [--jobs 2]

``tests`` draws losses, errors, scores and groups of two models whose true difference is known, and counts verdicts of
the four paired tests, of guards, of the search for the worst slice and of the comparison of groups. ``challengers``
trains challengers that must not pass, and one that must, on real streams. ``margins`` prints how many rows a margin
takes. The exit code is 1 where a promise is not kept.
"""

from __future__ import annotations

import argparse
import json
import sys
from itertools import chain
from pathlib import Path
from typing import Any

from benchmarks.gate_rates import margins, others, paired


def simulated(repeats: int) -> list[dict[str, Any]]:
    """Print and return the rates of the tests."""
    found = []
    for figure in chain(paired.figures(repeats), others.figures(repeats)):
        print(figure, flush=True)
        found.append(figure.to_dict())
    return found


def trained(seeds: int, streams: list[Path] | None, jobs: int) -> list[dict[str, Any]]:
    """Return the rates of trained challengers."""
    from benchmarks.gate_rates.challengers import measure

    return measure(seeds, streams=streams, jobs=jobs)


def main() -> None:
    """Measure, print, and write JSON where asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, help="write the figures here")
    parser.add_argument("--part", choices=["tests", "challengers", "margins", "all"], default="all")
    parser.add_argument("--repeats", type=int, default=2000, help="simulated holdouts for each rate")
    parser.add_argument("--seeds", type=int, default=200, help="trainings of each challenger on each stream")
    parser.add_argument("--streams", type=Path, nargs="+", metavar="DIR", help="folders as for benchmarks.loop")
    parser.add_argument("--jobs", type=int, default=2, help="processes that train challengers")
    arguments = parser.parse_args()
    found: list[dict[str, Any]] = []
    if arguments.part in ("margins", "all"):
        found += margins.table()
    if arguments.part in ("tests", "all"):
        found += simulated(arguments.repeats)
    if arguments.part in ("challengers", "all"):
        found += trained(arguments.seeds, arguments.streams, arguments.jobs)
    if arguments.json:
        arguments.json.write_text(json.dumps({"figures": found}, indent=2) + "\n")
    broken = sum(not figure["ok"] for figure in found)
    print(f"{len(found)} figures, {broken} of them not as promised")
    sys.exit(1 if broken else 0)


if __name__ == "__main__":
    main()
