"""How often a burn-rate alert is on while an objective is kept, and how soon it is on when it is not.

    python -m benchmarks.slo_error_rates [--json OUT] [--runs N]

Requests are drawn minute by minute for three days, of a period of 30, with a share of bad ones that stays at a half of
what may be missed, at all of it, or rises to ten and to twenty times as much. An alert counts where it was on at any of
the looks, which are five minutes apart.
"""

from __future__ import annotations

import argparse
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from airflow_mlops.loop.slo import Count, budget_of

NOW = datetime(2013, 6, 1, tzinfo=UTC)
PERIOD, TARGET = timedelta(days=30), 0.99
MINUTES, LOOK = 3 * 24 * 60, 5
# Where the share of bad requests changes: after two and a half days.
CHANGE = MINUTES - 12 * 60
REQUESTS = (1, 100)
TIMES = (0.5, 1.0, 2.0, 10.0, 20.0)


def alerts(bad: np.ndarray, requests: int) -> dict[str, int | None]:
    """Return the first minute after the change at which each kind of alert is on."""
    first: dict[str, int | None] = {"page": None, "ticket": None}
    begin = NOW - MINUTES * timedelta(minutes=1)
    counts = [
        Count(begin + minute * timedelta(minutes=1), int(requests - count), int(count))
        for minute, count in enumerate(bad)
    ]
    for minute in range(CHANGE, MINUTES, LOOK):
        now = counts[minute].at
        found = budget_of("latency", counts[: minute + 1], target=TARGET, period=PERIOD, now=now)
        for burn in found.burns:
            if burn.is_on and first[burn.kind] is None:
                first[burn.kind] = minute - CHANGE
    return first


def measure(runs: int) -> list[dict[str, Any]]:
    """Draw requests and look at them."""
    random, found = np.random.default_rng(5), []
    for requests in REQUESTS:
        for times in TIMES:
            share = np.full(MINUTES, (1 - TARGET) * min(times, 1.0))
            share[CHANGE:] = (1 - TARGET) * times
            firsts = [alerts(random.binomial(requests, share), requests) for _ in range(runs)]
            row: dict[str, Any] = {"requests": requests, "burn": times}
            for kind in ("page", "ticket"):
                on = [each[kind] for each in firsts if each[kind] is not None]
                row |= {kind: len(on) / runs, f"{kind}_minutes": float(np.median(on)) if on else None}
            found.append(row)
    return found


def main() -> None:
    """Simulate, print, and write JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, metavar="OUT")
    parser.add_argument("--runs", type=int, default=20)
    options = parser.parse_args()
    found = measure(options.runs)
    for row in found:
        print(
            f"{row['requests']:3} requests a minute, burning {row['burn']:4.1f}: page {row['page']:6.1%} after "
            f"{row['page_minutes']} min, ticket {row['ticket']:6.1%} after {row['ticket_minutes']} min"
        )
    if options.json:
        options.json.write_text(json.dumps({"runs": options.runs, "rates": found}, indent=2) + "\n")


if __name__ == "__main__":
    main()
