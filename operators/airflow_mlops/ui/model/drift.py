"""Drift by column: what the last report scored, and the distributions it compared."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, HTTPException, Query
from pydantic import BaseModel

from airflow_mlops.errors import ArtifactCorrupt, ArtifactMissing
from airflow_mlops.loop.drift_words import domain_words, effect_words
from airflow_mlops.loop.payloads import facts, number, text, texts, whole
from airflow_mlops.ui.access import ModelDep
from airflow_mlops.ui.failures import without_places
from airflow_mlops.ui.links import ReportsDep
from airflow_mlops.ui.sources import LedgerDep, StoreDep

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_mlops.artifacts import ArtifactStore
    from airflow_mlops.events import Event
    from airflow_mlops.loop.effects import Effect as Measured

router = APIRouter()

_DRIFT, _SIGNALS = "drift", "signals"
# Looks to choose from, and pictures of one answer.
_LOOKS, _PICTURES = 40, 12
_LookId = Annotated[str | None, Query(pattern=r"^[0-9a-f]{1,64}$")]


class LookMark(BaseModel):
    """A look that may be asked for; ``at`` is event time."""

    id: str
    at: datetime
    verdict: str
    share: float | None


class Effect(BaseModel):
    """How far a column moved, 0 to 1, with its interval; ``words`` says what that means."""

    value: float
    low: float
    high: float
    words: str


class Column(BaseModel):
    """One column, the label, or the prediction.

    ``verdict`` is that of the spec's thresholds, ``exceeds_default`` that of Evidently's. ``severity`` is how many
    times the score is beyond its threshold; -1 where there is no score, and ``finding`` says why.
    """

    column: str
    kind: str
    method: str
    score: float | None
    threshold: float | None
    severity: float
    verdict: str
    exceeds_default: bool
    reference_rows: int
    current_rows: int
    effect: Effect | None
    finding: str | None


class LoopSignal(BaseModel):
    """What the loop made of it: a verdict that knows what is usual."""

    name: str
    verdict: str
    value: float | None
    limit: float | None
    detail: str | None


class Drift(BaseModel):
    """A look at drift; ``columns`` has the farthest first, ``total`` counts them.

    ``trouble`` says why there are no columns; None where there are. ``signals`` are those of the same moment.
    """

    looks: list[LookMark]
    look: LookMark | None
    trouble: str | None
    start: str | None
    end: str | None
    share: float | None
    share_threshold: float | None
    drifted: int | None
    compared: int | None
    reference_rows: int | None
    current_rows: int | None
    columns: list[Column]
    total: int
    label: Column | None
    prediction: Column | None
    domain: str | None
    signals: list[LoopSignal]
    left_out: list[str]
    report: str | None


class Distribution(BaseModel):
    """Shares of a column's values then and now.

    Numbers have ``edges``, categories ``values`` and one share more, of all others. ``nulls`` are shares of the rows,
    ``outside`` of the values that lie beyond the edges.
    """

    column: str
    kind: str
    edges: list[float] = []
    values: list[str] = []
    reference: list[float]
    current: list[float]
    outside: list[float] = [0.0, 0.0]
    nulls: list[float] = [0.0, 0.0]


class Distributions(BaseModel):
    """Of the columns that were asked for; ``trouble`` says why there are none."""

    columns: list[Distribution]
    prediction: Distribution | None
    trouble: str | None


@router.get("/drift")
def read_drift(
    model: ModelDep,
    ledger: LedgerDep,
    store: StoreDep,
    reports: ReportsDep,
    look: _LookId = None,
    limit: Annotated[int, Query(ge=1, le=2000)] = 200,
) -> Drift:
    """Return what a look found, the last one unless ``look`` names another, and the looks to choose from."""
    events = ledger.newest(model.name, kinds=(_DRIFT,), limit=_LOOKS)
    event = _chosen(ledger.find(model.name, _DRIFT, look) if look else next(iter(events), None), look)
    report, trouble = _stored(store, event, "report.json", "The columns of this look cannot be shown")
    summary = facts(event.payload, "summary") if event else {}
    current = facts(event.payload, "current") if event else {}
    columns = sorted((_column(each) for each in report.get("columns") or ()), key=lambda each: -each.severity)
    page = reports.link("Evidently's page", text(event.payload, "html_uri")) if event else None
    return Drift(
        looks=[_mark(each) for each in events],
        look=_mark(event) if event else None,
        trouble=trouble,
        start=text(current, "start"),
        end=text(current, "end"),
        share=number(summary, "share"),
        share_threshold=number(summary, "share_threshold"),
        drifted=whole(summary, "drifted_columns"),
        compared=whole(summary, "compared_columns"),
        reference_rows=whole(report, "reference_rows"),
        current_rows=whole(report, "current_rows"),
        columns=columns[:limit],
        total=len(columns),
        label=_column(report["label"]) if report.get("label") else None,
        prediction=_column(report["prediction"]) if report.get("prediction") else None,
        domain=domain_words(facts(report, "domain")),
        signals=_signals(ledger, model.name, event),
        left_out=texts(report.get("left_out")),
        report=page.href if page else None,
    )


@router.get("/drift/distributions")
def read_distributions(
    model: ModelDep,
    ledger: LedgerDep,
    store: StoreDep,
    look: _LookId = None,
    columns: Annotated[list[str], Query(max_length=_PICTURES)] = [],  # noqa: B006 - FastAPI copies a default
) -> Distributions:
    """Return the distributions of some columns, at most twelve at once; ``columns`` is given once for each."""
    from airflow_mlops.stages.drift.report import DISTRIBUTIONS

    newest = next(iter(ledger.newest(model.name, kinds=(_DRIFT,), limit=1)), None)
    event = _chosen(ledger.find(model.name, _DRIFT, look) if look else newest, look)
    found, trouble = _stored(store, event, DISTRIBUTIONS, "Of this look no distributions are stored")
    stored = facts(found, "columns")
    shown = {name: facts(stored, name) for name in columns}
    return Distributions(
        columns=[Distribution(column=name, **each) for name, each in shown.items() if each],
        prediction=Distribution(column="prediction", **found["prediction"]) if found.get("prediction") else None,
        trouble=trouble,
    )


def _chosen(event: Event | None, look: str | None) -> Event | None:
    if look and event is None:
        raise HTTPException(404, f"The ledger knows no drift report {look} of this model.")
    return event


def _stored(store: ArtifactStore, event: Event | None, file: str, trouble: str) -> tuple[Mapping[str, Any], str | None]:
    """Read a file of a report; a sentence where it is gone."""
    folder = event and event.payload.get("uri")
    if not isinstance(folder, str):
        return {}, None
    try:
        return store.read_json(f"{folder}/{file}"), None
    except ArtifactCorrupt as error:
        return {}, f"{trouble}: {without_places(str(error))}"
    except ArtifactMissing:
        return {}, f"{trouble}: retention deleted them, or they were kept in another store, or by an earlier release."


def _mark(event: Event) -> LookMark:
    summary = facts(event.payload, "summary")
    verdict = text(event.payload, "verdict") or "unknown"
    return LookMark(id=event.key, at=event.at, verdict=verdict, share=number(summary, "share"))


def _column(stored: Mapping[str, Any]) -> Column:
    # Imported late, for Airflow's API server has other things to do when it starts.
    from airflow_mlops.stages.drift.page import METHODS
    from airflow_mlops.stages.drift.report import ColumnDrift

    found = ColumnDrift.from_dict(stored)
    return Column(
        column=found.column,
        kind=found.kind,
        method=METHODS.get(found.method, found.method),
        score=found.score,
        threshold=found.threshold,
        severity=found.severity,
        verdict=found.verdict,
        exceeds_default=found.exceeds_evidently_default,
        reference_rows=found.reference_rows,
        current_rows=found.current_rows,
        effect=_effect(found.effect) if found.effect else None,
        finding=found.finding,
    )


def _effect(found: Measured) -> Effect:
    return Effect(value=found.value, low=found.low, high=found.high, words=effect_words(found))


def _signals(ledger: LedgerDep, model: str, event: Event | None) -> list[LoopSignal]:
    """Find what the loop measured in the run of the report, or of the same moment."""
    looks = ledger.newest(model, kinds=(_SIGNALS,), limit=_LOOKS) if event else []
    same = next((each for each in looks if event and (each.run == event.run or each.at == event.at)), None)
    measured = facts(same.payload, "measured") if same else {}
    return [
        LoopSignal(
            name=name.replace("_", " "),
            verdict=text(found, "verdict") or "unknown",
            value=number(found, "value"),
            limit=number(found, "limit"),
            detail=text(found, "detail"),
        )
        for name in ("data_drift", "prediction_drift")
        if (found := facts(measured, name))
    ]
