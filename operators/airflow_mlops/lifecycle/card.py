"""The model card of a version: gathered from ledger and artifact store, stored, and shown in MLflow.

A card says what is known when it is made, so it is made again when more is: after an approval. Its place is a function
of what it says; a process killed half-way leaves a folder without a manifest, or a description that the next try sets.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from airflow_mlops.artifacts import digest_json
from airflow_mlops.errors import ArtifactCorrupt, ArtifactMissing, LedgerMisuse
from airflow_mlops.events import APPROVAL
from airflow_mlops.lifecycle.made_of import MadeOf
from airflow_mlops.lifecycle.newest_card import name_newest
from airflow_mlops.loop.history import EVALUATE
from airflow_mlops.refs import PASSED, EvaluationRef, ModelRef
from airflow_mlops.stages.card.facts import Approval, CardFacts, Judgement, Training, VersionFacts

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mlflow import MlflowClient

    from airflow_mlops.artifacts import ArtifactStore
    from airflow_mlops.events import ModelState
    from airflow_mlops.ledger import Ledger

MARKDOWN, PAGE = "model_card.md", "model_card.html"
_DIGEST_LENGTH = 12
_FINAL = ("approved", "rejected", "automatic")


@dataclass(frozen=True, slots=True)
class Card:
    """A card: its text and page, the start that fits MLflow's description, and where it is stored."""

    markdown: str
    html: str
    short: str
    uri: str
    html_uri: str


def refresh_card(
    store: ArtifactStore,
    ledger: Ledger,
    name: str,
    model: ModelRef,
    evaluation: EvaluationRef | None = None,
    *,
    client: MlflowClient | None = None,
) -> Card:
    """Make the card of a registered version from everything that is known of it now; store and show it.

    Parameters
    ----------
    store : ArtifactStore
        Holds model and evaluation, and gets the card.
    ledger : Ledger
        Knows the versions before, how they were judged, and who approved.
    name : str
        Of the spec.
    model : ModelRef
        With its version.
    evaluation : EvaluationRef, optional
        Default: the newest one of these bytes on record that passed, else the newest.
    client : MlflowClient, optional
        Where the card becomes the version's description and an artifact of its run; None: nowhere.

    Returns
    -------
    Card
        The same facts give the same card, at the same place.

    Raises
    ------
    ArtifactMissing
        A member of a committee is gone from the store.
    LedgerUnavailable
        The ledger did not answer.
    """
    facts = gather(store, ledger, name, model, evaluation)
    made = compose(store, facts)
    _store(store, made)
    name_newest(store, name, str(model.version), made.html_uri)
    if client is not None and model.registered_name and model.version:
        _show(client, model, made)
    return made


def card_of(store: ArtifactStore, ledger: Ledger, name: str, version: str | None = None) -> Card:
    """Make the card of a version without storing it; the champion's where no version is named.

    Raises
    ------
    LedgerMisuse
        The ledger knows no such version, or none serves.
    """
    state = ledger.state(name)
    wanted = version or (state.champion.version if state.champion else None)
    known = state.versions.get(str(wanted))
    if known is None:
        listed = ", ".join(state.versions) or "none"
        raise LedgerMisuse(f"the ledger knows no version {wanted or 'that serves'} of {name}; it knows {listed}.")
    return compose(store, gather(store, ledger, name, _ref(known.version, known.payload)))


def compose(store: ArtifactStore, facts: CardFacts) -> Card:
    """Write the card of these facts, with the picture that the evaluation left."""
    from airflow_mlops.stages.card import render_card, short_card, write_card

    markdown = write_card(facts)
    picture = _picture(store, facts)
    html = render_card(markdown, picture)
    key = f"{facts.subject.version}-{digest_json([markdown, html])[:_DIGEST_LENGTH]}"
    # Below the reports, where the readers of the model's DAGs may open it.
    uri = store.uri(facts.name, "reports", "card", key)
    return Card(markdown, html, short_card(facts, key), uri, f"{uri}/card.html")


def gather(
    store: ArtifactStore, ledger: Ledger, name: str, model: ModelRef, evaluation: EvaluationRef | None = None
) -> CardFacts:
    """Read what a card says; what is not on record is left empty."""
    state = ledger.state(name)
    judged = evaluation.to_dict() if evaluation else _evaluation_on_record(ledger, name, model.digest)
    subject = _version(store, model, judged)
    versions = {each.payload.get("digest"): number for number, each in state.versions.items()}
    return CardFacts(
        name=name,
        subject=subject,
        previous=_previous(store, ledger, name, state, judged),
        committee=MadeOf.read(store, name, model, versions.get).section(model),
        approval=_approval(ledger, name, model.version),
        ranges=_ranges(store, subject.training),
    )


def _previous(
    store: ArtifactStore, ledger: Ledger, name: str, state: ModelState, judged: Mapping[str, Any] | None
) -> VersionFacts | None:
    version = (judged or {}).get("champion_version")
    known = state.versions.get(str(version)) if version else None
    payload = (known.payload.get("model") or known.payload) if known else {}
    if known is None or not {"id", "uri", "digest"} <= payload.keys():
        return None
    model = _ref(known.version, payload)
    return _version(store, model, _evaluation_on_record(ledger, name, model.digest))


def _ref(version: str, payload: Mapping[str, Any]) -> ModelRef:
    """Read a version's model; of an adopted one little is known."""
    known = payload.get("model") or payload
    blank = {"id": "not known", "uri": "", "digest": "not known", "serialization": "", "estimator": "not known"}
    return replace(ModelRef.from_dict({**blank, "rows": 0, "features": {}, **known}), version=version)


def _version(store: ArtifactStore, model: ModelRef, judged: Mapping[str, Any] | None) -> VersionFacts:
    return VersionFacts(
        version=str(model.version),
        model_id=model.id,
        digest=model.digest,
        training=_training(store, model),
        members=model.members,
        judgement=Judgement(judged, _optional_json(store, f"{judged['uri']}/report.json")) if judged else None,
    )


def _training(store: ArtifactStore, model: ModelRef) -> Training:
    manifest = _training_manifest(store, model)
    report = manifest.get("report", {})
    return Training(
        estimator=report.get("estimator", model.estimator),
        rows=model.rows,
        features=model.features,
        params=report.get("params", {}),
        seed=report.get("seed"),
        environment=report.get("environment", {}),
        spec=json.loads(manifest.get("spec", "{}")),
        spec_digest=manifest.get("spec_digest"),
    )


def _training_manifest(store: ArtifactStore, model: ModelRef) -> Mapping[str, Any]:
    """Return what *train* left; of a committee, the manifest of its newest member, whose features it has."""
    if not model.uri:
        return {}
    folders = [f"{model.uri.rpartition('/')[0]}/{name}" for name in model.members] or [model.uri]
    for folder in folders:
        manifest = _optional_json(store, f"{folder}/manifest.json")
        features = (manifest.get("ref") or {}).get("features") or {}
        if not model.members or features.get("id") == model.features.get("id"):
            return manifest
    return {}


def _evaluation_on_record(ledger: Ledger, name: str, digest: str) -> dict[str, Any] | None:
    """Return the newest evaluation of these bytes that passed, else the newest."""
    events = [event.payload for event in ledger.events(name, kind=EVALUATE)]
    own = [each for each in events if (each.get("model") or {}).get("digest") == digest]
    found = [each for each in own if each.get("verdict") in PASSED] or own
    return EvaluationRef.from_dict(found[-1]).to_dict() if found else None


def _approval(ledger: Ledger, name: str, version: str | None) -> Approval | None:
    events = [event.payload for event in ledger.events(name, kind=APPROVAL)]
    own = [each for each in events if str(each.get("version")) == version and each.get("answer") in _FINAL]
    if not own:
        return None
    last = own[-1]
    return Approval(last["answer"], tuple(last.get("by", ())), last.get("reason", ""), tuple(last.get("risks", ())))


def _ranges(store: ArtifactStore, training: Training) -> dict[str, dict[str, Any]]:
    """Take what *validate* saw in the newest snapshot; nothing is read twice for a card."""
    snapshots = training.features.get("snapshots") or []
    if not snapshots:
        return {}
    profile = _optional_json(store, f"{snapshots[-1]['uri']}/facts.json")
    hidden = training.spec.get("data", {}).get("sensitive", [])
    kept = ("type", "min", "max", "values", "distinct")
    columns = profile.get("columns", {})
    return {
        name: {key: columns[name][key] for key in kept if key in columns[name]}
        for name in training.columns
        if name in columns and name not in hidden
    }


def _picture(store: ArtifactStore, facts: CardFacts) -> bytes | None:
    """Read the picture of the evidence; one that names a sensitive column's value, as a guard's slice, is left out."""
    judged = facts.subject.judgement
    if judged is None or not judged.report:
        return None
    if any(f": {column} = " in check["name"] for check in judged.checks for column in facts.sensitive):
        return None
    try:
        return store.read_bytes(f"{judged.ref['uri']}/evidence.svg")
    except ArtifactMissing:
        return None


def _optional_json(store: ArtifactStore, uri: str) -> dict[str, Any]:
    """Read what may be gone, or be of another store: a card says then that it is not known."""
    try:
        return store.read_json(uri)
    except (ArtifactMissing, ArtifactCorrupt):
        return {}


def _store(store: ArtifactStore, card: Card) -> None:
    if store.manifest(card.uri) is not None:
        return
    store.write_bytes(f"{card.uri}/card.md", card.markdown.encode())
    store.write_bytes(card.html_uri, card.html.encode())
    # Last: a process killed before this line leaves a folder that nobody reads, and the retry writes it again.
    store.complete(card.uri, {"card": f"{card.uri}/card.md", "html": card.html_uri})


def _show(client: MlflowClient, model: ModelRef, card: Card) -> None:
    """Show it in MLflow; the description goes last, and where it is there already so is the rest."""
    name, version = str(model.registered_name), str(model.version)
    if client.get_model_version(name, version).description == card.short:
        return
    if model.mlflow_run_id:
        client.log_text(model.mlflow_run_id, card.markdown, MARKDOWN)
        client.log_text(model.mlflow_run_id, card.html, PAGE)
    client.update_model_version(name, version, card.short)
