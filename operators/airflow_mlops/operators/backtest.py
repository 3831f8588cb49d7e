"""Replay a history under retraining policies."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow_mlops.artifacts import digest_json
from airflow_mlops.operators.base import StageOperator
from airflow_mlops.operators.links import BacktestReportLink, ModelPageLink
from airflow_mlops.refs import ReportRef

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from airflow.sdk import Context

    from airflow_mlops.replay.plays import Table
    from airflow_mlops.replay.report import Candidate, Report

# Stored with the inputs, so that a report made by other code is not taken for this one.
_FORM = 1


class BacktestOperator(StageOperator):
    """Train every model that a history could have had, play policies on them, and store the report as JSON and HTML.

    Nothing that serves is touched: a backtest trains into a cache and only says what would have been.

    Parameters
    ----------
    spec : ModelSpec or str
        What the model is; its retrain.policy and retrain.shadow are played.
    start : str or None, templated
        Begin of the history, ISO 8601. Default: 120 windows of the monitor, and ingest.window, before ``now``, where
        the history ends.
    policy : str or None, templated
        A further policy: YAML with the one key ``policy``. It is held against the spec's own.
    gates : bool, default=True
        Let versions pass the gates before they serve.
    max_train_rows : int or None, default=20000
        Most rows of a training; None takes all.
    sample_rows : int, default=2000
        Rows judged of each stretch.
    jobs : int, default=2
        Processes that train.
    cache : str or None, templated
        Local folder of trained models, from which a run that was stopped goes on. Default: beside the artifacts, where
        they are local; else none is kept.
    """

    stage = "backtest"
    template_fields: Sequence[str] = (*StageOperator.template_fields, "start", "policy", "cache")
    operator_extra_links = (BacktestReportLink(), ModelPageLink())

    def __init__(
        self,
        *,
        start: str | None = None,
        policy: str | None = None,
        gates: bool = True,
        max_train_rows: int | None = 20_000,
        sample_rows: int = 2000,
        jobs: int = 2,
        cache: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.start = start
        self.policy = policy
        self.gates = gates
        self.max_train_rows = max_train_rows
        self.sample_rows = sample_rows
        self.jobs = jobs
        self.cache = cache

    def run_stage(self, context: Context) -> ReportRef:
        """Find the report on this history and these policies, or make and store it; record it."""
        candidates = self._candidates()
        with tempfile.TemporaryDirectory(prefix="mlops-backtest-") as spare:
            table = self._laid(candidates, Path(self._cache() or spare))
            inputs = self._inputs(table, candidates)
            key = digest_json(inputs)[:16]
            folder = self.store.uri(self.model_spec.name, "reports", self.stage, key)
            manifest = self.store.manifest(folder)
            if manifest is None:
                manifest = {"id": key, "inputs": inputs, **self._make(folder, table, candidates)}
                # Last: a process killed before this line leaves a folder that nobody reads.
                self.store.complete(folder, manifest)
        ref = ReportRef(
            key, folder, self.stage, manifest["verdict"], f"{folder}/report.html", summary=manifest["summary"]
        )
        self.report_uri = ref.html_uri
        self.record(context, key, ref.to_dict())
        return ref

    def _candidates(self) -> list[Candidate]:
        from airflow_mlops.replay.report import Candidate, own_candidates
        from airflow_mlops.spec.policy_file import parse_policy

        given = [Candidate("given", parse_policy(self.policy, self.model_spec))] if self.policy else []
        return [*own_candidates(self.model_spec), *given]

    def _laid(self, candidates: Sequence[Candidate], folder: Path) -> Table:
        from airflow_mlops.operators.history import history_start, read_history
        from airflow_mlops.replay.lay import Bounds, lay

        spec, end = self.model_spec, self.moment
        rows, labels = read_history(spec, self._start() or history_start(spec, end), end)
        self.log.info("%d rows up to %s; trained models go to %s", len(rows), end, folder)
        return lay(
            rows,
            labels,
            spec,
            [candidate.policy for candidate in candidates],
            bounds=Bounds(self.max_train_rows, self.sample_rows, self.jobs),
            gated=self.gates,
            folder=folder,
            progress=self._progress,
        )

    def _progress(self, done: int, total: int) -> None:
        if done == total or done % 10 == 0:
            self.log.info("model %d of %d", done, total)

    def _start(self) -> datetime | None:
        return self.moment_of(self.start, "start") if self.start else None

    def _cache(self) -> str | None:
        is_local = "://" not in self.store.root.removeprefix("file://")
        place = self.store.path(self.store.uri(self.model_spec.name, "backtests"))
        return self.cache or (place if is_local else None)

    def _inputs(self, table: Table, candidates: Sequence[Candidate]) -> dict[str, Any]:
        spec = self.model_spec
        return {
            "form": _FORM,
            "matrix": table.board.matrix.digest,
            "gate": spec.evaluate.gate.model_dump(mode="json") if self.gates else None,
            "monitor": spec.monitor.model_dump(mode="json"),
            "drift": spec.drift.model_dump(mode="json"),
            "schedule": spec.retrain.schedule,
            "window": spec.train.window,
            "policies": {each.name: each.policy.model_dump(mode="json", by_alias=True) for each in candidates},
        }

    def _make(self, folder: str, table: Table, candidates: Sequence[Candidate]) -> dict[str, Any]:
        """Play, draw and store; return verdict and summary."""
        from airflow_mlops.replay.page import render
        from airflow_mlops.replay.plots import draw
        from airflow_mlops.replay.report import backtest

        compare = (0, len(candidates) - 1) if self.policy else None
        report = backtest(table, candidates, jobs=self.jobs, compare=compare)
        self.store.write_json(f"{folder}/report.json", report.to_dict())
        self.store.write_bytes(f"{folder}/report.html", render(report, draw(report)).encode())
        self._log(report, folder)
        return {"verdict": report.verdict, "summary": report.summary()}

    def _log(self, report: Report, folder: str) -> None:
        for sentence in report.sentences():
            self.log.info("%s", sentence)
        for note in report.notes:
            self.log.warning("%s", note)
        self.log.info("report in %s", folder)
