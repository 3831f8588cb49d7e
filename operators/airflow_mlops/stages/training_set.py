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
    holdout: timedelta | None = None,
    max_rows: int | None = None,
    seed: Sequence[int] = (0,),
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
    holdout : timedelta, optional
        Held out in place of evaluate.holdout, and at least data.label_delay; then no row of it needs a label. For a
        replay, which judges models on what comes after.
    max_rows : int, optional
        Train on a random sample of so many rows, at least 2; of a mix, half of them recent where there are so many.
    seed : sequence of int, default=(0,)
        Of that sample.

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
    import numpy as np

    rows = _concatenated(snapshots, spec)
    labelled = known_labels(rows, labels, data=spec.data, now=now)
    times, target = labelled[spec.data.time], spec.data.target
    start = now - (spec.evaluate.holdout if holdout is None else max(holdout, spec.data.label_delay))
    # Places of rows are chosen first and rows taken once: a replay asks for hundreds of small samples of a long past.
    past = np.flatnonzero((times < now).to_numpy())
    if not times.is_monotonic_increasing:
        past = past[times.iloc[past].argsort(kind="stable").to_numpy()]
    known, late = labelled[target].notna().to_numpy()[past], (times >= start).to_numpy()[past]
    before, after = past[known & ~late], past[known & late]
    recent = (times >= start - spec.train.recent).to_numpy()[before]
    chosen, weights = _windowed(recent, window or spec.train.window, max_rows=max_rows, seed=seed)
    if chosen.size == 0:
        raise EmptyTrainingSet(rows_in=int((~late).sum()), rows_dropped=int((~known & ~late).sum()), target=target)
    if after.size == 0 and holdout is None:
        raise EmptyHoldout(start=start, end=now, rows_in=int(late.sum()), target=target)
    return TrainingSet(
        training=labelled.iloc[before[chosen]].reset_index(drop=True),
        holdout=labelled.iloc[after].reset_index(drop=True),
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
    # Of a long past whose times are UTC already, the conversion would take longer than all else here.
    if str(getattr(rows[data.time].dtype, "tz", None)) != "UTC":
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
    recent: np.ndarray, window: Window, *, max_rows: int | None, seed: Sequence[int]
) -> tuple[np.ndarray, np.ndarray | None]:
    """Choose the rows of a window, of which ``recent`` tells which are, and weigh them."""
    import numpy as np

    places = np.flatnonzero(recent) if window == "recent" else np.arange(len(recent))
    is_mix = window == "mix" and bool(recent.any()) and not recent.all()
    if max_rows is not None and len(places) > max_rows:
        rng = np.random.default_rng(list(seed))
        parts = [places[recent], places[~recent]] if is_mix else [places]
        # Where one half is too small, the other fills up.
        first = min(len(parts[0]), max(max_rows // 2, max_rows - len(parts[1]))) if is_mix else max_rows
        sizes = (first, max_rows - first)
        drawn = [rng.choice(part, size, replace=False) for part, size in zip(parts, sizes, strict=False)]
        places = np.sort(np.concatenate(drawn))
    if not is_mix:
        return places, None
    is_recent, half = recent[places], len(places) / 2
    return places, np.where(is_recent, half / is_recent.sum(), half / (~is_recent).sum())
