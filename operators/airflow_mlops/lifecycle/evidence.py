"""Gather what *evaluate* weighs beside answers: what was trained on, what it costs, and the cases beside the spec."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from airflow_mlops.lifecycle.cost import measure_costs
from airflow_mlops.refs import ModelRef
from airflow_mlops.spec.behaviour_file import load_behaviour
from airflow_mlops.stages.evaluate.evidence import Evidence, Origin, TrainedOn
from airflow_mlops.stages.fingerprints import decode

if TYPE_CHECKING:
    from airflow_mlops.artifacts import ArtifactStore
    from airflow_mlops.events import Champion
    from airflow_mlops.spec import ModelSpec


def gather_evidence(
    store: ArtifactStore, spec: ModelSpec, model: ModelRef, trained: ModelRef, champion: Champion | None
) -> Evidence:
    """Read what is known of a challenger and of what serves.

    Costs are measured here, before anything is read that starts threads: with them this process could not be forked.

    Parameters
    ----------
    store : ArtifactStore
        Where models and features are.
    spec : ModelSpec
        Names the file of behaviour cases; deploy.timeout ends a measurement.
    model, trained : ModelRef
        The challenger, and what was trained for it.
    champion : Champion or None
        What serves.

    Raises
    ------
    SpecError
        The behaviour cases cannot be used.
    ArtifactCorrupt
        Fingerprints of training rows were changed.
    """
    notes: list[str] = []
    costs: dict[str, Any] = {}
    promoted = (champion.payload if champion else None) or {}
    serving = ModelRef.from_dict(promoted["model"]) if promoted.get("model") else None
    if serving is not None and spec.evaluate.gate.cost is not None:
        costs, note = measure_costs(store, model, serving, timeout_s=spec.deploy.timeout.total_seconds())
        notes += [note] if note else []
    behaviour = spec.evaluate.gate.behaviour
    return Evidence(
        challenger=Origin(rows=trained.rows, trained_on=_trained_on(store, spec, model)),
        champion=Origin() if serving is None else _served(store, spec, serving, promoted),
        costs=costs,
        behaviour=load_behaviour(spec.base_dir / behaviour, spec.features.columns) if behaviour else None,
        notes=tuple(notes),
    )


def _served(store: ArtifactStore, spec: ModelSpec, serving: ModelRef, promoted: dict[str, Any]) -> Origin:
    columns = (promoted.get("rows") or {}).get("columns")
    return Origin(
        rows=max((member.rows for member in _members(store, spec, serving)), default=serving.rows),
        trained_on=_trained_on(store, spec, serving),
        columns=frozenset(columns) if columns else None,
        metrics=(promoted.get("evaluation") or {}).get("metrics") or {},
    )


def _members(store: ArtifactStore, spec: ModelSpec, model: ModelRef) -> list[ModelRef]:
    """Return the trained models that answer: those of a committee that are still stored, or the model itself."""
    if not model.members:
        return [model]
    manifests = [store.manifest(store.uri(spec.name, "models", name)) for name in sorted(model.members)]
    return [ModelRef.from_dict(manifest["ref"]) for manifest in manifests if manifest and "ref" in manifest]


def _trained_on(store: ArtifactStore, spec: ModelSpec, model: ModelRef) -> tuple[TrainedOn, ...]:
    found = (_rows_of(store, member.features) for member in _members(store, spec, model))
    return tuple(part for part in found if part is not None)


def _rows_of(store: ArtifactStore, features: dict[str, Any]) -> TrainedOn | None:
    """Read the fingerprints beside a feature matrix; without them its held-out rows begin where training ended."""
    uri, start = features.get("uri"), features.get("holdout_start")
    kept = ((store.manifest(uri) if uri else None) or {}).get("fingerprints")
    until = datetime.fromisoformat(start) if start else None
    if kept is None:
        return TrainedOn(until=until) if until else None
    payload = store.read_bytes(f"{uri}/{kept['file']}", digest=kept["digest"])
    return TrainedOn(tuple(kept["columns"]), decode(payload), until)
