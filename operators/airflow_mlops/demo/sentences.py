"""One line on what a stage did, from the reference its task returned, and on what a week brought."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_mlops.refs import PASSED

if TYPE_CHECKING:
    from airflow_mlops.demo import calendar
    from airflow_mlops.demo.improvement import Improvement
    from airflow_mlops.demo.records import Promotion, Week
    from airflow_mlops.demo.traffic import Answers

# Of the many metrics of an evaluation, those that fit on a line.
_METRICS = ("log_loss", "roc_auc", "mean_absolute_error")


def sentence(stage: str, ref: dict[str, Any]) -> str:
    """Say what a stage did.

    Parameters
    ----------
    stage : str
        The task's name.
    ref : dict
        What the task returned; empty while it has not.
    """
    if not ref or stage not in _SENTENCES:
        return ""
    same = f" (same as run {ref['same_as']})" if ref.get("same_as") else ""
    return _SENTENCES[stage](ref) + same


def _ingest(ref: dict[str, Any]) -> str:
    return f"{ref['rows']:,} rows from {ref['start'][:10]} to {ref['end'][:10]}, snapshot {ref['id'][:8]}"


def _validate(ref: dict[str, Any]) -> str:
    summary = ref.get("summary") or {}
    failed = ", ".join(f"{summary.get(level, 0)} {level}" for level in ("critical", "warning", "info"))
    return f"{ref['verdict']}: {summary.get('expectations', 0)} expectations, failed: {failed}"


def _features(ref: dict[str, Any]) -> str:
    return f"{ref['rows']:,} rows to train on, {ref['holdout_rows']:,} held out, {len(ref['feature_names'])} features"


def _train(ref: dict[str, Any]) -> str:
    return f"{ref['estimator']} on {ref['rows']:,} rows, stored with {ref['serialization']}"


def _evaluate(ref: dict[str, Any]) -> str:
    metrics = ref["metrics"]
    shown = [name for name in _METRICS if name in metrics] or sorted(metrics)[:3]
    against = {name: metrics.get(f"baseline_{name}") for name in shown}
    said = [f"{name} {metrics[name]:.3f}" + _baseline(against[name]) for name in shown]
    return f"{ref['verdict']}: {', '.join(said)}" + _reasons(ref)


def _baseline(value: float | None) -> str:
    return "" if value is None else f" (baseline {value:.3f})"


def _reasons(ref: dict[str, Any]) -> str:
    return "" if ref["verdict"] in PASSED else f"; {'; '.join(ref['reasons'])}"


def _register(ref: dict[str, Any]) -> str:
    return f"{ref['registered_name']} version {ref['version']} in MLflow"


def _approve(ref: dict[str, Any]) -> str:
    by = f" by {' and '.join(ref['by'])}" if ref["by"] else ""
    return f"{ref['answer']}{by}: {ref['reason']}"


def _deploy(ref: dict[str, Any]) -> str:
    latency = f", {ref['latency_ms']:.1f} ms a row" if ref.get("latency_ms") is not None else ""
    return f"version {ref['version']} is champion since epoch {ref['epoch']}{latency}"


def _drift(ref: dict[str, Any]) -> str:
    summary = ref.get("summary") or {}
    columns = f"{summary.get('drifted_columns', '?')} of {summary.get('compared_columns', '?')} columns moved"
    predictions = ", and so did the predictions" if summary.get("prediction_drifted") else ""
    return f"{ref['verdict']}: {columns}{predictions}"


def _request(ref: dict[str, Any]) -> str:
    return f"asked for by {ref['cause']}, as of {ref['now'][:10]}, trained on {ref['window']}"


def _decide(ref: dict[str, Any]) -> str:
    return f"{ref['action']}: {'; '.join(ref['reasons'])}"


# Weeks of the story


def looked(week: calendar.Week, found: Week, answers: Answers | None) -> str:
    """Say what a week brought: answers, quality, decision."""
    served = f"{answers.rows:,} answers by version {answers.versions}" if answers else "answered before"
    quality = (
        "no labels yet"
        if found.loss is None
        else f"log loss {found.loss:.3f} on {found.labelled:,} of {found.rows:,} flights whose label is due"
    )
    return f"{week!s:>12}  {served}; {quality}; {_decided(found)}"


def _decided(found: Week) -> str:
    """Name the action, with all reasons of a training and the first one of a warning."""
    if found.action == "nothing":
        return found.action
    return f"{found.action}: {'; '.join(found.reasons if found.action == 'retrain' else found.reasons[:1])}"


def blocked(week: calendar.Week, found: Week) -> str:
    """Say why a week's data was blocked, and that nothing was trained on it."""
    return f"{week!s:>12}  BLOCKED, and no training was asked for: {'; '.join(found.reasons)}"


def answered(found: Week, serving: Promotion) -> str:
    """Say how the training ended that a decision asked for."""
    if found.outcome == "refused":
        return f"{'':>12}  refused by the gate: version {serving.version} goes on"
    took = f"{serving.seconds:.0f} s after the decision" if serving.seconds is not None else "now"
    return f"{'':>12}  promoted: version {serving.version} answers, {took}"


def improved(change: Improvement) -> str:
    """Say what the paired comparison of a promotion shows."""
    paired = change.paired
    if paired is None:
        return "too few labels yet"
    return (
        f"version {change.version} against version {change.replaced} on the same {paired.rows:,} flights of "
        f"{paired.days} days: log loss {paired.difference:+.4f} (from {paired.low:+.4f} to {paired.high:+.4f}, "
        "each bound at 95%, whole days resampled)"
    )


_SENTENCES = {
    "request": _request,
    "decide": _decide,
    "ingest": _ingest,
    "validate": _validate,
    "features": _features,
    "train": _train,
    "evaluate": _evaluate,
    "register": _register,
    "approve": _approve,
    "deploy": _deploy,
    "drift": _drift,
}
