"""Changes of the world: none may be blocked."""

from __future__ import annotations

import pandas as pd

from tests.faults.setting import Setting, column, rows, some


def measured(setting: Setting):
    """Without counts: one spread out around its middle falls below zero."""
    return [name for name in setting.measured if name not in setting.whole]


@column("a market that widens", "true drift", "pass", on=measured)
def _wider(setting, name, rng):
    values = setting.batch[name]
    return values.median() + 2 * (values - values.median())


@column("a crisis", "true drift", "pass", on=measured)
def _crisis(setting, name, rng):
    values, was = setting.batch[name], setting.reference[name]
    return values + (was.quantile(0.9) - was.quantile(0.1)) * rng.uniform(0.5, 1)


@rows("new stations", "true drift", "pass")
def _stations(setting, rng):
    if not setting.texts:
        return None
    name, chosen = setting.texts[-1], some(setting.batch, rng, 0.2)
    new = pd.Series([f"new {number}" for number in rng.integers(0, 4, len(setting.batch))], setting.batch.index)
    return setting.batch.assign(**{name: setting.batch[name].mask(chosen, new)})


@rows("half of the business", "true drift", "pass")
def _half(setting, rng):
    return setting.batch[some(setting.batch, rng, 0.5)]
