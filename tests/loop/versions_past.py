"""Pasts of a model with versions, for tests of policies: weeks in which what serves lost this or that."""

from __future__ import annotations

import numpy as np

from airflow_mlops.loop.past import Past, Shift
from airflow_mlops.spec.policy_sections import Budget, Circuit, CommitteePolicy, SinglePolicy

# Defaults are tuned on streams; these stay.
_SET = {
    "longest": 30,
    "growth": 0.4,
    "allowance": 0.5,
    "budget": Budget(start=2, share=0.06),
    "circuit": Circuit(refusals=4, promotions=12, within=16),
}
COMMITTEE = CommitteePolicy(
    price=1, shortest=2, pool=16, memory=0.8, trust=0.02, prior=3, sharpness=12, tolerance=0.02, **_SET
)
SINGLE = SinglePolicy(price=0.4, shortest=3, pool=8, memory=0.8, trust=0.15, prior=1, margin=0.01, **_SET)


def past(losses, *, age=None, pool=("1",), of_pool=None, serving="1", **facts):
    """Make a past of windows that each begin one after the other at 0, when the first champion was trained.

    ``age`` moves the last training to so many windows before now; ``of_pool`` has the losses of each version.
    """
    now = float(len(losses))
    trained = facts.pop("trained", [0.0] if age is None else [0.0, now - age])
    weights = serving if isinstance(serving, dict) else {serving: 1.0}
    told = {
        "now": now,
        "looks": len(losses),
        "trained": trained,
        "starts": [float(place) for place in range(len(losses))],
        "served": list(losses),
        "fresh": [losses[0]] if losses else [],
        "pool": pool,
        "losses": None if of_pool is None else np.array(of_pool, dtype="float64"),
        "serving": weights,
    }
    return Past(**(told | facts))


def calm(windows=10, **facts):
    """Make a past in which nothing happens, of a model that is not old."""
    return past([0.5] * windows, age=1, **facts)


def losing(windows=10, **facts):
    """Make a past in which the champion has lost far more than a fresh model for three windows."""
    return past([0.5] * windows + [1.0] * 3, age=4, **({"looks": 100} | facts))


def correcting(value=0.3, moved=0.3, rows=400):
    """Give the correction that the newest labels ask for, whatever serves."""
    return lambda weights: Shift(value, moved, rows)
