"""Which labels were known at a moment, and to which row each belongs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from airflow_mlops.errors import LabelsUnusable, MissingColumns, TrainingSetUnusable

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    import pandas as pd

    from airflow_mlops.spec.sections import DataSpec, LabelsSpec

# Some sources do know an outcome before the event, such as a flight that is cancelled; more than this share of all
# labels is a clock or a time zone that is wrong, or another column than the arrival.
EARLY = 0.01


def known_labels(
    rows: pd.DataFrame, labels: Sequence[pd.DataFrame] = (), *, data: DataSpec, now: datetime
) -> pd.DataFrame:
    """Give rows with their target as it was known at ``now``: null where it was not.

    Parameters
    ----------
    rows : DataFrame
        Times with a zone. With ``data.labels.time`` all rows up to ``now`` that may have a label, not only those asked
        about: a label belongs to the latest. Not modified.
    labels : sequence of DataFrame
        Key, target and arrival time; needed where ``data.labels`` is set: of several labels of one row the one that
        arrived last up to ``now`` counts, of two that arrived together the one of the later frame. Else the target is a
        column of the rows, known ``data.label_delay`` after their time. Not modified.
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
    LabelsUnusable
        One frame has two labels of one row that arrived together and differ; more than 1 % of labels arrived before
        their row's time; or a time cannot be read.
    """
    if data.labels is not None:
        return _with_labels(rows, labels, data, data.labels, now).drop(columns="_arrived")
    early = rows[data.time] + data.label_delay > now
    return rows.assign(**{data.target: rows[data.target].mask(early)}) if early.any() else rows


def label_arrivals(
    rows: pd.DataFrame, labels: Sequence[pd.DataFrame] = (), *, data: DataSpec, now: datetime
) -> pd.Series:
    """Give the moment at which the first label of each row became known; null where none is up to ``now``.

    Parameters and errors are those of `known_labels`.
    """
    import pandas as pd

    if data.labels is not None:
        found = _with_labels(rows, labels, data, data.labels, now, keep="first")
        return found["_arrived"].where(found[data.target].notna())
    due = pd.to_datetime(rows[data.time], utc=True) + data.label_delay
    return due.where(rows[data.target].notna() & (due <= now))


def _with_labels(
    rows: pd.DataFrame,
    labels: Sequence[pd.DataFrame],
    data: DataSpec,
    join: LabelsSpec,
    now: datetime,
    *,
    keep: Literal["first", "last"] = "last",
) -> pd.DataFrame:
    """Join each row with its first or last label, and with when that ``_arrived``."""
    bare = rows.drop(columns=data.target, errors="ignore")
    known = _arrived(labels, join, data.target, now)
    known = known.dropna(subset=data.target) if keep == "first" else known
    if known.empty:
        return bare.assign(**{data.target: None, "_arrived": None})
    try:
        named, key = (known, join.key) if join.time is None else _of_latest_rows(known, bare, data, join)
        told = named.sort_values(["_arrived", "_frame"], kind="stable").drop_duplicates(key, keep=keep)
        # Many to one: each row has one label that counts, so none comes twice.
        joined = bare.merge(told[[*key, data.target, "_arrived"]], on=key, how="left", validate="m:1")
    except ValueError as error:
        types = [f"{name!r} is {rows[name].dtype} and {known[name].dtype}" for name in join.key]
        raise TrainingSetUnusable(
            f"labels do not join with rows: of the key data.labels.key, {', '.join(types)}. Give both sides one type."
        ) from error
    _refuse_early(joined, data, join)
    return joined


def _arrived(labels: Sequence[pd.DataFrame], join: LabelsSpec, target: str, now: datetime) -> pd.DataFrame:
    """Put all labels that arrived up to ``now`` together, with ``_arrived`` and the ``_frame`` each is from."""
    import pandas as pd

    own_time = [join.time] if join.time else []
    columns = list(dict.fromkeys([*join.key, *own_time, target, join.arrived]))
    if not labels:
        raise TrainingSetUnusable(
            "the spec has data.labels, but no label snapshot was given: ingest them (part='labels') and pass "
            "label_snapshots."
        )
    frames = []
    for number, frame in enumerate(labels):
        require_columns(frame, columns, where="a label snapshot")
        dated = frame[columns].assign(_arrived=_times(frame, join.arrived), _frame=number)
        dated = dated.assign(**{name: _times(frame, name) for name in own_time})
        known = dated[dated["_arrived"] <= now].dropna(subset=[*join.key, *own_time])
        _refuse_contradictions(known, [*join.key, *own_time], target)
        # Beside a label that arrived with it, an empty one says nothing; later, it takes the label back.
        frames.append(known.sort_values(target, key=lambda values: values.notna(), kind="stable"))
    filled = [frame for frame in frames if len(frame)]
    return pd.concat(filled or frames[:1], ignore_index=True)


def _times(frame: pd.DataFrame, name: str) -> pd.Series:
    import pandas as pd

    try:
        return pd.to_datetime(frame[name], utc=True, format="ISO8601").dt.as_unit("us")
    except (ValueError, TypeError) as error:
        why = str(error).split(". ")[0]
        raise LabelsUnusable(f"column {name!r} of the labels is no time ({why}); mend it in their source.") from error


def _refuse_contradictions(known: pd.DataFrame, key: Sequence[str], target: str) -> None:
    """Refuse labels that say two things of one row at one time: none of them is the later one."""
    said = known.dropna(subset=target).drop_duplicates([*key, "_arrived", target])
    twice = said[said.duplicated([*key, "_arrived"], keep=False)]
    if twice.empty:
        return
    first = twice.iloc[0]
    both = twice[(twice[[*key, "_arrived"]] == first[[*key, "_arrived"]]).all(axis=1)][target].tolist()
    raise LabelsUnusable(
        f"{_counted(twice.drop_duplicates([*key, '_arrived']), 'row has', 'rows have')} labels that arrived together "
        f"and differ, such as {_named(first, key)}: {' and '.join(map(str, both))}, both at "
        f"{first['_arrived'].isoformat()}. Send each label once, or the one that counts with a later arrival."
    )


def _of_latest_rows(
    known: pd.DataFrame, rows: pd.DataFrame, data: DataSpec, join: LabelsSpec
) -> tuple[pd.DataFrame, list[str]]:
    """Give each label the time of its entity's latest row at or before its own, and the key that names that row."""
    import pandas as pd

    key = [*join.key, data.time]
    moments = rows[key].dropna().drop_duplicates()
    moments = moments.assign(_row=moments[data.time].dt.as_unit("us")).sort_values("_row", kind="stable")
    labels = known.assign(_time=known[str(join.time)]).drop(columns=data.time, errors="ignore")
    matched = pd.merge_asof(
        labels.sort_values("_time", kind="stable"),
        moments,
        left_on="_time",
        right_on="_row",
        by=join.key,
        tolerance=pd.Timedelta(join.tolerance or 0),
    )
    return matched.dropna(subset=data.time), key


def _refuse_early(joined: pd.DataFrame, data: DataSpec, join: LabelsSpec) -> None:
    """Refuse labels that were there before what they are about."""
    labelled = joined[joined[data.target].notna()]
    early = labelled[labelled["_arrived"] < labelled[data.time]]
    if len(early) <= EARLY * len(labelled):
        return
    first = early.iloc[0]
    raise LabelsUnusable(
        f"{len(early)} of {len(labelled)} labels arrived before the time of their row, such as "
        f"{_named(first, join.key)}: arrived {first['_arrived'].isoformat()}, row of {first[data.time].isoformat()}. "
        f"Is data.labels.arrived ({join.arrived!r}) the arrival, and in the time zone of {data.time!r}?"
    )


def _named(row: pd.Series[Any], key: Sequence[str]) -> str:
    return ", ".join(f"{name} = {row[name]}" for name in key)


def _counted(rows: pd.DataFrame, one: str, many: str) -> str:
    return f"{len(rows)} {one if len(rows) == 1 else many}"


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
