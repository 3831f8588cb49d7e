"""Categories that explode, are written otherwise, renamed, new or gone."""

from __future__ import annotations

import pandas as pd

from tests.faults.setting import Setting, column, some


def texts(setting: Setting):
    return setting.texts


def common(setting: Setting, name: str) -> str:
    return setting.batch[name].value_counts().index[0]


@column("ids instead of names", "categories", "block", on=texts)
def _ids(setting, name, rng):
    return pd.Series(rng.integers(10**8, 10**9, len(setting.batch)), setting.batch.index).astype(str)


@column("an id behind each name", "categories", "block", on=texts)
def _suffixed(setting, name, rng):
    ids = pd.Series(rng.integers(10**8, 10**9, len(setting.batch)), setting.batch.index).astype(str)
    return setting.batch[name] + "-" + ids


@column("ids in 60 % of rows", "categories", "block", on=texts)
def _some_ids(setting, name, rng):
    values = setting.batch[name]
    ids = pd.Series([f"id{value:09d}" for value in rng.integers(0, 10**9, len(values))], values.index)
    return values.mask(some(values, rng, 0.6), ids)


def respelled(name: str, share: float, change) -> None:
    @column(name, "categories", "block", on=texts)
    def _respelled(setting, column_, rng):
        values = setting.batch[column_]
        changed = values.mask(some(values, rng, share), change(values))
        return None if (changed != values).sum() < 5 or set(changed) <= set(setting.reference[column_]) else changed


respelled("trailing space", 1.0, lambda values: values + " ")
respelled("trailing space in a fifth of rows", 0.2, lambda values: values + " ")
respelled("leading space in a fifth of rows", 0.2, lambda values: " " + values)
respelled("upper case in a fifth of rows", 0.2, lambda values: values.str.upper())
respelled("lower case and a trailing space", 1.0, lambda values: values.str.lower() + " ")
respelled("lower case", 1.0, lambda values: values.str.lower())


respelled("in quotes", 1.0, lambda values: '"' + values + '"')


@column("a word for no value", "missing", "block", on=texts)
def _word(setting, name, rng):
    """In as many rows as nulls would stop."""
    values = setting.batch[name]
    return None if setting.reference[name].isna().mean() > 0.2 else values.mask(some(values, rng, 0.6), "NA")


@column("a word for each null", "missing", "block", on=texts)
def _word_for_null(setting, name, rng):
    """Where nulls come steadily, and there are enough of them."""
    values = setting.batch[name]
    if min(values.isna().mean(), setting.reference[name].isna().mean()) < 0.1 or values.isna().sum() < 50:
        return None
    return values.fillna("None")


@column("letters beyond ASCII lost", "categories", "block", on=texts)
def _lost(setting, name, rng):
    values = setting.batch[name]
    broken = values.map(lambda v: v.encode("ascii", "replace").decode() if isinstance(v, str) else v)
    return None if (broken != values).mean() < 0.05 else broken


@column("another encoding", "categories", "block", on=texts)
def _mojibake(setting, name, rng):
    """Every value with a letter beyond ASCII read in another encoding."""
    values = setting.batch[name]
    broken = values.map(lambda v: v.encode().decode("latin-1") if isinstance(v, str) else v)
    return None if (broken != values).mean() < 0.05 else broken


@column("one new value", "categories", "pass", on=texts)
def _new(setting, name, rng):
    return setting.batch[name].mask(some(setting.batch, rng, 0.03), "brand new")


@column("one new value in a tenth", "categories", "pass", on=texts)
def _new_common(setting, name, rng):
    return setting.batch[name].mask(some(setting.batch, rng, 0.1), "brand new")


@column("a value renamed", "categories", "block", on=lambda s: [n for n in s.texts if _is_steady(s, n)])
def _renamed(setting, name, rng):
    return setting.batch[name].replace({common(setting, name): "under another name"})


def _is_steady(setting: Setting, name: str) -> bool:
    """Tell whether the commonest value was common in each quarter of the reference, and is now."""
    value, reference = common(setting, name), setting.reference
    quarters = [reference.iloc[int(q * len(reference) / 8) : int((q + 1) * len(reference) / 8)] for q in range(8)]
    shares = [(quarter[name] == value).mean() for quarter in quarters]
    now = (setting.batch[name] == value).mean()
    if reference[name].nunique() < 2:
        return False
    # Of 15 rows 20 were expected by the check; shares as in the reference, for else it may be another value.
    return min(shares) > 0.05 and 0.9 * min(shares) < now < 1.1 * max(shares) and min(shares) * len(setting.batch) > 30


@column("'unknown' in a third", "categories", "warn", on=lambda s: [n for n in s.texts if _is_new(s, n, "?")])
def _unknown(setting, name, rng):
    return setting.batch[name].mask(some(setting.batch, rng, 0.33), "?")


@column("empty text in half", "missing", "block", on=lambda s: [n for n in s.texts if _is_new(s, n, "")])
def _empty(setting, name, rng):
    return setting.batch[name].mask(some(setting.batch, rng, 0.5), "")


def _is_new(setting: Setting, name: str, value: str) -> bool:
    return not (setting.reference[name] == value).any()
