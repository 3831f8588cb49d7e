"""Data drift and prediction drift, without calibration."""

from __future__ import annotations

import numpy as np
from scipy.special import ndtr

from airflow_mlops.loop.effects import Effect, category_effect, numeric_effect
from airflow_mlops.loop.verdicts import data_drift, prediction_drift
from benchmarks.signal_error_rates.worlds import KINDS, World, as_kind

# How many columns, rows of the window, and rows it is compared with.
SIZES = [(1, 1000, 6000), (10, 200, 6000), (10, 1000, 6000), (10, 5000, 10_000), (50, 1000, 6000)]
DAYS = [(10, 700, 6000), (10, 2800, 6000), (10, 2800, 20_000)]
ALIKE = [World(0.1), World(0.1, 0.4), World(0.3, 0.4)]
SHIFTS = [0.25, 0.5, 1.0]


def measure(
    kind: str, world: World, rows: int, reference: int, rng: np.random.Generator, *, shift: float = 0.0
) -> Effect:
    """Draw both sides of a column and measure it, days known."""
    drawn = [world.latent(reference, rng), world.latent(rows, rng, shift=shift)]
    (then, count), (now, _) = (as_kind(kind, latent) for latent, _ in drawn)
    days = (drawn[0][1], drawn[1][1])
    if count:
        return category_effect(kind, (then, now), count, days=days)
    return numeric_effect(kind, then, now, days=days)


def data_drift_table(scale: float) -> list[dict[str, object]]:
    """Judge looks at stable rows, and at rows of which one column in ten moved."""
    settings = [(World(), *sizes) for sizes in SIZES] + [(world, *sizes) for world in ALIKE for sizes in DAYS]
    rows = []
    for world, columns, size, reference in settings:
        repeats = max(20, round(scale * (400 if columns <= 10 else 100)))
        rng = np.random.default_rng(1)
        stable = [look(world, columns, size, reference, rng) for _ in range(repeats)]
        row: dict[str, object] = {
            "rows are": world.name,
            "columns": columns,
            "window / reference": f"{size:,} / {reference:,}",
            "promised at most": 0.01,
            "a column alarms": float(np.mean([found[0] for found in stable])),
            "the set is beyond": float(np.mean([found[1] for found in stable])),
            "columns that cannot be told": float(np.mean([found[2] for found in stable])),
        }
        for shift in SHIFTS:
            moved = [first_alarms(world, columns, size, reference, shift, rng) for _ in range(max(20, repeats // 4))]
            row[f"moved by {shift:g} SD: found"] = float(np.mean(moved))
        rows.append(row)
    return rows


def look(world: World, columns: int, rows: int, reference: int, rng: np.random.Generator) -> tuple[bool, bool, float]:
    """Return whether any column alarmed, whether the set was beyond, and the share that could not be told."""
    effects = {f"{place}": measure(KINDS[place % len(KINDS)], world, rows, reference, rng) for place in range(columns)}
    signal = data_drift(effects)
    return bool(signal.value), (signal.value or 0.0) >= 0.5, untold(effects)


def untold(effects: dict[str, Effect]) -> float:
    """Return the share of columns that look like noise whatever they do."""
    from airflow_mlops.loop.verdicts.drift import column_limit

    limits = [column_limit(effect, threshold=None, rate=0.01 / len(effects)) for effect in effects.values()]
    return sum(limit is None for limit in limits) / len(limits)


def first_alarms(world: World, columns: int, rows: int, reference: int, shift: float, rng: np.random.Generator) -> bool:
    """Tell whether the one column that moved is found, beside the others, at the limit it has among them."""
    from airflow_mlops.loop.verdicts.drift import column_limit

    effect = measure("normal", world, rows, reference, rng, shift=shift)
    limit = column_limit(effect, threshold=None, rate=0.01 / columns)
    return limit is not None and effect.value >= limit


def prediction_drift_table(scale: float) -> list[dict[str, object]]:
    """Judge answers: probabilities, with a held-out reference of 2,000 to 6,000 rows; classes; a rare class."""
    rows = []
    for world in (World(), *ALIKE):
        for kind in ("probability", "few", "rare"):
            for size in (200, 1000, 2800):
                rng = np.random.default_rng(2)
                rate = {
                    shift: float(np.mean([_alarms(kind, world, size, shift, rng) for _ in range(count)]))
                    for shift, count in ((0.0, max(40, round(1000 * scale))), (0.5, max(20, round(100 * scale))))
                }
                rows.append(
                    {
                        "rows are": world.name,
                        "answers": {"few": "5 classes", "rare": "a class of 1 %"}.get(kind, kind),
                        "window / reference": f"{size:,} / 6,000",
                        "promised at most": 0.01,
                        "alarms": rate[0.0],
                        "moved by 0.5 SD: found": rate[0.5],
                    }
                )
    return rows


def _alarms(kind: str, world: World, rows: int, shift: float, rng: np.random.Generator) -> bool:
    if kind == "probability":
        (then, first), (now, second) = world.latent(6000, rng), world.latent(rows, rng, shift=shift)
        effect = numeric_effect("prediction", ndtr(then - 1), ndtr(now - 1), days=(first, second))
    else:
        effect = measure(kind, world, rows, 6000, rng, shift=shift)
    return prediction_drift(effect).verdict in ("watch", "drifted")
