"""Another unit, codes for "unknown", nulls."""

from __future__ import annotations

import pandas as pd

from tests.faults.setting import Setting, column, is_whole, some

SENTINELS = (-999, -9999, 9999, 99999, -99)


def numbers(setting: Setting):
    return [name for name in setting.numbers if _has_sizes(setting, name)]


def measured(setting: Setting):
    return setting.measured


def every(setting: Setting):
    return setting.features


def _has_sizes(setting: Setting, name: str) -> bool:
    """Tell whether at least a tenth of the batch is a number other than zero."""
    return all((frame[name].fillna(0) != 0).mean() > 0.1 for frame in (setting.reference, setting.batch))


def times(factor: float, expected) -> None:
    @column(f"x{factor:g}", "unit", expected, on=numbers)
    def _times(setting, name, rng):
        return setting.batch[name] * factor


for factor in (1000, 100, 1e-3):
    times(factor, "block")


@column("30 % of rows in another unit (x1000)", "unit", "warn", on=measured)
def _mixed(setting, name, rng):
    values = setting.batch[name].astype(float)
    return values.mask(some(values, rng, 0.3), values * 1000)


@column("30 % of rows in another unit (km)", "unit", "warn", on=measured)
def _mixed_km(setting, name, rng):
    values = setting.batch[name].astype(float)
    return values.mask(some(values, rng, 0.3), values * 1.609344)


def sentinel(code: float, share: float) -> None:
    @column(f"sentinel {code:g} in {share:.0%} of rows", "unit", "block", on=numbers)
    def _sentinel(setting, name, rng):
        if code > 0 and code <= 2 * setting.reference[name].max():
            return None
        if code < 0 and setting.reference[name].min() < code:
            return None
        return setting.batch[name].mask(some(setting.batch, rng, share), code)


for code in SENTINELS:
    sentinel(code, 0.05)
sentinel(-999, 0.01)
sentinel(-999, 0.3)


@column("sentinel -9999 in one row", "unit", "block", on=measured)
def _one_row(setting, name, rng):
    return None if setting.reference[name].min() < -999 else setting.batch[name].mask(setting.batch.index == 3, -9999)


@column("zero in 60 % of rows", "unit", "block", on=measured)
def _zero(setting, name, rng):
    """Where zero is far from all that was, in the batch too."""
    known = [frame[name].dropna() for frame in (setting.reference, setting.batch)]
    if any(values.min() <= 0.5 * values.median() for values in known):
        return None
    return setting.batch[name].mask(some(setting.batch, rng, 0.6), 0)


@column("-1 in a count", "unit", "block", on=lambda setting: setting.whole)
def _minus_one(setting, name, rng):
    return setting.batch[name].mask(some(setting.batch, rng, 0.05), -1)


@column("-1 in a flag", "unit", "block", on=lambda s: [n for n in s.features if _is_flag(s, n)])
def _minus_one_flag(setting, name, rng):
    return setting.batch[name].mask(some(setting.batch, rng, 0.05), -1)


def _is_flag(setting: Setting, name: str) -> bool:
    values = setting.reference[name]
    return pd.api.types.is_integer_dtype(values) and set(values.dropna().unique()) == {0, 1}


def nulls(name: str, share: float, expected) -> None:
    @column(name, "missing", expected, on=lambda s: [n for n in s.features if s.reference[n].isna().mean() < 0.2])
    def _nulls(setting, column_, rng):
        return setting.batch[column_].mask(rng.permutation(len(setting.batch)) < share * len(setting.batch))


nulls("half of a column null", 0.5, "block")
nulls("60 % of a column null", 0.6, "block")


@column("newest half of a column null", "missing", "block", on=lambda s: _filled(s))
def _newest(setting, name, rng):
    late = setting.batch[setting.time].rank(method="first") > len(setting.batch) / 2
    return setting.batch[name].mask(late)


@column("whole column null", "missing", "block", on=lambda s: _filled(s))
def _whole(setting, name, rng):
    return setting.batch[name].mask([True] * len(setting.batch))


@column("whole column NaN", "missing", "block", on=lambda s: [n for n in _filled(s) if n in s.numbers])
def _nan(setting, name, rng):
    return setting.batch[name].astype(float) * float("nan")


def _filled(setting: Setting) -> list[str]:
    return [name for name in setting.features if setting.reference[name].isna().mean() < 0.2]


# Beyond the list: what a gate may or may not stop.


@column("sign flipped", "meaning", "block", on=lambda s: [n for n in s.measured if s.reference[n].min() > 0])
def _sign(setting, name, rng):
    return -setting.batch[name]


@column("stuck sensor", "meaning", "warn", on=measured)
def _stuck(setting, name, rng):
    return pd.Series(setting.batch[name].dropna().iloc[0], index=setting.batch.index)


@column("rounding lost", "meaning", "warn", on=measured)
def _rounded(setting, name, rng):
    return None if is_whole(setting.reference[name]) else setting.batch[name].round()
