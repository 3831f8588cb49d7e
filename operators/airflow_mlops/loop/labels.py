"""Which label belongs to which row and prediction, and which labels were known at a moment.

Training and monitoring join labels with this one code, so that a champion is judged by what it was trained to say.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from airflow_mlops.errors import MissingColumns, SignalsUnusable, TrainingSetUnusable

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    import pandas as pd

    from airflow_mlops.spec.sections import DataSpec, LabelsSpec

# A text that begins like a time may be one: what a client writes as text is a date or a time in the rows.
_DATED = re.compile(r"\d{4}-\d\d-\d\d([T ]\d|$)")
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


def row_id(values: Mapping[str, Any], key: Sequence[str], time: str) -> str:
    """Name a row by its key columns, the same whether they came from JSON, Arrow or pandas.

    Parameters
    ----------
    values : mapping
        At least the key columns.
    key : sequence of str
        Columns that identify a row, in order. None gives ``[]``: such rows cannot be told apart.
    time : str
        The column with the event time. Its texts, and those of other columns that look like it, are read as times;
        without a zone they are UTC.

    Returns
    -------
    str
        JSON list with one text a column: dates and times as ISO 8601 in UTC, numbers without a trailing ``.0``, null
        for unknown.

    Raises
    ------
    KeyError
        A key column is not among the values.
    """
    return _as_id([_text(values[name], is_time=name == time) for name in key])


def row_ids(rows: pd.DataFrame, key: Sequence[str], time: str) -> list[str]:
    """Name each row of a frame as `row_id` does."""
    columns = [[_text(value, is_time=name == time) for value in rows[name]] for name in key]
    return [_as_id(texts) for texts in zip(*columns, strict=True)] if columns else ["[]"] * len(rows)


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


def known_labels(
    rows: pd.DataFrame, labels: Sequence[pd.DataFrame] = (), *, data: DataSpec, now: datetime
) -> pd.DataFrame:
    """Give rows with their target as it was known at ``now``: null where it was not.

    Parameters
    ----------
    rows : DataFrame
        Times with a zone. Not modified.
    labels : sequence of DataFrame
        Key, target and arrival time; needed where ``data.labels`` is set: of several labels of one key the one that
        arrived last up to ``now`` counts. Else the target is a column of the rows, known ``data.label_delay`` after
        their time. Not modified.
    data : DataSpec
        Names of columns, and when labels are known.
    now : datetime
        With a zone.

    Raises
    ------
    MissingColumns
        A column is not in the labels.
    TrainingSetUnusable
        No labels were given where they have a source of their own, or key columns have types that never match.
    """
    if data.labels is not None:
        return _with_labels(rows, labels, data.labels, data.target, now)
    early = rows[data.time] + data.label_delay > now
    return rows.assign(**{data.target: rows[data.target].mask(early)}) if early.any() else rows


def _with_labels(
    rows: pd.DataFrame, labels: Sequence[pd.DataFrame], join: LabelsSpec, target: str, now: datetime
) -> pd.DataFrame:
    latest = _latest_labels(labels, join, target, now)
    try:
        # The join is many to one: each key has one latest label, so no row comes twice.
        return rows.drop(columns=target, errors="ignore").merge(latest, on=join.key, how="left", validate="m:1")
    except ValueError as error:
        types = [f"{name!r} is {rows[name].dtype} and {latest[name].dtype}" for name in join.key]
        raise TrainingSetUnusable(
            f"labels do not join with rows: of the key data.labels.key, {', '.join(types)}. Give both sides one type."
        ) from error


def _latest_labels(labels: Sequence[pd.DataFrame], join: LabelsSpec, target: str, now: datetime) -> pd.DataFrame:
    """Keep, for each key, the label that arrived last up to ``now``; of two at one time the one listed later."""
    import pandas as pd

    columns = [*join.key, target, join.arrived]
    if not labels:
        raise TrainingSetUnusable(
            "the spec has data.labels, but no label snapshot was given: ingest them (part='labels') and pass "
            "label_snapshots."
        )
    for frame in labels:
        require_columns(frame, columns, where="a label snapshot")
    every = pd.concat([frame[columns] for frame in labels], ignore_index=True)
    arrived = pd.to_datetime(every[join.arrived], utc=True)
    every = every.assign(**{join.arrived: arrived})[arrived <= now].dropna(subset=join.key)
    latest = every.sort_values(join.arrived, kind="stable").drop_duplicates(join.key, keep="last")
    return latest[[*join.key, target]]


def require_columns(frame: pd.DataFrame, columns: Iterable[str], *, where: str) -> None:
    """Check that a frame has all columns.

    Raises
    ------
    MissingColumns
        One is not there.
    """
    missing = [name for name in dict.fromkeys(columns) if name not in frame.columns]
    if missing:
        raise MissingColumns(missing, present=list(frame.columns), where=where)


def _as_id(texts: Sequence[str | None]) -> str:
    return json.dumps(texts, ensure_ascii=False, separators=(",", ":"))


def _text(value: Any, *, is_time: bool) -> str | None:
    if getattr(getattr(value, "dtype", None), "kind", None) == "M":
        # A numpy time in nanoseconds turns into a bare number; its text is ISO.
        value, is_time = (None if str(value) == "NaT" else str(value)), True
    elif hasattr(value, "item") and getattr(value, "ndim", None) == 0:
        value = value.item()
    # NaN, NaT and pandas.NA by their texts: the last cannot even be compared.
    if value is None or (not isinstance(value, str) and str(value) in ("nan", "NaN", "NaT", "<NA>")):
        return None
    if isinstance(value, str):
        return _time_text(value) if is_time or _DATED.match(value) else value
    if isinstance(value, datetime):
        return _iso(value)
    if isinstance(value, date):
        return _iso(datetime(value.year, value.month, value.day))
    return _plain(value)


def _time_text(value: str) -> str:
    try:
        return _iso(datetime.fromisoformat(value.strip()))
    except ValueError:
        return value


def _iso(moment: datetime) -> str:
    # Not `isoformat` of the value itself: that of pandas adds nanoseconds where there are any.
    zoned = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    plain = datetime(*zoned.timetuple()[:6], zoned.microsecond, tzinfo=UTC)
    return plain.isoformat()


def _plain(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, Decimal):
        return format(value.normalize(), "f")
    return str(value)
