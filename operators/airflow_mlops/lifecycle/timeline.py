"""Read a model's course out of the ledger: no more of it than is asked for, and no more than a page can show."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from airflow_mlops.events import APPROVAL, DRILL, FREEZE, PROMOTION, REQUEST
from airflow_mlops.ledger.history import history_of
from airflow_mlops.loop.history import SIGNALS
from airflow_mlops.loop.incidents import TOLD_OF, incidents_of
from airflow_mlops.loop.timeline import marks_of, readings_of, windows_of

if TYPE_CHECKING:
    from datetime import datetime

    from airflow_mlops.events import Event
    from airflow_mlops.ledger.history import Stretch
    from airflow_mlops.ledger.reader import LedgerReader
    from airflow_mlops.loop.incidents import Incident
    from airflow_mlops.loop.timeline import Mark, Reading, WindowLoss

# A chart has no room for more; of more looks some are left out, evenly.
MOST_POINTS = 400
# Incidents need every look, so they are told from the last of them.
MOST_LOOKS = 250
# Looks before the range in which an incident may have begun.
RUN_UP = 30
# What "recent" means on the page.
RECENT = 20

DRIFTS = ("data_drift", "prediction_drift")
ESTIMATED = "estimated_quality"
# What stands until it is changed, so that the range does not bound it.
_LASTING = (PROMOTION, FREEZE, REQUEST, APPROVAL)
_SEEN = (DRILL, *(kind for kind in TOLD_OF if kind not in (SIGNALS, *_LASTING)))


@dataclass(frozen=True, slots=True)
class Timeline:
    """A model's course in a range of event time.

    Attributes
    ----------
    windows : list of WindowLoss
        Quality by window.
    readings : dict of str to list of Reading
        `DRIFTS` and `ESTIMATED` look by look.
    stretches : list of Stretch
        What served, drills left out.
    marks : list of Mark
        What was done.
    incidents : list of Incident
        Those that lasted into the range.
    looks, shown : int
        Looks in the range, and how many of them the curves are drawn from.
    told_from : datetime or None
        Incidents are told from this look on; None: from the first.
    first, last, recent : datetime or None
        Event time of the first look of all, the last, and the last but `RECENT`.
    """

    windows: list[WindowLoss]
    readings: dict[str, list[Reading]]
    stretches: list[Stretch]
    marks: list[Mark]
    incidents: list[Incident]
    looks: int
    shown: int
    told_from: datetime | None
    first: datetime | None
    last: datetime | None
    recent: datetime | None


def read_timeline(
    ledger: LedgerReader, model: str, *, start: datetime | None = None, end: datetime | None = None
) -> Timeline:
    """Read the course of a model in a range of event time, as it stood at the range's end.

    Parameters
    ----------
    ledger : LedgerReader
        Of the model.
    model : str
        Whose course.
    start, end : datetime, optional
        Event time, with a zone; both belong to the range. By default all of it.

    Raises
    ------
    LedgerCorrupt
        An event was changed, or the end of the chain is not where the state row says.
    """
    ledger.expect_whole_end(model)
    every = ledger.moments(model, SIGNALS)
    known = [each for each in every if end is None or each[0] <= end]
    inside = [each for each in known if start is None or each[0] >= start]
    told = known[-min(len(inside) + RUN_UP, MOST_LOOKS) :]
    told_from = told[0][0] if len(told) < len(known) else None
    beside = _beside(ledger, model, told_from, end)
    looks = {event.seq: event for event in ledger.numbered(model, [seq for _, seq in told])}
    incidents = incidents_of([*looks.values(), *beside], is_whole=told_from is None)
    chosen = _thinned(inside, keep={each.event for each in incidents})
    looks |= {event.seq: event for event in ledger.numbered(model, [seq for seq in chosen if seq not in looks])}
    drawn = [looks[seq] for seq in chosen]
    return Timeline(
        windows=windows_of(drawn),
        readings={name: readings_of(drawn, name) for name in (*DRIFTS, ESTIMATED)},
        stretches=[
            each for each in _stretches(beside, model) if start is None or not each.until or each.until >= start
        ],
        marks=[mark for mark in marks_of(beside) if start is None or mark.at >= start][-MOST_POINTS:],
        incidents=[each for each in incidents if start is None or each.end is None or each.end >= start],
        looks=len(inside),
        shown=len(drawn),
        told_from=told_from,
        first=every[0][0] if every else None,
        last=every[-1][0] if every else None,
        recent=every[-RECENT:][0][0] if every else None,
    )


def _beside(ledger: LedgerReader, model: str, told_from: datetime | None, end: datetime | None) -> list[Event]:
    """Read what happened beside the looks, of each kind no more than the last `MOST_POINTS`."""
    numbers = [
        seq
        for kinds, since in ((_LASTING, None), (_SEEN, told_from))
        for kind in kinds
        for _, seq in ledger.moments(model, kind, start=since, end=end)[-MOST_POINTS:]
    ]
    return ledger.numbered(model, numbers)


def _stretches(events: list[Event], model: str) -> list[Stretch]:
    """Tell what served when; a drill's moments are no service."""
    kept = [event for event in events if event.payload.get("cause") != DRILL]
    return list(history_of(kept, model=model).stretches)


def _thinned(moments: list[tuple[datetime, int]], *, keep: set[int]) -> list[int]:
    """Choose evenly among looks, the last one among them, and those that must not be missing."""
    if len(moments) <= MOST_POINTS:
        return [seq for _, seq in moments]
    step = len(moments) / MOST_POINTS
    last = len(moments) - 1
    chosen = {moments[last - int(place * step)][1] for place in range(MOST_POINTS)}
    return [seq for _, seq in moments if seq in chosen or seq in keep][-2 * MOST_POINTS :]
