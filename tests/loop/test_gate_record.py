"""What the gate found is read back for people, from its report or from what the ledger keeps of it."""

from __future__ import annotations

import json

import numpy as np
import pytest

from airflow_mlops.loop.gate import judge
from airflow_mlops.loop.gate.check import Check
from airflow_mlops.loop.gate_record import evidence_of
from airflow_mlops.loop.light_gate import judge_light

CHAMPION = np.random.default_rng(0).exponential(0.5, 600)
OPPONENTS = {"baseline": CHAMPION + 0.2, "champion": CHAMPION, "metric": "log_loss"}
SCORES = {
    "challenger": {"accuracy": 0.8, "log_loss": 0.41},
    "champion": {"accuracy": 0.7, "log_loss": 0.5},
    "baseline": {"accuracy": 0.6, "log_loss": 0.7},
}


def full(challenger=CHAMPION * 0.9, *, checks=(), **facts):
    """Give an evaluation as the ledger has it, and its report."""
    gate = judge(challenger, **OPPONENTS, resamples=200)
    found = [*gate.checks, *checks]
    judged = {
        "id": "e1",
        "verdict": gate.verdict,
        "gate": "full",
        "champion_version": "1",
        "reasons": list(gate.reasons),
        "checks": [{key: getattr(each, key) for key in ("name", "value", "limit", "verdict")} for each in found],
        "metrics": {
            **SCORES["challenger"],
            **{f"{side}_{name}": value for side in ("champion", "baseline") for name, value in SCORES[side].items()},
        },
    }
    report = {"gate": {**gate.to_dict(), "checks": [each.to_dict() for each in found]}, "scores": SCORES, **facts}
    return judged, json.loads(json.dumps(report))


def test_each_check_tells_its_question_numbers_interval_and_verdict():
    [baseline, champion] = evidence_of(*full()).checks

    assert (baseline.asks, baseline.verdict) == ("Is it better than the simple baseline?", "pass")
    assert champion.sentence.startswith("the challenger is not worse than the champion by more than 1.0%")
    assert champion.low < champion.value < champion.high < champion.limit
    assert champion.value == pytest.approx(champion.challenger - champion.opponent)


def test_a_refusal_is_told_with_the_check_that_failed():
    found = evidence_of(*full(CHAMPION * 1.2))

    assert found.verdict == "fail"
    assert [(each.name, each.verdict) for each in found.checks if each.verdict != "pass"] == [("champion", "fail")]


def test_the_metric_of_the_gate_comes_first_with_its_interval_and_verdict():
    tested, other = evidence_of(*full()).metrics

    assert (tested.name, tested.is_loss, tested.verdict) == ("log_loss", True, "pass")
    assert (tested.challenger, tested.champion, tested.baseline) == (0.41, 0.5, 0.7)
    assert tested.difference == pytest.approx(-0.09)
    assert max(tested.low, tested.high) < 0
    assert (other.name, other.is_loss, other.low, other.verdict) == ("accuracy", False, None, None)


def test_without_its_report_the_ledger_tells_verdicts_and_metrics():
    judged, _ = full()
    found = evidence_of(judged, {})

    assert (found.is_whole, found.metric, found.rows) == (False, None, None)
    assert [(each.name, each.verdict, each.sentence) for each in found.checks] == [
        ("baseline", "pass", ""),
        ("champion", "pass", ""),
    ]
    assert [(each.name, each.champion, each.baseline) for each in found.metrics] == [
        ("accuracy", 0.7, 0.6),
        ("log_loss", 0.5, 0.7),
    ]


@pytest.mark.parametrize(
    ("name", "asks"),
    [
        ("guard: carrier = UA", "Is it no worse on carrier = UA?"),
        ("fairness: sex, recall", "Are groups treated alike: sex, recall?"),
        ("behaviour: late at night", "Does it behave: late at night?"),
        ("leak", "Does no single column tell the answer?"),
        ("of one's own", "of one's own"),
    ],
)
def test_a_check_asks_in_plain_words(name, asks):
    found = evidence_of(*full(checks=[Check(name, "sanity", "pass", "all is well")]))

    assert found.checks[-1].asks == asks


def test_values_have_the_unit_of_their_check():
    cost = Check(
        "latency", "cost", "pass", "", value=0.5, limit=3, detail={"challenger": 4, "champion": 8, "unit": "ms"}
    )
    found = evidence_of(*full(checks=[cost, Check("coverage", "sanity", "pass", "", value=1.0, limit=0.99)]))
    *_, latency, coverage = found.checks

    assert (latency.value_unit, latency.unit, latency.challenger, latency.opponent) == ("times", "ms", 4, 8)
    assert (coverage.value_unit, coverage.challenger) == ("share", None)


def test_costs_are_told_beside_the_champions():
    costs = {
        "challenger": {"latency_ms": 4.0, "memory_mb": 9.0, "size_mb": 0.4},
        "champion": {"latency_ms": 8.0, "memory_mb": 9.0},
    }
    latency, _, size = evidence_of(*full(costs=costs)).costs

    assert (latency.name, latency.unit, latency.challenger, latency.champion) == ("latency", "ms", 4.0, 8.0)
    assert (size.name, size.unit, size.challenger, size.champion) == ("size", "MB", 0.4, None)


def test_a_light_gate_tells_its_windows_and_its_one_comparison():
    gate = judge_light([CHAMPION * 0.9] * 2, [CHAMPION] * 2, memory=0.8, change=0.1, metric="log_loss")
    metrics = {"log_loss": gate.challenger_loss, "champion_log_loss": gate.champion_loss}
    judged = {"id": "e2", "verdict": "pass", "gate": "light", "metrics": metrics, "reasons": list(gate.reasons)}
    found = evidence_of(judged, {"gate": gate.to_dict()})
    [metric] = found.metrics

    assert (found.gate, found.windows, found.rows, found.confidence) == ("light", 2, 1200, None)
    assert (metric.verdict, metric.low) == ("pass", None)
    assert metric.difference == pytest.approx(-0.1 * metric.champion)
