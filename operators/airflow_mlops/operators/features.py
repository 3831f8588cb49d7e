"""Turn snapshots into a feature matrix, a fitted transformer, and rows held out for the gate."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, get_args

from airflow_mlops.artifacts import digest_json, encode_table
from airflow_mlops.errors import ArtifactMissing, TrainingSetUnusable
from airflow_mlops.operators.base import StageOperator
from airflow_mlops.refs import FeaturesRef, SnapshotRef
from airflow_mlops.snapshots import read_frame

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd
    from airflow.sdk import Context

    from airflow_mlops.operators.base import RefInput
    from airflow_mlops.spec import ModelSpec
    from airflow_mlops.spec.sections import Window
    from airflow_mlops.stages.features import FeatureMatrix
    from airflow_mlops.stages.training_set import TrainingSet

ID_LENGTH = 16
FINGERPRINTS = "trained_on.npy"


class FeaturesOperator(StageOperator):
    """Join snapshots with their labels, hold out the last rows, and fit the transformer on the others.

    Parameters
    ----------
    spec : ModelSpec or str
        What the model is; sections ``data``, ``features``, ``train`` and ``evaluate`` are used here.
    snapshots : list of dict, templated
        The rows, in order: what ingest tasks returned.
    label_snapshots : list of dict, templated
        Their labels, where the spec has ``data.labels``: what ingest tasks with ``part="labels"`` returned.
    window : {"all", "recent", "mix"} or None, templated
        Which rows to train on. Default: ``train.window``.
    """

    stage = "features"
    template_fields: Sequence[str] = (*StageOperator.template_fields, "snapshots", "label_snapshots", "window")

    def __init__(
        self,
        *,
        spec: ModelSpec | str,
        snapshots: Sequence[RefInput],
        label_snapshots: Sequence[RefInput] = (),
        window: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(spec=spec, **kwargs)
        self.snapshots = snapshots
        self.label_snapshots = label_snapshots
        self.window = window

    def run_stage(self, context: Context) -> FeaturesRef:
        """Find this feature matrix, or make and store it; record it."""
        plan = self._plan()
        manifest = self.store.manifest(plan.folder)
        if manifest is None:
            manifest = self._make(plan)
        ref = FeaturesRef.from_dict(manifest["ref"])
        if first := self.ledger.find(self.model_spec.name, self.stage, ref.id):
            self.log.info("skipped: same as run %s (features %s, %d rows)", first.run, ref.id, ref.rows)
            return replace(ref, same_as=first.run)
        self.record(context, ref.id, ref.to_dict())
        return ref

    def _plan(self) -> Plan:
        from airflow_mlops.stages.training_set import training_set_digest

        spec = self.model_spec
        rows = [SnapshotRef.from_dict(ref) for ref in self.snapshots]
        labels = [SnapshotRef.from_dict(ref) for ref in self.label_snapshots]
        window = _window(self.window or spec.train.window)
        training_set = training_set_digest(
            [ref.digest for ref in rows], [ref.digest for ref in labels], spec=spec, now=self.moment, window=window
        )
        # The default transformer looks at task, seed and estimator too.
        made_by = [
            training_set,
            spec.features.model_dump(mode="json"),
            spec.task,
            spec.train.seed,
            spec.train.estimator,
        ]
        key = digest_json(made_by)[:ID_LENGTH]
        return Plan(key, self.store.uri(spec.name, "features", key), training_set, rows, labels, window)

    def _make(self, plan: Plan) -> dict[str, Any]:
        from airflow_mlops.stages.features import build_features
        from airflow_mlops.stages.training_set import assemble

        spec = self.model_spec
        rows, labels = ([self._read(ref) for ref in refs] for refs in (plan.rows, plan.labels))
        chosen = assemble(rows, labels, spec=spec, now=self.moment, window=plan.window)
        matrix = build_features(chosen.training, spec=spec)
        self.log.info(
            "features %s: %d of %d rows to train on, %d held out from %s, %d left out without a label, %d features",
            *(plan.id, len(chosen.training), chosen.rows_in, len(chosen.holdout), chosen.holdout_start),
            *(chosen.unlabelled, matrix.frame.shape[1]),
        )
        return self._store(plan, chosen, matrix)

    def _store(self, plan: Plan, chosen: TrainingSet, matrix: FeatureMatrix) -> dict[str, Any]:
        from airflow_mlops.stages.features import fitted_frame
        from airflow_mlops.stages.fingerprints import encode, fingerprints, identity_columns
        from airflow_mlops.stages.model_file import describe, dump_model

        frame = fitted_frame(matrix, chosen.training[self.model_spec.data.target], chosen.weights)
        payload, serialization = dump_model(matrix.transformer)
        transformer = describe("transformer", payload, serialization)
        transformer_uri = f"{plan.folder}/{transformer['file']}"
        self.store.write_bytes(transformer_uri, payload)
        columns = identity_columns(self.model_spec)
        trained_on = self.store.write_bytes(
            f"{plan.folder}/{FINGERPRINTS}", encode(fingerprints(chosen.training, columns))
        )
        manifest = {
            "ref": self._ref(plan, chosen, matrix, transformer_uri).to_dict(),
            "features": self._write_frame(f"{plan.folder}/features.parquet", frame),
            "holdout": self._write_frame(f"{plan.folder}/holdout.parquet", chosen.holdout),
            "transformer": transformer,
            "categorical": list(matrix.categorical),
            "unlabelled": chosen.unlabelled,
            # Of the rows that are trained on, so that nobody is judged on them later.
            "fingerprints": {"file": FINGERPRINTS, "digest": trained_on, "columns": columns},
        }
        # Last: a process killed before this line leaves a folder that nobody reads, and the retry writes it again.
        self.store.complete(plan.folder, manifest)
        return manifest

    def _write_frame(self, uri: str, frame: pd.DataFrame) -> str:
        import pyarrow as pa

        return self.store.write_bytes(uri, encode_table(pa.Table.from_pandas(frame, preserve_index=False)))

    def _read(self, ref: SnapshotRef) -> pd.DataFrame:
        if self.store.manifest(ref.uri) is None:
            raise ArtifactMissing(f"no complete snapshot is stored at {ref.uri}; run ingest again.")
        return read_frame(self.store, ref)

    def _ref(self, plan: Plan, chosen: TrainingSet, matrix: FeatureMatrix, transformer_uri: str) -> FeaturesRef:
        return FeaturesRef(
            id=plan.id,
            uri=plan.folder,
            transformer_uri=transformer_uri,
            training_set=plan.training_set,
            snapshots=[ref.to_dict() for ref in plan.rows],
            label_snapshots=[ref.to_dict() for ref in plan.labels],
            rows=len(chosen.training),
            holdout_rows=len(chosen.holdout),
            feature_names=list(matrix.frame.columns),
            holdout_start=chosen.holdout_start.isoformat(),
            now=self.moment.isoformat(),
            window=plan.window,
        )


@dataclass(frozen=True)
class Plan:
    """What a feature matrix is made of, and where it goes: known before any row is read."""

    id: str
    folder: str
    training_set: str
    rows: list[SnapshotRef]
    labels: list[SnapshotRef]
    window: Window


def _window(name: str) -> Window:
    from airflow_mlops.spec.sections import Window

    known: tuple[Window, ...] = get_args(Window)
    for window in known:
        if window == name:
            return window
    raise TrainingSetUnusable(f"there is no training window {name!r}; give one of {', '.join(known)}.")
