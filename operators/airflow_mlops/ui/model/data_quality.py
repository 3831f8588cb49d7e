"""The history of the data check: a verdict for each snapshot, what was found, and what came in."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Query
from pydantic import BaseModel

from airflow_mlops.errors import ArtifactCorrupt, ArtifactMissing
from airflow_mlops.loop.arrivals import late_parts
from airflow_mlops.loop.payloads import facts, text, whole
from airflow_mlops.ui.access import ModelDep
from airflow_mlops.ui.links import Reports, ReportsDep
from airflow_mlops.ui.sources import LedgerDep, StoreDep

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from airflow_mlops.artifacts import ArtifactStore
    from airflow_mlops.events import Event
    from airflow_mlops.loop.arrivals import Changed

router = APIRouter()

# Findings of a check that its event names; the rest is in its report.
_MOST_FINDINGS = 12
# Late parts of a snapshot that are named; the others are counted.
_MOST_LATE = 12
_INGEST, _VALIDATE = "ingest", "validate"


class Finding(BaseModel):
    """What the data check found; ``severity`` is critical, warning or info."""

    severity: str
    check: str | None
    column: str | None
    message: str


class LatePart(BaseModel):
    """A stretch of event time that was read again and is another one: its rows before and now."""

    start: datetime
    end: datetime
    before: int
    now: int


class Check(BaseModel):
    """One verdict; ``at`` is event time, ``start`` and ``end`` the first and last time of the rows.

    ``part`` is what came in, rows or labels; ``parts`` how many files hold it. ``late`` are the newest of those
    that have changed since a snapshot before listed them, and ``late_parts`` counts all of these. ``report`` is the
    address of the Data Docs page.
    """

    seq: int
    at: datetime
    snapshot: str | None
    verdict: str
    rows: int | None
    critical: int
    warning: int
    info: int
    expectations: int | None
    quarantined: int
    findings: list[Finding]
    start: str | None
    end: str | None
    part: str | None
    parts: int
    late: list[LatePart]
    late_parts: int
    report: str | None


class Incoming(BaseModel):
    """What an ingest read and left out: rows outside of the window, and rows without a time."""

    rows_read: int | None
    outside: int | None
    undated: int | None


class DataQuality(BaseModel):
    """The last checks, the newest first; ``next_before`` asks for earlier ones, None where there are none.

    ``incoming`` is of the newest snapshot; None where it is gone.
    """

    checks: list[Check]
    incoming: Incoming | None
    next_before: int | None


@router.get("/data-quality")
def read_data_quality(
    model: ModelDep,
    ledger: LedgerDep,
    store: StoreDep,
    reports: ReportsDep,
    limit: Annotated[int, Query(ge=1, le=200)] = 60,
    before: Annotated[int | None, Query(ge=1, le=2**62)] = None,
) -> DataQuality:
    """Return the verdicts of the last snapshots, with what came in."""
    events = ledger.newest(model.name, kinds=(_VALIDATE,), before=before, limit=limit + 1)
    shown = events[:limit]
    # A snapshot is ingested before it is checked; rows and labels each have their own.
    came = ledger.newest(model.name, kinds=(_INGEST,), before=before, limit=2 * limit)
    ingested = {event.key: event.payload for event in came}
    late = late_parts([event.payload for event in reversed(came)])
    newest = ingested.get(_snapshot(shown[0]), {}) if shown else {}
    return DataQuality(
        checks=[
            _check(event, ingested.get(_snapshot(event), {}), late.get(_snapshot(event), []), reports)
            for event in shown
        ],
        incoming=_incoming(store, newest.get("uri")),
        next_before=shown[-1].seq if len(events) > limit else None,
    )


def _snapshot(event: Event) -> str:
    return str(facts(event.payload, "snapshot").get("id") or "")


def _check(event: Event, came: Mapping[str, Any], late: Sequence[Changed], reports: Reports) -> Check:
    ref = facts(event.payload, "ref")
    summary = facts(ref, "summary")
    worst = summary.get("worst")
    return Check(
        seq=event.seq,
        at=event.at,
        snapshot=_snapshot(event) or None,
        verdict=text(ref, "verdict") or "unknown",
        rows=whole(summary, "rows"),
        critical=whole(summary, "critical") or 0,
        warning=whole(summary, "warning") or 0,
        info=whole(summary, "info") or 0,
        expectations=whole(summary, "expectations"),
        quarantined=whole(summary, "quarantined") or 0,
        findings=[_finding(each) for each in worst if isinstance(each, dict)][:_MOST_FINDINGS]
        if isinstance(worst, list)
        else [],
        start=text(came, "start"),
        end=text(came, "end"),
        part=text(came, "part"),
        parts=len(came.get("parts") or ()),
        late=[LatePart.model_validate(each, from_attributes=True) for each in late[-_MOST_LATE:]],
        late_parts=len(late),
        report=reports.address(text(ref, "html_uri")),
    )


def _finding(found: Mapping[str, Any]) -> Finding:
    return Finding(
        severity=text(found, "severity") or "info",
        check=text(found, "check"),
        column=text(found, "column"),
        message=text(found, "message") or "The report has the details.",
    )


def _incoming(store: ArtifactStore, folder: Any) -> Incoming | None:
    """Read what the newest snapshot's manifest says of its ingest."""
    if not isinstance(folder, str):
        return None
    try:
        report = facts(store.manifest(folder) or {}, "report")
    except (ArtifactMissing, ArtifactCorrupt):
        return None
    return Incoming(**{name: whole(report, name) for name in Incoming.model_fields}) if report else None
