"""A committee of boosted trees as one model that holds all their trees.

Histogram gradient boosting adds up leaves. A weighted mean of such sums is one sum again, of leaves that are smaller by
the weight, so where every member is a pipeline that ends in it, the committee is one ordinary pipeline: it is stored
with skops, and loads wherever scikit-learn is, without the code of a committee.

The trees are in attributes of scikit-learn that its documentation does not name (read in 1.9.1); `as_one_model` gives
no model where they are not as expected.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from sklearn.pipeline import Pipeline

    from airflow_mlops.stages.committee import Committee

# Losses of a regression whose trees add up to the prediction itself, and not to its logarithm.
_ADDITIVE = ("squared_error", "absolute_error", "quantile")

# How far apart, on the committee's scale, two ways of adding the same leaves may lie.
TOLERANCE = 1e-6


@dataclass(frozen=True)
class _Part:
    """One member: the steps up to its trees, the boosting that holds these, and its weight."""

    steps: list[tuple[str, Any]]
    boosting: Any
    weight: float


def as_one_model(committee: Committee, rows: pd.DataFrame | None = None) -> Pipeline | None:
    """Join the trees of all members into one pipeline.

    Parameters
    ----------
    committee : Committee
        From `assemble_committee`. Not modified.
    rows : DataFrame, optional
        Raw rows, such as the golden ones, on which the model has to answer as the committee does.

    Returns
    -------
    Pipeline or None
        Steps ``features`` and ``estimator``. It answers as the committee does, except for the last digits of sums in
        another order. None where the committee itself has to be the artifact: a member is no pipeline that ends in
        histogram gradient boosting, has other classes, or a loss whose trees add up to something else than the
        prediction; or the answers on ``rows`` differ by more than `TOLERANCE`.
    """
    from sklearn.pipeline import Pipeline

    if not all(_is_joinable(member, committee) for member in committee.members):
        return None
    try:
        parts = [_part(member, weight) for member, weight in zip(committee.members, committee.weights, strict=True)]
        shared = _shared_steps(parts)
        apart = any(len(part.steps) > shared for part in parts)
        boosting = _joined(parts, committee, side_by_side=apart)
    except AttributeError:
        # Another scikit-learn keeps its trees elsewhere.
        return None
    steps = list(parts[0].steps[:shared])
    if apart:
        steps.append(("members", _union(parts, shared, committee.versions)))
    model = Pipeline([("features", Pipeline(_renamed(steps))), ("estimator", boosting)])
    return model if rows is None or _answers_alike(model, committee, rows) else None


def _is_joinable(member: Any, committee: Committee) -> bool:
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
    from sklearn.pipeline import Pipeline

    # A class that is derived from one of these may do something else with its trees.
    if type(member) is not Pipeline or len(member.steps) < 2:
        return False
    last = member.steps[-1][1]
    if committee.task == "regression":
        return type(last) is HistGradientBoostingRegressor and last.loss in _ADDITIVE
    return type(last) is HistGradientBoostingClassifier and last.classes_.tolist() == committee.classes_.tolist()


def _part(member: Pipeline, weight: float) -> _Part:
    boosting = member.steps[-1][1]
    steps = _flat(member.steps[:-1])
    if boosting._preprocessor is not None:
        # It puts columns of categories first, and numbers their values anew; the trees were grown behind it.
        steps.append(("codes", boosting._preprocessor))
    return _Part(steps, boosting, weight)


def _flat(steps: list[tuple[str, Any]]) -> list[tuple[str, Any]]:
    """Return the steps of pipelines within a pipeline as one list, without those that do nothing."""
    from sklearn.pipeline import Pipeline

    found: list[tuple[str, Any]] = []
    for name, step in steps:
        if isinstance(step, Pipeline):
            found += _flat(step.steps)
        elif step not in (None, "passthrough"):
            found.append((name, step))
    return found


def _shared_steps(parts: list[_Part]) -> int:
    """Count the first steps that are the same in every member: casts and derivations are, and are done but once."""
    found = [[_content(step) for _, step in part.steps] for part in parts]
    shared = 0
    for alike in zip(*found, strict=False):
        if len(set(alike)) > 1:
            break
        shared += 1
    return shared


def _content(step: Any) -> str | int:
    """Return a digest of a fitted step; of one that cannot be pickled, what tells it from any other object."""
    from pickle import PicklingError

    import joblib

    try:
        return str(joblib.hash(step))
    except (PicklingError, TypeError, AttributeError):
        return id(step)


def _union(parts: list[_Part], shared: int, versions: list[str] | None) -> Any:
    """Put what is left of the members' transformers side by side: a block of columns each."""
    from sklearn.pipeline import FeatureUnion, Pipeline

    names = [f"version_{version}" for version in versions or range(len(parts))]
    blocks: list[Any] = [
        Pipeline(_renamed(part.steps[shared:])) if len(part.steps) > shared else "passthrough" for part in parts
    ]
    return FeatureUnion(list(zip(names, blocks, strict=True)))


def _renamed(steps: list[tuple[str, Any]]) -> list[tuple[str, Any]]:
    """Give each step a name of its own."""
    names = [name for name, _ in steps]
    return [(name if names.count(name) == 1 else f"{name}_{place}", step) for place, (name, step) in enumerate(steps)]


def _joined(parts: list[_Part], committee: Committee, *, side_by_side: bool) -> Any:
    """Make one boosting of all, which finds its columns in the blocks, already coded."""
    import numpy as np

    widths = [part.boosting._n_features for part in parts]
    starts = np.cumsum([0, *widths[:-1]]) if side_by_side else np.zeros(len(parts), dtype=int)
    mappers = [part.boosting._bin_mapper for part in (parts if side_by_side else parts[:1])]
    trees = [
        [_scaled(tree, start=int(start), weight=part.weight) for tree in iteration]
        for part, start in zip(parts, starts, strict=True)
        for iteration in part.boosting._predictors
    ]
    joined = copy.copy(parts[0].boosting)
    joined.set_params(max_iter=len(trees), categorical_features=None, monotonic_cst=None, interaction_cst=None)
    joined._predictors = trees
    joined._baseline_prediction = _baseline(parts, committee)
    joined._bin_mapper = _mapper(mappers)
    joined._preprocessor = joined._is_categorical_remapped = None
    joined.is_categorical_ = joined._bin_mapper.is_categorical_.astype(bool)
    joined.n_features_in_ = joined._n_features = sum(widths) if side_by_side else widths[0]
    if side_by_side or parts[0].boosting._preprocessor is not None:
        # The columns come as an array.
        vars(joined).pop("feature_names_in_", None)
    return joined


def _scaled(tree: Any, *, start: int, weight: float) -> Any:
    nodes = tree.nodes.copy()
    nodes["feature_idx"] += start
    nodes["value"] *= weight
    return type(tree)(nodes, tree.binned_left_cat_bitsets, tree.raw_left_cat_bitsets)


def _baseline(parts: list[_Part], committee: Committee) -> np.ndarray:
    import numpy as np

    mean = np.sum([part.weight * part.boosting._baseline_prediction for part in parts], axis=0)
    correction = np.asarray(committee.correction, dtype="float64").reshape(1, -1)
    # Of two classes boosting keeps one score, the second's above the first's.
    is_one_of_two = correction.shape[1] == 2 and mean.shape[1] == 1
    return mean + (correction[:, 1:] - correction[:, :1] if is_one_of_two else correction)


def _mapper(mappers: list[Any]) -> Any:
    """Join what says which columns are categories, and which of their values are known."""
    import numpy as np

    joined = copy.copy(mappers[0])
    joined.is_categorical_ = np.concatenate([mapper.is_categorical_ for mapper in mappers])
    joined.bin_thresholds_ = [known for mapper in mappers for known in mapper.bin_thresholds_]
    joined.n_bins_non_missing_ = np.concatenate([mapper.n_bins_non_missing_ for mapper in mappers])
    return joined


def _answers_alike(model: Pipeline, committee: Committee, rows: pd.DataFrame) -> bool:
    import numpy as np

    from airflow_mlops.stages.committee import link_of

    classes = [] if committee.task == "regression" else committee.classes_.tolist()
    one, many = (link_of(each, rows, committee.task, classes) for each in (model, committee))
    return bool(np.allclose(one, many, rtol=TOLERANCE, atol=TOLERANCE))


def tree_count(model: Pipeline) -> int:
    """Count the trees of a model that `as_one_model` gave; of several classes, each round has one a class."""
    return sum(len(iteration) for iteration in model[-1]._predictors)
