"""How well one raw column predicts by itself: the mean target of its values, or of its bins, on rows left out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    import pandas as pd

    from airflow_mlops.stages.evaluate.predictions import Predictions

FOLDS, BINS, BLOCKS = 2, 30, 10
# Values at either end of a column of numbers that make a point of their own.
END = 3
# Weight of the overall target in the mean of a bin, in rows.
PRIOR = 1.0


def alone(column: pd.Series, target: np.ndarray, *, metric: str, classes: Sequence[Any]) -> float:
    """Return the mean loss of a column that predicts alone, cross-fitted.

    Rows are cut into ten blocks in their order, of which every other one is a fold. On the rows of one fold the target
    is averaged in 30 bins of equal size, or in each value of a text; on the other's rows these averages predict. A
    number for a number is predicted by the line through the medians of the bins.

    Parameters
    ----------
    column : Series of shape (n_rows,)
        Raw values, in order of time; nulls make a bin of their own.
    target : ndarray of shape (n_rows,)
        What happened.
    metric : str
        A loss of `row_losses`.
    classes : sequence
        Of the task; none for a regression.
    """
    import numpy as np

    from airflow_mlops.stages.evaluate.predictions import row_losses

    fold = (np.arange(len(target)) * BLOCKS // max(len(target), 1)) % FOLDS
    values, codes = bins_of(column)
    losses = np.empty(len(target))
    for number in range(FOLDS):
        asked = fold == number
        if not asked.any() or asked.all():
            return float("inf")
        predicted = _shares if len(classes) else _numbers
        said = predicted(_Split(codes, values, target, asked), classes)
        losses[asked] = row_losses(metric, target[asked], said)
    return float(losses.mean())


def bins_of(column: pd.Series) -> tuple[np.ndarray | None, np.ndarray]:
    """Give each value the number of its bin: of equal size for numbers, one for each text, one for nulls.

    Returns
    -------
    values : ndarray of shape (n_rows,) or None
        As numbers, where they were cut into bins.
    codes : ndarray of shape (n_rows,)
    """
    import numpy as np
    import pandas as pd
    from pandas.api.types import is_bool_dtype, is_datetime64_any_dtype, is_numeric_dtype

    if is_datetime64_any_dtype(column):
        column = column.astype("int64").where(column.notna())
    if is_numeric_dtype(column) and not is_bool_dtype(column) and column.nunique() > BINS:
        values = column.to_numpy(dtype="float64", na_value=np.nan)
        edges = np.unique(np.nanquantile(values, np.linspace(0, 1, BINS + 1)[1:-1]))
        codes = np.searchsorted(edges, values, side="right")
        return values, np.where(np.isnan(values), len(edges) + 1, codes)
    codes, _ = pd.factorize(column.astype("object"))
    return None, np.where(codes < 0, codes.max(initial=-1) + 1, codes)


@dataclass(frozen=True)
class _Split:
    """Rows to average, and rows to be asked."""

    codes: np.ndarray
    values: np.ndarray | None
    target: np.ndarray
    asked: np.ndarray

    @property
    def known(self) -> np.ndarray:
        return self.target[~self.asked]

    @property
    def bins(self) -> np.ndarray:
        return self.codes[~self.asked]

    @property
    def size(self) -> int:
        return int(self.codes.max(initial=0)) + 1


def _shares(split: _Split, classes: Sequence[Any]) -> Predictions:
    """Predict the shares of the classes in a bin, drawn a little to those of all rows."""
    import numpy as np

    from airflow_mlops.stages.evaluate.predictions import Predictions

    counts = np.bincount(split.bins, minlength=split.size)
    is_class = [split.known == label for label in classes]
    overall = np.array([each.mean() for each in is_class])
    hits = np.column_stack([np.bincount(split.bins, each, minlength=split.size) for each in is_class])
    shares = ((hits + PRIOR * overall) / (counts + PRIOR)[:, None])[split.codes[split.asked]]
    return Predictions(np.asarray(classes)[shares.argmax(axis=1)], tuple(classes), shares)


def _numbers(split: _Split, _: Sequence[Any]) -> Predictions:
    """Predict the median of a bin, or between the medians of two."""
    import numpy as np
    import pandas as pd

    from airflow_mlops.stages.evaluate.predictions import Predictions

    middle = pd.Series(split.known).groupby(split.bins).median()
    overall = float(np.median(split.known))
    said = middle.reindex(split.codes[split.asked]).fillna(overall).to_numpy()
    if split.values is None:
        return Predictions(said)
    numbers = split.values[split.asked]
    on_line = _on_line(numbers, *_line(split.values[~split.asked], split.known, split.bins))
    return Predictions(np.where(np.isnan(numbers), said, on_line))


def _line(values: np.ndarray, known: np.ndarray, bins: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the medians of the bins, with those of a few values at either end: a copy is one to its ends."""
    import numpy as np
    import pandas as pd

    given = ~np.isnan(values)
    if not given.any():
        return np.zeros(1), np.full(1, np.median(known))
    order = np.argsort(values[given], kind="stable")
    rows = pd.DataFrame({"value": values[given][order], "target": known[given][order], "bin": bins[given][order]})
    middle = rows.groupby("bin").median()
    ends = [rows[["value", "target"]].head(END).median(), rows[["value", "target"]].tail(END).median()]
    points = pd.concat([ends[0].to_frame().T, middle, ends[1].to_frame().T])
    return points["value"].to_numpy(), points["target"].to_numpy()


def _on_line(numbers: np.ndarray, values: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Read numbers off a line, which goes on straight at both ends: later rows may lie beyond all earlier ones."""
    import numpy as np

    inside = np.interp(numbers, values, targets)
    for end, beside, is_beyond in ((0, 1, numbers < values[0]), (-1, -2, numbers > values[-1])):
        width = values[end] - values[beside] if len(values) > 1 else 0.0
        slope = (targets[end] - targets[beside]) / width if width else 0.0
        inside = np.where(is_beyond, targets[end] + slope * (numbers - values[end]), inside)
    return inside
