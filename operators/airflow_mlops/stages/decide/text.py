"""A decision in words: the lines of the log, and the table that log and page share."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from airflow_mlops.loop.policy import Decision
    from airflow_mlops.loop.signals import Quality, Signals

TITLES = {
    "nothing": "Nothing to do",
    "warn": "Warning: look at it",
    "retrain": "Retrain",
}


def block(signals: Signals, decision: Decision) -> list[str]:
    """Write a decision as lines for a log: action, reasons, counterfactual, and a table of the signals."""
    held = f" (held by: {decision.held_by})" if decision.held_by else ""
    rows = signal_rows(signals)
    width = max(len(name) for name, _ in rows)
    return [
        f"DECISION {decision.action.upper()}{held} for {signals.now:%Y-%m-%d %H:%M} UTC",
        *(f"  because {reason}" for reason in decision.reasons),
        f"  otherwise: {decision.counterfactual}",
        *(f"  {name:<{width}}  {value}" for name, value in rows),
    ]


def signal_rows(signals: Signals) -> list[tuple[str, str]]:
    """Give each signal as a name and a value to read."""
    champion = f"version {signals.champion_version}, epoch {signals.epoch}" if signals.champion_version else "none"
    reasons = "; ".join(signals.data_check_reasons)
    rows = [
        ("champion", champion),
        ("age", "-" if signals.age_days is None else f"{signals.age_days:.1f} days"),
        ("data check", signals.data_check + (f": {reasons}" if reasons else "")),
        ("drift", "not measured"),
        ("prediction drift", "not measured"),
        *_quality_rows(signals.quality),
    ]
    if signals.drift:
        named = f" ({', '.join(signals.drift.columns)})" if signals.drift.columns else ""
        rows[3] = ("drift", f"{signals.drift.verdict}, {signals.drift.share:.0%} of columns{named}")
    if signals.prediction_drift:
        found = signals.prediction_drift
        score = "-" if found.score is None else f"{found.score:.3g}"
        rows[4] = ("prediction drift", f"{found.verdict}, {found.method} {score}, threshold {found.threshold}")
    return rows


def _quality_rows(quality: Quality | None) -> list[tuple[str, str]]:
    if quality is None:
        return [("quality", "not measured")]
    span = f"{quality.start:%Y-%m-%d %H:%M} to {quality.end:%Y-%m-%d %H:%M}"
    rows = [
        ("labelled window", span),
        ("predictions", f"{quality.rows:,}, of them {quality.labelled:,} with a label ({quality.maturity:.0%})"),
    ]
    if quality.loss is None:
        return [*rows, ("quality", "no labelled prediction")]
    rows.append((f"loss ({quality.metric})", f"{quality.loss:.4f}"))
    if len(quality.by_version) > 1:
        rows += [
            (f"loss of version {version}", f"{found.loss:.4f} over {found.rows:,}")
            for version, found in quality.by_version.items()
        ]
    return rows
