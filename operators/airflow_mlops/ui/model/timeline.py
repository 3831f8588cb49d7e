"""The course of a model: quality and drift, the versions that served, what was done, and what went wrong."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Query
from pydantic import AwareDatetime, BaseModel

from airflow_mlops.lifecycle.timeline import DRIFTS, ESTIMATED, read_timeline
from airflow_mlops.ui.access import ModelDep
from airflow_mlops.ui.sources import LedgerDep

if TYPE_CHECKING:
    from airflow_mlops.ledger.history import Stretch
    from airflow_mlops.lifecycle.timeline import Timeline

router = APIRouter()

# Beyond these years a moment cannot be written in every zone.
_YEARS = {"ge": datetime(1900, 1, 1, tzinfo=UTC), "le": datetime(2200, 1, 1, tzinfo=UTC)}


class VersionLoss(BaseModel):
    """What one version lost in a window, and on how many labelled rows."""

    version: str
    loss: float
    rows: int


class Window(BaseModel):
    """Quality in the rows of [``start``, ``end``): ``value`` is a loss, so lower is better.

    ``low`` and ``high`` are the interval of 95 %, ``limit`` the loss from which on it speaks against the version,
    ``maturity`` the share of labels that had arrived at ``measured_at``.
    """

    start: datetime
    end: datetime
    measured_at: datetime
    metric: str
    value: float
    low: float | None
    high: float | None
    limit: float | None
    rows: int
    labelled: int
    maturity: float
    versions: list[VersionLoss]


class Reading(BaseModel):
    """A signal at the look of ``at``; ``verdict`` is *drifted* from ``limit`` on, where that persists."""

    at: datetime
    start: datetime | None
    end: datetime | None
    value: float | None
    low: float | None
    high: float | None
    limit: float | None
    verdict: str
    rows: int
    detail: str


class Served(BaseModel):
    """A version's time as champion; ``until`` null for what serves. ``is_back``: it came by a rollback."""

    version: str
    epoch: int
    since: datetime
    until: datetime | None
    is_back: bool
    cause: str | None
    reason: str | None
    by: str | None


class Mark(BaseModel):
    """Something that was done: ``kind`` is one of those of `loop.timeline.Mark`."""

    at: datetime
    kind: str
    sentence: str
    version: str | None
    run: str | None


class IncidentRow(BaseModel):
    """Something that went wrong, from ``start`` to ``end`` (null: it lasts), noticed by the event at ``noticed``.

    ``recorded_at`` and ``closed_at`` are the clock's times. ``known`` says what explains it. ``is_cut``: it may be
    older than what is told here.
    """

    id: str
    kind: str
    subject: str | None
    start: datetime
    noticed: datetime
    recorded_at: datetime
    end: datetime | None
    closed_at: datetime | None
    cause: str
    done: list[str]
    known: str | None
    run: str | None
    is_cut: bool


class Course(BaseModel):
    """The course of a model in a range of event time.

    ``metric`` is the loss of ``quality``, that of the newest window; windows measured by another are left out, and
    ``other_metrics`` names those. Curves are drawn from ``shown`` of ``looks`` looks. Incidents are told from
    ``told_from`` on; null: all of them are. ``first``, ``last`` and ``recent`` are the first look of all, the last, and
    the start of what the page calls recent.
    """

    metric: str | None
    other_metrics: list[str]
    quality: list[Window]
    expected: list[Reading]
    drift: list[Reading]
    answers: list[Reading]
    versions: list[Served]
    marks: list[Mark]
    incidents: list[IncidentRow]
    looks: int
    shown: int
    told_from: datetime | None
    first: datetime | None
    last: datetime | None
    recent: datetime | None


@router.get("/timeline")
def read_course(
    model: ModelDep,
    ledger: LedgerDep,
    start: Annotated[AwareDatetime | None, Query(**_YEARS)] = None,
    end: Annotated[AwareDatetime | None, Query(**_YEARS)] = None,
) -> Course:
    """Return the course of a model between two moments of event time, by default all of it, in a bounded form."""
    found = read_timeline(ledger, model.name, start=start, end=end)
    metric = found.windows[-1].metric if found.windows else None
    columns, answers = (_rows(Reading, found.readings[name]) for name in DRIFTS)
    return Course(
        metric=metric,
        other_metrics=sorted({window.metric for window in found.windows} - {metric}),
        quality=_rows(Window, [window for window in found.windows if window.metric == metric]),
        expected=_rows(Reading, found.readings[ESTIMATED]),
        drift=columns,
        answers=answers,
        versions=[_served(stretch) for stretch in found.stretches],
        marks=_rows(Mark, found.marks),
        incidents=_rows(IncidentRow, found.incidents),
        **_extent(found),
    )


def _rows(kind: type[BaseModel], found: Any) -> list[Any]:
    return [kind.model_validate(each, from_attributes=True) for each in found]


def _served(stretch: Stretch) -> Served:
    facts = {name: getattr(stretch, name) for name in Served.model_fields if name != "is_back"}
    return Served(**facts, is_back=stretch.cause == "rollback")


def _extent(found: Timeline) -> dict[str, Any]:
    return {name: getattr(found, name) for name in ("looks", "shown", "told_from", "first", "last", "recent")}
