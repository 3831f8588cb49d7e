"""The ground on which any policy is replayed: what every model that could have been trained says of every cell.

A *cell* is a stretch of event time in which nobody's service begins or ends, and that lies wholly inside or outside of
any judged window. A model depends on its training window and its look alone, so each is trained once.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, fields
from datetime import datetime
from typing import TYPE_CHECKING, Any

from airflow_mlops.errors import HistoryUnusable

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np

MANIFEST = "manifest.json"
SCHEMA_VERSION = 1
_ARRAYS = ("losses", "outputs", "target", "times", "arrived", "rows", "unseen", "seconds", "baseline")


@dataclass(frozen=True, slots=True)
class Cell:
    """A stretch of event time, ``end`` left out, and how many rows of the history lie in it."""

    start: datetime
    end: datetime
    rows: int


@dataclass(frozen=True, slots=True)
class Look:
    """One run of the monitor.

    ``judged`` has the first cell of the window whose labels have become due at ``now``, and the one after its last;
    ``serves`` is the first cell answered by what is decided at this look.
    """

    now: datetime
    judged: tuple[int, int]
    serves: int


@dataclass(frozen=True)
class Matrix:
    """Models x cells. A model is a training window w and the look k at which it would have been trained.

    Attributes
    ----------
    name, task, metric : str
        Of the model, and the loss.
    classes : tuple
        In the order of the outputs; none for a regression.
    clip : float
        In log loss, no probability counts as less.
    windows : tuple of str
        W training windows.
    looks : tuple of Look
        K looks.
    cells : tuple of Cell
        C cells, without gaps.
    losses : ndarray of shape (W, K, C)
        Mean loss over the sampled rows; not a number where the model has trained on the cell, could not be trained, or
        no row has a label.
    outputs : ndarray of shape (W, K, C, S) or (W, K, C, S, n_classes)
        On the link scale (`link_of`), of the sampled rows; not a number beyond the cell's rows.
    target : ndarray of shape (C, S)
        Numbers of classes, or values; not a number beyond the cell's rows.
    times : ndarray of shape (C, S), datetime64
        Of the sampled rows, UTC.
    arrived : ndarray of shape (C, S), datetime64
        When the label of each sampled row was first known, UTC.
    rows : ndarray of shape (C,)
        Sampled rows.
    unseen : ndarray of shape (K,)
        First cell that the models of a look have not trained on.
    seconds : ndarray of shape (W, K)
        Training time; not a number where the training was impossible.
    baseline : ndarray of shape (W, K) or (W, K, n_classes)
        Output of the constant model of the same training rows, on the link scale.
    notes : tuple of str
        What was not as asked for: trainings that were impossible, a smaller sample.
    digest : str
        Of everything that made it.
    """

    name: str
    task: str
    metric: str
    classes: tuple[Any, ...]
    clip: float
    windows: tuple[str, ...]
    looks: tuple[Look, ...]
    cells: tuple[Cell, ...]
    losses: np.ndarray
    outputs: np.ndarray
    target: np.ndarray
    times: np.ndarray
    arrived: np.ndarray
    rows: np.ndarray
    unseen: np.ndarray
    seconds: np.ndarray
    baseline: np.ndarray
    notes: tuple[str, ...]
    digest: str

    @property
    def trained(self) -> np.ndarray:
        """Tell which models there are, as booleans of shape (W, K)."""
        import numpy as np

        return np.isfinite(self.seconds)

    def fault_of(self, model: tuple[int, int]) -> str:
        """Return why the training of a window at a look was impossible."""
        start = fault_note(self.windows[model[0]], self.looks[model[1]].now, "")
        faults = (note.removeprefix(start) for note in self.notes if note.startswith(start))
        return next(faults, "the matrix has no model of that look")

    def save(self, folder: Path) -> None:
        """Write arrays and manifest; the manifest last, so that nothing half-written is ever read."""
        import numpy as np

        folder.mkdir(parents=True, exist_ok=True)
        (folder / MANIFEST).unlink(missing_ok=True)
        for name in _ARRAYS:
            np.save(folder / f"{name}.npy", getattr(self, name))
        write_manifest(folder, self)

    @classmethod
    def load(cls, folder: Path) -> Matrix:
        """Open a stored matrix; its outputs stay on disk until they are read.

        Raises
        ------
        HistoryUnusable
            The folder holds no complete matrix, or one that another version of this package made.
        """
        import numpy as np

        plain = _manifest(folder)
        try:
            arrays = {
                name: np.load(folder / f"{name}.npy", mmap_mode="r" if name == "outputs" else None) for name in _ARRAYS
            }
        except (OSError, ValueError) as error:
            raise HistoryUnusable(
                f"the matrix in {folder} cannot be read ({error}); delete the folder and build it again."
            ) from error
        moment = datetime.fromisoformat
        cells = [Cell(moment(start), moment(end), rows) for start, end, rows in plain.pop("cells")]
        looks = [Look(moment(now), (first, last), serves) for now, (first, last), serves in plain.pop("looks")]
        listed: dict[str, Any] = {name: tuple(plain.pop(name)) for name in ("classes", "windows", "notes")}
        return cls(**plain, **listed, **arrays, cells=tuple(cells), looks=tuple(looks))


def fault_note(window: str, now: datetime, fault: str) -> str:
    """Write the note of a training that was impossible."""
    return f"no model of window {window!r} at {now:%Y-%m-%d %H:%M}: {fault}"


def write_manifest(folder: Path, matrix: Matrix) -> None:
    """Write, whole or not at all, what makes the arrays of a folder a matrix."""
    plain = {each.name: getattr(matrix, each.name) for each in fields(matrix) if each.name not in _ARRAYS}
    plain["cells"] = [[each.start.isoformat(), each.end.isoformat(), each.rows] for each in matrix.cells]
    plain["looks"] = [[each.now.isoformat(), each.judged, each.serves] for each in matrix.looks]
    unfinished = folder / f"{MANIFEST}.part"
    unfinished.write_text(json.dumps({"schema_version": SCHEMA_VERSION, **plain}, indent=1))
    unfinished.replace(folder / MANIFEST)


def _manifest(folder: Path) -> dict[str, Any]:
    try:
        plain = json.loads((folder / MANIFEST).read_text())
    except FileNotFoundError as error:
        raise HistoryUnusable(f"{folder} holds no complete matrix; build it, which goes on where it was.") from error
    except ValueError as error:
        raise HistoryUnusable(f"{folder / MANIFEST} is not JSON ({error}); delete it and build again.") from error
    if plain.pop("schema_version", None) != SCHEMA_VERSION:
        raise HistoryUnusable(f"the matrix in {folder} was made by another version of this package; build it again.")
    return plain
