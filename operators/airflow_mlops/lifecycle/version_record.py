"""A version as the ledger and its evaluation's report tell of it: its data, how it was judged, its service."""

from __future__ import annotations

from dataclasses import dataclass

# A route answers with these records, and its types are read when it is made.
from datetime import datetime  # noqa: TC003
from typing import TYPE_CHECKING, Any

from airflow_mlops.errors import ArtifactCorrupt, ArtifactMissing
from airflow_mlops.events import APPROVAL, REGISTER
from airflow_mlops.lifecycle.newest_card import newest_card
from airflow_mlops.lifecycle.version_rows import VersionRow, Versions, model_of, payload_of
from airflow_mlops.loop.gate_record import Evidence, evidence_of
from airflow_mlops.loop.history import TRAIN

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_mlops.artifacts import ArtifactStore
    from airflow_mlops.events import Event, ModelState
    from airflow_mlops.ledger.reader import LedgerReader

_VALIDATE = "validate"


@dataclass(frozen=True, slots=True)
class Service:
    """A stretch as champion, in event time; ``until`` is None for what serves now."""

    epoch: int
    since: datetime
    until: datetime | None
    cause: str | None
    reason: str | None
    by: str | None


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows that a version was trained on, by snapshot; ``part`` is "rows" or "labels"."""

    part: str
    snapshot: str
    rows: int | None
    start: str | None
    end: str | None


@dataclass(frozen=True, slots=True)
class MemberRecord:
    """A trained version that answers as part of another; ``version`` is None where it never was one by itself.

    ``trained_at`` is the moment of event time at which its training stood.
    """

    model_id: str
    version: str | None
    weight: float
    trained_at: datetime | None


@dataclass(frozen=True, slots=True)
class ApprovalRecord:
    """Who let a version through, or did not, and why; "asked" where nobody has answered yet."""

    answer: str
    by: tuple[str, ...]
    reason: str
    risks: tuple[str, ...]
    at: datetime


@dataclass(frozen=True, slots=True)
class VersionRecord:
    """Everything that is on record of a version, or of a challenger.

    ``trained_at`` is the moment of event time at which the training stood, ``holdout_start`` from when its rows were
    held out for the gate. ``correction`` is added to its answers. ``training_s`` is how long the fit took.
    """

    row: VersionRow
    recorded_at: datetime | None
    model_id: str | None
    digest: str | None
    serialization: str | None
    training_set: str | None
    trained_at: str | None
    holdout_rows: int | None
    holdout_start: str | None
    features: tuple[str, ...]
    data: tuple[Rows, ...]
    members: tuple[MemberRecord, ...]
    correction: float | list[float] | None
    training_s: float | None
    frozen_by: str | None
    frozen_reason: str | None
    evidence: Evidence | None
    approval: ApprovalRecord | None
    service: tuple[Service, ...]


@dataclass(frozen=True, slots=True)
class Sources:
    """Where more of a version is: its run, MLflow's names of it, and the places of its reports.

    ``cards`` are its model cards, the newest first.
    """

    run: str | None
    registered_name: str | None
    mlflow_run_id: str | None
    mlflow_experiment_id: str | None
    evaluation: str | None
    cards: tuple[str, ...]
    data_docs: tuple[str, ...]


def version_record(
    ledger: LedgerReader, store: ArtifactStore, name: str, version: str
) -> tuple[VersionRecord, Sources] | None:
    """Tell of a version, or of a challenger by the id of its evaluation; None where there is none.

    Parameters
    ----------
    ledger : LedgerReader
        Knows it.
    store : ArtifactStore
        Has the evaluation's report; where that is gone, the ledger's part of it is told.
    name : str
        Of the model.
    version : str
        A version, or the id of an evaluation that came to none.

    Raises
    ------
    LedgerCorrupt
        An event that matters was changed, or the end of the chain was cut off.
    """
    versions = Versions(ledger, name)
    row = versions.row(version)
    if row is None:
        return None
    judged = versions.evaluation(version)
    registered = _registration(ledger, versions, name, row)
    model = payload_of(registered.payload) if registered else _known(versions, row, judged)
    frozen = versions.state.versions[version].frozen if row.version else None
    record = VersionRecord(
        row=row,
        recorded_at=registered.recorded_at if registered else judged.recorded_at if judged else None,
        **_training(model),
        members=member_records(ledger, name, versions.state, model.get("members") or {}),
        training_s=_training_s(ledger, name, judged, model),
        frozen_by=frozen.by if frozen else None,
        frozen_reason=frozen.reason if frozen else None,
        evidence=evidence_of(judged.payload, _report(store, judged)) if judged else None,
        approval=_approval(ledger, name, row.version),
        service=tuple(
            Service(each.epoch, each.since, each.until, each.cause, each.reason, each.by)
            for each in (versions.services(row.version) if row.version else ())
        ),
    )
    named = newest_card(store, name, row.version) if row.version else None
    return record, _sources(ledger, name, registered, judged, model, card=named)


def _registration(ledger: LedgerReader, versions: Versions, name: str, row: VersionRow) -> Event | None:
    digest = payload_of(versions.state.versions[row.version].payload).get("digest") if row.version else None
    return ledger.find(name, REGISTER, digest) if digest else None


def _known(versions: Versions, row: VersionRow, judged: Event | None) -> Mapping[str, Any]:
    """Return what is known of an adopted version, or of a challenger."""
    if row.version:
        return payload_of(versions.state.versions[row.version].payload)
    return model_of(judged) if judged else {}


def _training(model: Mapping[str, Any]) -> dict[str, Any]:
    features = model.get("features") or {}
    parts = (("rows", features.get("snapshots")), ("labels", features.get("label_snapshots")))
    return {
        "model_id": model.get("id"),
        "digest": model.get("digest"),
        "serialization": model.get("serialization") or None,
        "training_set": features.get("training_set"),
        "trained_at": features.get("now"),
        "holdout_rows": features.get("holdout_rows"),
        "holdout_start": features.get("holdout_start"),
        "features": tuple(features.get("feature_names") or ()),
        "data": tuple(
            Rows(part, str(each["id"]), each.get("rows"), each.get("start"), each.get("end"))
            for part, snapshots in parts
            for each in snapshots or ()
        ),
        "correction": model.get("correction"),
    }


def member_records(
    ledger: LedgerReader, name: str, state: ModelState, weights: Mapping[str, float]
) -> tuple[MemberRecord, ...]:
    """Say which versions answer together, by falling weight.

    Parameters
    ----------
    ledger : LedgerReader
        Has their trainings.
    name : str
        Of the model.
    state : ModelState
        Its versions, those that were registered by themselves among them.
    weights : mapping
        What each counts, by model id.

    Raises
    ------
    LedgerCorrupt
        A training that is read was changed.
    """
    alone = {
        payload_of(each.payload).get("id"): number
        for number, each in state.versions.items()
        if not payload_of(each.payload).get("members")
    }
    return tuple(
        MemberRecord(model_id, alone.get(model_id), weight, trained.at if trained else None)
        for model_id, weight in sorted(weights.items(), key=lambda each: -each[1])
        for trained in [ledger.find(name, TRAIN, model_id)]
    )


def _training_s(ledger: LedgerReader, name: str, judged: Event | None, model: Mapping[str, Any]) -> float | None:
    trained = (judged.payload.get("trained_id") if judged else None) or (not model.get("members") and model.get("id"))
    event = ledger.find(name, TRAIN, str(trained)) if trained else None
    return event.payload.get("seconds") if event else None


def _report(store: ArtifactStore, judged: Event) -> dict[str, Any]:
    """Read what may have been swept away, or be of another store."""
    uri = judged.payload.get("uri")
    if not uri:
        return {}
    try:
        return store.read_json(f"{uri}/report.json")
    except (ArtifactMissing, ArtifactCorrupt):
        return {}


def _approval(ledger: LedgerReader, name: str, version: str | None) -> ApprovalRecord | None:
    answers = ledger.keyed(name, APPROVAL, f"{version}:") if version else []
    if not answers:
        return None
    said, at = answers[-1].payload, answers[-1].at
    return ApprovalRecord(
        said["answer"], tuple(said.get("by") or ()), said.get("reason") or "", tuple(said.get("risks") or ()), at
    )


def _sources(
    ledger: LedgerReader,
    name: str,
    registered: Event | None,
    judged: Event | None,
    model: Mapping[str, Any],
    *,
    card: str | None,
) -> Sources:
    said = registered.payload if registered else {}
    snapshots = (model.get("features") or {}).get("snapshots") or ()
    # The newest one of the snapshot counts: it is what the training rested on.
    checks = [ledger.keyed(name, _VALIDATE, f"{each['id']}:")[-1:] for each in snapshots]
    found = [(each.payload.get("ref") or {}).get("html_uri") for events in checks for each in events]
    return Sources(
        run=registered.run if registered else judged.run if judged else None,
        registered_name=model.get("registered_name"),
        mlflow_run_id=model.get("mlflow_run_id") or (judged.payload.get("mlflow_run_id") if judged else None),
        mlflow_experiment_id=said.get("mlflow_experiment_id"),
        evaluation=judged.payload.get("html_uri") if judged else None,
        cards=tuple(each for each in (card, f"{said['card']}/card.html" if said.get("card") else None) if each),
        data_docs=tuple(uri for uri in found if uri),
    )
