"""Simulate how often the gate errs: how often it passes a challenger it should not, and refuses one it should not.

    python -m benchmarks.gate_error_rates [--harder] [--repeats 1000] [--resamples N]

Losses are drawn, not predicted: a champion's loss a row is exponential with mean one half, as log losses are; the
challenger's is the same row's, moved by its advantage, plus noise of its own. Days may add a shift of their own to the
challenger's loss, as bad weather does. The first table has days as two models of one kind meet them. With ``--harder``
days differ as much as between a champion and a challenger a month younger (`benchmarks.day_effects`), and assumptions
of the gate are broken one by one.
"""

from __future__ import annotations

import argparse
import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from airflow_mlops.loop.gate import judge

if TYPE_CHECKING:
    from collections.abc import Iterable

# Where each row is resampled by itself fewer do: it is slow, and with more rows the error would be larger.
ROWS, FEWER_ROWS = 4_000, 1_000
MARGIN = 0.01

# Standard deviations: of a row's own noise, and of what a day adds to all its rows; `benchmarks.day_effects` measures
# both on flights. The larger shift is a little less than the least that was met between models a month apart.
NOISE, DAY_SHIFT, LARGE_DAY_SHIFT = 0.15, 0.01, 0.05
# Correlation of a day's shift with the next day's, as measured.
PERSISTENCE = 0.4
# An over-confident challenger: one row in a hundred costs it this much, and all others pay it back.
COSTLY_SHARE, COSTLY_LOSS = 0.01, 1.5

CHALLENGERS = {
    "worse, at the margin (should be refused)": 1 + MARGIN,
    "worse, three times the margin (should be refused)": 1 + 3 * MARGIN,
    "equal (should pass)": 1.0,
    "better by 2 % (should pass)": 0.98,
    "better by 5 % (should pass)": 0.95,
}


@dataclass(frozen=True)
class Holdout:
    """What is held out, and what the gate is told of it; ``block_days`` None resamples rows."""

    days: int = 14
    block_days: int | None = 1
    rows: int = ROWS
    shift: float = 0.0
    persistence: float = 0.0
    is_uneven: bool = False
    is_overconfident: bool = False


HARDER = {
    "5 days": Holdout(5, shift=LARGE_DAY_SHIFT),
    "7 days": Holdout(7, shift=LARGE_DAY_SHIFT),
    "14 days": Holdout(14, shift=LARGE_DAY_SHIFT),
    "28 days": Holdout(28, shift=LARGE_DAY_SHIFT),
    "56 days": Holdout(56, shift=LARGE_DAY_SHIFT),
    "14 days of very uneven size": Holdout(14, shift=LARGE_DAY_SHIFT, is_uneven=True),
    "14 days like the day before": Holdout(14, shift=LARGE_DAY_SHIFT, persistence=PERSISTENCE),
    "28 days like the day before": Holdout(28, shift=LARGE_DAY_SHIFT, persistence=PERSISTENCE),
    "28 such days, blocks of 2 days": Holdout(28, 2, shift=LARGE_DAY_SHIFT, persistence=PERSISTENCE),
    "28 such days, blocks of 4 days": Holdout(28, 4, shift=LARGE_DAY_SHIFT, persistence=PERSISTENCE),
    "56 such days, blocks of 7 days": Holdout(56, 7, shift=LARGE_DAY_SHIFT, persistence=PERSISTENCE),
    "14 days, block null": Holdout(14, None, FEWER_ROWS, shift=LARGE_DAY_SHIFT),
    "over-confident, 200 rows of 14 days": Holdout(rows=200, is_overconfident=True),
    "over-confident, 1,000 rows of 14 days": Holdout(rows=1_000, is_overconfident=True),
    "over-confident, 4,000 rows of 14 days": Holdout(is_overconfident=True),
}


def draw(rng: np.random.Generator, holdout: Holdout, *, factor: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Draw the losses of champion and challenger on the rows of some days.

    Returns
    -------
    champion, challenger, day : ndarray of shape (n_rows,)
        ``factor`` is the ratio of expected losses, challenger over champion.
    """
    if holdout.is_uneven:
        size = rng.lognormal(0, 1, holdout.days)
        day = np.sort(rng.choice(holdout.days, holdout.rows, p=size / size.sum()))
    else:
        day = np.sort(rng.integers(0, holdout.days, holdout.rows))
    champion = rng.exponential(0.5, holdout.rows)
    challenger = champion + (factor - 1) * 0.5
    if holdout.is_overconfident:
        challenger += COSTLY_LOSS * ((rng.random(holdout.rows) < COSTLY_SHARE) - COSTLY_SHARE)
    else:
        challenger += rng.normal(0, NOISE, holdout.rows)
    if holdout.shift:
        challenger += shifts(rng, holdout)[day]
    return champion, challenger, day


def shifts(rng: np.random.Generator, holdout: Holdout) -> np.ndarray:
    """Draw what each day adds: an autoregression of order one, independent days where it has no persistence."""
    found = rng.normal(0, holdout.shift, holdout.days)
    fresh = np.sqrt(1 - holdout.persistence**2)
    for day in range(1, holdout.days):
        found[day] = holdout.persistence * found[day - 1] + fresh * found[day]
    return found


def pass_rate(holdout: Holdout, *, factor: float, repeats: int, resamples: int) -> float:
    """Return the share of drawn holdouts on which the gate passes the challenger against the champion."""
    passed = 0
    for seed in range(repeats):
        champion, challenger, day = draw(np.random.default_rng(seed), holdout, factor=factor)
        found = judge(
            challenger,
            # Far off, so that the comparison with the champion decides.
            baseline=champion + 10,
            champion=champion,
            blocks=None if holdout.block_days is None else day // holdout.block_days,
            margin=MARGIN,
            resamples=resamples,
            seed=seed,
        )
        passed += found.verdict == "pass"
    return passed / repeats


def table(repeats: int, resamples: int) -> Iterable[str]:
    """Yield the error rates as a Markdown table, one row a challenger."""
    columns = list(itertools.product((0.0, DAY_SHIFT), ((None, 7), (1, 7), (1, 14), (1, 28))))
    head = [
        f"{'days differ' if shift else 'rows independent'}, "
        + (f"{days} days resampled" if block_days else "rows resampled")
        for shift, (block_days, days) in columns
    ]
    yield from _head("challenger", head)
    for name, factor in CHALLENGERS.items():
        holdouts = [Holdout(days, block_days, shift=shift) for shift, (block_days, days) in columns]
        yield _line(name, [pass_rate(one, factor=factor, repeats=repeats, resamples=resamples) for one in holdouts])


def harder_table(repeats: int, resamples: int) -> Iterable[str]:
    """Yield the error rates where days differ much or an assumption is broken, one row a holdout."""
    yield from _head("held out", CHALLENGERS)
    for name, holdout in HARDER.items():
        factors = CHALLENGERS.values()
        yield _line(
            name, [pass_rate(holdout, factor=factor, repeats=repeats, resamples=resamples) for factor in factors]
        )


def _head(first: str, names: Iterable[str]) -> list[str]:
    names = [first, *names]
    return ["| " + " | ".join(names) + " |", "|" + "---|" * len(names)]


def _line(name: str, rates: Iterable[float]) -> str:
    return f"| {name} | " + " | ".join(f"{rate:.1%}" for rate in rates) + " |"


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--harder", action="store_true", help="the second table")
    parser.add_argument("--repeats", type=int, default=1000, help="holdouts drawn for each cell, seeds 0, 1, 2, ...")
    parser.add_argument("--resamples", type=int, default=400, help="of the bootstrap")
    arguments = parser.parse_args()
    for line in (harder_table if arguments.harder else table)(arguments.repeats, arguments.resamples):
        print(line, flush=True)


if __name__ == "__main__":
    main()
