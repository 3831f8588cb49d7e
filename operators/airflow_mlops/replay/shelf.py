"""Where the models of a matrix are put as they are done, in memory or in a folder from which a build can go on."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from airflow_mlops.artifacts import digest_bytes, digest_json
from airflow_mlops.errors import HistoryUnusable
from airflow_mlops.replay.matrix import MANIFEST, SCHEMA_VERSION, Matrix, fault_note, write_manifest
from airflow_mlops.stages.links import losses_of

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    import numpy as np
    import pandas as pd

    from airflow_mlops.replay.ground import Ground
    from airflow_mlops.spec import ModelSpec

_OPEN, _DONE, _IMPOSSIBLE = 0, 1, 2
_FAULTS = "faults.jsonl"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one model: its outputs for the sampled rows it has not seen, or why there is no model."""

    window: int
    look: int
    seconds: float = float("nan")
    outputs: np.ndarray | None = None
    baseline: np.ndarray | None = None
    fault: str | None = None


class Shelf:
    """Arrays of a matrix that fill up model by model.

    Parameters
    ----------
    ground : Ground
        What the matrix is built on.
    folder : Path or None
        Of this matrix alone; None keeps it in memory.
    """

    def __init__(self, ground: Ground, folder: Path | None) -> None:
        self.ground, self.folder = ground, folder
        self.digest = digest_of(ground)
        if folder:
            folder.mkdir(parents=True, exist_ok=True)
        models = (len(ground.settings.windows), len(ground.looks))
        classes = (len(ground.sample.classes),) if ground.spec.task == "multiclass" else ()
        self.outputs = self._array("outputs", (*models, *ground.sample.target.shape, *classes), "float32")
        self.losses = self._array("losses", (*models, len(ground.cells)), "float32")
        self.baseline = self._array("baseline", (*models, *classes), "float64")
        self.seconds = self._array("seconds", models, "float64")
        # Last: a folder that has it has all the others, filled.
        self.state = self._array("state", models, "int8")
        self.faults: dict[tuple[int, int], str] = dict(self._stored_faults())

    @classmethod
    def opened(cls, ground: Ground, folder: Path | None) -> Shelf:
        """Open the place of this very matrix among others."""
        return cls(ground, folder / digest_of(ground)[:16] if folder else None)

    def missing(self) -> list[tuple[int, int]]:
        """Return window and look of the models that are still to be made."""
        import numpy as np

        return [(int(window), int(look)) for window, look in np.argwhere(self.state == _OPEN)]

    def done(self) -> int:
        """Count the models that need no more work."""
        return int((self.state != _OPEN).sum())

    def put(self, outcome: Outcome) -> None:
        """Keep one model; its mark comes last, so that a kill in between makes it again."""
        model = (outcome.window, outcome.look)
        if outcome.outputs is None:
            self._note(model, outcome.fault or "")
            self.state[model] = _IMPOSSIBLE
            return
        sample, metric = self.ground.sample, loss_of(self.ground.spec)
        first = int(sample.cell.searchsorted(self.ground.unseen[outcome.look]))
        cell, place = sample.cell[first:], sample.place[first:]
        self.outputs[(*model, cell, place)] = outcome.outputs
        losses = losses_of(
            self.ground.spec.task, sample.target[cell, place], outcome.outputs, metric, clip=self.ground.settings.clip
        )
        self.losses[model] = _means(losses, cell, len(self.ground.cells))
        self.baseline[model] = outcome.baseline
        self.seconds[model] = outcome.seconds
        self.state[model] = _DONE

    def matrix(self) -> Matrix:
        """Close the shelf: write the manifest where there is a folder, and return what it holds.

        Raises
        ------
        HistoryUnusable
            Not one training was possible.
        """
        import numpy as np

        if (self.state == _IMPOSSIBLE).all():
            raise HistoryUnusable(f"none of {self.state.size} trainings is possible. The last: {self._last_fault()}")
        ground = self.ground
        cells = np.arange(len(ground.cells))
        matrix = Matrix(
            name=ground.spec.name,
            task=ground.spec.task,
            metric=loss_of(ground.spec),
            classes=ground.sample.classes,
            clip=ground.settings.clip,
            windows=tuple(ground.settings.windows),
            looks=ground.looks,
            cells=ground.cells,
            losses=np.asarray(self.losses),
            outputs=self.outputs,
            target=ground.sample.target,
            times=ground.sample.times,
            arrived=ground.sample.arrived,
            rows=np.bincount(ground.sample.cell, minlength=len(cells)),
            unseen=ground.unseen,
            seconds=np.asarray(self.seconds),
            baseline=np.asarray(self.baseline),
            notes=(*ground.sample.notes, *self._fault_notes()),
            digest=self.digest,
        )
        return self._finished(matrix)

    def _finished(self, matrix: Matrix) -> Matrix:
        import numpy as np

        if self.folder is None:
            return matrix
        for name in ("target", "times", "arrived", "rows", "unseen"):
            np.save(self.folder / f"{name}.npy", getattr(matrix, name))
        if not (self.folder / MANIFEST).exists():
            for array in (self.outputs, self.losses, self.baseline, self.seconds, self.state):
                array.flush()  # type: ignore[attr-defined]
            write_manifest(self.folder, matrix)
        return Matrix.load(self.folder)

    def _array(self, name: str, shape: tuple[int, ...], kind: str) -> np.ndarray:
        """Make an array of what is not there yet, or open what a build before has filled."""
        import numpy as np
        from numpy.lib.format import open_memmap

        empty = 0 if kind == "int8" else np.nan
        if self.folder is None:
            return np.full(shape, empty, kind)
        path = self.folder / f"{name}.npy"
        if (self.folder / "state.npy").exists():
            return open_memmap(path, mode="r+")
        array = open_memmap(path.with_suffix(".part"), mode="w+", dtype=kind, shape=shape)
        array[:] = empty
        path.with_suffix(".part").replace(path)
        return array

    def _note(self, model: tuple[int, int], fault: str) -> None:
        self.faults[model] = fault
        if self.folder:
            with (self.folder / _FAULTS).open("a") as stream:
                stream.write(json.dumps([*model, fault]) + "\n")

    def _stored_faults(self) -> Iterable[tuple[tuple[int, int], str]]:
        path = self.folder / _FAULTS if self.folder else None
        if path and path.exists():
            for line in path.read_text().splitlines():
                window, look, fault = json.loads(line)
                yield (window, look), fault

    def _last_fault(self) -> str:
        return self.faults[max(self.faults, key=lambda model: model[1])]

    def _fault_notes(self) -> Iterable[str]:
        for (window, look), fault in sorted(self.faults.items()):
            yield fault_note(self.ground.settings.windows[window], self.ground.looks[look].now, fault)


def loss_of(spec: ModelSpec) -> str:
    """Return the loss that decides."""
    return spec.evaluate.gate.metric or ("mean_absolute_error" if spec.task == "regression" else "log_loss")


def digest_of(ground: Ground) -> str:
    """Return the digest of all that makes a matrix: rows, labels, spec sections, looks, settings, scikit-learn."""
    import sklearn

    spec, settings = ground.spec, ground.settings
    plain = spec.model_dump(mode="json", by_alias=True)
    data = {name: value for name, value in plain["data"].items() if name not in ("source", "sensitive")}
    if data["labels"]:
        data["labels"].pop("source")
    trained = {name: value for name, value in plain["train"].items() if name != "window"}
    return digest_json(
        {
            "schema_version": SCHEMA_VERSION,
            "spec": [spec.task, data, plain["features"], trained, plain["evaluate"]["holdout"], loss_of(spec)],
            "monitor_window": str(spec.monitor_window),
            **_cut(ground),
            "rows": _digest_of_frame(ground.rows),
            "labels": [_digest_of_frame(frame) for frame in ground.labels],
            "looks": [look.now.isoformat() for look in ground.looks],
            "settings": [
                *(settings.windows, settings.sample_rows, settings.max_train_rows, str(settings.holdout), settings.clip)
            ],
            "sklearn": sklearn.__version__,
        }
    )


def _cut(ground: Ground) -> dict[str, str]:
    """Name ingest.window where some training reads less than all rows before it."""
    times, window = ground.rows[ground.spec.data.time], ground.spec.ingest.window
    return {"ingest_window": str(window)} if times.iloc[0] < ground.looks[-1].now - window else {}


def _digest_of_frame(frame: pd.DataFrame) -> str:
    import pandas as pd

    kinds = ",".join(f"{name}:{kind}" for name, kind in frame.dtypes.items())
    return digest_bytes(kinds.encode() + pd.util.hash_pandas_object(frame, index=False).to_numpy().tobytes())


def _means(losses: np.ndarray, cell: np.ndarray, cells: int) -> np.ndarray:
    """Average losses by cell; a cell without rows has no mean."""
    import numpy as np

    counts = np.bincount(cell, minlength=cells)
    sums = np.bincount(cell, losses, minlength=cells)
    return np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)
