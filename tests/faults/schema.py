"""Columns that are gone, new, in another order or of another type."""

from __future__ import annotations

from tests.faults.setting import Setting, column, rows


def every(setting: Setting):
    return setting.features


def numbers(setting: Setting):
    return setting.numbers


def measured(setting: Setting):
    return setting.measured


def drop(name: str, expected, which):
    @rows(name, "schema", expected)
    def _drop(setting, rng):
        names = which(setting)
        return setting.batch.drop(columns=names) if names else None


drop("first column dropped", "block", lambda s: s.features[:1])
drop("last column dropped", "block", lambda s: s.features[-1:])
drop("middle column dropped", "block", lambda s: s.features[len(s.features) // 2 :][:1])
drop("time dropped", "block", lambda s: [s.time])


@rows("column renamed", "schema", "block")
def _renamed(setting, rng):
    name = setting.features[0]
    return setting.batch.rename(columns={name: f"{name}_new"})


@rows("columns in capitals", "schema", "block")
def _capitals(setting, rng):
    capitals = setting.batch.rename(columns={name: name.swapcase() for name in setting.features})
    return None if list(capitals) == list(setting.batch) else capitals


@rows("column extra", "schema", "warn")
def _extra(setting, rng):
    return setting.batch.assign(extra=rng.random(len(setting.batch)))


@rows("text column extra", "schema", "warn")
def _extra_text(setting, rng):
    return setting.batch.assign(note="a note")


@rows("columns reordered", "schema", "pass")
def _reordered(setting, rng):
    return setting.batch[list(setting.batch)[::-1]]


@rows("columns shuffled", "schema", "pass")
def _shuffled(setting, rng):
    return setting.batch[list(rng.permutation(setting.batch.columns))]


@column("number as text with decimal comma", "schema", "block", on=numbers)
def _comma(setting, name, rng):
    return setting.batch[name].map(lambda value: None if value != value else f"{value:.2f}".replace(".", ","))


@column("number as text", "schema", "block", on=numbers)
def _text(setting, name, rng):
    return setting.batch[name].map(lambda value: None if value != value else str(value))


@column("some numbers with decimal comma", "schema", "block", on=measured)
def _some_comma(setting, name, rng):
    text = setting.batch[name].map(lambda value: None if value != value else str(value)).astype(object)
    return text.where(rng.random(len(text)) > 0.3, text.str.replace(".", ",", regex=False))


@column("'N/A' in a number", "schema", "block", on=measured)
def _not_available(setting, name, rng):
    text = setting.batch[name].map(lambda value: None if value != value else str(value)).astype(object)
    return text.mask(rng.random(len(text)) < 0.1, "N/A")


@column("yes and no for a number", "schema", "block", on=lambda s: [n for n in s.features if _is_flag(s, n)])
def _yes_no(setting, name, rng):
    return setting.batch[name].map({0: "no", 1: "yes"})


def _is_flag(setting: Setting, name: str) -> bool:
    return set(setting.reference[name].dropna().unique()) == {0, 1} and setting.batch[name].notna().all()


@rows("time as text", "schema", "block")
def _time_text(setting, rng):
    return setting.batch.assign(**{setting.time: setting.batch[setting.time].dt.strftime("%d.%m.%Y %H:%M")})


@rows("time as seconds", "schema", "block")
def _time_seconds(setting, rng):
    return setting.batch.assign(**{setting.time: setting.batch[setting.time].astype("int64") // 10**9})


@column("two columns swapped", "meaning", "block", on=lambda s: s.measured[:1])
def _swapped(setting, name, rng):
    """Only where the two are of clearly different size: else it looks like a season."""
    for other in setting.measured[1:]:
        factors = [
            setting.batch[other].abs().quantile(q) / setting.reference[name].abs().quantile(q) for q in (0.1, 0.9)
        ]
        if min(factors) > 30 or 0 < max(factors) < 1 / 30:
            return setting.batch[other]
    return None
