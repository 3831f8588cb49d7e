"""Served predictions beside what happened."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from airflow_mlops.errors import SignalsUnusable
from airflow_mlops.loop.labels.known import known_labels, require_columns
from airflow_mlops.loop.labels.names import row_ids

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    import pandas as pd

    from airflow_mlops.spec.sections import DataSpec

# What a logged prediction carries that a judgement does not need.
_ENVELOPE = ("model", "features")


@dataclass(frozen=True, slots=True)
class Labelled:
    """Served predictions of the rows of [``start``, ``end``), and what happened.

    ``frame`` has the predictions whose label is known: ``id``, ``time``, ``version``, ``epoch``, the output columns,
    and the target under its own name, oldest first. ``rows`` counts all predictions of the window, each row once.
    """

    frame: pd.DataFrame
    start: datetime
    end: datetime
    rows: int

    @property
    def labelled(self) -> int:
        """Predictions whose label is known."""
        return len(self.frame)

    @property
    def maturity(self) -> float:
        """Share of the predictions whose label is known, 0 where there are no predictions."""
        return self.labelled / self.rows if self.rows else 0.0


def join_labels(
    predictions: pd.DataFrame,
    rows: pd.DataFrame,
    labels: Sequence[pd.DataFrame] = (),
    *,
    data: DataSpec,
    start: datetime,
    end: datetime,
    now: datetime,
) -> Labelled:
    """Put served predictions and the labels known at ``now`` together.

    A row that was asked for several times counts once: by the last answer received before its label was due, for that
    is what was acted on; where all came later, as in a replay of the past, by the first.

    Parameters
    ----------
    predictions : DataFrame
        ``id`` as from `row_id`, ``time`` (event time; where null, that of the row), ``version``, ``epoch``,
        output columns, and ``received_at`` where it is known. Not modified.
    rows : DataFrame
        Raw rows with key, time and, without ``data.labels``, target. Of rows with one key the last counts. Not
        modified.
    labels : sequence of DataFrame
        As in `known_labels`.
    data : DataSpec
        Names of columns, and when labels are known.
    start, end : datetime
        Window of event time, with a zone; ``end`` is left out.
    now : datetime
        What arrived after it does not exist yet.

    Raises
    ------
    SignalsUnusable
        ``data.key`` is empty, so that no label can find its prediction.
    MissingColumns
        Time, key or target is not among the rows, or not in the labels.
    TrainingSetUnusable
        Key columns of rows and labels have types that never match.
    LabelsUnusable
        See `known_labels`.
    """
    import pandas as pd

    if not data.key:
        raise SignalsUnusable(
            "data.key names no column, so no label can find its prediction; name what tells rows apart."
        )
    outcomes = _outcomes(rows, labels, data, now)
    asked = predictions.drop(columns=[*_ENVELOPE, data.target], errors="ignore")
    asked = asked.merge(outcomes, on="id", how="left", validate="m:1")
    asked["time"] = pd.to_datetime(asked["time"], utc=True, format="ISO8601").fillna(asked.pop("_time"))
    asked = asked[(asked["time"] >= start) & (asked["time"] < end)]
    counted = _one_each(asked, data).sort_values("time", kind="stable")
    known = counted[counted[data.target].notna()].drop(columns="received_at", errors="ignore")
    return Labelled(known.reset_index(drop=True), start, end, rows=len(counted))


def _outcomes(rows: pd.DataFrame, labels: Sequence[pd.DataFrame], data: DataSpec, now: datetime) -> pd.DataFrame:
    """Give id, time and target as known at ``now``, each row once."""
    import pandas as pd

    needed = [data.time, *data.key, *(data.labels.key if data.labels else [data.target])]
    require_columns(rows, needed, where="the rows")
    rows = rows[list(dict.fromkeys(needed))]
    rows = rows.assign(**{data.time: pd.to_datetime(rows[data.time], utc=True)})
    known = known_labels(rows, labels, data=data, now=now)
    outcomes = known[[data.time, data.target]].rename(columns={data.time: "_time"})
    return outcomes.assign(id=row_ids(known, data.key, data.time)).drop_duplicates("id", keep="last")


def _one_each(asked: pd.DataFrame, data: DataSpec) -> pd.DataFrame:
    """Keep one answer a row; answers without an id are rows of their own."""
    import pandas as pd

    named = asked[asked["id"].notna()]
    if "received_at" in asked:
        received = pd.to_datetime(named["received_at"], utc=True, format="ISO8601")
        named = named.assign(received_at=received).sort_values("received_at", kind="stable")
        # Of the answers in time only the last is kept, so that it is also the first of what remains.
        in_time = named["received_at"] <= named["time"] + data.label_delay
        named = named[~(in_time & named["id"].where(in_time).duplicated(keep="last"))]
    return asked[asked["id"].isna() | asked.index.isin(named.drop_duplicates("id").index)]
