"""Streams for benchmarks: any folder with a table of times, targets and features, as a history with a spec.

The protocol is that of the evidence the defaults rest on. Batches are equal lengths of time, or of rows where the time
is not real; a model trained at the end of a batch serves from the next one; labels are due a number of batches later;
the first ten batches train the first champion.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from airflow_mlops.errors import HistoryUnusable, MissingColumns
from airflow_mlops.spec import ModelSpec
from benchmarks.streams.batches import Batches, cut
from benchmarks.streams.columns import features_of, target_of, times_of

if TYPE_CHECKING:
    from collections.abc import Sequence

FIRST_BATCHES, RECENT_BATCHES = 10, 12
CLIP = 0.001
MAX_CODES = 40
MAX_TRAIN_ROWS, SAMPLE_ROWS = 8_000, 500
ESTIMATOR = {"max_iter": 30, "max_leaf_nodes": 20, "learning_rate": 0.2, "early_stopping": False}
KEY = "_row"


@dataclass(frozen=True)
class Stream:
    """A history cut into ``count`` batches of equal length, and the spec of a model for it.

    ``rows`` have ``ts``, ``_row``, ``y`` and features; where labels have times of their own, ``labels`` has one frame
    of ``_row``, ``y`` and ``label_ts``. Batch i is [``start`` + i ``batch``, ``start`` + (i + 1) ``batch``). ``looks``
    are the ends of batches: from the first at which ten have a label that is due, to the last but one. ``classes`` are
    the values of ``y`` behind its numbers. ``notes`` say what was changed or left out.
    """

    name: str
    spec: ModelSpec
    rows: pd.DataFrame
    labels: tuple[pd.DataFrame, ...]
    looks: tuple[datetime, ...]
    start: datetime
    batch: timedelta
    count: int
    label_delay: int
    classes: tuple[Any, ...]
    notes: tuple[str, ...]

    @property
    def settings(self) -> dict[str, Any]:
        """Arguments of `build_matrix` that the protocol fixes."""
        fixed = {"holdout": timedelta(0), "clip": CLIP, "sample_rows": SAMPLE_ROWS, "max_train_rows": MAX_TRAIN_ROWS}
        return {"looks": self.looks, **fixed}


def read_stream(folder: Path, *, rows_per_batch: int | None = None, label_delay: int = 1) -> Stream:
    """Read a folder with a ``data.parquet`` of ``ts``, ``y``, features and perhaps ``label_ts``.

    Parameters
    ----------
    folder : Path
        Its name is the stream's.
    rows_per_batch : int, optional
        Cut by rows; default by time, with the days rule of the evidence.
    label_delay : int, default=1
        Batches until a label is due.

    Raises
    ------
    HistoryUnusable
        There is no such file, or too few batches, classes or features in it.
    MissingColumns
        ``ts`` or ``y`` is missing.
    """
    path = Path(folder) / "data.parquet"
    if not path.is_file():
        raise HistoryUnusable(f"{path} is not there; a stream is a folder with a data.parquet of ts, y and features.")
    name = Path(folder).resolve().name
    return make_stream(name, pd.read_parquet(path), rows_per_batch=rows_per_batch, label_delay=label_delay)


def make_stream(name: str, frame: pd.DataFrame, *, rows_per_batch: int | None = None, label_delay: int = 1) -> Stream:
    """Make a stream of a table; see `read_stream`."""
    if missing := [column for column in ("ts", "y") if column not in frame]:
        raise MissingColumns(missing, present=[str(column) for column in frame], where=f"the stream {name}")
    if label_delay < 0 or (rows_per_batch is not None and rows_per_batch < 1):
        raise HistoryUnusable(
            f"a stream takes at least one row a batch and no negative delay; got {rows_per_batch} "
            f"rows and {label_delay} batches."
        )
    target, task, classes = target_of(frame["y"])
    frame, times, lost = _ordered(frame.assign(y=target))
    features, left_out = features_of(frame.drop(columns=["ts", "y", "label_ts"], errors="ignore"))
    label_times = times_of(frame["label_ts"]) if "label_ts" in frame else None
    if label_times is not None and label_times.isna().all():
        label_times, left_out = None, [*left_out, "label_ts has no time, so labels arrive with the delay"]
    batches = cut(name, times, label_times, rows_per_batch)
    y = frame["y"] if task == "regression" else frame["y"].astype("int64")
    rows = pd.concat([features.assign(ts=batches.times, y=y), pd.Series(range(len(y)), y.index, name=KEY)], axis=1)
    labels, early = _labels(rows, batches)
    return Stream(
        name=name,
        spec=_spec(name, task, list(features.columns), batches, label_delay, has_labels=bool(labels)),
        rows=rows,
        labels=labels,
        looks=_looks(name, batches, label_delay),
        start=batches.start,
        batch=batches.length,
        count=batches.count,
        label_delay=label_delay,
        classes=classes,
        notes=(*lost, *left_out, *batches.notes, *early),
    )


def _ordered(frame: pd.DataFrame) -> tuple[pd.DataFrame, pd.Series, list[str]]:
    """Drop rows without target or time and sort the others by time; where no time can be read, by what there is."""
    notes = []
    times = times_of(frame["ts"])
    by_order = bool(times.isna().all())
    order = frame["ts"] if by_order else times
    for name, is_known in (("y", frame["y"].notna()), ("ts", order.notna())):
        if lost := int((~is_known).sum()):
            notes.append(f"{lost} of {len(frame)} rows without {name} were left out")
    kept = (frame["y"].notna() & order.notna()).to_numpy()
    if not kept.any():
        raise HistoryUnusable(f"none of {len(frame)} rows has both ts and y.")
    order = order[kept].sort_values(kind="stable")
    if by_order:
        notes.append("ts is no time, so only the order of rows counts")
    return frame.loc[order.index].reset_index(drop=True), times.loc[order.index].reset_index(drop=True), notes


def _labels(rows: pd.DataFrame, batches: Batches) -> tuple[tuple[pd.DataFrame, ...], tuple[str, ...]]:
    """Make the frame of labels with an arrival; none arrives before its row."""
    if batches.label_times is None:
        return (), ()
    known = batches.label_times.notna()
    arrived, times = batches.label_times[known], rows["ts"][known]
    early = int((arrived < times).sum())
    notes = (f"{early} labels that arrived before their row count as arrived with it",) if early else ()
    return (rows.loc[known, [KEY, "y"]].assign(label_ts=arrived.where(arrived >= times, times)),), notes


def _looks(name: str, batches: Batches, label_delay: int) -> tuple[datetime, ...]:
    first = FIRST_BATCHES + label_delay
    if batches.count <= first:
        raise HistoryUnusable(
            f"the stream {name} has {batches.count} batches; with labels {label_delay} batches late it takes more than "
            f"{first}. Give fewer rows a batch."
        )
    return tuple(batches.start + number * batches.length for number in range(first, batches.count))


def _spec(
    name: str, task: str, columns: Sequence[str], batches: Batches, label_delay: int, *, has_labels: bool
) -> ModelSpec:
    length = batches.length
    source = {"kind": "callable", "path": "benchmarks.streams.read_stream"}
    labels = {"source": source, "key": [KEY], "arrived": "label_ts"} if has_labels else None
    params = {**ESTIMATOR, "categorical_features": None}
    return ModelSpec.model_validate(
        {
            "name": "stream_" + re.sub(r"\W+", "_", name.lower(), flags=re.ASCII)[:50],
            "owner": "benchmarks",
            "task": task,
            "data": {
                "source": source,
                "time": "ts",
                "key": [KEY],
                "target": "y",
                "labels": labels,
                "label_delay": label_delay * length,
            },
            "ingest": {"window": batches.count * length},
            "features": {"columns": list(columns), "params": {"max_codes": MAX_CODES, "kind": "trees"}},
            "train": {"estimator": "hist_gradient_boosting", "params": params, "recent": RECENT_BATCHES * length},
            # The full gate judges on the last labelled batch.
            "evaluate": {"holdout": (label_delay + 1) * length, "gate": {"block": None}},
            "monitor": {"window": length, "predictions": "score"},
        }
    )
