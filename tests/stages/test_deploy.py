from __future__ import annotations

import itertools
import re

import pandas as pd
import pytest

from airflow_mlops.stages.deploy import Limits, check_servable

ROWS = pd.DataFrame({"x": [1.0, 2.0, 3.0]})
LIMITS = Limits(tolerance=1e-6, max_latency_ms=100, max_memory_mb=50)


def check(predict, expected, *, step_s=0.001, memory_mb=10.0):
    """Check with a clock that moves on by ``step_s`` at each look."""
    ticks = itertools.count()
    return check_servable(
        predict, ROWS, expected, limits=LIMITS, clock=lambda: next(ticks) * step_s, memory_mb=lambda: memory_mb
    )


def double(rows):
    return (rows["x"] * 2).to_numpy()


def test_a_model_that_answers_as_before_is_servable():
    report = check(double, [2.0, 4.0, 6.0])

    assert report.passed
    assert (report.rows, report.max_difference, report.latency_ms, report.memory_mb) == (3, 0.0, 1.0, 10.0)


@pytest.mark.parametrize(
    ("expected", "reason"),
    [
        ([2.0, 4.0, 6.5], r"^1 of 3 golden rows differ from .* by up to 0.5; deploy.tolerance allows 1e-06$"),
        ([2.0, float("nan"), 6.0], r"^1 of 3 golden rows differ .* by up to inf"),
        ([2.0, 4.0], r"^it answers 3 values, at training time it answered 2 values$"),
        ([[0.5, 0.5]] * 3, r"^it answers 3 values, at training time it answered 3 x 2 values$"),
    ],
    ids=["another number", "a missing number", "fewer rows", "another shape"],
)
def test_other_answers_are_a_reason(expected, reason):
    report = check(double, expected)

    assert not report.passed
    (given,) = report.reasons
    assert re.search(reason, given)


def test_labels_are_compared_as_labels():
    assert check(lambda rows: ["late"] * len(rows), ["late"] * 3).passed

    report = check(lambda rows: ["late"] * len(rows), ["late", "late", "early"])
    assert report.max_difference == 1.0
    assert "1 of 3 golden rows" in report.reasons[0]


def test_every_broken_limit_is_named():
    report = check(double, [0.0, 0.0, 0.0], step_s=0.2, memory_mb=60.0)

    assert report.reasons[1:] == [
        "one row takes 200.0 ms in the median, deploy.max_latency_ms allows 100",
        "loading and predicting adds 60 MB, deploy.max_memory_mb allows 50",
    ]


def test_a_slow_model_is_known_for_one_after_few_rows():
    calls = []

    def slow(rows):
        calls.append(len(rows))
        return double(rows)

    check(slow, [2.0, 4.0, 6.0], step_s=30.0)

    assert calls == [3, 1, 1, 1, 1, 1]
