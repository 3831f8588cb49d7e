"""How far groups differ in what a model does to them, beside the champion."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow_mlops.errors import GateMisuse
from airflow_mlops.extras import require
from airflow_mlops.loop.gate.check import Check
from airflow_mlops.loop.gate.simultaneous import errors_together
from airflow_mlops.loop.gate.units import units_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np

    from airflow_mlops.spec.gate_sections import Fairness, Measure
    from airflow_mlops.stages.evaluate.predictions import Predictions

# Measures that need a positive class.
_RATES = ("selection_rate", "true_positive_rate", "false_positive_rate")

# A column of many values has hundreds of groups that are too small; the rest stand in the check's detail.
_NAMED = 8


@dataclass(frozen=True, slots=True)
class _Groups:
    """Rows that count in a measure, each with the number of its group; ``left_out`` are groups that are too small."""

    names: tuple[str, ...]
    code: np.ndarray
    left_out: dict[str, int]

    @property
    def counted(self) -> np.ndarray:
        """Rows of a group that is large enough."""
        return self.code >= 0


def fairness_checks(
    groups: Mapping[str, np.ndarray],
    target: np.ndarray,
    predictions: Mapping[str, Predictions],
    losses: Mapping[str, np.ndarray],
    *,
    settings: Fairness,
    confidence: float = 0.95,
    blocks: np.ndarray | None = None,
) -> tuple[Check, ...]:
    """Compare groups by each measure: the largest gap between two of them, beside the champion's.

    A check fails where a gap is shown to be wider than the champion's by more than ``settings.margin``, or wider than
    ``settings.limit``. One that is wider than the champion's by more than the margin and not shown to be so passes with
    the risk ``fairness``, as does one beyond the limit.

    Parameters
    ----------
    groups : mapping of str to ndarray of shape (n_rows,)
        Values of each column that names groups; rows without a value are left out.
    target : ndarray of shape (n_rows,)
        What happened.
    predictions : mapping of str to Predictions
        Of "challenger", and of "champion" where there is one.
    losses : mapping of str to ndarray of shape (n_rows,)
        Of the same models.
    settings : Fairness
        Columns, measures, margin, limit, fewest rows.
    confidence : float, default=0.95
        With which a gap must be shown.
    blocks : ndarray of shape (n_rows,), optional
        As for `judge`.

    Returns
    -------
    tuple of Check
        One a column and measure. A column with one group passes, and says so.

    Raises
    ------
    GateMisuse
        A rate is asked for and the task is no binary classification, or a mean prediction of several classes.
    MissingExtra
        fairlearn is not installed.

    References
    ----------
    Hardt, Price, Srebro (2016), Equality of Opportunity in Supervised Learning, NeurIPS 29: rates of true and of false
    positives. Hothorn, Bretz, Westfall (2008), Biometrical Journal 50(3): all pairs of groups at one level. Liang,
    Zeger (1986), Longitudinal Data Analysis Using Generalized Linear Models, Biometrika 73(1): variance between blocks.
    """
    require("fairlearn", extra="gate", needed_by="evaluate.gate.fairness")
    units = units_of(len(target), blocks)
    checks = []
    for column in settings.columns:
        for measure in settings.measures:
            taken, values = _values(measure, target, predictions, losses)
            found = _grouped(groups[column], taken, settings.min_rows)
            checks.append(_check(column, measure, found, values, settings, confidence, (units, blocks is not None)))
    return tuple(checks)


def _values(
    measure: Measure, target: np.ndarray, predictions: Mapping[str, Predictions], losses: Mapping[str, np.ndarray]
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Return which rows count in a measure, and each model's value of every row, whose mean is the measure."""
    import numpy as np

    everything = np.ones(len(target), bool)
    if measure == "loss":
        return everything, dict(losses)
    classes = predictions["challenger"].classes
    if len(classes) > 2 or (measure in _RATES and len(classes) != 2):
        kind = f"a classification of {len(classes)} classes" if classes else "a regression"
        raise GateMisuse(f"evaluate.gate.fairness.measures has {measure!r}, which {kind} does not have; take 'loss'.")
    if measure == "mean_prediction":
        return everything, {name: _prediction(each) for name, each in predictions.items()}
    selected = {name: (each.labels == classes[1]).astype("float64") for name, each in predictions.items()}
    if measure == "selection_rate":
        return everything, selected
    return (target == classes[1]) == (measure == "true_positive_rate"), selected


def _prediction(said: Predictions) -> np.ndarray:
    if not said.classes:
        return said.labels
    return (
        (said.labels == said.classes[1]).astype("float64") if said.probabilities is None else said.probabilities[:, 1]
    )


def _grouped(column: np.ndarray, taken: np.ndarray, min_rows: int) -> _Groups:
    import numpy as np
    import pandas as pd

    code, labels = pd.factorize(pd.Series(column), sort=False)
    names = [str(label) for label in labels]
    code = np.where(taken, code, -1)
    rows = np.bincount(code[code >= 0], minlength=len(names))
    order = sorted((place for place in range(len(names)) if rows[place] >= min_rows), key=lambda place: names[place])
    numbers = np.full(len(names) + 1, -1)
    numbers[order] = np.arange(len(order))
    left_out = {names[place]: int(rows[place]) for place in range(len(names)) if rows[place] < min_rows}
    return _Groups(tuple(names[place] for place in order), numbers[code], left_out)


def _means(found: _Groups, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return each group's mean, and by how much each row moves it, shape (n_rows, n_groups)."""
    import numpy as np
    from fairlearn.metrics import MetricFrame

    rows = found.counted
    frame = MetricFrame(
        metrics=lambda _, value: float(np.mean(value)),
        y_true=values[rows],
        y_pred=values[rows],
        sensitive_features=found.code[rows],
    )
    means = frame.by_group.sort_index().to_numpy(dtype="float64")
    within = found.code[:, None] == np.arange(len(found.names))
    return means, within * (values[:, None] - means) / within.sum(axis=0)


def _check(
    column: str,
    measure: Measure,
    found: _Groups,
    values: Mapping[str, np.ndarray],
    settings: Fairness,
    confidence: float,
    units: tuple[np.ndarray, bool],
) -> Check:
    name = f"fairness: {column}, {measure}"
    small = _too_small(found.left_out)
    if len(found.names) < 2:
        only = f"only {found.names[0]}" if found.names else "no group"
        sentence = f"{measure} of the groups of {column} was not compared: {only} has {settings.min_rows} rows{small}"
        return Check(name, "fairness", "pass", sentence, detail={"groups": {}, "left_out": found.left_out})
    gap = _Gap.between(found, values, settings, confidence, units)
    return Check(
        name,
        "fairness",
        "fail" if gap.fault else "pass",
        gap.sentence(column, measure, settings) + small,
        value=gap.value,
        low=gap.low,
        high=gap.high,
        limit=gap.most(settings),
        rows=int(found.counted.sum()),
        risk="fairness" if gap.looks and not gap.fault else None,
        detail={"groups": gap.groups, "left_out": found.left_out, "champion_gap": gap.champion},
    )


def _too_small(left_out: Mapping[str, int]) -> str:
    """Name the largest of the groups that were left out, and count the others."""
    if not left_out:
        return ""
    largest = sorted(left_out.items(), key=lambda item: (-item[1], item[0]))
    named = ", ".join(f"{group} ({rows} rows)" for group, rows in largest[:_NAMED])
    more = len(largest) - _NAMED
    return f"; too small to count: {named}" + (f" and {more} more" if more > 0 else "")


@dataclass(frozen=True, slots=True)
class _Gap:
    """The largest gap between two groups, with an interval, and what is wrong with it."""

    pair: tuple[str, str]
    value: float
    low: float
    high: float
    champion: float | None
    fault: str | None
    looks: bool
    groups: dict[str, dict[str, Any]]

    @classmethod
    def between(
        cls,
        found: _Groups,
        values: Mapping[str, np.ndarray],
        settings: Fairness,
        confidence: float,
        units: tuple[np.ndarray, bool],
    ) -> _Gap:
        """Take the gaps of all pairs, and test them together."""
        import numpy as np

        means, influence = _means(found, values["challenger"])
        high, low = (each.ravel() for each in np.meshgrid(*[np.arange(len(means))] * 2))
        high, low = high[high != low], low[high != low]
        gaps, moved = means[high] - means[low], influence[:, high] - influence[:, low]
        lower, upper = _bounds(gaps, moved, confidence, units)
        widest, champion, over = int(gaps.argmax()), None, np.full(len(gaps), -np.inf)
        groups: dict[str, dict[str, Any]] = {
            group: {"rows": int((found.code == place).sum()), "challenger": float(means[place])}
            for place, group in enumerate(found.names)
        }
        if "champion" in values:
            others, theirs = _means(found, values["champion"])
            for place, group in enumerate(found.names):
                groups[group]["champion"] = float(others[place])
            top, bottom = int(others.argmax()), int(others.argmin())
            champion = float(others[top] - others[bottom])
            apart = moved - (theirs[:, top] - theirs[:, bottom])[:, None]
            over = _bounds(gaps - champion, apart, confidence, units)[0] - settings.margin
        fault = "margin" if over.max() > 0 else None
        beyond = settings.limit is not None and lower.max() > settings.limit
        looks = champion is not None and gaps[widest] > champion + settings.margin
        return cls(
            pair=(found.names[int(high[widest])], found.names[int(low[widest])]),
            value=float(gaps[widest]),
            low=max(0.0, float(lower[widest])),
            high=float(upper[widest]),
            champion=champion,
            fault=fault or ("limit" if beyond else None),
            looks=looks or (settings.limit is not None and bool(gaps[widest] > settings.limit)),
            groups=groups,
        )

    def most(self, settings: Fairness) -> float | None:
        """Return how wide the gap may be shown to be: the lesser of what is allowed beside the champion and at all."""
        beside = None if self.champion is None else self.champion + settings.margin
        return min((each for each in (beside, settings.limit) if each is not None), default=None)

    def sentence(self, column: str, measure: Measure, settings: Fairness) -> str:
        """Say what was found, with the numbers."""
        above, below = self.pair
        told = (
            f"{measure} by {column}: {above} {self.groups[above]['challenger']:.4f}, {below} "
            f"{self.groups[below]['challenger']:.4f}, a gap of {self.value:.4f} (from {self.low:.4f} to "
            f"{self.high:.4f})"
        )
        if self.champion is not None:
            told += f" against {self.champion:.4f} of the champion"
        if self.fault == "margin":
            return f"{told}; shown to be wider by more than {settings.margin:g}: look at what these rows lack"
        if self.fault == "limit":
            return f"{told}; shown to be wider than {settings.limit:g}, the most that is allowed"
        return f"{told}; wider than allowed, but not shown to be: more held-out rows would tell" if self.looks else told


def _bounds(
    estimates: np.ndarray, influence: np.ndarray, confidence: float, units: tuple[np.ndarray, bool]
) -> tuple[np.ndarray, np.ndarray]:
    import numpy as np

    error, width = errors_together(influence, units[0], is_block=units[1], false_alarms=1 - confidence)
    reach = np.where(error > 0, np.where(error > 0, width, 0.0) * error, 0.0)
    return estimates - reach, estimates + reach
