"""What the gate found, read back: each check in words, and the metrics of challenger, champion and baseline."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

# Everything else is better where it is greater, as scikit-learn's scorers are.
_LOSSES = frozenset(("log_loss", "brier", "mae", "rmse", "median_absolute_error"))
_SIDES = ("champion", "baseline")
# What a check asks, by its name, and by its group where the name is the spec's.
_ASKS = {
    "baseline": "Is it better than the simple baseline?",
    "champion": "Is it good enough beside the champion?",
    "labels": "Are there enough labels to tell?",
    "finite loss": "Is its loss a number on every row?",
    "worst slice": "Is it much worse on some part of the rows?",
    "coverage": "Does it answer every row?",
    "constant": "Are its answers not all the same?",
    "classes": "Can it answer each class that happened?",
    "seen": "Were the held-out rows kept from its training?",
    "rows": "Was it trained on enough rows?",
    "gain": "Is its gain believable?",
    "leak": "Does no single column tell the answer?",
    "latency": "How long does an answer take?",
    "memory": "How much memory does it need?",
    "size": "How large is it?",
}
_GROUP_ASKS = {
    "guard": "Is it no worse on {}?",
    "fairness": "Are groups treated alike: {}?",
    "behaviour": "Does it behave: {}?",
}
# In what the value of a check is, where it is no loss.
_VALUE_UNITS = {
    **dict.fromkeys(("worst slice", "coverage", "classes", "seen", "gain"), "share"),
    **dict.fromkeys(("rows", "latency", "memory", "size"), "times"),
}
_COST_UNITS = {"latency_ms": "ms", "memory_mb": "MB", "size_mb": "MB"}


@dataclass(frozen=True, slots=True)
class CheckRecord:
    """One check: what it asked, what was found, and its verdict.

    ``low`` and ``high`` are the interval of ``value``; beyond ``limit`` it fails. All four are in ``value_unit``:
    "share", "times" the champion's, or none. ``challenger`` and ``opponent`` are the two numbers it compared, in
    ``unit``. Where the report is gone, ``sentence`` is empty.
    """

    name: str
    group: str | None
    asks: str
    verdict: str
    sentence: str
    value: float | None
    low: float | None
    high: float | None
    limit: float | None
    rows: int | None
    value_unit: str
    unit: str
    challenger: float | None
    opponent: float | None
    risk: str | None


@dataclass(frozen=True, slots=True)
class MetricRecord:
    """A metric of challenger, champion and baseline on the same held-out rows.

    ``difference`` is the challenger's minus the champion's; ``low`` and ``high`` are its interval where the gate tested
    this metric, and ``verdict`` what it said. ``is_loss`` tells that lower is better.
    """

    name: str
    is_loss: bool
    challenger: float | None
    champion: float | None
    baseline: float | None
    difference: float | None
    low: float | None
    high: float | None
    verdict: str | None


@dataclass(frozen=True, slots=True)
class CostRecord:
    """What an answer, or the model, costs: a number of challenger and champion, in ``unit``."""

    name: str
    unit: str
    challenger: float | None
    champion: float | None


@dataclass(frozen=True, slots=True)
class Evidence:
    """An evaluation, with every check.

    ``gate`` is "full" after a training, "light" where nothing was trained. ``rows`` is how many rows it was judged on,
    ``units`` how many pieces of evidence these are, ``windows`` how many labelled windows for a light gate.
    ``is_whole`` is False where the report is gone: then the checks have no sentences and no intervals.
    """

    id: str
    verdict: str
    gate: str
    action: str
    champion_version: str | None
    epoch: int | None
    metric: str | None
    test: str | None
    confidence: float | None
    rows: int | None
    units: int | None
    windows: int | None
    reasons: tuple[str, ...]
    risks: tuple[str, ...]
    checks: tuple[CheckRecord, ...]
    metrics: tuple[MetricRecord, ...]
    costs: tuple[CostRecord, ...]
    notes: tuple[str, ...]
    is_whole: bool


def evidence_of(judged: Mapping[str, Any], report: Mapping[str, Any]) -> Evidence:
    """Tell what an evaluation found.

    Parameters
    ----------
    judged : mapping
        Payload of its event in the ledger.
    report : mapping
        Its ``report.json``; empty where it is gone.
    """
    gate = report.get("gate") or {}
    return Evidence(
        id=str(judged.get("id")),
        verdict=str(judged.get("verdict")),
        gate=judged.get("gate") or "full",
        action=judged.get("action") or "retrain",
        champion_version=judged.get("champion_version"),
        epoch=judged.get("epoch"),
        metric=gate.get("metric"),
        test=gate.get("test"),
        confidence=gate.get("confidence"),
        rows=gate.get("n"),
        units=gate.get("units"),
        windows=gate.get("windows"),
        reasons=tuple(judged.get("reasons") or ()),
        risks=tuple(judged.get("risks") or ()),
        checks=tuple(_check(each) for each in gate.get("checks") or judged.get("checks") or ()),
        metrics=tuple(_metrics(judged, report)),
        costs=tuple(_costs(report.get("costs") or {})),
        notes=tuple(report.get("notes") or ()),
        is_whole=bool(report),
    )


def _check(found: Mapping[str, Any]) -> CheckRecord:
    detail, name = found.get("detail") or {}, str(found["name"])
    return CheckRecord(
        name=name,
        group=found.get("group"),
        asks=_asks(name),
        verdict=str(found["verdict"]),
        sentence=found.get("sentence") or "",
        value=found.get("value"),
        low=found.get("low"),
        high=found.get("high"),
        limit=found.get("limit"),
        rows=found.get("rows"),
        value_unit=_VALUE_UNITS.get(name, ""),
        unit=detail.get("unit") or "",
        challenger=_number(detail.get("challenger")),
        opponent=_number(detail.get("opponent", detail.get("champion"))),
        risk=found.get("risk"),
    )


def _asks(name: str) -> str:
    kind, colon, what = name.partition(": ")
    return _GROUP_ASKS[kind].format(what) if colon and kind in _GROUP_ASKS else _ASKS.get(name, name)


def _metrics(judged: Mapping[str, Any], report: Mapping[str, Any]) -> list[MetricRecord]:
    scores = report.get("scores") or _scores(judged.get("metrics") or {})
    own = scores.get("challenger") or {}
    compared = _compared(report.get("gate") or {}, judged)
    return sorted(
        (_metric(name, scores, compared) for name in own),
        # What the gate tested comes first.
        key=lambda metric: (metric.name != compared.get("metric"), metric.name),
    )


def _scores(metrics: Mapping[str, float]) -> dict[str, dict[str, float]]:
    """Take the metrics apart, as the ledger has them: those of the opponents are named after them."""
    sides: dict[str, dict[str, float]] = {"challenger": {}, **{side: {} for side in _SIDES}}
    for name, value in metrics.items():
        side = next((side for side in _SIDES if name.startswith(f"{side}_")), "challenger")
        sides[side][name.removeprefix(f"{side}_")] = value
    return sides


def _compared(gate: Mapping[str, Any], judged: Mapping[str, Any]) -> dict[str, Any]:
    """Find what the gate said of the challenger beside the champion, or the baseline where there is none."""
    found = {each["opponent"]: each for each in gate.get("comparisons") or ()}
    beside = found.get("champion")
    if beside is None:
        light = judged.get("gate") == "light"
        return {"metric": gate.get("metric"), "verdict": judged.get("verdict") if light else None}
    verdict = "pass" if beside["passed"] else "fail"
    return {"metric": gate.get("metric"), "low": beside["low"], "high": beside["high"], "verdict": verdict}


def _metric(name: str, scores: Mapping[str, Mapping[str, float]], compared: Mapping[str, Any]) -> MetricRecord:
    own, champion, baseline = ((scores.get(side) or {}).get(name) for side in ("challenger", *_SIDES))
    tested = compared if name == compared.get("metric") else {}
    return MetricRecord(
        name=name,
        is_loss=name in _LOSSES,
        challenger=own,
        champion=champion,
        baseline=baseline,
        difference=None if own is None or champion is None else own - champion,
        low=tested.get("low"),
        high=tested.get("high"),
        verdict=tested.get("verdict"),
    )


def _costs(costs: Mapping[str, Mapping[str, float]]) -> list[CostRecord]:
    own, champion = costs.get("challenger") or {}, costs.get("champion") or {}
    return [
        CostRecord(name.rpartition("_")[0], unit, own.get(name), champion.get(name))
        for name, unit in _COST_UNITS.items()
        if name in own
    ]


def _number(value: Any) -> float | None:
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None
