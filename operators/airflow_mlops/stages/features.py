"""From raw columns to what an estimator sees: casts, derivations and a transformer, fitted on training rows only.

The three are one scikit-learn pipeline, which `train` packs inside the model, so that serving cannot do it differently.
Its own steps are made of scikit-learn and pandas alone, so that the model loads where this package is not installed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow_mlops.errors import MissingColumns, TransformerUnusable
from airflow_mlops.spec.imports import NotImportable, import_object
from airflow_mlops.stages.encoders import MAX_CATEGORIES, codes, indicators, target_encoder
from airflow_mlops.stages.transformed import as_fitted, categorical, numeric_frame

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from sklearn.pipeline import Pipeline

    from airflow_mlops.spec import ModelSpec

WEIGHT = "__sample_weight"
"""Column of the feature matrix with the weight of each row, where the window is a mix."""

# What a transformer is seen to raise on data it does not take; anything else is a bug worth its traceback.
_REFUSALS = (ValueError, TypeError, KeyError, AttributeError, NotImplementedError)


@dataclass(frozen=True, slots=True)
class FeatureMatrix:
    """What the estimator is fitted on.

    ``frame`` has numeric columns only, one row a training row; ``categorical`` names the columns whose numbers are
    codes of categories; ``transformer`` is fitted and takes raw columns.
    """

    frame: pd.DataFrame
    categorical: tuple[str, ...]
    transformer: Pipeline


def build_features(rows: pd.DataFrame, *, spec: ModelSpec) -> FeatureMatrix:
    """Fit derivations and transformer on training rows, and apply them.

    Parameters
    ----------
    rows : DataFrame of shape (n_rows, n_columns)
        Training rows only, with the raw columns and the target. Not modified.
    spec : ModelSpec
        Its features section; train.seed seeds the transformer.

    Returns
    -------
    FeatureMatrix
        Its frame has shape (n_rows, n_features), index 0 to n_rows - 1.

    Raises
    ------
    MissingColumns
        A raw column is not there.
    TransformerUnusable
        A derivation cannot be computed, the transformer's path leads nowhere, it refuses the rows, or it gives columns
        that are not numbers.
    """
    from sklearn.pipeline import Pipeline

    columns = spec.features.columns
    if missing := [name for name in columns if name not in rows.columns]:
        raise MissingColumns(missing, present=list(rows.columns), where="the training set")
    raw, target = rows[columns].reset_index(drop=True), rows[spec.data.target].reset_index(drop=True)
    prepare = _preparation(raw, spec.features.derive)
    derived = _derive(prepare, raw, spec.features.derive)
    transformer = _build_transformer(derived, spec=spec)
    try:
        transformed = transformer.fit_transform(derived, target)
    except _REFUSALS as error:
        raise TransformerUnusable(
            f"{spec.features.transformer} refuses {len(derived)} training rows ({type(error).__name__}: {error}). "
            "Mend features.params or features.columns, or clean the column in features.derive."
        ) from error
    frame = numeric_frame(transformed, transformer, spec.features.transformer)
    steps = [*prepare.steps, ("transform", transformer), *as_fitted(transformed, transformer)]
    return FeatureMatrix(frame, categorical(transformer, frame), Pipeline(steps))


def fitted_frame(matrix: FeatureMatrix, target: pd.Series, weights: np.ndarray | None) -> pd.DataFrame:
    """Put target and weights beside a feature matrix, as an estimator is fitted on them.

    Parameters
    ----------
    matrix : FeatureMatrix
        From `build_features`.
    target : Series of n_rows
        Of the same rows.
    weights : ndarray of shape (n_rows,) or None
        Of the rows, where the window is a mix.
    """
    frame = matrix.frame.assign(**{str(target.name): target.to_numpy()})
    if weights is not None:
        frame[WEIGHT] = weights
    return frame


# Stateless steps: methods of the frame itself, called by name


def _preparation(raw: pd.DataFrame, derive: dict[str, str]) -> Pipeline:
    """Make the choice of raw columns, the casts to the types of training, and the derivations.

    A row that is served alone, or comes from JSON, has other types than a column of Parquet; the casts undo that.
    Methods are called without keywords: with them, Python turns a `methodcaller` into something skops cannot write.
    """
    from operator import methodcaller

    import pandas as pd
    from sklearn.pipeline import Pipeline
    from sklearn.preprocessing import FunctionTransformer

    steps = [
        # Who asks may send more columns, such as key and target; most transformers refuse what they were not fitted on.
        ("columns", FunctionTransformer(methodcaller("__getitem__", [str(name) for name in raw.columns]))),
        # None and NaN are two categories to an encoder, and one and the same to everybody else.
        ("nulls", FunctionTransformer(methodcaller("where", pd.notna))),
        ("types", FunctionTransformer(methodcaller("astype", _types(raw)))),
    ]
    if derive:
        expressions = "\n".join(f"{name} = {' '.join(text.split())}" for name, text in derive.items())
        steps.append(("derive", FunctionTransformer(methodcaller("eval", expressions))))
    return Pipeline(steps)


def _types(raw: pd.DataFrame) -> dict[str, str]:
    from pandas.api.types import infer_dtype, is_datetime64_any_dtype, is_numeric_dtype

    numbers = {"integer", "floating", "decimal", "boolean", "mixed-integer-float"}
    types = {}
    for name, column in raw.items():
        if is_datetime64_any_dtype(column):
            types[str(name)] = str(column.dtype)
        elif is_numeric_dtype(column) or infer_dtype(column, skipna=True) in numbers:
            types[str(name)] = "float64"
        else:
            types[str(name)] = "object"
    return types


def _derive(prepare: Pipeline, raw: pd.DataFrame, derive: dict[str, str]) -> pd.DataFrame:
    try:
        return prepare.fit_transform(raw)
    except (*_REFUSALS, NameError, SyntaxError) as error:
        name, cause = _first_broken(raw, derive)
        at = f"features.derive.{name} ({derive[name]!r})" if name else "the cast of raw columns to their types"
        raise TransformerUnusable(
            f"{at} fails on {len(raw)} training rows: {type(cause or error).__name__}: {cause or error}."
        ) from error


def _first_broken(raw: pd.DataFrame, derive: dict[str, str]) -> tuple[str | None, Exception | None]:
    from operator import methodcaller

    frame = raw.astype(_types(raw))
    for name, text in derive.items():
        try:
            frame = methodcaller("eval", f"{name} = {' '.join(text.split())}")(frame)
        except (*_REFUSALS, NameError, SyntaxError) as error:
            return name, error
    return None, None


# The transformer of the spec


def _build_transformer(derived: pd.DataFrame, *, spec: ModelSpec) -> Any:
    """Call the spec's transformer with its parameters, and with what it asks for by name."""
    import inspect

    path, params = spec.features.transformer, spec.features.params
    known = {"frame": derived, "task": spec.task, "seed": spec.train.seed, "estimator": spec.train.estimator}
    try:
        make = import_object(path, roots=[spec.base_dir])
        # A class has parameters of its own, which may have these names and mean something else.
        names = () if inspect.isclass(make) else inspect.signature(make).parameters
        transformer = make(**{**{name: known[name] for name in names if name in known}, **params})
    except NotImportable as error:
        raise TransformerUnusable(f"features.transformer: {error}.") from error
    except (TypeError, ValueError) as error:
        raise TransformerUnusable(f"features.transformer {path} cannot be made of {params}: {error}.") from error
    if not hasattr(transformer, "fit") or not hasattr(transformer, "transform"):
        raise TransformerUnusable(
            f"features.transformer {path} gives a {type(transformer).__name__}, which has no fit and transform; name a "
            "scikit-learn transformer, or a function that makes one."
        )
    return transformer


def tabular(
    frame: pd.DataFrame,
    *,
    task: str = "binary",
    seed: int = 0,
    estimator: str = "",
    kind: str | None = None,
    max_codes: int = MAX_CATEGORIES,
) -> Any:
    """Make the default transformer: numbers as they are, text as codes, or as indicators for a linear model.

    Nulls stay nulls in numbers. An unknown category counts as a null. A column that is null in every training row is
    left out: it can teach nothing, and histogram gradient boosting fails on it. So is a column of times: derive numbers
    from it, such as ``hour: scheduled.dt.hour``.

    Parameters
    ----------
    frame : DataFrame
        Training rows after derivation; given by `build_features`.
    task : {"binary", "multiclass", "regression"}
        Given by `build_features`.
    seed : int
        Given by `build_features`; seeds the folds of target encoding.
    estimator : str
        Given by `build_features`; decides ``kind`` where that is None.
    kind : {"trees", "linear"}, optional
        For trees, text becomes the codes of its categories, or its encoded target where it has more than ``max_codes``
        levels; for linear models, indicators of its 50 most frequent categories.
    max_codes : int, default=254
        See ``kind``.

    Returns
    -------
    ColumnTransformer
        Not fitted; gives a pandas frame.
    """
    from pandas.api.types import is_bool_dtype, is_numeric_dtype
    from sklearn.compose import ColumnTransformer

    times = set(frame.select_dtypes(["datetime", "datetimetz", "timedelta"]).columns)
    present = [name for name in frame.columns if name not in times and frame[name].notna().any()]
    numbers = [name for name in present if is_numeric_dtype(frame[name]) or is_bool_dtype(frame[name])]
    text = [name for name in present if name not in numbers]
    linear = kind == "linear" or (kind is None and (estimator == "linear" or ".linear_model." in estimator))
    many = [] if linear else [name for name in text if frame[name].nunique() > max_codes]
    few = [name for name in text if name not in many]
    steps = [
        ("categories", indicators() if linear else codes(), few),
        ("levels", target_encoder(task=task, seed=seed), many),
        ("numbers", "passthrough", numbers),
    ]
    chosen = [step for step in steps if step[2]]
    return ColumnTransformer(chosen, verbose_feature_names_out=False).set_output(transform="pandas")
