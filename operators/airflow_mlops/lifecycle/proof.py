"""Prove that a version can serve before it does: in a process of its own, then on what serves."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from airflow_mlops.errors import ModelUnusable, NotReady
from airflow_mlops.stages.deploy import Limits, ServabilityReport

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from mlflow import MlflowClient

    from airflow_mlops.errors import MLOpsError
    from airflow_mlops.lifecycle.attempt import Attempt
    from airflow_mlops.lifecycle.targets import Candidate, Target
    from airflow_mlops.spec import ModelSpec

log = logging.getLogger(__name__)

_LOOK_S = 0.1

Answer = TypeVar("Answer")


@dataclass(frozen=True)
class Proof:
    """How a candidate proves itself; each step is recorded once and found again.

    ``rows`` is what a server has to know of its rows; ``client`` is MLflow's, or None to take the version from the
    artifact store.
    """

    spec: ModelSpec
    candidate: Candidate
    attempt: Attempt
    target: Target
    rows: Mapping[str, Any]
    trial: Callable[..., ServabilityReport]
    client: MlflowClient | None

    def give(self) -> ServabilityReport:
        """Try the version out, have the target load it aside, and replay its golden rows there.

        Raises
        ------
        NotReady
            The target loads it: call again.
        ModelUnusable
            It may not serve.
        ServerRefused, ServerUnavailable
            The model server does not serve this model, refuses the token, or is away.
        """
        trial = self._prepared()
        self.target.prepare(self.candidate)
        report = self.target.replay(self.candidate, self._limits, trial=trial)
        self._expect_passed(report)
        self.attempt.record("servable", {"report": report.to_dict()})
        return report

    def _prepared(self) -> ServabilityReport:
        """Return how the version did in a process of its own; only then is *prepared* in the ledger, once."""
        earlier = self.attempt.find("prepared")
        if earlier is not None:
            return ServabilityReport.from_dict(earlier.payload["trial"])
        timeout_s = self.spec.deploy.timeout.total_seconds()
        trial = self.trial(self.candidate, self.client, self._limits, timeout_s=timeout_s)
        self._expect_passed(trial)
        facts = {"model": self.candidate.trained.to_dict(), "rows": self.rows, "trial": trial.to_dict()}
        self.attempt.record("prepared", facts)
        log.info(
            "Version %s replayed %d golden rows: largest difference %.3g, %.1f ms a row, %.0f MB",
            *(self.candidate.version, trial.rows, trial.max_difference, trial.latency_ms, trial.memory_mb),
        )
        return trial

    def _expect_passed(self, report: ServabilityReport) -> None:
        if not report.passed:
            raise ModelUnusable(
                f"version {self.candidate.version} of {self.spec.name} may not serve: {'; '.join(report.reasons)}. "
                "The champion stays; see the ledger's event for the evidence."
            )

    @property
    def _limits(self) -> Limits:
        section = self.spec.deploy
        return Limits(section.tolerance, section.max_latency_ms, section.max_memory_mb)


def patiently(step: Callable[[], Answer], patience_s: float, *, clock: Callable[[], float] = time.monotonic) -> Answer:
    """Repeat a step while its target needs time, and wait a little in between.

    Raises
    ------
    NotReady
        It needs longer than ``patience_s``.
    """
    end = clock() + patience_s
    while True:
        try:
            return step()
        except NotReady:
            if clock() >= end:
                raise
        time.sleep(_LOOK_S)


def lasting(wait: NotReady, *, after_s: float) -> MLOpsError:
    """Return what a wait that took too long is called."""
    return wait.lasting(f"{str(wait).rstrip('.')}, and {after_s:.0f} s (deploy.timeout) are over. {wait.advice}")
