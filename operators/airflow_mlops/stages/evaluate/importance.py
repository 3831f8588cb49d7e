"""Which raw columns a model leans on: how much worse it gets when one is shuffled."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_mlops.stages.evaluate.predictions import predict, row_losses

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    import pandas as pd

# One call predicts all shuffled copies; this bounds its rows, and so the time and the memory of the whole step.
MOST_ROWS, MOST_SAMPLE, FEWEST_SAMPLE = 20_000, 1_000, 100


def permutation_importance(
    model: Any,
    rows: pd.DataFrame,
    target: np.ndarray,
    *,
    columns: Sequence[str],
    metric: str,
    classes: Sequence[Any] = (),
    seed: int = 0,
) -> dict[str, float]:
    """Measure the rise in loss when the values of a raw column are shuffled among the rows.

    Parameters
    ----------
    model : estimator
        Takes raw columns.
    rows : DataFrame of shape (n_rows, n_columns)
        Held-out rows; a seeded sample of at most 1,000 is used.
    target : ndarray of shape (n_rows,)
        What happened.
    columns : sequence of str
        What the model takes; at most 200 are measured.
    metric : str
        A loss of `row_losses`.
    classes : sequence, optional
        See `predict`.
    seed : int
        Of sample and shuffles.

    Returns
    -------
    dict of str to float
        Mean rise in loss, largest first. A column that another one can stand in for shows little.

    References
    ----------
    Breiman (2001), Random Forests, Machine Learning 45(1), section 10, where it was proposed.
    Fisher, Rudin, Dominici (2019), All Models are Wrong, but Many are Useful, JMLR 20(177), for models of any kind.
    """
    import numpy as np
    import pandas as pd

    rng = np.random.default_rng(seed)
    measured = list(columns)[: MOST_ROWS // FEWEST_SAMPLE]
    size = min(len(rows), MOST_SAMPLE, max(FEWEST_SAMPLE, MOST_ROWS // (len(measured) + 1)))
    places = rng.choice(len(rows), size, replace=False)
    sample, happened = rows.iloc[places][list(columns)], target[places]

    copies = [sample]
    for column in measured:
        shuffled = sample.copy(deep=False)
        shuffled[column] = sample[column].to_numpy()[rng.permutation(size)]
        copies.append(shuffled)
    answers = predict(model, pd.concat(copies, ignore_index=True), classes=classes)
    losses = row_losses(metric, np.tile(happened, len(copies)), answers).reshape(len(copies), size).mean(axis=1)
    rise = zip(measured, (losses[1:] - losses[0]).tolist(), strict=True)
    return dict(sorted(((name, value) for name, value in rise if np.isfinite(value)), key=lambda item: -item[1]))
