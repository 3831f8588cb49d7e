"""Put snapshots and their labels together, as they were known at a moment, and split them by time.

A training set is an ordered list of snapshots and label snapshots with a way to read them. It has a digest of its own
and no bytes of its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow_mlops.artifacts import digest_json
from airflow_mlops.errors import EmptyHoldout, EmptyTrainingSet
from airflow_mlops.loop.labels import known_labels, require_columns
from airflow_mlops.spec.durations import format_duration

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    import numpy as np
    import pandas as pd

    from airflow_mlops.spec import ModelSpec
    from airflow_mlops.spec.sections import LabelsSpec, Window


@dataclass(frozen=True, slots=True)
class TrainingSet:
    """Labelled rows, oldest first, cut in two by time.

    ``weights`` has one positive number a training row, with mean 1, or is None where all rows weigh the same.
    ``unlabelled`` counts the rows left out because their label is missing or was not known yet.
    """

    training: pd.DataFrame
    holdout: pd.DataFrame
    weights: np.ndarray | None
    holdout_start: datetime
    rows_in: int
    unlabelled: int


def training_set_digest(
    snapshots: Sequence[str], labels: Sequence[str], *, spec: ModelSpec, now: datetime, window: Window
) -> str:
    """Return the digest that names a training set: what is read, as of when, and how it is cut.

    Parameters
    ----------
    snapshots, labels : sequence of str
        Digests of the snapshots, in order.
    spec : ModelSpec
        Its data section says how labels join, evaluate.holdout and train.recent where to cut.
    now : datetime
        The moment the run stands at.
    window : {"all", "recent", "mix"}
        Which rows to train on.
    """
    data = spec.data
    return digest_json(
        {
            "snapshots": list(snapshots),
            "labels": list(labels),
            "join": [data.time, data.key, data.target, data.labels and _join(data.labels)],
            "label_delay": format_duration(data.label_delay),
            "now": now.isoformat(),
            "holdout": format_duration(spec.evaluate.holdout),
            "window": window,
            "recent": format_duration(spec.train.recent) if window != "all" else None,
        }
    )


def _join(labels: LabelsSpec) -> list[Any]:
    by_time = [labels.time, format_duration(labels.tolerance or timedelta(0))] if labels.time else []
    return [labels.key, labels.arrived, *by_time]


def assemble(
    snapshots: Sequence[pd.DataFrame],
    labels: Sequence[pd.DataFrame] = (),
    *,
    spec: ModelSpec,
    now: datetime,
    window: Window | None = None,
) -> TrainingSet:
    """Join rows with the labels known at ``now`` and split them by time.

    The holdout is the labelled rows of the last ``evaluate.holdout`` before ``now``; training is what lies before it.

    Parameters
    ----------
    snapshots : sequence of DataFrame
        In order. A row whose key comes again in a later snapshot counts once, as in the later one. Not modified.
    labels : sequence of DataFrame
        Key, target and arrival time; needed where the spec has ``data.labels``. Not modified.
    spec : ModelSpec
        See `training_set_digest`.
    now : datetime
        With a zone. Rows at or after it, and labels that arrived after it, do not exist yet.
    window : {"all", "recent", "mix"}, optional
        ``recent`` is train.recent back from the start of the holdout; ``mix`` is all rows, half of the weight on recent
        ones. Default: train.window.

    Returns
    -------
    TrainingSet
        Both frames have all columns of the snapshots and the target.

    Raises
    ------
    EmptyTrainingSet
        No row before the holdout has a label.
    EmptyHoldout
        No row of the holdout has a label.
    MissingColumns
        Time, key or target is not in a snapshot, or not in the labels.
    TrainingSetUnusable
        Key columns of rows and labels have types that never match.
    LabelsUnusable
        Labels contradict each other, or arrived before their rows.
    """
    rows = _concatenated(snapshots, spec)
    labelled = known_labels(rows, labels, data=spec.data, now=now)
    time, target = spec.data.time, spec.data.target
    labelled = labelled[labelled[time] < now].sort_values(time, kind="stable", ignore_index=True)
    start = now - spec.evaluate.holdout
    known, late = labelled[target].notna(), labelled[time] >= start
    before, holdout = labelled[known & ~late], labelled[known & late]
    training, weights = _windowed(before, time, window or spec.train.window, recent_from=start - spec.train.recent)
    if training.empty:
        missing = int((~known & ~late).sum())
        raise EmptyTrainingSet(rows_in=int((~late).sum()), rows_dropped=missing, target=target)
    if holdout.empty:
        raise EmptyHoldout(start=start, end=now, rows_in=int(late.sum()), target=target)
    return TrainingSet(
        training=training.reset_index(drop=True),
        holdout=holdout.reset_index(drop=True),
        weights=weights,
        holdout_start=start,
        rows_in=len(rows),
        unlabelled=int((~known).sum()),
    )


def _concatenated(snapshots: Sequence[pd.DataFrame], spec: ModelSpec) -> pd.DataFrame:
    import pandas as pd

    data = spec.data
    needed = [data.time, *data.key, *spec.features.columns, *(data.labels.key if data.labels else [data.target])]
    for frame in snapshots:
        require_columns(frame, needed, where="a snapshot")
    kept = [_only_new(frame, snapshots[index + 1 :], data.key) for index, frame in enumerate(snapshots)]
    rows = pd.concat(kept, ignore_index=True) if len(kept) > 1 else kept[0].copy(deep=False)
    rows[data.time] = pd.to_datetime(rows[data.time], utc=True)
    return rows


def _only_new(frame: pd.DataFrame, later: Sequence[pd.DataFrame], key: list[str]) -> pd.DataFrame:
    """Leave out rows that a later snapshot has again; windows of snapshots may overlap."""
    import pandas as pd

    if not key or not later:
        return frame
    again = pd.MultiIndex.from_frame(pd.concat([other[key] for other in later]))
    return frame[~pd.MultiIndex.from_frame(frame[key]).isin(again)]


def _windowed(
    rows: pd.DataFrame, time: str, window: Window, *, recent_from: datetime
) -> tuple[pd.DataFrame, np.ndarray | None]:
    import numpy as np

    recent = (rows[time] >= recent_from).to_numpy()
    if window == "recent":
        return rows[recent], None
    if window == "mix" and recent.any() and not recent.all():
        half = len(rows) / 2
        return rows, np.where(recent, half / recent.sum(), half / (~recent).sum())
    return rows, None
