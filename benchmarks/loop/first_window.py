"""Further models of the window that trained the first champion: a bag never retrained, and other draws of its rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from airflow_mlops.errors import Permanent
from airflow_mlops.replay.ground import Settings, prepare
from airflow_mlops.replay.play import first_champion
from airflow_mlops.stages.committee import link_of
from airflow_mlops.stages.features import build_features
from airflow_mlops.stages.links import losses_of
from airflow_mlops.stages.train import train
from airflow_mlops.stages.training_set import assemble

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

    from airflow_mlops.replay.board import Board
    from airflow_mlops.replay.ground import Ground
    from benchmarks.streams import Stream

MODELS = 8
"""In the bag; and draws of the first champion's training rows, itself among them."""


@dataclass(frozen=True)
class FirstWindow:
    """Mean losses by cell of what was trained on the first window alone; not a number where it was trained.

    Attributes
    ----------
    bag : ndarray of shape (n_cells,)
        Of eight models on bootstraps, averaged on the link scale.
    draws : ndarray of shape (n_draws, n_cells)
        Of models like the first champion, each on rows of its own draw. One where the window has no more rows than a
        training takes: then every draw is the same.
    """

    bag: np.ndarray
    draws: np.ndarray


def first_window(stream: Stream, board: Board, path: Path) -> FirstWindow:
    """Train, or open what was trained before.

    Parameters
    ----------
    stream : Stream
        What was read.
    board : Board
        Its matrix, for the first champion and the rows that are scored.
    path : Path
        Where the losses are kept.
    """
    if path.exists():
        with np.load(path) as stored:
            return FirstWindow(stored["bag"], stored["draws"])
    found = _trained(stream, board)
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_suffix(".part.npz")
    np.savez(unfinished, bag=found.bag, draws=found.draws)
    unfinished.replace(path)
    return found


def _trained(stream: Stream, board: Board) -> FirstWindow:
    model = first_champion(board)
    ground = _ground(stream, board)
    window = board.matrix.windows[model[0]]
    look = ground.looks[model[1]]
    chosen = assemble(
        [ground.before(look.now)],
        ground.labels,
        spec=ground.spec,
        now=look.now,
        window=window,  # type: ignore[arg-type]  # a matrix names its windows as text
        holdout=ground.settings.holdout,
    )
    rows = chosen.training
    size = min(len(rows), ground.settings.max_train_rows or len(rows))
    bag = [_answers(ground, rows.iloc[places], model[1]) for places in _places(len(rows), size, replace=True)]
    answers = [found for found in bag if found is not None]
    champion = board.matrix.losses[model].astype("float64")
    losses = _losses(ground, board, np.mean(answers, axis=0), model[1]) if answers else champion
    draws = [champion]
    if size < len(rows):
        for places in _places(len(rows), size, replace=False)[1:]:
            said = _answers(ground, rows.iloc[places], model[1])
            draws += [] if said is None else [_losses(ground, board, said, model[1])]
    return FirstWindow(losses, np.stack(draws))


def _ground(stream: Stream, board: Board) -> Ground:
    plain = {name: value for name, value in stream.settings.items() if name != "looks"}
    settings = Settings(windows=board.matrix.windows, **plain)  # type: ignore[arg-type]  # names of windows are text
    return prepare(stream.rows, stream.labels, stream.spec, looks=stream.looks, settings=settings)


def _places(rows: int, size: int, *, replace: bool) -> list[np.ndarray]:
    return [
        np.sort(np.random.default_rng([int(replace), number]).choice(rows, size, replace=replace))
        for number in range(MODELS)
    ]


def _answers(ground: Ground, training: pd.DataFrame, look: int) -> np.ndarray | None:
    """Train on some rows and answer all that the first champion has not seen; None where the stages refuse them."""
    from threadpoolctl import threadpool_limits

    spec, sample = ground.spec, ground.sample
    with threadpool_limits(limits=1):
        try:
            matrix = build_features(training, spec=spec)
            frame = matrix.frame.assign(**{spec.data.target: training[spec.data.target].to_numpy()})
            trained = train(frame, transformer=matrix.transformer, spec=spec, categorical=matrix.categorical)
        except Permanent:
            return None
        rows = sample.rows.iloc[int(sample.cell.searchsorted(ground.unseen[look])) :]
        return link_of(trained.model, rows, spec.task, sample.classes)


def _losses(ground: Ground, board: Board, said: np.ndarray, look: int) -> np.ndarray:
    """Average losses by cell."""
    sample, matrix = ground.sample, board.matrix
    first = int(sample.cell.searchsorted(ground.unseen[look]))
    cell, place = sample.cell[first:], sample.place[first:]
    lost = losses_of(matrix.task, sample.target[cell, place], said, matrix.metric, clip=matrix.clip)
    counts, cells = np.bincount(cell, minlength=len(matrix.cells)), len(matrix.cells)
    sums = np.bincount(cell, lost, minlength=cells)
    return np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)
