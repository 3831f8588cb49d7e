"""Read the command line, measure, print, write."""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from benchmarks import loop
from benchmarks.loop.run import Options, Run
from benchmarks.loop.sources import from_folders, from_packages
from benchmarks.loop.table import show


def main(arguments: list[str] | None = None) -> int:
    """Run; 1 where a stream could not be measured, and 0 else."""
    chosen = _parser().parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="loop-benchmark-") as scratch:
        options = Options(
            cache=chosen.cache or Path(scratch),
            json=chosen.json,
            label_delay=chosen.label_delay,
            rows_per_batch=chosen.rows_per_batch,
            jobs=chosen.jobs,
            controls=None if chosen.control is None else tuple(chosen.control),
            has_peers=not chosen.no_peers,
        )
        return _measured(options, chosen.streams, neighbours=chosen.neighbours)


def _measured(options: Options, folders: list[Path] | None, *, neighbours: bool) -> int:
    run = Run(options, _say)
    if folders:
        sources = from_folders(folders, rows_per_batch=options.rows_per_batch, label_delay=options.label_delay)
    else:
        sources, run.left_out = from_packages(label_delay=options.label_delay)
    found = run.all(sources, with_neighbours=neighbours)
    _say("")
    show(found)
    return 1 if run.failed or not run.measured else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.loop", description=loop.__doc__.splitlines()[0])
    parser.add_argument("--streams", type=Path, nargs="+", metavar="DIR", help="folders with a data.parquet")
    parser.add_argument(
        "--label-delay", type=int, default=1, metavar="N", help="batches until labels are due; default 1"
    )
    parser.add_argument("--json", type=Path, metavar="OUT", help="where the figures go, after each stream anew")
    parser.add_argument("--rows-per-batch", type=int, metavar="N", help="cut batches by rows; default by days")
    parser.add_argument("--cache", type=Path, metavar="DIR", help="keep models here: a run that was ended goes on")
    parser.add_argument("--jobs", type=int, default=2, metavar="N", help="processes; default 2")
    parser.add_argument("--control", nargs="+", metavar="NAME", help="streams without drift; default: found by a rule")
    parser.add_argument("--no-peers", action="store_true", help="leave out Evidently and river, which take longest")
    parser.add_argument("--neighbours", action="store_true", help="replay the settings beside the defaults, too")
    return parser


def _say(line: str) -> None:
    """Show progress in one line of a terminal, elsewhere a line each."""
    end = "\r" if sys.stderr.isatty() else "\n"
    print(f"{line:<79}", end=end, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
