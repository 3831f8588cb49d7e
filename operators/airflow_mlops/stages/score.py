"""Score a batch: predictions for every row, with what is needed to find the row and the version again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_mlops.errors import MissingColumns
from airflow_mlops.spec.vocabulary import SCORE_COLUMNS
from airflow_mlops.stages.evaluate.predictions import predict

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

    from airflow_mlops.spec import ModelSpec

PREDICTION, VERSION, SNAPSHOT = SCORE_COLUMNS


def score(rows: pd.DataFrame, model: Any, spec: ModelSpec, *, version: str, snapshot: str) -> pa.Table:
    """Predict every row.

    Parameters
    ----------
    rows : DataFrame of shape (n_rows, n_columns)
        Raw rows of a snapshot. Not modified.
    model : estimator
        Takes raw columns.
    spec : ModelSpec
        Key, time, columns, task.
    version, snapshot : str
        What is written into each row.

    Returns
    -------
    pyarrow.Table
        In the order of ``rows``: key and time, as far as they are not sensitive; ``prediction``; for a classification
        that knows them ``probability_<class>``; ``version`` and ``snapshot``.

    Raises
    ------
    MissingColumns
        A column of the model is not among the rows.
    """
    import pandas as pd
    import pyarrow as pa

    columns = spec.features.columns
    if missing := [name for name in columns if name not in rows.columns]:
        raise MissingColumns(missing, present=list(rows.columns), where=f"snapshot {snapshot}")
    classes = () if spec.task == "regression" else tuple(model.classes_.tolist())
    said = predict(model, rows[columns], classes=classes)
    named = [name for name in dict.fromkeys([*spec.data.key, spec.data.time]) if name not in spec.data.sensitive]
    answers: dict[str, Any] = {PREDICTION: said.labels}
    if said.probabilities is not None:
        answers |= {f"probability_{label}": said.probabilities[:, place] for place, label in enumerate(classes)}
    answers |= {VERSION: version, SNAPSHOT: snapshot}
    scored = rows[named].reset_index(drop=True).assign(**answers)
    return pa.Table.from_pandas(pd.DataFrame(scored), preserve_index=False)
