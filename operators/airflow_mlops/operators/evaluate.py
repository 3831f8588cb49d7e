"""Judge a challenger: after a training on rows that nobody has seen, else on the labelled past it was weighed on."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from airflow_mlops.errors import ArtifactMissing, NoChampion
from airflow_mlops.lifecycle.budgets import held_to_better
from airflow_mlops.lifecycle.matchup import Matchup, Report, check_tags, in_short
from airflow_mlops.loop.gate import Check
from airflow_mlops.operators.base import StageOperator
from airflow_mlops.operators.links import EvaluationReportLink, MlflowRunLink, ModelPageLink
from airflow_mlops.refs import EvaluationRef, ModelRef

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow.sdk import Context

    from airflow_mlops.operators.base import RefInput
    from airflow_mlops.spec import ModelSpec
    from airflow_mlops.stages.evaluate.evaluation import Evaluation

FILES = ("report.html", "report.json", "evidence.svg")


class EvaluateOperator(StageOperator):
    """Compare a challenger with the simple baseline and the champion, and let the gate decide.

    A refusal is a result: the task ends in success with verdict "fail" or "not enough labels", and *register* is
    skipped. A model that serves already is not judged a second time: the evaluation that promoted it comes back.

    Where nothing was trained, the challenger is made of versions that were all judged before. A lighter gate then asks
    whether it is sane, near to what serves, and not worse on the labelled past that it was weighed on.

    Parameters
    ----------
    spec : ModelSpec or str
        What the model is; section ``evaluate`` is used here.
    model : dict, templated
        What the weigh task returned, or the train task.
    trained : dict or None, templated
        What the train task returned, where ``model`` may be more than that: its held-out rows are judged on.
    action : str, templated
        What was asked for: "retrain", or one of the actions that train nothing.
    mlflow_conn_id : str or None
        Connection of MLflow, where metrics and report are logged; None logs nothing.
    """

    stage = "evaluate"
    template_fields: Sequence[str] = (*StageOperator.template_fields, "model", "trained", "action")
    operator_extra_links = (EvaluationReportLink(), MlflowRunLink(), ModelPageLink())

    def __init__(
        self,
        *,
        spec: ModelSpec | str,
        model: RefInput,
        trained: RefInput | None = None,
        action: str = "retrain",
        mlflow_conn_id: str | None = "mlflow_default",
        **kwargs: Any,
    ) -> None:
        super().__init__(spec=spec, **kwargs)
        self.model = model
        self.trained = trained
        self.action = action
        self.mlflow_conn_id = mlflow_conn_id

    def run_stage(self, context: Context) -> EvaluationRef:
        """Find this evaluation, or judge and store it; record it, and log it to MLflow."""
        model = ModelRef.from_dict(self.model)
        state = self.ledger.state(self.model_spec.name)
        trained = ModelRef.from_dict(self.trained or self.model)
        # Before the key is made of it: with a spent error budget the same rows may come to another verdict.
        self.model_spec = held_to_better(self.ledger, self.model_spec, as_of=self.moment)
        matchup = Matchup(model, trained, state.epoch, state.champion, self.action, self.moment.isoformat())
        if served := self._already_serving(matchup):
            return served
        key = matchup.key(self.model_spec)
        folder = self.store.uri(self.model_spec.name, "reports", self.stage, key)
        manifest = self.store.manifest(folder)
        if manifest is None:
            manifest = (self._judge_lightly if matchup.is_light else self._judge)(key, folder, matchup)
        else:
            self.log.info("skipped: evaluation %s of model %s is stored already", key, model.id)
        ref = EvaluationRef.from_dict(manifest["ref"])
        self.report_uri = ref.html_uri
        checks = manifest.get("checks", [])
        ref = self._log_to_mlflow(ref, model, folder, checks)
        self.record(context, key, {"model": model.to_dict(), **ref.to_dict(), "checks": checks})
        if not ref.passed:
            words = "not enough labels to judge" if ref.verdict == "not enough labels" else "refused"
            self.log.warning("%s model %s, the champion stays: %s", words, model.id, "; ".join(ref.reasons))
        return ref

    def _already_serving(self, matchup: Matchup) -> EvaluationRef | None:
        """Return the evaluation that promoted this very model, so that what follows finds its work done."""
        champion = matchup.champion
        if champion is None or not matchup.changes_nothing:
            return None
        evaluation = champion.payload.get("evaluation")
        if not evaluation or not (matchup.is_light or evaluation.get("trained_id") in (None, matchup.trained.id)):
            return None
        ref = EvaluationRef.from_dict(evaluation)
        self.report_uri = ref.html_uri
        reason = f"the model already serves as version {champion.version}, promoted by evaluation {ref.id}"
        self.log.info("skipped: %s", reason)
        self._link_to(ref.mlflow_run_id)
        return replace(ref, reasons=[reason, *ref.reasons])

    def _judge(self, key: str, folder: str, matchup: Matchup) -> dict[str, Any]:
        from datetime import datetime

        from airflow_mlops.lifecycle.evidence import gather_evidence
        from airflow_mlops.stages.evaluate.checks import with_checks
        from airflow_mlops.stages.evaluate.evaluation import evaluate

        spec, features = self.model_spec, matchup.features
        evidence = gather_evidence(self.store, spec, matchup.model, matchup.trained, matchup.champion)
        stored = self._complete(features.uri, "features")
        holdout = self.store.read_frame(f"{features.uri}/holdout.parquet", digest=stored["holdout"])
        fitted = self._complete(matchup.trained.uri, "train")
        champion = matchup.champion.payload.get("model") if matchup.champion else None
        found = evaluate(
            holdout,
            challenger=self._load(matchup.model.uri, self._complete(matchup.model.uri, "weigh")),
            baseline=self._load(matchup.trained.uri, fitted["baseline"]),
            champion=self._load(champion["uri"], self._complete(champion["uri"], "train")) if champion else None,
            spec=spec,
            holdout_start=datetime.fromisoformat(features.holdout_start),
            evidence=evidence,
        )
        if matchup.changes_nothing:
            reason = f"model {matchup.trained.id} gets no weight beside what serves, so nothing would change"
            found = replace(found, gate=with_checks(found.gate, [Check("change", "provenance", "fail", reason)]))
        self.log.info(
            "evaluation %s: %s on %d rows; %s", key, found.gate.verdict, found.rows, "; ".join(found.gate.reasons)
        )
        return self._store_report(key, folder, matchup, found)

    def _judge_lightly(self, key: str, folder: str, matchup: Matchup) -> dict[str, Any]:
        from airflow_mlops.lifecycle.light_judgement import judge_lightly
        from airflow_mlops.lifecycle.weighing import Weighing
        from airflow_mlops.stages.evaluate.light import render_change

        spec, champion = self.spec_in_force, matchup.champion
        if champion is None:
            raise NoChampion(
                f"{spec.name} has no champion whose weights could be changed; start its retrain DAG by the form."
            )
        weighing = Weighing(spec, self.store, self.ledger, self.moment)
        found = judge_lightly(weighing, matchup.model, ModelRef.from_dict(champion.payload["model"]))
        verdict = found.verdict
        self.log.info("evaluation %s: %s by the light gate; %s", key, verdict.verdict, "; ".join(verdict.reasons))
        page = render_change(
            verdict,
            found.challenger,
            found.champion,
            title=f"{spec.name}: {matchup.action}, model {matchup.model.id}",
            facts=[f"as of {self.moment:%Y-%m-%d %H:%M} UTC", f"champion: version {champion.version}"],
        )
        report = Report(verdict.verdict, list(verdict.reasons), found.metrics(), page, found.to_dict())
        return self._store(key, folder, matchup, report)

    def _complete(self, folder: str, stage: str) -> dict[str, Any]:
        manifest = self.store.manifest(folder)
        if manifest is None:
            raise ArtifactMissing(f"nothing complete is stored at {folder}; run {stage} again.")
        return manifest

    def _load(self, folder: str, described: dict[str, Any]) -> Any:
        from airflow_mlops.stages.model_file import load_model

        payload = self.store.read_bytes(f"{folder}/{described['file']}", digest=described["digest"])
        return load_model(payload, described["serialization"])

    def _store_report(self, key: str, folder: str, matchup: Matchup, found: Evaluation) -> dict[str, Any]:
        from airflow_mlops.stages.evaluate.page import render
        from airflow_mlops.stages.evaluate.plots import draw

        spec, features = self.model_spec, matchup.features
        facts = [
            f"{found.rows} held-out rows from {features.holdout_start} to {features.now}",
            f"trained on {matchup.trained.rows} rows",
            f"champion: version {matchup.champion.version}" if matchup.champion else "no champion yet",
        ]
        plots = draw(found, spec.task)
        page = render(found, plots, title=f"{spec.name}: model {matchup.model.id}", facts=facts)
        report = Report(
            found.gate.verdict, list(found.gate.reasons), found.metrics(), page, found.to_dict(), found.gate.checks
        )
        if "evidence" in plots:
            self.store.write_bytes(f"{folder}/evidence.svg", plots["evidence"])
        return self._store(key, folder, matchup, report)

    def _store(self, key: str, folder: str, matchup: Matchup, report: Report) -> dict[str, Any]:
        from airflow_mlops.lifecycle.approval import risks_on_record

        self.store.write_bytes(f"{folder}/report.html", report.page.encode())
        self.store.write_json(f"{folder}/report.json", report.found)
        ref = EvaluationRef(
            id=key,
            uri=folder,
            verdict=report.verdict,
            reasons=report.reasons,
            metrics=report.metrics,
            epoch=matchup.epoch,
            champion_version=matchup.champion.version if matchup.champion else None,
            html_uri=f"{folder}/report.html",
            model_id=matchup.model.id,
            action=matchup.action,
            gate="light" if matchup.is_light else "full",
            trained_id=None if matchup.is_light else matchup.trained.id,
            risks=risks_on_record(
                self.ledger,
                self.model_spec,
                matchup.model,
                action=matchup.action,
                checks=report.checks,
            ),
        )
        shown = [in_short(check) for check in report.checks]
        manifest = {
            "ref": ref.to_dict(),
            "id": key,
            "model": matchup.model.id,
            "now": self.moment.isoformat(),
            "checks": shown,
        }
        # Last: a process killed before this line leaves a folder that nobody reads, and the retry writes it again.
        self.store.complete(folder, manifest)
        return manifest

    def _link_to(self, run_id: str | None) -> None:
        """Link to a run that is there; a link is not worth failing for."""
        from airflow_mlops.errors import TrackingUnavailable
        from airflow_mlops.hooks.mlflow import MlflowHook

        if run_id is None or self.mlflow_conn_id is None:
            return
        hook = MlflowHook(self.mlflow_conn_id)
        try:
            with hook.bound() as client:
                self.mlflow_run_url = hook.run_url(run_id, client.get_run(run_id).info.experiment_id)
        except TrackingUnavailable as error:
            self.log.warning("no link to the MLflow run: %s", error)

    def _log_to_mlflow(
        self, ref: EvaluationRef, model: ModelRef, folder: str, checks: Sequence[dict[str, Any]]
    ) -> EvaluationRef:
        if self.mlflow_conn_id is None:
            return ref
        import tempfile
        from pathlib import Path

        from airflow_mlops.hooks.mlflow import MlflowHook
        from airflow_mlops.lifecycle.tracking import finish, log_evaluation, run_for

        hook = MlflowHook(self.mlflow_conn_id)
        with hook.bound() as client, tempfile.TemporaryDirectory(prefix="mlops-") as place:
            run = run_for(client, self.model_spec.experiment, model.id, artifact_location=hook.artifact_location)
            names = [name for name in FILES if self.store.exists(f"{folder}/{name}")]
            files = [Path(place, name) for name in names]
            for path in files:
                path.write_bytes(self.store.read_bytes(f"{folder}/{path.name}"))
            tags = {"mlops.evaluation": ref.id, "mlops.verdict": ref.verdict, **check_tags(checks)}
            log_evaluation(client, run, metrics=ref.metrics, files=files, tags=tags)
            if not ref.passed:
                finish(client, run.info.run_id)  # nobody will register it
        self.mlflow_run_url = hook.run_url(run.info.run_id, run.info.experiment_id)
        return replace(ref, mlflow_run_id=run.info.run_id)
