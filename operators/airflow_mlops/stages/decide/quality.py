"""How well served answers were: the loss of each, whichever version gave it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_mlops.errors import SignalsUnusable
from airflow_mlops.stages.evaluate.predictions import Predictions, default_loss, row_losses
from airflow_mlops.stages.golden import predict_method

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    import numpy as np
    import pandas as pd

    from airflow_mlops.spec import ModelSpec

# Columns of answers; named so that no target of a spec has one of these names.
OUTPUT, LABEL = "_output", "_label"


def serving_epochs(times: pd.Series, promotions: Sequence[tuple[datetime, int]]) -> np.ndarray:
    """Return the epoch that served at each time; 0 before the first promotion.

    Parameters
    ----------
    times : Series of shape (n_rows,)
        Event times with a zone.
    promotions : sequence of (datetime, int)
        When each epoch began, in the order of epochs.
    """
    import numpy as np

    epochs = np.zeros(len(times), dtype=int)
    for since, epoch in promotions:
        epochs[(times >= since).to_numpy()] = epoch
    return epochs


def answer(model: Any, rows: pd.DataFrame) -> pd.DataFrame:
    """Ask a model as the server does, and write its answers as the prediction log does.

    Parameters
    ----------
    model : estimator
        Takes raw columns.
    rows : DataFrame of shape (n_rows, n_columns)
        Raw rows. Not modified.

    Returns
    -------
    DataFrame of shape (n_rows, 2)
        `OUTPUT`: probabilities, or a list of one number; `LABEL` where the answer is a text, else None.
    """
    import pandas as pd

    given = getattr(model, predict_method(model))(rows).tolist()
    labels = [each if isinstance(each, str) else None for each in given]
    outputs = [None if isinstance(each, str) else each if isinstance(each, list) else [each] for each in given]
    columns = {OUTPUT: outputs, LABEL: labels}
    return pd.DataFrame({name: pd.Series(each, dtype=object, index=rows.index) for name, each in columns.items()})


def losses(
    answered: pd.DataFrame, target: np.ndarray, classes: Mapping[str, Sequence[Any]], spec: ModelSpec
) -> tuple[str, np.ndarray]:
    """Return the loss of each answer by the metric of the gate, and that metric's name.

    Parameters
    ----------
    answered : DataFrame of shape (n_rows, n_columns)
        ``version``, and `OUTPUT` and `LABEL` as from `answer`.
    target : ndarray of shape (n_rows,)
        What happened, as from `usable_target`.
    classes : mapping of str to sequence
        The classes of each version, in the order of its probabilities; none for a regression.
    spec : ModelSpec
        Task and metric.

    Raises
    ------
    SignalsUnusable
        A version gave another number of probabilities than it has classes.
    GateMisuse
        The metric needs probabilities that a version does not give.
    """
    import numpy as np

    versions = answered["version"].astype(str).to_numpy()
    known = _all_classes(classes, target, spec)
    said = {
        version: _said(answered[versions == version], str(version), classes, known) for version in np.unique(versions)
    }
    metric = spec.evaluate.gate.metric or default_loss(spec.task, *said.values())
    found = np.empty(len(answered))
    for version, predictions in said.items():
        found[versions == version] = row_losses(metric, target[versions == version], predictions)
    return metric, found


def _all_classes(classes: Mapping[str, Sequence[Any]], target: np.ndarray, spec: ModelSpec) -> tuple[Any, ...]:
    if spec.task == "regression":
        return ()
    seen = [label for each in classes.values() for label in each]
    return tuple(dict.fromkeys([*seen, *sorted(set(target.tolist()))]))


def _said(
    rows: pd.DataFrame, version: str, classes: Mapping[str, Sequence[Any]], known: tuple[Any, ...]
) -> Predictions:
    """Bring one version's answers to the form that losses are computed from."""
    import numpy as np

    if not known:
        return Predictions(np.array([_one(each) for each in rows[OUTPUT]], dtype="float64"))
    own = list(classes[version])
    outputs = rows[OUTPUT].tolist()
    if rows[LABEL].notna().any():
        return Predictions(rows[LABEL].to_numpy(), known)
    if all(len(each) == 1 for each in outputs):
        return Predictions(np.array([_one(each) for each in outputs]), known)
    if any(len(each) != len(own) for each in outputs):
        given = sorted({len(each) for each in outputs})
        raise SignalsUnusable(
            f"version {version} answered with {given} probabilities a row, and it has {len(own)} classes. The "
            "prediction log is of another model; give the spec a name of its own."
        )
    probabilities = np.zeros((len(rows), len(known)))
    probabilities[:, [known.index(label) for label in own]] = np.array(outputs, dtype="float64")
    return Predictions(np.array(known)[probabilities.argmax(axis=1)], known, probabilities)


def _one(output: Sequence[float | None] | None) -> float:
    found = output[0] if output is not None and len(output) else None
    return float("nan") if found is None else float(found)
