"""What the signals are called on pages, in which unit they are, and what they mean."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

VERDICTS = {"stable": "stable", "watch": "watch", "drifted": "drifted", "unknown": "not enough data"}


@dataclass(frozen=True, slots=True)
class Words:
    """A signal's title, the unit of its value, and what the value says; ``values`` names the few it can have."""

    title: str
    unit: str
    meaning: str
    values: Mapping[float, str] = field(default_factory=dict)


_WORDS = {
    "age": Words("age", "windows", "since the last training"),
    "relative_age": Words("relative age", "", "the age as a part of all labelled windows and ten more"),
    "excess_loss": Words(
        "excess loss",
        "times a fresh loss",
        "what was lost beyond a fresh model since the last training; 1 is what a fresh model loses in a window",
    ),
    "trainings_without_gain": Words(
        "trainings without gain", "trainings", "in a row, whose version did not come to serve"
    ),
    "promotions_lately": Words(
        "promotions lately", "promotions", "of earlier versions, within the windows of the circuit"
    ),
    "quality": Words("quality", "loss", "mean loss of the answers, measured with labels"),
    "estimated_quality": Words("estimated quality", "loss", "mean loss that the answers promise, before labels"),
    "data_drift": Words("data drift", "share", "of the model's importance that lies in columns that moved"),
    "prediction_drift": Words("prediction drift", "distance", "of the answers from those to held-out rows, 0 to 1"),
    "data_quality": Words(
        "data quality", "", "the verdict of the data check", {0.0: "passed", 0.5: "warning", 1.0: "failed"}
    ),
    "freshness": Words("freshness", "days", "age of the newest row"),
    "bake": Words("bake", "share", "rise of the loss over what the version before would have lost"),
    "slo_burn": Words("budget burn", "times", "how much faster than allowed the error budget is spent"),
}


def words_of(signal: str) -> Words:
    """Return a signal's words; one that is not known here speaks for itself."""
    return _WORDS.get(signal) or Words(signal.replace("_", " "), "", "")


@dataclass(frozen=True, slots=True)
class Reading:
    """One signal that a decision was made with.

    ``unit`` is that of value, interval and limit: "windows", "days", "times a fresh loss", "share", the metric's name.
    ``said`` is the value in a word where it has one. ``verdict`` is None for a fact that has none, such as an age;
    ``limit`` is from where on it is drifted. ``maturity`` is the share of the window's labels that had arrived.
    """

    name: str
    title: str
    meaning: str
    unit: str
    value: float | None
    said: str | None
    low: float | None
    high: float | None
    limit: float | None
    verdict: str | None
    rows: int | None
    start: str | None
    end: str | None
    maturity: float | None
    detail: str


def readings_of(decision: Mapping[str, Any], signals: Mapping[str, Any]) -> tuple[Reading, ...]:
    """Give every signal of a look, those that follow from the model's past among them.

    Parameters
    ----------
    decision, signals : mapping
        Payloads of the ledger's events of these kinds, of the same look.
    """
    measured = signals.get("measured") or {}
    metric = (signals.get("quality") or {}).get("metric")
    found = {**measured, **(decision.get("readings") or {})}
    return tuple(_reading(name, each, metric) for name, each in sorted(found.items()))


def _reading(name: str, found: Mapping[str, Any], metric: str | None) -> Reading:
    words, value = words_of(name), found.get("value")
    detail, limit = found.get("detail") or "", found.get("limit")
    # A count or an age is a fact for rules, and nothing to have a verdict on.
    verdict = VERDICTS.get(str(found.get("verdict"))) if limit is not None or detail else None
    return Reading(
        name=name,
        title=words.title,
        meaning=words.meaning,
        unit=metric if metric and words.unit == "loss" else words.unit,
        value=value,
        said=words.values.get(value) if value is not None else None,
        low=found.get("low"),
        high=found.get("high"),
        limit=limit,
        verdict=verdict,
        rows=found.get("rows") or None,
        start=found.get("start"),
        end=found.get("end"),
        maturity=found.get("maturity"),
        detail=detail,
    )
