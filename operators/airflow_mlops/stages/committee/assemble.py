"""Put trained versions together into one committee, and refuse what could not answer."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Literal

from airflow_mlops.errors import CommitteeUnusable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from airflow_mlops.stages.committee.estimator import Committee

# Weights and means come as decimals that somebody rounded.
_ROUNDING = 1e-6


def assemble_committee(
    models: Mapping[str, Any],
    *,
    task: Literal["binary", "multiclass", "regression"],
    weights: Mapping[str, float],
    correction: float | Sequence[float] = 0.0,
    bound: float | None = None,
) -> Committee:
    """Make one estimator of trained versions.

    Parameters
    ----------
    models : mapping of str to estimator
        Fitted models that take raw columns, by version.
    task : {"binary", "multiclass", "regression"}
        What they predict.
    weights : mapping of str to float
        By version; not below zero, with a sum of 1. A version of weight zero is left out.
    correction : float or sequence of float, default 0
        Added on the scale of `link_of`. Multiclass: one number a class in the sorted order of all members' classes,
        with a mean of zero, or 0.
    bound : float, optional
        Farther than this from zero a correction is refused.

    Returns
    -------
    Committee
        A `CommitteeClassifier` or a `CommitteeRegressor`; members by falling weight.

    Raises
    ------
    CommitteeUnusable
        There is no member; weights and models are not of the same versions; a weight is below zero or no number, or
        the weights do not sum to 1.
    CommitteeUnusable
        A classifier gives no probabilities, or the members' classes are not those of one task.
    CommitteeUnusable
        The correction is no number, has not one number a class, has a mean other than zero, or lies beyond its bound.
    """
    from airflow_mlops.stages.committee.estimator import CommitteeClassifier, CommitteeRegressor

    used = _used(models, weights)
    if task != "regression":
        _require_classifiers({version: models[version] for version in used}, task)
    make = CommitteeRegressor if task == "regression" else CommitteeClassifier
    committee = make(
        [models[version] for version in used], list(used.values()), task=task, versions=list(used), bound=bound
    )
    committee.correction = _checked(correction, committee, bound)
    return committee


def _used(models: Mapping[str, Any], weights: Mapping[str, float]) -> dict[str, float]:
    """Return the weights that count, the largest first, with a sum of exactly 1 as far as floats go."""
    if set(models) != set(weights) or not models:
        raise CommitteeUnusable(
            f"a committee needs a weight for each of its members; models are {_names(models)}, "
            f"weights {_names(weights)}."
        )
    for version, weight in weights.items():
        if not (math.isfinite(weight) and weight >= 0):
            raise CommitteeUnusable(f"version {version} has weight {weight} in a committee; weights are zero or more.")
    total = math.fsum(weights.values())
    if abs(total - 1) > _ROUNDING:
        raise CommitteeUnusable(
            f"the weights of a committee of {len(weights)} sum to {total:.6g}, not to 1; divide them by their sum."
        )
    ordered = sorted(weights, key=lambda version: -weights[version])
    return {version: float(weights[version] / total) for version in ordered if weights[version] > 0}


def _names(versions: Mapping[str, Any]) -> str:
    return ", ".join(versions) or "none"


def _require_classifiers(models: Mapping[str, Any], task: str) -> None:
    import numpy as np

    for version, model in models.items():
        if not hasattr(model, "predict_proba"):
            raise CommitteeUnusable(
                f"version {version} gives labels without probabilities, which cannot be weighed; take an estimator "
                "with predict_proba, or leave the version out of the committee."
            )
    known = {version: np.asarray(model.classes_) for version, model in models.items()}
    # NumPy would make text of numbers to sort them beside text.
    is_text = {version: classes.dtype.kind in "OUS" for version, classes in known.items()}
    classes = {label for each in known.values() for label in each.tolist()}
    if len(set(is_text.values())) > 1 or (task == "binary" and len(classes) != 2):
        shown = "; ".join(f"version {version}: {', '.join(map(str, each))}" for version, each in known.items())
        raise CommitteeUnusable(f"the members of a {task} committee do not share one set of classes ({shown}).")


def _checked(correction: float | Sequence[float], committee: Any, bound: float | None) -> float | list[float]:
    import numpy as np

    values = np.asarray(correction, dtype="float64")
    if not np.isfinite(values).all():
        raise CommitteeUnusable(f"the correction of a committee is {correction}, which is no finite number.")
    if bound is not None and np.abs(values).max() > bound:
        raise CommitteeUnusable(
            f"the correction of a committee is {np.abs(values).max():.4g} from zero, beyond its bound {bound:.4g}; "
            "look at the data before you trust such a jump."
        )
    if committee.task != "multiclass":
        if values.ndim:
            raise CommitteeUnusable(f"a {committee.task} committee takes one correction, not {values.size}.")
        return float(values)
    classes = len(committee.classes_)
    if values.ndim == 0 and values == 0:
        return [0.0] * classes
    if values.shape != (classes,) or abs(values.mean()) > _ROUNDING:
        raise CommitteeUnusable(
            f"the correction of {classes} classes has {values.size} numbers of mean {values.mean():.4g}; give one a "
            "class, with a mean of zero."
        )
    return [float(value) for value in values]
