"""Fit the estimator of a spec and store the model."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from airflow_mlops.artifacts import digest_bytes, digest_json, encode_table
from airflow_mlops.errors import ArtifactMissing
from airflow_mlops.operators.base import StageOperator
from airflow_mlops.refs import FeaturesRef, ModelRef

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pyarrow as pa
    from airflow.sdk import Context

    from airflow_mlops.operators.base import RefInput
    from airflow_mlops.spec import ModelSpec
    from airflow_mlops.stages.train import Trained

ID_LENGTH = 16


class TrainOperator(StageOperator):
    """Fit the estimator and a simple baseline, and store the model with golden rows to replay before it serves.

    Parameters
    ----------
    spec : ModelSpec or str
        What the model is; sections ``train`` and ``deploy`` are used here.
    features : dict, templated
        What the features task returned.
    """

    stage = "train"
    template_fields: Sequence[str] = (*StageOperator.template_fields, "features")

    def __init__(self, *, spec: ModelSpec | str, features: RefInput, **kwargs: Any) -> None:
        super().__init__(spec=spec, **kwargs)
        self.features = features

    def run_stage(self, context: Context) -> ModelRef:
        """Find this model, or fit and store it; record it."""
        features = FeaturesRef.from_dict(self.features)
        key = self._key(features)
        folder = self.store.uri(self.model_spec.name, "models", key)
        manifest = self.store.manifest(folder)
        if manifest is None:
            manifest = self._make(key, folder, features)
        ref = ModelRef.from_dict(manifest["ref"])
        if first := self.ledger.find(self.model_spec.name, self.stage, ref.id):
            self.log.info("skipped: same as run %s (model %s, %d rows)", first.run, ref.id, ref.rows)
            return replace(ref, same_as=first.run)
        self.record(context, ref.id, {**ref.to_dict(), "seconds": manifest.get("seconds")})
        return ref

    def _key(self, features: FeaturesRef) -> str:
        spec = self.model_spec
        # The window is part of the features' id; which rows are golden is part of what is stored.
        train = spec.train.model_dump(mode="json", exclude={"window", "recent"})
        golden = [spec.deploy.golden_rows, sorted(spec.data.sensitive)]
        return digest_json([features.id, train, spec.task, golden])[:ID_LENGTH]

    def _make(self, key: str, folder: str, features: FeaturesRef) -> dict[str, Any]:
        from airflow_mlops.stages.model_file import load_model
        from airflow_mlops.stages.train import train

        source = self.store.manifest(features.uri)
        if source is None:
            raise ArtifactMissing(f"no complete features are stored at {features.uri}; run features again.")
        frame = self.store.read_frame(f"{features.uri}/features.parquet", digest=source["features"])
        fitted = source["transformer"]
        payload = self.store.read_bytes(features.transformer_uri, digest=fitted["digest"])
        transformer = load_model(payload, fitted["serialization"])
        holdout = self.store.read_table(f"{features.uri}/holdout.parquet", digest=source["holdout"])
        started = time.perf_counter()
        trained = train(frame, transformer=transformer, spec=self.model_spec, categorical=source["categorical"])
        seconds = time.perf_counter() - started
        report = trained.report
        self.log.info(
            "model %s: fitted %s on %d rows of %d features", key, report.estimator, report.rows, len(report.features)
        )
        return self._store(Place(key, folder, features), trained, holdout, seconds)

    def _store(self, place: Place, trained: Trained, holdout: pa.Table, seconds: float) -> dict[str, Any]:
        from airflow_mlops.lifecycle.stored_model import write_model
        from airflow_mlops.spec.record import spec_record
        from airflow_mlops.stages.golden import answers, pick_golden, predict_method

        spec = self.model_spec
        record = spec_record(spec)
        model = write_model(self.store, place.folder, "model", trained.model)
        golden = pick_golden(
            holdout,
            columns=spec.features.columns,
            sensitive=spec.data.sensitive,
            count=spec.deploy.golden_rows,
            seed=spec.train.seed,
        )
        self.store.write_bytes(f"{place.folder}/golden.parquet", encode_table(golden))
        manifest = {
            **model,
            "ref": self._ref(place, trained, model).to_dict(),
            "baseline": write_model(self.store, place.folder, "baseline", trained.baseline),
            "predict": predict_method(trained.model),
            # Of the rows as they are stored, sensitive columns null: what a replay will see.
            "golden_predictions": answers(trained.model, golden.to_pandas()),
            "report": trained.report.to_dict(),
            "seconds": round(seconds, 3),
            "target": spec.data.target,
            "task": spec.task,
            # For whoever asks what it was made by, or makes it again.
            "spec": record,
            "spec_digest": digest_bytes(record.encode()),
        }
        # Last: a process killed before this line leaves a folder that nobody reads, and the retry writes it again.
        self.store.complete(place.folder, manifest)
        return manifest

    def _ref(self, place: Place, trained: Trained, model: dict[str, Any]) -> ModelRef:
        return ModelRef(
            id=place.id,
            uri=place.folder,
            digest=model["digest"],
            serialization=model["serialization"],
            estimator=trained.report.estimator,
            rows=trained.report.rows,
            features=replace(place.features, same_as=None).to_dict(),
        )


@dataclass(frozen=True)
class Place:
    """Where a model goes, and the features it was made of."""

    id: str
    folder: str
    features: FeaturesRef
