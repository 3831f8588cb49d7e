"""The head of a model's page: what serves, since when, why, by whose word, and what may be done."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from fastapi import APIRouter
from pydantic import BaseModel

from airflow_mlops.events import DRILL
from airflow_mlops.loop.history import DEPLOY
from airflow_mlops.overview.curves import none_yet
from airflow_mlops.overview.state import State
from airflow_mlops.ui.access import ModelDep
from airflow_mlops.ui.listing import listed
from airflow_mlops.ui.recorded import recorded_spec
from airflow_mlops.ui.rows import Challenger, Maturity, NextRun, PendingApproval
from airflow_mlops.ui.sources import LedgerDep, StoreDep

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_mlops.artifacts import ArtifactStore
    from airflow_mlops.events import Event, Freeze, ModelState
    from airflow_mlops.ledger.history import Stretch
    from airflow_mlops.ledger.reader import LedgerReader
    from airflow_mlops.ui.access import SeenModel

router = APIRouter()


class Held(BaseModel):
    """Somebody, or the loop itself, holds something; ``since`` is event time."""

    by: str
    reason: str
    since: datetime


class Approved(BaseModel):
    """The word by which a version serves: ``answer`` is *approved*, or *automatic* where nobody was asked."""

    answer: str
    by: list[str]
    reason: str


class Trained(BaseModel):
    """What a version learned from: ``rows`` of [``start``, ``end``]. ``members`` counts the versions it is made of."""

    estimator: str | None
    rows: int | None
    start: datetime | None
    end: datetime | None
    window: str | None
    members: int


class Serving(BaseModel):
    """The version that serves; ``since`` is event time, and drills do not count.

    ``is_settled`` is false while the target of the deploy has not answered with it yet.
    """

    version: str
    epoch: int
    since: datetime
    cause: str | None
    reason: str | None
    by: str | None
    approval: Approved | None
    trained: Trained
    frozen: Held | None
    is_settled: bool


class Head(BaseModel):
    """The head of the page.

    ``state`` and ``why`` are those of the list. ``dags`` maps the kind of a DAG to its id, of those the user may read,
    ``switched_off`` names the kinds that are paused in Airflow, and ``by_hand`` are further DAGs of the model.
    """

    name: str
    state: State
    why: str
    owners: list[str]
    tags: list[str]
    description: str | None
    serving: Serving | None
    challenger: Challenger | None
    approval: PendingApproval | None
    maturity: Maturity | None
    next_run: NextRun | None
    paused: Held | None
    promotions_frozen: Held | None
    dags: dict[str, str]
    switched_off: list[str]
    by_hand: list[str]


@router.get("")
def read_head(model: ModelDep, ledger: LedgerDep, store: StoreDep) -> Head:
    """Return what serves, what is held, and what comes next."""
    state = ledger.outline(model.name).state
    payload = state.champion.payload.get("model") or {} if state.champion else {}
    row = listed(model.name, model.dags, ledger.overviews([model.name])).row(none_yet())
    return Head(
        name=model.name,
        state=row.state,
        why=row.why,
        owners=row.owners,
        tags=row.tags,
        description=_description(store, payload.get("uri")),
        serving=_serving(ledger, model, state),
        challenger=row.challenger,
        approval=row.approval,
        maturity=row.maturity,
        next_run=row.next_run,
        paused=_held(state.paused),
        promotions_frozen=_held(state.promotions_frozen),
        dags={dag.kind: dag.dag_id for dag in model.dags if dag.kind},
        switched_off=sorted(dag.kind for dag in model.dags if dag.kind and dag.is_paused),
        by_hand=[dag.dag_id for dag in model.dags if not dag.kind],
    )


def _serving(ledger: LedgerReader, model: SeenModel, state: ModelState) -> Serving | None:
    champion = state.champion
    if champion is None:
        return None
    known, stretch = state.versions[champion.version], _stretch(ledger, model.name, champion.version)
    answer = stretch.approval
    return Serving(
        version=champion.version,
        epoch=champion.epoch,
        since=stretch.since,
        cause=stretch.cause,
        reason=stretch.reason,
        by=stretch.by,
        approval=Approved(answer=answer.answer, by=list(answer.by), reason=answer.reason) if answer else None,
        trained=_trained(champion.payload.get("model") or {}),
        frozen=_held(known.frozen),
        is_settled=_is_settled(state.last.get(DEPLOY), champion.epoch),
    )


def _stretch(ledger: LedgerReader, model: str, version: str) -> Stretch:
    """Return when and why a version came to serve: a drill takes it away for a moment and brings it back."""
    last = ledger.stretch(model)
    if last is not None and last.cause != DRILL:
        # Most of the time, and a long history takes long to read.
        return last
    stretches = ledger.history(model).stretches
    lasting = [stretch for stretch in stretches if stretch.cause != DRILL]
    return lasting[-1] if lasting and lasting[-1].version == version else stretches[-1]


def _trained(payload: Mapping[str, Any]) -> Trained:
    features = payload.get("features") or {}
    snapshots = features.get("snapshots") or []
    ends = {name: [each[name] for each in snapshots if each.get(name)] for name in ("start", "end")}
    return Trained(
        estimator=payload.get("estimator"),
        rows=features.get("rows") or payload.get("rows"),
        start=min(ends["start"], default=None),
        end=max(ends["end"], default=None),
        window=features.get("window"),
        members=len(payload.get("members") or {}),
    )


def _is_settled(deploy: Event | None, epoch: int) -> bool:
    """Tell whether the target has answered with the champion, as far as the ledger knows."""
    if deploy is None or deploy.payload.get("expected_epoch") != epoch - 1:
        return True
    return deploy.payload.get("outcome") in ("done", "refused")


def _description(store: ArtifactStore, uri: str | None) -> str | None:
    """Return what the spec of what serves says the model is for; None where that cannot be read now."""
    return (recorded_spec(store, uri) or {}).get("description") or None


def _held(freeze: Freeze | None) -> Held | None:
    return Held.model_validate(freeze, from_attributes=True) if freeze else None
