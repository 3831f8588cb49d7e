"""Print every table, and write the numbers where that is asked for."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from benchmarks import signal_error_rates
from benchmarks.signal_error_rates import calibrated, drift, estimated, flights, losses


def main() -> None:
    """Draw, judge, count."""
    parser = argparse.ArgumentParser(description=signal_error_rates.__doc__.splitlines()[0])
    parser.add_argument("--json", type=Path, help="where the numbers go")
    parser.add_argument("--scale", type=float, default=1.0, help="repeats, as a share of the usual")
    options = parser.parse_args()
    found = {}
    for name, table in (
        ("data_drift", drift.data_drift_table),
        ("prediction_drift", drift.prediction_drift_table),
        ("calibration", calibrated.table),
        ("quality", losses.table),
        ("persistence", losses.persistence_table),
        ("estimated_quality", estimated.table),
        ("estimated_quality_of_flights", flights.table),
    ):
        rows = table(options.scale)
        found[name] = rows
        print(f"\n{name}\n\n{markdown(rows)}", flush=True)
    if options.json:
        options.json.write_text(json.dumps(found, indent=2) + "\n", "utf-8")


def markdown(rows: list[dict[str, object]]) -> str:
    """Write rows of one kind as a table."""
    names = list(rows[0])
    lines = ["| " + " | ".join(names) + " |", "|" + "---|" * len(names)]
    lines += ["| " + " | ".join(_shown(row[name]) for name in names) + " |" for row in rows]
    return "\n".join(lines)


def _shown(value: object) -> str:
    return f"{value:.1%}" if isinstance(value, float) else "-" if value is None else str(value)


if __name__ == "__main__":
    main()
