"""Compare the rows of now with those the champion was trained on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.sdk.exceptions import AirflowSkipException

from airflow_mlops.artifacts import digest_json
from airflow_mlops.errors import NothingToCompare
from airflow_mlops.lifecycle.comparison import Comparison
from airflow_mlops.operators.base import StageOperator
from airflow_mlops.operators.links import DriftReportLink, ModelPageLink
from airflow_mlops.refs import ReportRef, SnapshotRef

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow.sdk import Context

    from airflow_mlops.lifecycle.comparison import Compared
    from airflow_mlops.operators.base import RefInput
    from airflow_mlops.spec import ModelSpec
    from airflow_mlops.stages.drift import DriftReport

# Stored with the inputs, so that a report made by other code is not taken for this one.
_FORM = 3


class DriftOperator(StageOperator):
    """Score how far each column has moved, with Evidently's default methods, and store the report.

    A drifted window does not fail the task: its verdict is for whoever decides what to do about it. Evidently draws a
    page of a sample where something drifted, where ``drift.report`` is ``always``, or where the run's parameter
    ``report`` asks for it; that it cannot costs only the page.

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
    operator_extra_links = (DriftReportLink(), ModelPageLink())

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
        """Find the report on these snapshots, or make and store it; record it.

        Raises
        ------
        AirflowSkipException
            There is no champion yet whose training snapshots could be the reference.
        """
        try:
            comparison = self._comparison()
        except NothingToCompare as error:
            raise AirflowSkipException(str(error)) from error
        inputs = self._key(comparison)
        key = digest_json(inputs)[:16]
        folder = self.store.uri(self.model_spec.name, "reports", self.stage, key)
        manifest = self.store.manifest(folder)
        first = self.ledger.find(self.model_spec.name, self.stage, key)
        is_asked = bool(dict(context.get("params") or {}).get("report"))
        if manifest is None or (is_asked and not manifest["has_page"]):
            made = self._make(folder, comparison, is_asked=is_asked)
            manifest = {"id": key, **made, "inputs": inputs}
            self.store.complete(folder, manifest)
        elif first is not None:
            self.log.info("skipped: same as run %s (report %s)", first.run, key)
        page = f"{folder}/report.html" if manifest["has_page"] else None
        ref = ReportRef(key, folder, self.stage, manifest["verdict"], page, summary=manifest["summary"])
        self.report_uri = ref.html_uri
        self.record(
            context, key, {**ref.to_dict(), "current": comparison.current.to_dict(), "model_id": inputs["model"]}
        )
        return ref

    def _comparison(self) -> Comparison:
        """Give the reference and the model, the champion's where they are not given."""
        champion: dict[str, Any] = {}
        if self.reference is None or self.model is None:
            state = self.ledger.state(self.model_spec.name)
            champion = (state.champion.payload.get("model") or {}) if state.champion else {}
        return Comparison.of(
            SnapshotRef.from_dict(self.current),
            champion=champion,
            reference=self.reference,
            model=self.model,
            name=self.model_spec.name,
        )

    def _key(self, compared: Comparison) -> dict[str, Any]:
        spec = self.model_spec
        return {
            "form": _FORM,
            "current": compared.current.id,
            "reference": [snapshot.id for snapshot in compared.reference],
            "model": compared.model.id if compared.model else None,
            "drift": spec.drift.model_dump(mode="json"),
            "columns": spec.features.columns,
            "sensitive": spec.data.sensitive,
            "seed": spec.train.seed,
        }

    def _make(self, folder: str, comparison: Comparison, *, is_asked: bool) -> dict[str, Any]:
        """Score, store, and draw where there is something to see; return verdict and summary."""
        from airflow_mlops.stages.drift.report import DISTRIBUTIONS

        spec = self.model_spec
        found = comparison.measure(self.store, spec, is_multivariate=spec.drift.multivariate)
        report, asked_by_spec = found.report, spec.drift.report
        self.store.write_json(f"{folder}/report.json", report.to_dict())
        self.store.write_json(f"{folder}/{DISTRIBUTIONS}", found.distributions())
        self._log(report, folder)
        is_wanted = asked_by_spec == "always" or (asked_by_spec == "drifted" and report.has_drifted_part)
        has_page = (is_asked or is_wanted) and bool(report.compared) and self._draw(folder, found)
        return {"verdict": report.verdict, "summary": report.summary(), "has_page": has_page}

    def _draw(self, folder: str, found: Compared) -> bool:
        """Draw and store the page; tell whether there is one."""
        from airflow_mlops.stages.drift import render_page

        spec = self.model_spec
        try:
            page = render_page(
                found.report,
                found.then,
                found.now,
                model=spec.name,
                rows=spec.drift.report_rows,
                seed=spec.train.seed,
                predictions=found.answers,
            )
        except Exception as error:  # noqa: BLE001 - a plotting library may raise anything; scores and verdict stand
            self.log.warning("the page of the drift report was not drawn: %s: %s", type(error).__name__, error)
            return False
        self.store.write_bytes(f"{folder}/report.html", page.encode())
        return True

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
