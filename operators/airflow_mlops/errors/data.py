"""Errors about rows, labels and stored bytes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_mlops.errors.base import Permanent, Transient

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime


class SourceUnavailable(Transient):
    """The data source did not answer."""


class SourceUnreadable(Permanent):
    """The data source answered with something that is not the table the spec describes."""


class TypesChanged(Transient):
    """A value is not of the type that the rows before it had; read again, the types are those of all rows."""

    def __init__(self, name: str, what: str) -> None:
        self.name = name
        super().__init__(f"{name} has a value of another type than the rows before it: {what.rstrip('.')}.")


class MissingColumns(Permanent):
    """Columns the spec names are not in the data."""

    def __init__(self, missing: Sequence[str], *, present: Sequence[str], where: str) -> None:
        self.missing, self.present, self.where = tuple(missing), tuple(present), where
        super().__init__(
            f"{where} has no column {', '.join(map(repr, missing))}; it has {', '.join(map(repr, present))}. "
            "Rename the column in the source, or mend the name in the spec."
        )


class EmptyWindow(Permanent):
    """No row lies in the window."""

    def __init__(self, *, start: datetime, end: datetime, rows_read: int, span: tuple[str, str] | None = None) -> None:
        self.start, self.end, self.rows_read, self.span = start, end, rows_read, span
        seen = f"; the source's times run from {span[0]} to {span[1]}" if span else ""
        super().__init__(
            f"no row between {start.isoformat()} and {end.isoformat()} ({rows_read} rows read{seen}). "
            "Check the DAG parameter 'now' and ingest.window, or wait until the data has landed."
        )


class ArtifactMissing(Permanent):
    """Nothing complete is stored at a URI."""


class ArtifactCorrupt(Permanent):
    """Stored bytes do not match their digest or cannot be read."""


class ProfilesDiffer(Permanent):
    """Two parts of the same rows hold different things in one column."""


class DataCheckFailed(Permanent):
    """A critical expectation or check of a snapshot failed; nothing downstream may use it."""


class TrainingSetUnusable(Permanent):
    """Rows, labels or target are there, but cannot be put together or trained on."""


class EmptyTrainingSet(Permanent):
    """No labelled row is left to train on."""

    def __init__(self, *, rows_in: int, rows_dropped: int, target: str) -> None:
        self.rows_in, self.rows_dropped, self.target = rows_in, rows_dropped, target
        super().__init__(
            f"nothing to train on: {rows_in} rows came in and {rows_dropped} had no usable {target!r}. Check that the "
            "labels of this window have arrived, or mend data.target or train.window."
        )


class EmptyHoldout(Permanent):
    """No labelled row is left to judge a model on."""

    def __init__(self, *, start: datetime, end: datetime, rows_in: int, target: str) -> None:
        self.start, self.end, self.rows_in, self.target = start, end, rows_in, target
        super().__init__(
            f"nothing to judge on: {rows_in} rows lie between {start.isoformat()} and {end.isoformat()} and none has a "
            f"known {target!r}. Wait for the labels, move 'now', or lengthen evaluate.holdout beyond data.label_delay."
        )


class LabelsUnusable(Permanent):
    """Labels contradict each other, or arrived before what they are about."""
