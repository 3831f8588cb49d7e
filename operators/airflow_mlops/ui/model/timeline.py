"""The course of a model: quality and drift, the versions that served, what was done, and what went wrong."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Query
from pydantic import AwareDatetime, BaseModel

from airflow_mlops.lifecycle.timeline import DRIFTS, ESTIMATED, read_timeline
from airflow_mlops.loop.incidents import Incident
from airflow_mlops.loop.timeline import Mark, Reading, WindowLoss
from airflow_mlops.ui.access import ModelDep
from airflow_mlops.ui.sources import LedgerDep

if TYPE_CHECKING:
    from airflow_mlops.ledger.history import Stretch
    from airflow_mlops.lifecycle.timeline import Timeline

router = APIRouter()

# Beyond these years a moment cannot be written in every zone.
_YEARS = {"ge": datetime(1900, 1, 1, tzinfo=UTC), "le": datetime(2200, 1, 1, tzinfo=UTC)}


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


class Course(BaseModel):
    """The course of a model in a range of event time.

    ``metric`` is the loss of ``quality``, that of the newest window; windows measured by another are left out, and
    ``other_metrics`` names those. Curves are drawn from ``shown`` of ``looks`` looks. Incidents are told from
    ``told_from`` on; null: all of them are. ``first``, ``last`` and ``recent`` are the first look of all, the last, and
    the start of what the page calls recent.
    """

    metric: str | None
    other_metrics: list[str]
    quality: list[WindowLoss]
    expected: list[Reading]
    drift: list[Reading]
    answers: list[Reading]
    versions: list[Served]
    marks: list[Mark]
    incidents: list[Incident]
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
    columns, answers = (found.readings[name] for name in DRIFTS)
    return Course(
        metric=metric,
        other_metrics=sorted({window.metric for window in found.windows} - {metric}),
        quality=[window for window in found.windows if window.metric == metric],
        expected=found.readings[ESTIMATED],
        drift=columns,
        answers=answers,
        versions=[_served(stretch) for stretch in found.stretches],
        marks=found.marks,
        incidents=found.incidents,
        **_extent(found),
    )


def _served(stretch: Stretch) -> Served:
    facts = {name: getattr(stretch, name) for name in Served.model_fields if name != "is_back"}
    return Served(**facts, is_back=stretch.cause == "rollback")


def _extent(found: Timeline) -> dict[str, Any]:
    return {name: getattr(found, name) for name in ("looks", "shown", "told_from", "first", "last", "recent")}
