"""The rows as a whole: twice, too few, old, in another time."""

from __future__ import annotations

import pandas as pd

from tests.faults.setting import Setting, rows, some


@rows("batch twice", "rows", "block")
def _twice(setting, rng):
    return pd.concat([setting.batch, setting.batch])


@rows("each row twice", "rows", "block")
def _each_twice(setting, rng):
    return setting.batch.loc[setting.batch.index.repeat(2)]


@rows("30 % of rows twice", "rows", "warn")
def _some_twice(setting, rng):
    return pd.concat([setting.batch, setting.batch[some(setting.batch, rng, 0.3)]])


@rows("seven rows", "rows", "block")
def _seven(setting, rng):
    return setting.batch.head(7)


@rows("no row", "rows", "block")
def _none(setting, rng):
    return setting.batch.head(0)


@rows("shuffled rows", "rows", "pass")
def _shuffled(setting, rng):
    return setting.batch.sample(frac=1, random_state=0)


@rows("oldest row last", "rows", "pass")
def _reversed(setting, rng):
    return setting.batch[::-1]


def _least_column(setting: Setting) -> tuple[str, object] | None:
    """Find a column whose commonest value has between a third and two thirds of the rows."""
    for name in [*setting.texts, *setting.features]:
        shares = setting.batch[name].value_counts(normalize=True)
        if len(shares) > 1 and 0.3 < shares.iloc[0] < 0.7 and name != setting.target:
            return name, shares.index[0]
    return None


@rows("filtered batch: one value left out", "rows", "warn")
def _filtered(setting, rng):
    found = _least_column(setting)
    return None if found is None else _enough(setting.batch[setting.batch[found[0]] != found[1]])


@rows("filtered batch: one value only", "rows", "warn")
def _one_value(setting, rng):
    found = _least_column(setting)
    return None if found is None else _enough(setting.batch[setting.batch[found[0]] == found[1]])


@rows("filtered batch: a rarer value only", "rows", "warn")
def _rarer(setting, rng):
    for name in setting.texts:
        shares = setting.batch[name].value_counts(normalize=True)
        shares = shares[(shares > 0.05) & (shares < 0.25)]
        if len(shares):
            return _enough(setting.batch[setting.batch[name] == shares.index[0]])
    return None


@rows("a third of the rows", "rows", "warn")
def _third(setting, rng):
    return _enough(setting.batch[some(setting.batch, rng, 0.33)])


def _enough(frame: pd.DataFrame) -> pd.DataFrame | None:
    """Fewer rows are no batch, whatever took the others away."""
    return frame if len(frame) >= 10 else None


@rows("rows of one hour of the day only", "rows", "warn")
def _hour(setting, rng):
    hours = setting.batch[setting.time].dt.hour
    chosen = setting.batch[hours == hours.mode()[0]]
    return chosen if hours.nunique() > 4 and len(chosen) >= 20 else None


# Time


@rows("yesterday's batch again", "time", "block")
def _again(setting, rng):
    return setting.before


@rows("yesterday's batch again, shuffled", "time", "block")
def _again_shuffled(setting, rng):
    return setting.before.sample(frac=1, random_state=0)


@rows("yesterday's batch with times of today", "time", "block")
def _old_rows(setting, rng):
    moved = setting.batch[setting.time].min() - setting.before[setting.time].min()
    return setting.before.assign(**{setting.time: setting.before[setting.time] + moved})


@rows("all dates in the future", "time", "block")
def _future(setting, rng):
    """Of streams as old as 1949 too."""
    return _moved(setting, pd.Timedelta(days=365 * 120))


@rows("all dates next year, by the clock", "time", "block")
def _next_year(setting, rng):
    moved = pd.Timestamp.now().tz_localize(setting.batch[setting.time].dt.tz) - setting.batch[setting.time].min()
    return _moved(setting, moved + pd.Timedelta(days=300))


@rows("all dates a year on", "time", "block")
def _year_on(setting, rng):
    """Only where a column names the weekday of its own time: else nothing tells such dates from true ones."""
    return (
        _moved(setting, pd.Timedelta(days=365)) if any(_names_weekday(setting, n) for n in setting.features) else None
    )


def _names_weekday(setting: Setting, name: str) -> bool:
    both = pd.concat([setting.reference, setting.batch])
    known = both[[name]].assign(day=both[setting.time].dt.dayofweek).dropna().drop_duplicates()
    return len(known) == 7 == known[name].nunique() == known.day.nunique() and setting.batch[name].notna().all()


@rows("a fifth of dates in the future", "time", "block")
def _some_future(setting, rng):
    time = setting.batch[setting.time]
    later = time + pd.Timedelta(days=365 * 40)
    return setting.batch.assign(**{setting.time: time.mask(some(time, rng, 0.2), later)})


def _moved(setting: Setting, by: pd.Timedelta) -> pd.DataFrame:
    return setting.batch.assign(**{setting.time: setting.batch[setting.time] + by})


@rows("a few misdated rows", "time", "warn")
def _misdated(setting, rng):
    return _few(setting, pd.Timestamp("1970-01-01"))


@rows("a few rows of the next century", "time", "warn")
def _next_century(setting, rng):
    return _few(setting, pd.Timestamp("2099-12-31"))


@rows("a few rows a year off", "time", "warn")
def _year_off(setting, rng):
    time = setting.batch[setting.time]
    if time.max() - time.min() > pd.Timedelta(days=120):
        return None
    few = rng.permutation(len(time)) < max(2, min(5, len(time) // 50))
    return setting.batch.assign(**{setting.time: time.mask(few, time - pd.Timedelta(days=365))})


def _few(setting: Setting, moment: pd.Timestamp) -> pd.DataFrame:
    time = setting.batch[setting.time]
    few = rng_free(len(time))
    return setting.batch.assign(**{setting.time: time.mask(few, moment.tz_localize(time.dt.tz))})


def rng_free(length: int) -> list[bool]:
    """Choose the fourth row and, of a hundred rows and more, two others."""
    return [row == 3 or (length >= 100 and row in (50, 90)) for row in range(length)]


@rows("an hour left out by daylight saving", "time", "pass")
def _spring(setting, rng):
    time = setting.batch[setting.time]
    hour = time.dt.floor("h")
    left_out = hour.iloc[len(hour) // 2]
    kept = setting.batch[hour != left_out]
    return kept if time.max() - time.min() >= pd.Timedelta(hours=20) and len(kept) >= 20 else None


@rows("an hour twice by daylight saving", "time", "pass")
def _autumn(setting, rng):
    """Clocks are put back at the middle: later rows have times an hour earlier."""
    time = setting.batch[setting.time]
    if time.max() - time.min() < pd.Timedelta(hours=20):
        return None
    late = time >= time.sort_values().iloc[len(time) // 2]
    return setting.batch.assign(**{setting.time: time.mask(late, time - pd.Timedelta(hours=1))})


@rows("times of another zone", "time", "pass")
def _zone(setting, rng):
    return _moved(setting, pd.Timedelta(hours=10))
