"""How often the comparison of two policies calls one worse where nothing differs, and where something does.

    PYTHONPATH=operators python -m benchmarks.paired_error_rates [--json FILE] [--runs 1000]

Differences of served losses are simulated window by window: normal, with a correlation of neighbours, and a mean of so
many standard deviations. The promise is 5 % at most.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np

from airflow_mlops.replay.noise import difference

WINDOWS, CORRELATIONS, MEANS = (20, 45, 120), (0.0, 0.3, 0.6), (0.0, 0.3, 0.6)
_BURN_IN = 50


def draw(rng: np.random.Generator, windows: int, correlation: float) -> np.ndarray:
    """Draw differences with a standard deviation of one."""
    shocks = rng.normal(0, (1 - correlation**2) ** 0.5, windows + _BURN_IN)
    found = np.zeros(windows + _BURN_IN)
    for place in range(1, len(found)):
        found[place] = correlation * found[place - 1] + shocks[place]
    return found[_BURN_IN:]


def rate(windows: int, correlation: float, mean: float, runs: int) -> float:
    """Return the share of simulated comparisons that say worse."""
    rng, nothing = np.random.default_rng(4), np.zeros(windows)
    said = [difference(draw(rng, windows, correlation) + mean, nothing, seed=run).is_worse for run in range(runs)]
    return float(np.mean(said))


def main() -> None:
    """Simulate, print, and write JSON where asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, help="write the figures here")
    parser.add_argument("--runs", type=int, default=1000, help="simulated comparisons of each kind")
    arguments = parser.parse_args()
    found = []
    for windows in WINDOWS:
        for correlation in CORRELATIONS:
            rates = {mean: rate(windows, correlation, mean, arguments.runs) for mean in MEANS}
            print(f"{windows} windows, correlation {correlation}:", ", ".join(f"{m} {r:.1%}" for m, r in rates.items()))
            found.append({"windows": windows, "correlation": correlation, "called_worse": rates})
    if arguments.json:
        arguments.json.write_text(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    main()
