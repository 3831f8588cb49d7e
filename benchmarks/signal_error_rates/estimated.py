"""Estimated quality: how often the loss measured later lies in the interval, and what is called beyond."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import expit

from airflow_mlops.loop.estimate import Answered, Estimate, estimate_loss
from airflow_mlops.loop.verdicts import Level, estimated_quality
from benchmarks.signal_error_rates.worlds import World

PAST = 2000
INDEPENDENT = World()


@dataclass(frozen=True)
class Case:
    """A model and a world: how sure the model is of itself, and what is different now."""

    name: str
    world: World = INDEPENDENT
    offset: float = 0.0
    overconfident: float = 1.0
    shift: float = 0.0
    changed: float = 0.0
    past: int = PAST
    rows: int = 700


CASES = [
    Case("as before"),
    Case("as before, 200 labelled"),
    Case("as before, over-confident model", overconfident=2.0),
    Case("as before, days share 10%, correlation 0.4", world=World(0.1, 0.4)),
    Case("as before, a class of 2 %", offset=-4.8),
    Case("as before, 5,000 rows", rows=5000),
    Case("harder rows now", shift=1.0),
    Case("harder rows now, over-confident model", shift=1.0, overconfident=2.0),
    Case("changed world: signs half turned", changed=1.0),
]


def table(scale: float) -> list[dict[str, object]]:
    """Estimate, then look at the labels."""
    rows = []
    for case in CASES:
        for metric in ("log_loss", "zero_one", "mean_absolute_error"):
            rng = np.random.default_rng(6)
            repeats = max(40, round(scale * 300))
            drawn = [_once(case, metric, rng) for _ in range(repeats)]
            real, estimates = np.array([each[0] for each in drawn]), [each[1] for each in drawn]
            inside = [each.low <= truth <= each.high for truth, each in zip(real, estimates, strict=True)]
            level = float(np.mean([each[2] for each in drawn]))
            rows.append(
                {
                    "case": case.name,
                    "loss": metric,
                    "level": f"{level:.3f}",
                    "measured": f"{real.mean():.3f}",
                    "estimated": f"{np.mean([each.loss for each in estimates]):.3f}",
                    "95 % interval holds it": float(np.mean(inside)),
                    "called beyond": float(np.mean([_beyond(each, level) for each in estimates])),
                }
            )
    return rows


def _once(case: Case, metric: str, rng: np.random.Generator) -> tuple[float, Estimate, float]:
    """Return the measured loss, its estimate, and the loss of the past."""
    past_rows = 200 if "200" in case.name else case.past
    then = _draw(case, metric, past_rows, rng, shift=0.0, changed=0.0)
    now = _draw(case, metric, case.rows, rng, shift=case.shift, changed=case.changed)
    estimate = estimate_loss(metric, Answered(now.said, now.days), then)
    if estimate is None:
        raise RuntimeError("the labelled past is long enough for an estimate")
    return _loss(metric, now), estimate, _loss(metric, then)


def _draw(case: Case, metric: str, rows: int, rng: np.random.Generator, *, shift: float, changed: float) -> Answered:
    """Draw rows on one scale: classes are surer far from zero, numbers vary more where they are large."""
    latent, days = case.world.latent(rows, rng)
    if metric == "mean_absolute_error":
        said = 3 + latent + shift
        spread = 0.2 * np.maximum(said, 0.2)
        return Answered(said, days, said + spread * (1 + changed) * rng.standard_normal(rows))
    # A harder world has its rows nearer to where classes meet; what days share moves the classes, not the rows.
    score = 2 * (1 - 0.5 * shift) * rng.standard_normal(rows) + case.offset
    shared = latent if case.world.shared else np.zeros(rows)
    truth = score * (1 - changed * 0.75) + 0.5 * _daily(shared, days)
    happened = (rng.random(rows) < expit(truth)).astype(int)
    chance = expit(case.overconfident * score)
    return Answered(np.column_stack([1 - chance, chance]), days, happened)


def _daily(values: np.ndarray, days: np.ndarray) -> np.ndarray:
    return (np.bincount(days, weights=values) / np.bincount(days))[days]


def _loss(metric: str, answered: Answered) -> float:
    if answered.happened is None:
        raise RuntimeError("what happened was drawn")
    if metric == "mean_absolute_error":
        return float(np.abs(answered.said - answered.happened).mean())
    if metric == "zero_one":
        return float((answered.said.argmax(axis=1) != answered.happened).mean())
    chosen = answered.said[np.arange(len(answered.happened)), answered.happened]
    return float(-np.log(np.clip(chosen, 1e-6, 1)).mean())


def _beyond(estimate: Estimate, level: float) -> bool:
    """Judge against the true level, known from many windows that differ by what their rows make them differ."""
    judged = estimated_quality(estimate, Level(level, 20, 0.0, 40))
    return judged.verdict in ("watch", "drifted")
