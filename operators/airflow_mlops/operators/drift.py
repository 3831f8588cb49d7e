"""Compare the rows of now with those the champion was trained on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_mlops.artifacts import digest_json
from airflow_mlops.errors import ArtifactMissing, MissingColumns, NothingToCompare
from airflow_mlops.extras import require
from airflow_mlops.operators.base import StageOperator
from airflow_mlops.operators.links import DriftReportLink
from airflow_mlops.refs import ModelRef, ReportRef, SnapshotRef

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    import pandas as pd
    from airflow.sdk import Context

    from airflow_mlops.operators.base import RefInput
    from airflow_mlops.spec import ModelSpec
    from airflow_mlops.stages.drift import DriftReport

# Stored with the inputs, so that a report made by other code is not taken for this one.
_FORM = 1


class DriftOperator(StageOperator):
    """Score how far each column has moved, with Evidently's default methods, and store the report as JSON and HTML.

    A drifted window does not fail the task: its verdict is for whoever decides what to do about it.

    Parameters
    ----------
    spec : ModelSpec or str
        What the model is; section ``drift`` is used here.
    current : SnapshotRef or dict, templated
        Snapshot of the rows to be judged.
    reference : list of SnapshotRef or dict, optional, templated
        Snapshots to compare with. Default: those the champion was trained on.
    model : ModelRef or dict, optional, templated
        Model whose predictions are compared too. Default: the champion.
    """

    stage = "drift"
    template_fields: Sequence[str] = (*StageOperator.template_fields, "current", "reference", "model")
    operator_extra_links = (DriftReportLink(),)

    def __init__(
        self,
        *,
        spec: ModelSpec | str,
        current: RefInput,
        reference: Sequence[RefInput] | None = None,
        model: RefInput | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(spec=spec, **kwargs)
        self.current = current
        self.reference = reference
        self.model = model

    def run_stage(self, context: Context) -> ReportRef:
        """Find the report on these snapshots, or make and store it; record it."""
        require("evidently", extra="drift", needed_by="the drift report", library="Evidently")
        current = SnapshotRef.from_dict(self.current)
        reference, model = self._inputs()
        inputs = self._key(current, reference, model)
        key = digest_json(inputs)[:16]
        folder = self.store.uri(self.model_spec.name, "reports", self.stage, key)
        manifest = self.store.manifest(folder)
        first = self.ledger.find(self.model_spec.name, self.stage, key)
        if manifest is None:
            summary = self._make(folder, current, reference, model)
            manifest = {"id": key, **summary, "inputs": inputs}
            self.store.complete(folder, manifest)
        elif first is not None:
            self.log.info("skipped: same as run %s (report %s)", first.run, key)
        ref = ReportRef(
            key, folder, self.stage, manifest["verdict"], f"{folder}/report.html", summary=manifest["summary"]
        )
        self.report_uri = ref.html_uri
        self.record(context, key, {**ref.to_dict(), "current": current.to_dict(), "model_id": inputs["model"]})
        return ref

    def _inputs(self) -> tuple[list[SnapshotRef], ModelRef | None]:
        """Give the reference and the model, the champion's where they are not given."""
        champion: dict[str, Any] = {}
        if self.reference is None or self.model is None:
            state = self.ledger.state(self.model_spec.name)
            champion = (state.champion.payload.get("model") or {}) if state.champion else {}
        model = self.model or champion
        snapshots = self.reference
        if snapshots is None:
            snapshots = (champion.get("features") or {}).get("snapshots")
        if not snapshots:
            raise NothingToCompare(
                f"{self.model_spec.name} has no champion whose training snapshots could be the reference. Run its "
                "retrain DAG first, or give this task `reference`."
            )
        if not model:
            self.log.info("prediction drift skipped: no model is given and there is no champion")
        return [SnapshotRef.from_dict(one) for one in snapshots], ModelRef.from_dict(model) if model else None

    def _key(self, current: SnapshotRef, reference: list[SnapshotRef], model: ModelRef | None) -> dict[str, Any]:
        spec = self.model_spec
        return {
            "form": _FORM,
            "current": current.id,
            "reference": [snapshot.id for snapshot in reference],
            "model": model.id if model else None,
            "drift": spec.drift.model_dump(mode="json"),
            "columns": spec.features.columns,
            "sensitive": spec.data.sensitive,
            "seed": spec.train.seed,
        }

    def _make(
        self, folder: str, current: SnapshotRef, reference: list[SnapshotRef], model: ModelRef | None
    ) -> dict[str, Any]:
        """Score, draw and store; return verdict and summary."""
        from airflow_mlops.stages.drift import drift, render_page

        spec = self.model_spec
        then, now = self._read(reference), self._read([current])
        predictions = self._predictions(model, then, now) if model else None
        report = drift(
            then, now, spec.features.columns, spec.drift, sensitive=spec.data.sensitive, predictions=predictions
        )
        page = render_page(
            report,
            then,
            now,
            model=spec.name,
            rows=spec.drift.report_rows,
            seed=spec.train.seed,
            predictions=predictions,
        )
        self.store.write_json(f"{folder}/report.json", report.to_dict())
        self.store.write_bytes(f"{folder}/report.html", page.encode())
        self._log(report, folder)
        return {"verdict": report.verdict, "summary": report.summary()}

    def _read(self, snapshots: list[SnapshotRef]) -> pd.DataFrame:
        import pandas as pd

        wanted = list(dict.fromkeys([*self.model_spec.drift.columns, *self.model_spec.features.columns]))
        frames = []
        for one in snapshots:
            table = self.store.read_table(one.table_uri, digest=one.digest)
            if missing := [column for column in wanted if column not in table.column_names]:
                raise MissingColumns(missing, present=table.column_names, where=f"snapshot {one.id}")
            frames.append(table.select(wanted).to_pandas())
        return pd.concat(frames, ignore_index=True) if len(frames) > 1 else frames[0]

    def _predictions(
        self, model: ModelRef, then: pd.DataFrame, now: pd.DataFrame
    ) -> tuple[np.ndarray, np.ndarray] | None:
        """Predict for both windows; the reference is the model's held-out rows, where they are stored.

        A flexible model is surer of rows it was fitted on than of any others, which would look like drift.
        """
        from airflow_mlops.stages.model_file import load_model, model_uri

        columns = self.model_spec.features.columns
        try:
            payload = self.store.read_bytes(model_uri(model), digest=model.digest)
        except ArtifactMissing:
            self.log.warning("prediction drift skipped: model %s is not in the artifact store", model.id)
            return None
        estimator = load_model(payload, model.serialization)
        folder = model.features.get("uri")
        if folder and (manifest := self.store.manifest(folder)):
            then = self.store.read_frame(f"{folder}/holdout.parquet", digest=manifest["holdout"])
        return _answers(estimator, then[columns]), _answers(estimator, now[columns])

    def _log(self, report: DriftReport, folder: str) -> None:
        worst = ", ".join(f"{column.column} {column.score:.3g} ({column.method})" for column in report.worst[:3])
        self.log.info(
            "%s: %d of %d columns drifted; farthest: %s; %d against %d rows; report in %s",
            report.verdict,
            len(report.drifted),
            len(report.compared),
            worst,
            report.current_rows,
            report.reference_rows,
            folder,
        )
        for finding in report.findings:
            self.log.warning("%s", finding)


def _answers(estimator: Any, frame: pd.DataFrame) -> np.ndarray:
    """Give the probability of the second class where there are two, else what the model predicts."""
    if len(getattr(estimator, "classes_", ())) == 2 and hasattr(estimator, "predict_proba"):
        return estimator.predict_proba(frame)[:, 1]
    return estimator.predict(frame)
