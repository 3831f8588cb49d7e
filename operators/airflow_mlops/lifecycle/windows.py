"""Which earlier windows a look measures again, and on which rows and labels."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Self

from airflow_mlops.loop.committee import WINDOWS
from airflow_mlops.loop.history import SIGNALS
from airflow_mlops.loop.maturity import MOST_REOPENED, open_windows
from airflow_mlops.refs import SnapshotRef

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from airflow_mlops.events import Event
    from airflow_mlops.loop.history import History, Member
    from airflow_mlops.spec import ModelSpec

    Bounds = tuple[datetime, datetime]


def to_measure_again(
    history: History, members: Sequence[Member], spec: ModelSpec, *, now: datetime, before: datetime
) -> list[Bounds]:
    """Find windows of whose labels more may have arrived, and those about which a version has not been asked.

    Where labels are a column of the rows, no more can arrive: an earlier window's rows are not read again.

    Parameters
    ----------
    history : History
        Before the look.
    members : sequence of Member
        Versions that may serve.
    spec : ModelSpec
        Says how long labels are waited for.
    now : datetime
        The moment of the look.
    before : datetime
        Where the look's own window begins.

    Returns
    -------
    list of (start, end)
        Oldest first; a bounded number, the newest.
    """
    waiting: set[Bounds] = set()
    if spec.data.labels is not None:
        waiting = set(open_windows(history.windows, now=now, limit=spec.label_wait, before=before))
    newest = [window for window in history.windows if window.end <= before][-WINDOWS:]
    for window in newest:
        asked = (window.scorecard or {}).get("members", ())
        if any(member.id not in asked and member.holdout_start < window.end for member in members):
            waiting.add((window.start, window.end))
    return sorted(waiting)[-MOST_REOPENED:]


@dataclass(frozen=True)
class Recorded:
    """What past looks read, by the window they judged: rows and labels, in the order of time."""

    rows: dict[Bounds, SnapshotRef] = field(default_factory=dict)
    labels: tuple[tuple[datetime, SnapshotRef], ...] = ()

    @classmethod
    def of(cls, events: Iterable[Event]) -> Self:
        """Read it off the signals of past looks; those that do not say what they read are passed over."""
        rows, labels = {}, {}
        for event in events:
            quality, inputs = event.payload.get("quality"), event.payload.get("inputs") or {}
            if event.kind != SIGNALS:
                continue
            if quality and inputs.get("rows"):
                rows[_bounds(quality)] = SnapshotRef.from_dict(inputs["rows"])
            if inputs.get("labels"):
                labels[inputs["labels"]["id"]] = (event.at, SnapshotRef.from_dict(inputs["labels"]))
        return cls(rows, tuple(sorted(labels.values(), key=lambda each: each[0])))

    def of_window(self, start: datetime, end: datetime) -> tuple[SnapshotRef | None, list[SnapshotRef]]:
        """Return the rows of a window, and the labels that arrived since it began, the latest last."""
        found = [snapshot for at, snapshot in self.labels if at >= end]
        return self.rows.get((start, end)), found


def _bounds(quality: dict[str, Any]) -> Bounds:
    return datetime.fromisoformat(quality["start"]), datetime.fromisoformat(quality["end"])
