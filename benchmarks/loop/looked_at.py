"""The rows that a drift report compares: a bounded sample of each batch, and of what each model was trained on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

    from airflow_mlops.replay.board import Board
    from benchmarks.streams import Stream

ROWS = 500


@dataclass(frozen=True)
class LookedAt:
    """One frame a look: of the batch that ends with it, and of all rows before it whose label is due."""

    batches: tuple[pd.DataFrame, ...]
    trained_on: tuple[pd.DataFrame, ...]


def looked_at(stream: Stream, board: Board) -> LookedAt:
    """Draw the rows, each look with a seed of its own; texts stay texts."""
    times = stream.rows["ts"]
    features = stream.rows[stream.spec.features.columns]
    starts = times.searchsorted([look.now - stream.batch for look in board.matrix.looks])
    ends = times.searchsorted([look.now for look in board.matrix.looks])
    due = times.searchsorted([look.now - stream.label_delay * stream.batch for look in board.matrix.looks])
    return LookedAt(
        tuple(_drawn(features, start, end, place) for place, (start, end) in enumerate(zip(starts, ends, strict=True))),
        tuple(_drawn(features, 0, end, place) for place, end in enumerate(due)),
    )


def _drawn(rows: pd.DataFrame, start: int, end: int, seed: int) -> pd.DataFrame:
    places = np.arange(start, end)
    if len(places) > ROWS:
        places = np.sort(np.random.default_rng([seed, start]).choice(places, ROWS, replace=False))
    found = rows.iloc[places]
    texts = {name: found[name].astype(object) for name in found.select_dtypes("category")}
    return found.assign(**texts).reset_index(drop=True)
