"""Simulate how often the gate errs: how often it passes a challenger it should not, and refuses one it should not.

Run as ``python -m benchmarks.gate_error_rates``. Losses are drawn, not predicted: a champion's loss a row is
exponential with mean one half, as log losses are; the challenger's is the same row's, moved by its advantage, plus
noise of its own. In the correlated half each day adds a shift of its own to the challenger's loss, as bad weather does.
"""

from __future__ import annotations

import argparse
import itertools

import numpy as np

from airflow_mlops.loop.gate import judge

ROWS = 4_000
MARGIN = 0.01

# Standard deviations: of a row's own noise, and of what a day adds to all its rows. For two models of the flights that
# differ by seed or settings they were measured as 0.10 and 0.008, for one trained a month earlier as 0.19 and 0.024.
NOISE, DAY_SHIFT = 0.15, 0.01

CHALLENGERS = {
    "worse, at the margin (should be refused)": 1 + MARGIN,
    "worse, three times the margin (should be refused)": 1 + 3 * MARGIN,
    "equal (should pass)": 1.0,
    "better by 2 % (should pass)": 0.98,
    "better by 5 % (should pass)": 0.95,
}


def draw(
    rng: np.random.Generator, *, factor: float, days: int, correlated: bool
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Draw the losses of champion and challenger on the rows of some days.

    Returns
    -------
    champion, challenger, day : ndarray of shape (4000,)
        ``factor`` is the ratio of expected losses, challenger over champion.
    """
    day = np.sort(rng.integers(0, days, ROWS))
    champion = rng.exponential(0.5, ROWS)
    challenger = champion + (factor - 1) * 0.5 + rng.normal(0, NOISE, ROWS)
    if correlated:
        challenger += rng.normal(0, DAY_SHIFT, days)[day]
    return champion, challenger, day


def pass_rate(*, factor: float, days: int, correlated: bool, blocked: bool, repeats: int, resamples: int) -> float:
    """Return the share of drawn holdouts on which the gate passes the challenger against the champion."""
    passed = 0
    for seed in range(repeats):
        champion, challenger, day = draw(np.random.default_rng(seed), factor=factor, days=days, correlated=correlated)
        found = judge(
            challenger,
            # Far off, so that the comparison with the champion decides.
            baseline=champion + 10,
            champion=champion,
            blocks=day if blocked else None,
            margin=MARGIN,
            resamples=resamples,
            seed=seed,
        )
        passed += found.verdict == "passed"
    return passed / repeats


def table(repeats: int, resamples: int) -> str:
    """Return the error rates as a Markdown table, one row a challenger."""
    columns = list(itertools.product((False, True), ((False, 7), (True, 7), (True, 14), (True, 28))))
    head = [
        f"{'days differ' if correlated else 'rows independent'}, "
        + (f"{days} days resampled" if blocked else "rows resampled")
        for correlated, (blocked, days) in columns
    ]
    lines = ["| challenger | " + " | ".join(head) + " |", "|---|" + "---|" * len(head)]
    for name, factor in CHALLENGERS.items():
        rates = [
            pass_rate(
                factor=factor, days=days, correlated=correlated, blocked=blocked, repeats=repeats, resamples=resamples
            )
            for correlated, (blocked, days) in columns
        ]
        lines.append(f"| {name} | " + " | ".join(f"{rate:.1%}" for rate in rates) + " |")
    return "\n".join(lines)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=1000, help="holdouts drawn for each cell")
    parser.add_argument("--resamples", type=int, default=400, help="of the bootstrap")
    arguments = parser.parse_args()
    print(table(arguments.repeats, arguments.resamples))


if __name__ == "__main__":
    main()
