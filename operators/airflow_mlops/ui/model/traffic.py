"""How much the model answers, how fast, and by which versions."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from airflow.api_fastapi.common.db.common import SessionDep
from fastapi import APIRouter
from pydantic import BaseModel

from airflow_mlops.loop.payloads import facts, number, text, whole
from airflow_mlops.ui.access import ModelDep
from airflow_mlops.ui.connections import ConnectionNamesDep
from airflow_mlops.ui.model_servers import ModelServers, server_connections
from airflow_mlops.ui.sources import LedgerDep

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from airflow_mlops.events import Event
    from airflow_mlops.lifecycle.server_status import ServedModel

router = APIRouter()

_SIGNALS, _SCORE, _SLO, _DEPLOY = "signals", "score", "slo", "deploy"
_LOOKS = 60

_servers = ModelServers()


class Window(BaseModel):
    """Predictions of one window that was judged; ``by_version`` counts the labelled ones by who answered them."""

    at: datetime
    start: str | None
    end: str | None
    predictions: int
    labelled: int | None
    by_version: dict[str, int]


class Batch(BaseModel):
    """A batch that was scored."""

    at: datetime
    version: str | None
    rows: int


class Answered(BaseModel):
    """Requests to the server between two looks; ``slow`` took longer than the objective of latency allows."""

    at: datetime
    requests: int
    slow: int


class VersionTraffic(BaseModel):
    """What is on record of one version: labelled predictions of the windows, rows of the batches that are told.

    ``trial_ms`` is the median time of one row when it was tried on the server before it served, at ``tried``.
    """

    version: str
    labelled: int
    batch_rows: int
    trial_ms: float | None
    tried: datetime | None


class Traffic(BaseModel):
    """What is on record, the oldest first; ``champion`` is the version that gets all requests, None before the first.

    ``versions`` has the newest first.
    """

    champion: str | None
    versions: list[VersionTraffic]
    windows: list[Window]
    batches: list[Batch]
    answered: list[Answered]


class Live(BaseModel):
    """What a server has counted of the version that answers since ``since``, by the clock.

    Times are in seconds, the counted time within which half, 95 and 99 of 100 requests were answered; None: longer
    than any that is counted. ``failed`` is by the server's fault. ``trouble`` says why there is nothing to show.
    ``connection`` is None for who may not read it in Airflow.
    """

    connection: str | None
    trouble: str | None = None
    version: str | None = None
    epoch: int | None = None
    since: datetime | None = None
    requests: int | None = None
    failed: int | None = None
    p50_s: float | None = None
    p95_s: float | None = None
    p99_s: float | None = None


class Servers(BaseModel):
    """The servers that serve the model, and those that do not answer."""

    servers: list[Live]


@router.get("/traffic")
def read_traffic(model: ModelDep, ledger: LedgerDep) -> Traffic:
    """Return what the ledger knows of predictions."""
    promotion = ledger.serving(model.name)
    looks, scored, budgets, deploys = (
        sorted(ledger.newest(model.name, kinds=(kind,), limit=_LOOKS), key=lambda event: (event.at, event.seq))
        for kind in (_SIGNALS, _SCORE, _SLO, _DEPLOY)
    )
    windows = [window for event in looks if (window := _window(event)) is not None]
    batches = [
        Batch(at=each.at, version=text(each.payload, "version"), rows=rows)
        for each in scored
        if (rows := whole(each.payload, "rows")) is not None
    ]
    return Traffic(
        champion=str(promotion.payload["version"]) if promotion else None,
        versions=_versions(windows, batches, deploys),
        windows=windows,
        batches=batches,
        answered=_answered(budgets),
    )


@router.get("/traffic/servers")
def read_servers(model: ModelDep, names: ConnectionNamesDep, session: SessionDep) -> Servers:
    """Ask the model servers what they have counted; one that is away is named with the reason."""
    conn_ids = server_connections(session)
    hidden = names.hidden(conn_ids)
    found = []
    for said in _servers.ask(conn_ids):
        name = None if said.conn_id in hidden else said.conn_id
        if said.status is None:
            trouble = said.trouble if name else "A model server does not answer as it should."
            found.append(Live(connection=name, trouble=trouble))
        elif model.name in said.status.models:
            found.append(_live(name, said.status.models[model.name]))
    return Servers(servers=found)


def _window(event: Event) -> Window | None:
    quality = facts(event.payload, "quality")
    predictions = whole(quality, "rows")
    if predictions is None:
        return None
    by_version = facts(quality, "by_version")
    return Window(
        at=event.at,
        start=text(quality, "start"),
        end=text(quality, "end"),
        predictions=predictions,
        labelled=whole(quality, "labelled"),
        by_version={name: rows for name in by_version if (rows := _rows(by_version, name))},
    )


def _versions(windows: Sequence[Window], batches: Sequence[Batch], deploys: Sequence[Event]) -> list[VersionTraffic]:
    found: dict[str, VersionTraffic] = {}

    def of(version: str) -> VersionTraffic:
        fresh = VersionTraffic(version=version, labelled=0, batch_rows=0, trial_ms=None, tried=None)
        return found.setdefault(version, fresh)

    for window in windows:
        for version, rows in window.by_version.items():
            of(version).labelled += rows
    for batch in batches:
        if batch.version:
            of(batch.version).batch_rows += batch.rows
    for event in deploys:
        served, trial = text(event.payload, "version"), number(facts(event.payload, "report"), "latency_ms")
        if served and trial is not None:
            of(served).trial_ms, of(served).tried = trial, event.at
    return sorted(found.values(), key=lambda each: each.version.zfill(20), reverse=True)


def _rows(by_version: Mapping[str, Any], name: str) -> int | None:
    return whole(facts(by_version, name), "rows")


def _answered(events: Sequence[Event]) -> list[Answered]:
    """Count requests between looks, as the objective of latency does."""
    from airflow_mlops.loop.slo import Requests, latency

    readings = [reading for event in events if (reading := Requests.of(event)) is not None]
    return [Answered(at=each.at, requests=each.good + each.bad, slow=each.bad) for each in latency(readings)]


def _live(conn_id: str | None, served: ServedModel) -> Live:
    counted = served.answered
    if counted is None:
        return Live(connection=conn_id, version=served.version, epoch=served.epoch, trouble=served.reason)
    return Live(
        connection=conn_id,
        version=served.version,
        epoch=served.epoch,
        since=datetime.fromisoformat(counted.since),
        requests=counted.requests,
        failed=counted.failed,
        p50_s=counted.time_within(0.5),
        p95_s=counted.time_within(0.95),
        p99_s=counted.time_within(0.99),
    )
