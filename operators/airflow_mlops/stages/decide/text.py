"""A decision in words: the lines of the log, and the table that log and page share."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_mlops.loop.maturity import Maturity, describe
from airflow_mlops.stages.decide.rule_page import VERDICTS, number

if TYPE_CHECKING:
    from datetime import datetime

    from airflow_mlops.loop.policy import Decision
    from airflow_mlops.loop.signal import Signal
    from airflow_mlops.loop.signals import Quality, Signals

TITLES = {
    "nothing": "Nothing to do",
    "warn": "Warning: look at it",
    "recalibrate": "Correct what serves",
    "re-weigh": "Weigh the members anew",
    "re-elect": "Serve an earlier version",
    "roll back": "Serve what served before",
    "retrain": "Retrain",
    "call": "A person has to look",
}


def block(signals: Signals, decision: Decision, shadow: Decision | None = None) -> list[str]:
    """Write a decision as lines for a log: action, reasons, counterfactual, what serves, and a table of the signals."""
    held = f" (held by: {decision.held_by})" if decision.held_by else ""
    rows, verdicts = signal_rows(signals), verdict_rows(signals)
    return [
        f"DECISION {decision.action.upper()}{held} for {signals.now:%Y-%m-%d %H:%M} UTC",
        *(f"  because {reason}" for reason in decision.reasons),
        f"  otherwise: {decision.counterfactual}",
        *(f"  member {name} at {weight:.1%}" for name, weight in decision.weights.items()),
        *([f"  in shadow it would be {shadow.action!r}: {shadow.reasons[0]}"] if shadow else []),
        *_aligned(rows),
        *(["VERDICTS", *_aligned(verdicts)] if verdicts else []),
    ]


def _aligned(rows: list[tuple[str, str]]) -> list[str]:
    width = max(len(name) for name, _ in rows)
    return [f"  {name:<{width}}  {value}" for name, value in rows]


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
        *_quality_rows(signals.quality, signals.now),
        *(_reopened_row(quality, signals.now) for quality in signals.reopened),
    ]
    # Where a signal gives the verdict, that of the test beside it would contradict it.
    has_verdicts = "data_drift" in signals.measured
    if signals.drift:
        named = f" ({', '.join(signals.drift.columns)})" if signals.drift.columns else ""
        beyond = f"{signals.drift.share:.0%} of columns beyond the threshold of their test{named}"
        rows[3] = ("drift", beyond if has_verdicts else f"{signals.drift.verdict}, {beyond}")
    if signals.prediction_drift:
        found = signals.prediction_drift
        score = "-" if found.score is None else f"{found.score:.3g}"
        tested = f"{found.method} {score}, threshold {found.threshold}"
        rows[4] = ("prediction drift", tested if has_verdicts else f"{found.verdict}, {tested}")
    return rows


def verdict_rows(signals: Signals) -> list[tuple[str, str]]:
    """Give each signal with a verdict as a name and a sentence."""
    return [(signal.name.replace("_", " "), _verdict(signal)) for signal in signals.measured.values()]


def _verdict(signal: Signal) -> str:
    interval = "" if signal.low is None or signal.high is None else f" ({number(signal.low)} to {number(signal.high)})"
    value = "" if signal.value is None else f"{number(signal.value)}{interval}, "
    return f"{value}{VERDICTS[signal.verdict]}{f': {signal.detail}' if signal.detail else ''}"


def _reopened_row(quality: Quality, now: datetime) -> tuple[str, str]:
    lost = "no label yet" if quality.loss is None else f"{quality.metric} {quality.loss:.4f}"
    return "measured again", f"{lost}; {_matured(quality, now)}"


def _matured(quality: Quality, now: datetime) -> str:
    return describe(Maturity(quality.start, quality.end, quality.rows, quality.labelled), now=now)


def _quality_rows(quality: Quality | None, now: datetime) -> list[tuple[str, str]]:
    if quality is None:
        return [("quality", "not measured")]
    span = f"{quality.start:%Y-%m-%d %H:%M} to {quality.end:%Y-%m-%d %H:%M}"
    rows = [
        ("labelled window", span),
        ("predictions", f"{quality.rows:,}, of them {quality.labelled:,} with a label ({quality.maturity:.0%})"),
        ("labels", _matured(quality, now)),
    ]
    if quality.loss is None:
        return [*rows, ("quality", "no labelled prediction")]
    rows.append((f"loss ({quality.metric})", f"{quality.loss:.4f}"))
    if len(quality.by_version) > 1:
        rows += [
            (f"loss of version {version}", f"{found.loss:.4f} over {found.rows:,}")
            for version, found in quality.by_version.items()
        ]
    rows += [
        (f"member {name} would have", f"{found.loss:.4f} over {found.rows:,}")
        for name, found in sorted(quality.by_member.items(), key=lambda item: item[1].loss)
    ]
    return rows
