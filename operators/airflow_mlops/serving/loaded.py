"""A version in memory, warm and ready to answer; never changed once made."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow_mlops.errors import MLOpsError, ModelUnusable, Transient
from airflow_mlops.lifecycle.stored_model import StoredModel
from airflow_mlops.refs import ModelRef
from airflow_mlops.serving.signature import Rows, Signature
from airflow_mlops.stages.model_file import load_model

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import pandas as pd
    import pyarrow as pa

    from airflow_mlops.artifacts import ArtifactStore

log = logging.getLogger(__name__)

# Golden rows that are predicted alone as well: each is a prediction a client may ask for first.
_ALONE = 5


@dataclass(frozen=True, slots=True)
class RowFacts:
    """What names a row of a model's data, and what must not be written down.

    ``is_known`` is False for a promotion of an earlier release, which does not say: then nothing of a row is logged.
    """

    key: tuple[str, ...] = ()
    time: str | None = None
    sensitive: frozenset[str] = frozenset()
    is_known: bool = False

    @classmethod
    def of(cls, payload: Mapping[str, Any] | None) -> RowFacts:
        """Read what a promotion or a prepared deploy says of the rows."""
        if not payload:
            return cls()
        return cls(
            tuple(payload.get("key") or ()), payload.get("time"), frozenset(payload.get("sensitive") or ()), True
        )

    @property
    def names(self) -> tuple[str, ...]:
        """Columns that a request may bring beyond the model's own."""
        return tuple(dict.fromkeys([*self.key, *([self.time] if self.time else [])]))


@dataclass(frozen=True, slots=True)
class LoadedVersion:
    """A version that answers.

    ``epoch`` is None before a promotion. ``is_row_wise`` says that a row's prediction does not depend on the rows that
    are predicted with it; only then are requests predicted together.
    """

    model: str
    version: str
    epoch: int | None
    ref: ModelRef
    predict: Callable[[pd.DataFrame], Any] = field(repr=False)
    signature: Signature
    facts: RowFacts
    is_row_wise: bool = True
    memory_mb: float | None = None

    @property
    def epoch_text(self) -> str:
        """The epoch as a header has it; empty before a promotion."""
        return "" if self.epoch is None else str(self.epoch)

    def named(self, epoch: int | None, facts: RowFacts) -> LoadedVersion:
        """Return the same model as it answers from an epoch on, or before one."""
        return replace(self, epoch=epoch, facts=facts)


def load(
    store: ArtifactStore, model: str, *, version: str, epoch: int | None, ref: Any, facts: RowFacts
) -> LoadedVersion:
    """Read a version's bytes, make the model of them, and warm it with its golden rows.

    Parameters
    ----------
    store : ArtifactStore
        Where the bytes are.
    model, version
        What the ledger calls it.
    epoch : int or None
        Of its promotion.
    ref : ModelRef or dict
        Names the bytes and their digest.
    facts : RowFacts
        What names its rows.

    Raises
    ------
    NotAReference
        The ledger's event does not name a model.
    ArtifactMissing
        Its folder is not complete.
    ArtifactCorrupt
        The bytes are not those that were trained.
    ModelUnusable
        They are no model, need a library that is not installed, or refuse the golden rows.
    Transient
        The store did not answer.
    """
    _import_libraries()
    before = _resident_mb()
    named = ModelRef.from_dict(ref)
    try:
        stored = StoredModel.read(store, named)
        predict = getattr(load_model(stored.payload, named.serialization), stored.predict)
        golden = stored.golden
    except MLOpsError:
        raise
    except OSError as error:
        raise Transient(f"the artifact store did not give version {version} of {model}: {error}.") from error
    except Exception as error:
        # Whatever bytes do when they become a model, the server goes on.
        raise _unusable(model, version, "cannot be loaded", error) from error
    loaded = LoadedVersion(model, version, epoch, named, predict, Signature.of(golden.schema), facts)
    try:
        is_row_wise = _warm(loaded, golden)
    except Exception as error:
        raise _unusable(model, version, "refuses its golden rows", error) from error
    if not is_row_wise:
        log.warning("Version %s of %s answers a row differently beside others: no batches for it", version, model)
    memory = None if before is None else round(max(0.0, (_resident_mb() or 0.0) - before), 1)
    return replace(loaded, is_row_wise=is_row_wise, memory_mb=memory)


def _warm(loaded: LoadedVersion, golden: pa.Table) -> bool:
    """Predict golden rows together and alone, as requests will be; tell whether that gives the same."""
    import numpy as np

    signature = loaded.signature
    together = np.asarray(loaded.predict(signature.frame([golden_rows(signature, golden)])))
    for place in range(min(_ALONE, golden.num_rows)):
        part = golden.slice(place, 1)
        alone = np.asarray(loaded.predict(signature.frame([golden_rows(signature, part)])))
        # Sums in another order differ in the last digits.
        is_number = alone.dtype.kind in "fiu"
        same = (
            np.allclose(alone[0], together[place], rtol=1e-5, atol=1e-8) if is_number else alone[0] == together[place]
        )
        if not np.all(same):
            return False
    return True


def golden_rows(signature: Signature, table: pa.Table) -> Rows:
    """Turn stored rows into rows as a request brings them."""
    columns = [table.column(name).to_pylist() for name in signature.names]
    widened = [
        place
        for place, column in enumerate(signature.columns)
        if column.kind in ("whole", "boolean") and None in columns[place]
    ]
    return Rows(table.num_rows, columns, tuple(widened))


def _unusable(model: str, version: str, what: str, error: Exception) -> ModelUnusable:
    first = str(error).partition("\n")[0]
    return ModelUnusable(f"version {version} of {model} {what} ({type(error).__name__}: {first}).")


def _import_libraries() -> None:
    """Have in memory what every model needs, so that it is not counted as the first one's."""
    from importlib import import_module

    for library in ("pandas", "sklearn.ensemble", "skops.io"):
        import_module(library)


def _resident_mb() -> float | None:
    """Return the memory of this process in MB; None where the system does not say."""
    import os

    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except (OSError, ValueError, IndexError):
        return None
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6
