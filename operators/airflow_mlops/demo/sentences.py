"""One line on what a stage did, from the reference its task returned."""

from __future__ import annotations

from typing import Any


def sentence(stage: str, ref: dict[str, Any]) -> str:
    """Say what a stage did.

    Parameters
    ----------
    stage : str
        One of the eight words.
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
    counts = ", ".join(f"{key} {value}" for key, value in summary.items() if isinstance(value, int))
    return ref["verdict"] + (f": {counts}" if counts else "")


def _features(ref: dict[str, Any]) -> str:
    return f"{ref['rows']:,} rows to train on, {ref['holdout_rows']:,} held out, {len(ref['feature_names'])} features"


def _train(ref: dict[str, Any]) -> str:
    return f"{ref['estimator']} on {ref['rows']:,} rows, stored with {ref['serialization']}"


def _evaluate(ref: dict[str, Any]) -> str:
    metrics = ", ".join(f"{name} {value:.4g}" for name, value in list(ref["metrics"].items())[:4])
    return f"{ref['verdict']}: {metrics}" + (f" ({'; '.join(ref['reasons'])})" if ref["verdict"] != "passed" else "")


def _register(ref: dict[str, Any]) -> str:
    return f"{ref['registered_name']} version {ref['version']} in MLflow"


def _deploy(ref: dict[str, Any]) -> str:
    latency = f", {ref['latency_ms']:.1f} ms a row" if ref.get("latency_ms") is not None else ""
    moved = "is now champion" if ref["promoted"] else "was champion already"
    return f"version {ref['version']} {moved} (epoch {ref['epoch']}){latency}"


def _drift(ref: dict[str, Any]) -> str:
    return _validate(ref)


_SENTENCES = {
    "ingest": _ingest,
    "validate": _validate,
    "features": _features,
    "train": _train,
    "evaluate": _evaluate,
    "register": _register,
    "deploy": _deploy,
    "drift": _drift,
}
