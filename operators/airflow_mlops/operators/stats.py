"""What a task tells Airflow's own metrics: StatsD, Datadog or OpenTelemetry, whichever ``[metrics]`` turns on."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Literal

from airflow.sdk.observability import stats

from airflow_mlops.errors import DataCheckFailed

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from airflow_mlops.errors import MLOpsError

log = logging.getLogger(__name__)

# Name without prefix, tags, value; a counter counts one more.
Told = tuple[Literal["count", "gauge"], str, dict[str, str], float]


def tell_run(
    stage: str, model: str, *, seconds: float, answer: Mapping[str, Any] | None, error: MLOpsError | None = None
) -> None:
    """Tell how long a stage took and what came of it; a metric that cannot be sent is a line in the log.

    Parameters
    ----------
    stage : str
        Of the operator.
    model : str
        Whose.
    seconds : float
        Time of the run.
    answer : mapping or None
        What the task returns; None where it failed.
    error : MLOpsError, optional
        Why it failed.
    """
    outcome = "success" if error is None else type(error).__name__
    if isinstance(error, DataCheckFailed):
        answer = {"verdict": "failed"}
    try:
        tags = {"model": model, "stage": stage, "outcome": outcome}
        stats.timing("mlops.stage", timedelta(seconds=seconds), tags=_sendable(tags))
        for kind, name, more, value in told_of(stage, answer or {}):
            labels = _sendable({"model": model, **more})
            if kind == "count":
                stats.incr(f"mlops.{name}", tags=labels)
            else:
                stats.gauge(f"mlops.{name}", value, tags=labels)
    except Exception as fault:  # noqa: BLE001 - whatever backend is configured, a metric must not fail a task
        log.warning("The metrics of %s of %s were not sent: %s", stage, model, fault)


def told_of(stage: str, answer: Mapping[str, Any]) -> Iterator[Told]:
    """List what a stage's answer says; work that an earlier run had done already is not counted again."""
    if answer.get("same_as"):
        return
    if stage == "decide" and answer.get("action"):
        yield "count", "decisions", {"action": answer["action"]}, 1
        measured = (answer.get("signals") or {}).get("measured") or {}
        for name, signal in measured.items():
            if signal.get("value") is not None:
                yield "gauge", "signal", {"signal": name}, signal["value"]
    elif stage == "validate" and answer.get("verdict"):
        yield "count", "data_checks", {"verdict": answer["verdict"]}, 1
    elif stage == "train" and answer.get("id"):
        yield "count", "trainings", {}, 1
    elif stage == "deploy" and answer.get("promoted"):
        yield "count", "promotions", {}, 1
    elif stage == "rollback" and answer.get("version"):
        yield "count", "rollbacks", {}, 1


def _sendable(tags: Mapping[str, str]) -> dict[str, str]:
    """Replace what a tag may not hold on the wire, such as the space of an action."""
    return {name: stats.normalize_name_for_stats(value, log_warning=False) for name, value in tags.items()}
