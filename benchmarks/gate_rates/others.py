"""Rates of guards, of the search for the worst slice, and of the comparison of groups."""

from __future__ import annotations

import itertools
from functools import partial
from typing import TYPE_CHECKING
from zlib import crc32

import numpy as np
from scipy.special import ndtri

from airflow_mlops.loop.gate import worst_slice_check
from airflow_mlops.spec.gate_sections import Fairness
from airflow_mlops.stages.evaluate.fairness import fairness_checks
from airflow_mlops.stages.evaluate.predictions import Predictions
from benchmarks.gate_rates.figure import LEVEL, Figure
from benchmarks.gate_rates.paired import bootstrap_passed, is_offered, rate, settled
from benchmarks.gate_rates.worlds import ALIKE, LOSSES, World, blocks_of, by_day

if TYPE_CHECKING:
    from collections.abc import Iterator

GUARD_MARGIN, SLICE_MARGIN, GAP_MARGIN = 0.05, 0.1, 0.05
GUARD_ROWS, FEW, MANY = 300, 500, 2000
_SLOWER = 4
# Columns that a search crosses, and values of each: 12 slices of one column, 48 of two.
_COLUMNS, _VALUES = 3, 4
# Groups: rates of being selected, by the champion, by a challenger at the margin, and by one that is plainly unfair.
_CHAMPION, _AT_MARGIN, _UNFAIR = (0.5, 0.45, 0.4), (0.525, 0.45, 0.375), (0.6, 0.45, 0.3)


def figures(repeats: int) -> Iterator[Figure]:
    """Yield every rate of the further checks; searches and groups, which are slow, of a quarter of the repetitions."""
    for world, blocked in itertools.product(LOSSES, (False, True)):
        if not is_offered("bootstrap", world, blocked=blocked):
            continue
        yield from _guards(world, blocked, repeats)
        yield from _searches(world, blocked, max(1, repeats // _SLOWER))
    fewer = max(1, repeats // _SLOWER)
    for world_name, blocked, rows in (
        ("independent", False, FEW),
        ("independent", False, MANY),
        ("independent", True, MANY),
        ("days that differ", True, MANY),
    ):
        told = partial(_figure, "fairness", rows, world=world_name, blocked=blocked)
        alarms = partial(fairness_alarms, rows, days=world_name == "days that differ", blocked=blocked)
        yield settled(partial(told, "gap at the margin, failed", stated=LEVEL), partial(alarms, _AT_MARGIN), fewer)
        yield settled(partial(told, "gap wider by 0.2, failed", stated=None), partial(alarms, _UNFAIR), fewer)


def _guards(world: World, blocked: bool, repeats: int) -> Iterator[Figure]:
    told = partial(_figure, "guard", GUARD_ROWS, world=world.name, blocked=blocked)
    shares = partial(rate, bootstrap_passed, world, GUARD_ROWS, 1 + GUARD_MARGIN, blocked=blocked)
    at_margin = partial(shares, 1 + GUARD_MARGIN)
    yield settled(partial(told, "worse by the margin, passed", stated=LEVEL), at_margin, repeats)
    yield settled(partial(told, "equal, passed", stated=None), partial(shares, 1.0), repeats)


def _searches(world: World, blocked: bool, repeats: int) -> Iterator[Figure]:
    for rows in (FEW, MANY):
        told = partial(_figure, "worst slice", rows, world=world.name, blocked=blocked)
        alarms = partial(slice_alarms, world, rows, blocked=blocked)
        at_margin = partial(alarms, 1 + SLICE_MARGIN, 1.0)
        yield settled(partial(told, "all at the margin, failed", stated=LEVEL), at_margin, repeats)
    yield settled(partial(told, "50 % worse on 500, failed", stated=None), partial(alarms, 1.0, 1.5), repeats)


def _figure(
    test: str, rows: int, what: str, *, found: float, world: str, blocked: bool, repeats: int, stated: float | None
) -> Figure:
    return Figure(
        test=test,
        world=world,
        rows=rows,
        units="blocks" if blocked else "rows",
        goal="not_worse",
        what=what,
        rate=found,
        repeats=repeats,
        stated=stated,
        wanted=None if stated is None else "at most",
    )


def slice_alarms(
    world: World, rows: int, ratio: float, extra: float, *, blocked: bool, repeats: int, first: int = 0
) -> float:
    """Return the share of searches that fail; the first value of the first column costs ``extra`` times the loss."""
    found = 0
    for seed in range(first, first + repeats):
        rng = np.random.default_rng([crc32(world.name.encode()), seed, rows])
        mine, theirs = (each[:, 0] for each in world.draw(rng, rows, 1, ratio))
        values = rng.integers(0, _VALUES, (rows, _COLUMNS))
        mine = np.where(values[:, 0] == 0, mine + (extra - 1) * theirs.mean(), mine)
        check = worst_slice_check(
            mine,
            theirs,
            _slices(values),
            blocks=blocks_of(rows) if blocked else None,
            margin=SLICE_MARGIN,
            min_rows=100,
            false_alarms=LEVEL,
            seed=seed,
        )
        found += check.verdict == "fail"
    return found / repeats


def _slices(values: np.ndarray) -> dict[str, np.ndarray]:
    one = {f"{column}={value}": values[:, column] == value for column in range(_COLUMNS) for value in range(_VALUES)}
    two = {
        f"{a} and {b}": one[a] & one[b] for a, b in itertools.combinations(one, 2) if a.split("=")[0] != b.split("=")[0]
    }
    return one | two


def fairness_alarms(
    rows: int, rates: tuple[float, ...], *, days: bool, blocked: bool, repeats: int, first: int = 0
) -> float:
    """Return the share of comparisons of three groups that fail, by the rate at which each is selected."""
    settings, found = Fairness(columns=["group"], measures=("selection_rate",), margin=GAP_MARGIN), 0
    for seed in range(first, first + repeats):
        rng = np.random.default_rng([seed, rows, 7])
        group = rng.integers(0, len(rates), rows)
        common = _latent(rng, rows, days)
        said = {}
        for name, by_group in (("challenger", rates), ("champion", _CHAMPION)):
            own = np.sqrt(ALIKE) * common + np.sqrt(1 - ALIKE) * rng.normal(size=rows)
            labels = (own < ndtri(np.array(by_group))[group]).astype(int)
            said[name] = Predictions(labels, (0, 1))
        check = fairness_checks(
            {"group": group},
            np.zeros(rows, int),
            said,
            {},
            settings=settings,
            blocks=blocks_of(rows) if blocked else None,
        )[0]
        found += check.verdict == "fail"
    return found / repeats


def _latent(rng: np.random.Generator, rows: int, days: bool) -> np.ndarray:
    """Draw what makes a row be selected; days move all groups, a tenth of the variance."""
    if not days:
        return rng.normal(size=rows)
    return np.sqrt(0.1) * by_day(rng, rows, 1)[:, 0] + np.sqrt(0.9) * rng.normal(size=rows)
