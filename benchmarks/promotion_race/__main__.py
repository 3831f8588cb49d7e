"""Let many processes promote and roll back one model at the same epoch, and count who won.

    python -m benchmarks.promotion_race [--processes N] [--rounds N] [--ledger URL] [--json OUT]

All processes start together and name the same epoch. Of each ten, seven promote a version of their own, two the same
version as another process, and one rolls back to the version that served before, freezing the one that serves. One
event may come of a round: whoever names the very same promotion gets that event back, everybody else a
`PromotionConflict`. Exit code 1 where a round came out otherwise. Without ``--ledger`` a SQLite file is made and
thrown away; the model's name is new each time, so a ledger in use may be named.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path
from uuid import uuid4

from benchmarks.promotion_race.race import run_race


def main() -> int:
    """Race, print, and write the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--processes", type=int, default=50, metavar="N")
    parser.add_argument("--rounds", type=int, default=3, metavar="N")
    parser.add_argument("--ledger", metavar="URL", help="sqlite:////path/ledger.db or postgresql+psycopg://...")
    parser.add_argument("--json", type=Path, metavar="OUT", help="write the figures to this file")
    options = parser.parse_args()
    model = f"promotion_race_{uuid4().hex[:8]}"
    with tempfile.TemporaryDirectory() as folder:
        url = options.ledger or f"sqlite:///{folder}/ledger.db"
        figures = run_race(url, model=model, processes=options.processes, rounds=options.rounds)
    if options.json:
        options.json.write_text(json.dumps(figures, indent=2) + "\n")
    for number, found in enumerate(figures["rounds"], start=1):
        told = {name: value for name, value in found.items() if name != "errors"}
        print(f"round {number}: " + ", ".join(f"{name} {value}" for name, value in told.items()))
        for error in found["errors"]:
            print(f"  {error}")
    print("exactly one won each round" if figures["is_right"] else "NOT exactly one won each round")
    return 0 if figures["is_right"] else 1


if __name__ == "__main__":
    sys.exit(main())
