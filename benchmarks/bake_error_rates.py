"""How often a bake breaks that should hold, and how soon one breaks that should.

    python -m benchmarks.bake_error_rates [--json OUT] [--runs N]

Labelled rows of days are drawn whose losses resemble each other within a day, and from day to day: heavy-tailed losses
of the version before, and of the promoted one so much more. A look is made each day, or each week, and the trial ends
when one finds the rise to be shown above 10 %. Then requests, one of twenty of which fails, and a server that is asked
after each ten of them.
"""

from __future__ import annotations

import argparse
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from airflow_mlops.loop.bake import Against, bake_signal, server_signal
from airflow_mlops.spec.control_sections import Bake

if TYPE_CHECKING:
    from airflow_mlops.loop.bake import DayLosses
    from airflow_mlops.loop.signal import Signal

SINCE = datetime(2013, 3, 1, tzinfo=UTC)
SETTINGS = Bake()
DAYS = SETTINGS.window.days
RISES = (0.0, 0.05, 0.1, 0.15, 0.2, 0.3, 0.5)
ROWS = (50, 500)
# Standard deviation of a day's level, and of how much more a day's rows lose with the promoted version.
DAY, RISE_OF_DAY, CORRELATION = 0.2, 0.05, 0.5
MOST_REQUESTS, STEP = 2000, 10


def draw(rise: float, rows: int, random: np.random.Generator) -> list[DayLosses]:
    """Draw the days of one bake window."""
    level, extra = (_correlated(deviation, random) for deviation in (DAY, RISE_OF_DAY))
    day = np.repeat(np.arange(DAYS), rows)
    before = random.gamma(0.5, 1.0, len(day)) * np.exp(level - DAY**2 / 2)[day]
    scatter = random.lognormal(-0.5 * 0.3**2, 0.3, len(day))
    served = before * (1 + rise) * np.exp(extra - RISE_OF_DAY**2 / 2)[day] * scatter
    return list(Against.measured(2, "1", (served, before), day).days)


def _correlated(deviation: float, random: np.random.Generator) -> np.ndarray:
    found = np.zeros(DAYS)
    found[0] = random.normal(0, deviation)
    for day in range(1, DAYS):
        found[day] = CORRELATION * found[day - 1] + random.normal(0, deviation * (1 - CORRELATION**2) ** 0.5)
    return found


def broken_on(days: list[DayLosses], every: int) -> int | None:
    """Return the day on which a bake breaks, looked at each so many days; None where it holds."""
    looks: list[Signal] = []
    for last in range(every, DAYS + 1, every):
        until = SINCE + timedelta(days=last)
        looks.append(bake_signal(days[:last], SETTINGS, since=SINCE, until=until, earlier=looks))
        if looks[-1].verdict == "drifted":
            return last
    return None


def of_labels(runs: int) -> list[dict[str, Any]]:
    """Measure bakes on labels."""
    random, found = np.random.default_rng(14), []
    for rows in ROWS:
        for rise in RISES:
            trials = [draw(rise, rows, random) for _ in range(runs)]
            for every in (1, 7):
                days = [day for trial in trials if (day := broken_on(trial, every))]
                median = float(np.median(days)) if days else None
                found.append(
                    {"rows": rows, "rise": rise, "every": every, "broken": len(days) / runs, "median_day": median}
                )
    return found


def of_server(runs: int) -> list[dict[str, Any]]:
    """Measure bakes on failed requests."""
    random, found = np.random.default_rng(15), []
    for share in (0.0, SETTINGS.errors, 0.1, 0.25, 1.0):
        ends = []
        for _ in range(runs):
            failed = np.cumsum(random.uniform(size=MOST_REQUESTS) < share)
            asked = range(SETTINGS.min_requests, MOST_REQUESTS + 1, STEP)
            signals = ((at, server_signal(SETTINGS, requests=at, failed=int(failed[at - 1]))) for at in asked)
            ends.append(next((at for at, signal in signals if signal.verdict == "drifted"), None))
        hit = [at for at in ends if at]
        median = float(np.median(hit)) if hit else None
        found.append({"failing": share, "broken": len(hit) / runs, "median_requests": median})
    return found


def main() -> None:
    """Simulate, print, and write JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, metavar="OUT")
    parser.add_argument("--runs", type=int, default=1000)
    options = parser.parse_args()
    found = {"runs": options.runs, "labels": of_labels(options.runs), "server": of_server(options.runs)}
    for row in found["labels"]:
        print(
            f"{row['rows']:4} rows a day, rise {row['rise']:4.0%}, a look each {row['every']} d: "
            f"broken {row['broken']:6.1%}, median day {row['median_day']}"
        )
    for row in found["server"]:
        print(f"{row['failing']:4.0%} failing: broken {row['broken']:6.1%}, after {row['median_requests']} requests")
    if options.json:
        options.json.write_text(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    main()
