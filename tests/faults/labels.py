"""Labels and leakage."""

from __future__ import annotations

import numpy as np
import pandas as pd

from tests.faults.setting import Setting, column, rows, some


@rows("flipped coding", "labels", "block")
def _flipped(setting, rng):
    if not setting.is_binary or setting.batch[setting.target].nunique() < 2:
        return None
    classes = sorted(setting.reference[setting.target].dropna().unique())
    return _with_target(setting, setting.batch[setting.target].map({classes[0]: classes[1], classes[1]: classes[0]}))


@rows("one class only", "labels", "block")
def _one_class(setting, rng):
    return _only(setting, 0)


@rows("the other class only", "labels", "block")
def _other_class(setting, rng):
    return _only(setting, 1)


def _only(setting, value):
    """Skip batches so small, or classes so rare, that this is no surprise."""
    known = setting.reference[setting.target] == value
    # So many labels of one class after each other are usual where the reference has them too.
    is_usual = known.rolling(len(setting.batch)).min().max() == 1
    if not setting.is_binary or is_usual or known.mean() ** len(setting.batch) > 1e-3:
        return None
    return _with_target(setting, setting.batch[setting.target].map(lambda _: value))


@rows("one and the same number", "labels", "block")
def _frozen(setting, rng):
    known = setting.reference[setting.target]
    if known.nunique() < 100:
        return None
    return _with_target(setting, setting.batch[setting.target] * 0 + known.median())


@rows("60 % of labels not there yet", "labels", "wait")
def _waiting(setting, rng):
    values = setting.batch[setting.target]
    return _with_target(setting, values.mask(some(values, rng, 0.6)))


@rows("no label of the newest 60 %", "labels", "wait")
def _newest_waiting(setting, rng):
    late = setting.batch[setting.time].rank(method="first") > 0.4 * len(setting.batch)
    return _with_target(setting, setting.batch[setting.target].mask(late))


@rows("no label yet", "labels", "wait")
def _none(setting, rng):
    return _with_target(setting, setting.batch[setting.target].astype(float) * np.nan)


@rows("each label with its own arrival time", "labels", "wait")
def _arrival(setting, rng):
    delay = pd.to_timedelta(rng.exponential(3, len(setting.batch)), unit="D")
    return setting.batch.assign(label_at=setting.batch[setting.time] + delay)


@rows("target x1000", "labels", "block")
def _thousand(setting, rng):
    values = setting.batch[setting.target]
    return _with_target(setting, values * 1000) if values.nunique() > 1 else None


def _with_target(setting: Setting, values: pd.Series) -> pd.DataFrame:
    return setting.batch.assign(**{setting.target: values})


def leaked(share: float) -> None:
    @column(f"target plus noise of {share:.0%} of its spread", "leakage", "block", on=_two_numbers)
    def _leaked(setting, name, rng):
        target = setting.batch[setting.target]
        return target + rng.normal(0, share * target.std(), len(target))


def _two_numbers(setting: Setting) -> list[str]:
    spread = setting.batch[setting.target].std() > 0
    return [*setting.measured[:2], *setting.numbers[-1:]] if spread else []


for share in (0.01, 0.05, 0.1):
    leaked(share)


@rows("a new column equal to the target plus noise", "leakage", "block")
def _extra(setting, rng):
    target = setting.batch[setting.target].astype(float)
    if not target.std() > 0:
        return None
    return setting.batch.assign(leak=target + rng.normal(0, 0.01 * target.std(), len(target)))


@rows("a new column equal to the target", "leakage", "block")
def _copy(setting, rng):
    target = setting.batch[setting.target]
    return setting.batch.assign(leak=target) if target.std() > 0 else None


@rows("a new text that tells the target", "leakage", "block")
def _text(setting, rng):
    if not setting.is_binary or setting.batch[setting.target].nunique() < 2:
        return None
    return setting.batch.assign(leak=setting.batch[setting.target].map({0: "refused", 1: "accepted"}))


@column("target in a text", "leakage", "block", on=lambda s: s.texts[:1])
def _in_text(setting, name, rng):
    if not setting.is_binary or setting.batch[setting.target].nunique() < 2:
        return None
    known = setting.reference[name].value_counts().index[:2]
    return setting.batch[setting.target].map(dict(zip((0, 1), known, strict=False))) if len(known) == 2 else None
