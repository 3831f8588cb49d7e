"""A history made ready to be trained on at any look: looks, cells, and the bounded sample that every model answers."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from airflow_mlops.errors import HistoryUnusable
from airflow_mlops.loop.labels import known_labels, label_arrivals, require_columns
from airflow_mlops.replay.matrix import Cell, Look
from airflow_mlops.replay.streams import checked_looks, cuts_of, judged_window
from airflow_mlops.stages.evaluate.predictions import CLIP
from airflow_mlops.stages.train import usable_target

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    import pandas as pd

    from airflow_mlops.spec import ModelSpec
    from airflow_mlops.spec.sections import DataSpec, Window

MOST_BYTES = 1_000_000_000
FEWEST_SAMPLED = 20


@dataclass(frozen=True, slots=True)
class Settings:
    """How a matrix is built; `build_matrix` says what each means."""

    windows: tuple[Window, ...] = ("all", "recent")
    sample_rows: int = 500
    max_train_rows: int | None = None
    holdout: timedelta | None = None
    clip: float = CLIP


@dataclass(frozen=True)
class Sample:
    """The rows that every model answers, oldest cell first.

    ``rows`` has the raw columns of the model. ``cell`` and ``place`` say where each row's output goes. ``target``,
    ``times`` and ``arrived`` have shape (C, S).
    """

    rows: pd.DataFrame
    cell: np.ndarray
    place: np.ndarray
    target: np.ndarray
    times: np.ndarray
    arrived: np.ndarray
    classes: tuple[Any, ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Ground:
    """All that a training and its scoring need, in one object that travels to a worker once."""

    spec: ModelSpec
    settings: Settings
    rows: pd.DataFrame
    labels: tuple[pd.DataFrame, ...]
    looks: tuple[Look, ...]
    cells: tuple[Cell, ...]
    unseen: np.ndarray
    sample: Sample

    def before(self, now: datetime) -> pd.DataFrame:
        """Return the rows that *ingest* would read at a moment: ingest.window before it; nothing is copied."""
        bounds = _stamps([now - self.spec.ingest.window, now])
        first, last = self.rows[self.spec.data.time].searchsorted(bounds, side="left")
        return self.rows.iloc[int(first) : int(last)]


def prepare(
    rows: pd.DataFrame,
    labels: Sequence[pd.DataFrame],
    spec: ModelSpec,
    *,
    looks: Sequence[datetime],
    settings: Settings,
) -> Ground:
    """Order a history by time, cut it into cells, and draw the sample of each.

    Raises
    ------
    HistoryUnusable
        No row, unusable looks, a target that does not fit the task, or a sample that needs more memory than is allowed.
    MissingColumns
        A column of the spec is not in the rows.
    """
    data = spec.data
    own = data.labels.key if data.labels else [data.target]
    needed = list(dict.fromkeys([data.time, *data.key, *own, *spec.features.columns]))
    require_columns(rows, needed, where="the history")
    ordered = _ordered(rows[needed], data.time)
    moments = checked_looks(looks)
    end = ordered[data.time].iloc[-1].to_pydatetime(warn=False)
    cuts = cuts_of(moments, spec, end=end)
    places = {cut: index for index, cut in enumerate(cuts)}
    of_row = ordered[data.time].searchsorted(_stamps(cuts), side="left")
    counts = [int(count) for count in of_row[1:] - of_row[:-1]]
    models = len(moments) * len(settings.windows)
    found = []
    for now in moments:
        first, last = judged_window(now, spec)
        found.append(Look(now, (places[first], places[last]), places[now]))
    return Ground(
        spec=spec,
        settings=settings,
        rows=ordered,
        labels=tuple(labels),
        looks=tuple(found),
        cells=tuple(Cell(start, end, count) for (start, end), count in zip(pairwise(cuts), counts, strict=True)),
        unseen=_unseen(moments, cuts, spec, settings.holdout),
        sample=_drawn(ordered, labels, of_row, spec=spec, models=models, sample_rows=settings.sample_rows),
    )


def _ordered(rows: pd.DataFrame, time: str) -> pd.DataFrame:
    import pandas as pd

    dated = rows.assign(**{time: pd.to_datetime(rows[time], utc=True)}).dropna(subset=[time])
    if dated.empty:
        raise HistoryUnusable(f"nothing to replay: none of {len(rows)} rows has a time in {time!r}.")
    return dated.sort_values(time, kind="stable", ignore_index=True)


def _unseen(
    moments: Sequence[datetime], cuts: Sequence[datetime], spec: ModelSpec, holdout: timedelta | None
) -> np.ndarray:
    """Return the first cell that begins with or after what the models of each look hold out."""
    import numpy as np

    held = spec.evaluate.holdout if holdout is None else max(holdout, spec.data.label_delay)
    return np.searchsorted(_stamps(cuts).asi8, _stamps([now - held for now in moments]).asi8, side="left")


def _drawn(
    rows: pd.DataFrame,
    labels: Sequence[pd.DataFrame],
    of_row: np.ndarray,
    *,
    spec: ModelSpec,
    models: int,
    sample_rows: int,
) -> Sample:
    """Draw rows whose label is known in the end, each cell with a seed of its own."""
    import numpy as np

    end = _end(rows, labels, spec.data)
    labelled = known_labels(rows, labels, data=spec.data, now=end)[spec.data.target]
    told = label_arrivals(rows, labels, data=spec.data, now=end).dt.tz_localize(None)
    values, classes = _numbers(labelled, spec)
    most, notes = _affordable(sample_rows, models * (len(of_row) - 1), len(classes))
    chosen = _chosen(values, of_row, most, spec.train.seed)
    sizes, picked = np.array([len(each) for each in chosen]), np.concatenate(chosen)
    if picked.size == 0:
        raise HistoryUnusable(f"nothing to replay: no row after the first look's window has a known {labelled.name!r}.")
    cell = np.repeat(np.arange(len(sizes)), sizes)
    place = np.arange(len(picked)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    shape = (len(sizes), int(sizes.max()))
    target, arrived = np.full(shape, np.nan), np.full(shape, np.datetime64("NaT"), "datetime64[us]")
    times = arrived.copy()
    times[cell, place] = rows[spec.data.time].dt.tz_localize(None).to_numpy("datetime64[us]")[picked]
    target[cell, place] = values[picked]
    arrived[cell, place] = told.to_numpy("datetime64[us]")[picked]
    asked = rows[spec.features.columns].iloc[picked].reset_index(drop=True)
    return Sample(asked, cell, place, target, times, arrived, classes, notes)


def _chosen(values: np.ndarray, of_row: np.ndarray, most: int, seed: int) -> list[np.ndarray]:
    """Choose so many rows of each cell at most among those with a value."""
    import numpy as np

    chosen = []
    for number, (first, last) in enumerate(pairwise(of_row)):
        known = first + np.flatnonzero(~np.isnan(values[first:last]))
        if len(known) > most:
            known = np.sort(np.random.default_rng([seed, number]).choice(known, most, replace=False))
        chosen.append(known)
    return chosen


def _affordable(sample_rows: int, answers: int, classes: int) -> tuple[int, tuple[str, ...]]:
    """Return how many rows of a cell can be kept for every model, and say so where it is fewer than asked for."""
    most = MOST_BYTES // (answers * 4 * (classes if classes > 2 else 1))
    if most >= sample_rows:
        return sample_rows, ()
    asked = f"{answers} pairs of model and cell with {sample_rows} rows each take more than {MOST_BYTES // 10**9} GB"
    if most < FEWEST_SAMPLED:
        raise HistoryUnusable(f"{asked}, and fewer than {FEWEST_SAMPLED} rows say too little; replay fewer looks.")
    return most, (f"{asked}; {most} rows of each cell were sampled",)


def _end(rows: pd.DataFrame, labels: Sequence[pd.DataFrame], data: DataSpec) -> datetime:
    """Return a time at which every label that ever arrives has arrived."""
    import pandas as pd

    end = rows[data.time].iloc[-1] + data.label_delay
    if data.labels is not None:
        for frame in labels:
            require_columns(frame, [data.labels.arrived], where="a label snapshot")
        last = [pd.to_datetime(frame[data.labels.arrived], utc=True, format="ISO8601").max() for frame in labels]
        end = max([end, *(each for each in last if not pd.isna(each))])
    return end.to_pydatetime(warn=False) + timedelta(seconds=1)


def _numbers(target: pd.Series, spec: ModelSpec) -> tuple[np.ndarray, tuple[Any, ...]]:
    """Give classes their numbers; the values of a regression stay. What is not known stays not a number."""
    import numpy as np

    is_known = target.notna().to_numpy()
    if not is_known.any():
        raise HistoryUnusable(f"nothing to replay: no row of the history has a known {target.name!r}.")
    known = usable_target(target[is_known], task=spec.task)
    values = np.full(len(target), np.nan)
    if spec.task == "regression":
        values[is_known] = known
        return values, ()
    classes, values[is_known] = np.unique(known, return_inverse=True)
    if len(classes) < 2 or (spec.task == "binary" and len(classes) > 2):
        raise HistoryUnusable(
            f"a {spec.task} target cannot be replayed with {len(classes)} classes in {target.name!r}; mend task or the "
            "labels."
        )
    return values, tuple(classes.tolist())


def _stamps(moments: Sequence[datetime]) -> pd.DatetimeIndex:
    import pandas as pd

    return pd.DatetimeIndex(list(moments), dtype="datetime64[ns, UTC]")
