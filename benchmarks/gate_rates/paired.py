"""Rates of the four paired tests."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING
from zlib import crc32

import numpy as np

from airflow_mlops.loop.gate.bootstrap import mean_bounds
from airflow_mlops.loop.gate.delong import FEWEST_OF_CLASS, delong
from airflow_mlops.loop.gate.diebold_mariano import cosines, freedom, series_error
from airflow_mlops.loop.gate.mcnemar import mcnemar
from airflow_mlops.loop.gate.students import quantile
from benchmarks.gate_rates.figure import LEVEL, POWER, Figure
from benchmarks.gate_rates.worlds import ERRORS, LOSSES, RANKS, World, blocks_of, positives

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Passed = Callable[[np.ndarray, np.ndarray, float, "np.ndarray | None", int], np.ndarray]

MARGIN, BETTER = 0.01, 0.95
FEW, MANY = (200, 500), 2000
# Repetitions that share their resamples.
_BATCH = 100


def figures(repeats: int) -> Iterator[Figure]:
    """Yield every rate of the paired tests."""
    for world in LOSSES:
        for test, passed in (("bootstrap", bootstrap_passed), ("diebold_mariano", series_passed)):
            yield from _of_world(test, passed, world, repeats)
    for world in ERRORS:
        yield from _of_world("mcnemar", mcnemar_passed, world, repeats)
    for share, worlds in RANKS.items():
        for world in worlds:
            yield from _of_world("delong", partial(delong_passed, share), world, repeats, share=share)


def _of_world(test: str, passed: Passed, world: World, repeats: int, *, share: float | None = None) -> Iterator[Figure]:
    """Yield the rates at the margin for few and many rows, with blocks and without, and the power with many."""
    for rows in (*FEW, MANY):
        if share is not None and round(share * rows) < FEWEST_OF_CLASS:
            continue
        for blocked in (False, True):
            for goal, margin in _goals(test, rows):
                told = partial(_figure, test, world, rows, goal, blocked=blocked)
                factor = 1 + margin if goal == "not_worse" else 1 - margin
                shares = partial(rate, passed, world, rows, factor, blocked=blocked)
                yield settled(partial(told, "worse by the margin, passed"), partial(shares, factor), repeats)
                if rows == MANY:
                    yield settled(partial(told, "5 % better, passed"), partial(shares, BETTER), repeats)


def settled(told: Callable[..., Figure], share: Callable[..., float], repeats: int) -> Figure:
    """Measure a rate, and where it is beyond two errors once more, with other draws and four times as many.

    Of a hundred rates that are as promised two or three lie beyond two errors by chance.
    """
    found = told(found=share(repeats=repeats), repeats=repeats)
    if found.ok:
        return found
    return told(found=share(repeats=4 * repeats, first=repeats), repeats=4 * repeats)


def _goals(test: str, rows: int) -> list[tuple[str, float]]:
    """Return what is to be shown, by which margin; McNemar has a form of its own without one."""
    if rows != MANY:
        return [("not_worse", MARGIN)]
    return [("not_worse", MARGIN), ("better", 0.0 if test == "mcnemar" else MARGIN)]


def _figure(
    test: str, world: World, rows: int, goal: str, what: str, *, found: float, repeats: int, blocked: bool
) -> Figure:
    is_level = what.startswith("worse")
    # Power is promised for the gate's defaults where rows are independent; forty rows of a rare class are too few.
    has_power = test == "bootstrap" and goal == "not_worse" and world.name != "rare classes"
    is_promised = is_level or (has_power and world.rows_are == "independent")
    return Figure(
        test=test,
        world=world.name,
        rows=rows,
        units="blocks" if blocked else "rows",
        goal=goal,
        what=what,
        rate=found,
        repeats=repeats,
        stated=(LEVEL if is_level else POWER) if is_promised else None,
        wanted=("at most" if is_level else "at least") if is_promised else None,
        offered=is_offered(test, world, blocked=blocked),
    )


def is_offered(test: str, world: World, *, blocked: bool) -> bool:
    """Say whether a test may be used so: rows that hang together need blocks, or for a while a test of series."""
    if blocked or world.rows_are == "independent":
        return True
    return test == "diebold_mariano" and world.rows_are == "in a row"


def rate(
    passed: Passed,
    world: World,
    rows: int,
    factor: float,
    ratio: float,
    *,
    blocked: bool,
    repeats: int,
    first: int = 0,
) -> float:
    """Return the share of repetitions that pass, from number ``first`` on."""
    units, found = blocks_of(rows) if blocked else None, 0
    for start in range(first, first + repeats, _BATCH):
        # The same draws for each test in a world, others in each world.
        rng = np.random.default_rng([crc32(world.name.encode()), start, rows])
        mine, theirs = world.draw(rng, rows, min(_BATCH, first + repeats - start), ratio)
        found += int(passed(mine, theirs, factor, units, start).sum())
    return found / repeats


def bootstrap_passed(
    mine: np.ndarray, theirs: np.ndarray, factor: float, units: np.ndarray | None, seed: int
) -> np.ndarray:
    """Judge each column by the bootstrap, as `bootstrap` does."""
    _, high, _ = mean_bounds(
        mine - factor * theirs,
        np.arange(len(mine)) if units is None else units,
        is_block=units is not None,
        confidence=1 - LEVEL,
        resamples=1000,
        rng=np.random.default_rng(seed),
    )
    return high <= 0


def series_passed(mine: np.ndarray, theirs: np.ndarray, factor: float, units: np.ndarray | None, _: int) -> np.ndarray:
    """Judge each column by the test of Diebold and Mariano."""
    count = cosines(len(mine), None if units is None else int(units.max()) + 1)
    mean, error = series_error(mine - factor * theirs, count)
    return mean + quantile(1 - LEVEL, freedom(count)) * error <= 0


def mcnemar_passed(mine: np.ndarray, theirs: np.ndarray, factor: float, units: np.ndarray | None, _: int) -> np.ndarray:
    """Judge each column by McNemar's test."""
    known, is_block = np.arange(len(mine)) if units is None else units, units is not None
    return np.array(
        [
            mcnemar(own, [(other, factor)], known, is_block=is_block, confidence=1 - LEVEL)[0].excess_bound <= 0
            for own, other in zip(mine.T, theirs.T, strict=True)
        ]
    )


def delong_passed(
    share: float, mine: np.ndarray, theirs: np.ndarray, factor: float, units: np.ndarray | None, _: int
) -> np.ndarray:
    """Judge each column by the test of DeLong."""
    known, is_block = np.arange(len(mine)) if units is None else units, units is not None
    positive = positives(len(mine), share)
    return np.array(
        [
            delong(positive, own, [(other, factor)], known, is_block=is_block, confidence=1 - LEVEL)[0].excess_bound
            <= 0
            for own, other in zip(mine.T, theirs.T, strict=True)
        ]
    )
