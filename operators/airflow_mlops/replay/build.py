"""Train every model that could have been trained, and ask each for all it has not seen.

Every finished model is stored at once, so a build that was killed goes on where it was.
"""

from __future__ import annotations

import pickle
import tempfile
import time
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow_mlops.errors import HistoryUnusable, Permanent
from airflow_mlops.extras import require
from airflow_mlops.replay.ground import Ground, Settings, prepare
from airflow_mlops.replay.shelf import Outcome, Shelf
from airflow_mlops.stages.evaluate.predictions import CLIP
from airflow_mlops.stages.features import WEIGHT, build_features
from airflow_mlops.stages.train import train
from airflow_mlops.stages.training_set import assemble

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from datetime import datetime, timedelta

    import numpy as np
    import pandas as pd

    from airflow_mlops.replay.matrix import Matrix
    from airflow_mlops.spec import ModelSpec
    from airflow_mlops.spec.sections import Window
    from airflow_mlops.stages.train import Trained

_WINDOWS: tuple[Window, ...] = ("all", "recent", "mix")


def build_matrix(
    rows: pd.DataFrame,
    labels: Sequence[pd.DataFrame],
    spec: ModelSpec,
    *,
    looks: Sequence[datetime],
    windows: Sequence[Window] = ("all", "recent"),
    folder: Path | None = None,
    jobs: int = 2,
    sample_rows: int = 500,
    max_train_rows: int | None = None,
    holdout: timedelta | None = None,
    clip: float = CLIP,
    progress: Callable[[int, int], None] | None = None,
) -> Matrix:
    """Train a model for every window at every look, by the stages of a live run, and let it answer later rows.

    Parameters
    ----------
    rows : DataFrame
        The history with time, key, target and raw columns. Not modified.
    labels : sequence of DataFrame
        Where the spec has ``data.labels``: key, target and time of arrival. Not modified.
    spec : ModelSpec
        Of the model; the loss is evaluate.gate.metric, or log loss and mean absolute error.
    looks : sequence of datetime
        Rising, with a zone; see `looks_of`.
    windows : sequence of {"all", "recent", "mix"}
        Training windows.
    folder : Path, optional
        Where matrices are kept, each in a folder named by what made it; one that is complete is only opened. Without,
        everything stays in memory.
    jobs : int, default=2
        Processes that train; 1 trains in this one.
    sample_rows : int, default=500
        Most rows of a cell that models answer; fewer where the outputs would take more than 1 GB.
    max_train_rows : int, optional
        Most rows a model trains on, drawn with a seed by window and look; default all.
    holdout : timedelta, optional
        Held out in place of evaluate.holdout, but at least until labels are due; zero trains on every row whose label
        is due.
    clip : float, default=1e-6
        In log loss, no probability counts as less.
    progress : callable, optional
        Told how many models are done, and how many there are, whenever one is.

    Returns
    -------
    Matrix
        A training that a live run would refuse leaves no numbers, and a note.

    Raises
    ------
    HistoryUnusable
        The history is empty or does not fit the spec, or no training at all is possible.
    MissingColumns
        A column of the spec is not in the history.
    MissingExtra
        scikit-learn is not installed.
    """
    require("sklearn", extra="sklearn", needed_by="backtest", library="scikit-learn")
    settings = Settings(tuple(windows), sample_rows, max_train_rows, holdout, clip)
    ground = prepare(rows, labels, spec, looks=looks, settings=settings)
    shelf = Shelf.opened(ground, folder)
    todo, total = shelf.missing(), len(windows) * len(looks)
    for outcome in _outcomes(ground, todo, jobs):
        shelf.put(outcome)
        if progress:
            progress(shelf.done(), total)
    return shelf.matrix()


def train_at(ground: Ground, window: Window, now: datetime) -> Trained:
    """Train as a live run at ``now`` would: the same stages, the same rows, with the labels known then.

    Raises
    ------
    Permanent
        What the stages raise on such rows.
    """
    spec, settings = ground.spec, ground.settings
    chosen = assemble(
        [ground.before(now)],
        ground.labels,
        spec=spec,
        now=now,
        window=window,
        holdout=settings.holdout,
        max_rows=settings.max_train_rows,
        seed=(spec.train.seed, _WINDOWS.index(window), int(now.timestamp())),
    )
    matrix = build_features(chosen.training, spec=spec)
    frame = matrix.frame.assign(**{spec.data.target: chosen.training[spec.data.target].to_numpy()})
    if chosen.weights is not None:
        frame[WEIGHT] = chosen.weights
    return train(frame, transformer=matrix.transformer, spec=spec, categorical=matrix.categorical)


def _outcomes(ground: Ground, todo: Sequence[tuple[int, int]], jobs: int) -> Iterator[Outcome]:
    """Make every model of a list, in whatever order they are done."""
    if jobs == 1 or len(todo) < 2:
        yield from _made_here(ground, todo)
        return
    import joblib

    # Written once and read once by each worker: as an argument it would travel with every model.
    with tempfile.TemporaryDirectory(prefix="mlops-replay-") as place:
        path = Path(place, "ground.pickle")
        path.write_bytes(pickle.dumps(ground, protocol=pickle.HIGHEST_PROTOCOL))
        workers = joblib.Parallel(n_jobs=jobs, return_as="generator_unordered")
        yield from workers(joblib.delayed(_made_by_worker)(str(path), window, look) for window, look in todo)


def _made_here(ground: Ground, todo: Sequence[tuple[int, int]]) -> Iterator[Outcome]:
    from threadpoolctl import threadpool_limits

    for window, look in todo:
        # Small fits lose more by threads that wait for each other than they win.
        with threadpool_limits(limits=1):
            outcome = _outcome(ground, window, look)
        yield outcome


def _made_by_worker(path: str, window: int, look: int) -> Outcome:
    return _outcome(_ground_of(path), window, look)


@cache
def _ground_of(path: str) -> Ground:
    """Read the ground at this worker's first model, and let all of its models take one core."""
    import sklearn.ensemble  # noqa: F401 - the limit holds for libraries that are loaded
    from threadpoolctl import threadpool_limits

    threadpool_limits(limits=1)
    # The parent wrote these bytes a moment ago, into a folder that only its user can read.
    return pickle.loads(Path(path).read_bytes())


def _outcome(ground: Ground, window: int, look: int) -> Outcome:
    started = time.perf_counter()
    sample, unseen = ground.sample, ground.unseen[look]
    try:
        trained = train_at(ground, ground.settings.windows[window], ground.looks[look].now)
        seconds = time.perf_counter() - started
        outputs = _answers(trained.model, sample.rows.iloc[int(sample.cell.searchsorted(unseen)) :], ground)
        baseline = _answers(trained.baseline, sample.rows.iloc[:1, :1], ground)[0]
    except Permanent as error:
        return Outcome(window, look, fault=str(error))
    return Outcome(window, look, seconds, outputs.astype("float32"), baseline)


def _answers(model: Any, rows: pd.DataFrame, ground: Ground) -> np.ndarray:
    """Ask for outputs on the link scale, by the code of a committee.

    Raises
    ------
    HistoryUnusable
        A classifier has no probabilities, or rows are of other types than those it was trained on.
    """
    import numpy as np

    from airflow_mlops.stages.committee import link_of

    task, classes = ground.spec.task, ground.sample.classes
    if task != "regression" and not hasattr(model, "predict_proba"):
        raise HistoryUnusable(
            "a replay needs probabilities, and this classifier gives labels only; name an estimator with predict_proba "
            "in train.estimator."
        )
    if rows.empty:
        return np.empty((0, len(classes)) if task == "multiclass" else (0,))
    try:
        return link_of(model, rows, task, classes)
    except (ValueError, TypeError) as error:
        raise HistoryUnusable(
            f"the model cannot answer the {len(rows)} rows after it ({type(error).__name__}: {error}); clean the "
            "column in features.derive."
        ) from error
