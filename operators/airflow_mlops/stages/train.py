"""Fit an estimator on a feature matrix, and pack it with the transformer into one model that takes raw columns."""

from __future__ import annotations

import difflib
import inspect
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from airflow_mlops.errors import EmptyTrainingSet, EstimatorUnusable, TrainingSetUnusable
from airflow_mlops.spec.imports import NotImportable, import_object
from airflow_mlops.spec.vocabulary import SHORT_NAMES, estimator_path
from airflow_mlops.stages.features import WEIGHT

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    import pandas as pd
    from sklearn.pipeline import Pipeline

    from airflow_mlops.spec import ModelSpec

# What an estimator is seen to raise on data or parameters it does not take.
_REFUSALS = (ValueError, TypeError, KeyError, AttributeError, IndexError, NotImplementedError, MemoryError)

_LIBRARIES = ("numpy", "pandas", "scikit-learn", "scipy", "skops", "cloudpickle")


@dataclass(frozen=True, slots=True)
class TrainReport:
    """What a fit leaves behind besides the model.

    ``estimator`` is the full import path; ``weighted`` tells whether rows had weights; ``environment`` has the versions
    of Python, the platform and the libraries.
    """

    rows: int
    features: tuple[str, ...]
    estimator: str
    params: dict[str, Any]
    seed: int
    weighted: bool
    target_mean: float | None
    classes: tuple[Any, ...] | None
    environment: dict[str, str]

    def to_dict(self) -> dict[str, Any]:
        """Turn into a JSON object."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Trained:
    """A model that takes raw columns, the simple baseline it has to beat, and how both were made."""

    model: Pipeline
    baseline: Any
    report: TrainReport


def train(
    features: pd.DataFrame, *, transformer: Pipeline, spec: ModelSpec, categorical: Sequence[str] = ()
) -> Trained:
    """Fit ``spec.train.estimator`` and a baseline on every row of a feature matrix.

    Parameters
    ----------
    features : DataFrame of shape (n_rows, n_features + 1 or 2)
        Numeric features, the target, and the weights where the window is a mix. Not modified.
    transformer : Pipeline
        Fitted; made ``features`` from raw columns. It is packed as it is, not fitted again.
    spec : ModelSpec
        Task, target, estimator, its parameters and its seed.
    categorical : sequence of str, optional
        Features whose numbers are codes; told to an estimator that knows categories.

    Returns
    -------
    Trained
        ``model`` is a pipeline of ``features`` and ``estimator``. The baseline predicts the shares of the classes, or
        the median, whatever the row.

    Raises
    ------
    EmptyTrainingSet
        No row has a target.
    TrainingSetUnusable
        A classification has one class, a regression a target that is not a number.
    EstimatorUnusable
        The estimator's name or path leads nowhere, it does not take its parameters, it takes no sample weights where
        the window is a mix, or it refuses the data.
    """
    from sklearn.pipeline import Pipeline

    target_column = spec.data.target
    labelled = features[features[target_column].notna()]
    if labelled.empty:
        raise EmptyTrainingSet(rows_in=len(features), rows_dropped=len(features), target=target_column)
    target = usable_target(labelled[target_column], task=spec.task)
    weights = labelled[WEIGHT].to_numpy() if WEIGHT in labelled else None
    x = labelled.drop(columns=[target_column, WEIGHT], errors="ignore")
    _require_two_classes(target, spec)

    path, estimator = build_estimator(spec, categorical=categorical)
    _fit(estimator, x, target, weights, path)
    report = TrainReport(
        rows=len(x),
        features=tuple(x.columns),
        estimator=path,
        params=dict(spec.train.params),
        seed=spec.train.seed,
        weighted=weights is not None,
        target_mean=float(target.mean()) if target.dtype.kind in "iuf" else None,
        classes=tuple(estimator.classes_.tolist()) if hasattr(estimator, "classes_") else None,
        environment=_environment(path),
    )
    model = Pipeline([("features", transformer), ("estimator", estimator)])
    return Trained(model, _baseline(x, target, weights, spec), report)


def usable_target(target: pd.Series, *, task: str) -> np.ndarray:
    """Bring a target without nulls to the type of its task.

    Parameters
    ----------
    target : Series
        Nulls elsewhere in a column turn whole numbers and truth values into other types; this undoes it.
    task : {"binary", "multiclass", "regression"}
        Regression gives floats. A classification gives integers for numbers that are whole, else labels as they are.

    Raises
    ------
    TrainingSetUnusable
        A regression's target is not a number.
    """
    from pandas.api.types import is_bool_dtype, is_numeric_dtype

    if task == "regression":
        try:
            return target.to_numpy(dtype="float64")
        except (ValueError, TypeError) as error:
            raise TrainingSetUnusable(
                f"the target {target.name!r} of a regression has to be a number ({error}); set task, or mend "
                "data.target."
            ) from error
    inferred = target.infer_objects()
    if is_bool_dtype(inferred) or (is_numeric_dtype(inferred) and (inferred % 1 == 0).all()):
        return inferred.to_numpy(dtype="int64")
    return target.astype(str).to_numpy() if not is_numeric_dtype(inferred) else inferred.to_numpy()


def build_estimator(spec: ModelSpec, *, categorical: Sequence[str] = ()) -> tuple[str, Any]:
    """Make the estimator a spec names, with its parameters and its seed.

    Parameters
    ----------
    spec : ModelSpec
        Its train section; ``random_state`` is the seed where the estimator takes one and params does not set it.
    categorical : sequence of str, optional
        See `train`.

    Returns
    -------
    path : str
        Full import path.
    estimator : BaseEstimator
        Not fitted. The short name ``linear`` comes with the imputation and scaling it needs.

    Raises
    ------
    EstimatorUnusable
        See `train`.
    """
    name, params = spec.train.estimator, dict(spec.train.params)
    path = estimator_path(name, spec.task)
    make = _imported(path, spec)
    try:
        taken = inspect.signature(make).parameters
        if "random_state" in taken:
            params.setdefault("random_state", spec.train.seed)
        if "categorical_features" in taken and categorical:
            params.setdefault("categorical_features", list(categorical))
        estimator = make(**params)
    except (TypeError, ValueError) as error:
        raise EstimatorUnusable(f"train.estimator {path} cannot be made of {spec.train.params}: {error}.") from error
    if not hasattr(estimator, "fit") or not hasattr(estimator, "predict"):
        raise EstimatorUnusable(
            f"train.estimator {path} gives a {type(estimator).__name__}, which has no fit and predict; name a class or "
            "a function that makes a scikit-learn estimator."
        )
    return path, _scaled(estimator) if name == "linear" else estimator


def _imported(path: str, spec: ModelSpec) -> Any:
    if "." not in path:
        near = difflib.get_close_matches(path.lower(), SHORT_NAMES, n=1, cutoff=0.4)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise EstimatorUnusable(
            f"train.estimator {path!r} is no short name ({', '.join(SHORT_NAMES)}) and no import path{hint}"
        )
    try:
        return import_object(path, roots=[spec.base_dir])
    except NotImportable as error:
        raise EstimatorUnusable(f"train.estimator: {error}.") from error


def _scaled(estimator: Any) -> Pipeline:
    """Put before a linear model what it needs: no nulls, and columns of one scale."""
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import Pipeline
    from sklearn.preprocessing import StandardScaler

    imputer = SimpleImputer(strategy="median", keep_empty_features=True)
    return Pipeline([("impute", imputer), ("scale", StandardScaler()), ("linear", estimator)])


def _fit(estimator: Any, x: pd.DataFrame, target: np.ndarray, weights: np.ndarray | None, path: str) -> None:
    from sklearn.pipeline import Pipeline
    from sklearn.utils.validation import has_fit_parameter

    # Weights are for the last step; the imputation and scaling before it need none.
    last = estimator.steps[-1][1] if isinstance(estimator, Pipeline) else estimator
    prefix = f"{estimator.steps[-1][0]}__" if isinstance(estimator, Pipeline) else ""
    if weights is not None and not has_fit_parameter(last, "sample_weight"):
        raise EstimatorUnusable(
            f"train.window is 'mix', which weighs rows, but {path} takes no sample_weight. Set train.window to "
            "'all' or 'recent', or name another estimator."
        )
    try:
        estimator.fit(x, target, **({} if weights is None else {f"{prefix}sample_weight": weights}))
    except _REFUSALS as error:
        raise EstimatorUnusable(
            f"{path} refuses {len(x)} rows of {x.shape[1]} features ({type(error).__name__}: {error}). Mend "
            "train.params, or choose an estimator or features.transformer that takes such data."
        ) from error


def _require_two_classes(target: np.ndarray, spec: ModelSpec) -> None:
    if spec.task == "regression":
        return
    import numpy as np

    classes = np.unique(target)
    if len(classes) < 2 or (spec.task == "binary" and len(classes) > 2):
        raise TrainingSetUnusable(
            f"a {spec.task} target needs {'exactly' if spec.task == 'binary' else 'at least'} two classes, but the "
            f"{len(target)} training rows have {len(classes)} in {spec.data.target!r}: "
            f"{', '.join(map(str, classes[:5]))}. Check the labels, lengthen the window, or mend task."
        )


def _baseline(x: pd.DataFrame, target: np.ndarray, weights: np.ndarray | None, spec: ModelSpec) -> Any:
    from sklearn.dummy import DummyClassifier, DummyRegressor

    # The constants that are best for log loss and for absolute error.
    made = DummyRegressor(strategy="median") if spec.task == "regression" else DummyClassifier(strategy="prior")
    return made.fit(x.iloc[:, :1], target, sample_weight=weights)


def _environment(path: str) -> dict[str, str]:
    import platform
    from importlib.metadata import PackageNotFoundError, version

    found = {"python": platform.python_version(), "platform": platform.platform()}
    for name in dict.fromkeys((*_LIBRARIES, path.partition(".")[0].replace("sklearn", "scikit-learn"))):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue  # the user's own module has no version
    return found
