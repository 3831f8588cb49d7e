from __future__ import annotations

import io

import pytest
from rich.console import Console

from airflow_mlops.demo import calendar, summary
from airflow_mlops.demo.improvement import Improvement, Paired, Served
from airflow_mlops.demo.records import promotions_of, weeks_of
from airflow_mlops.demo.sentences import answered, blocked, improved, looked, sentence
from airflow_mlops.demo.traffic import Answers
from tests.demo.conftest import START

CHANGE = Improvement("2", "1", START, Served(0.8, 900), Served(0.42, 950), Paired(-0.03, -0.05, -0.01, 950, 28))


def test_a_quiet_week_is_one_line(told):
    quiet = weeks_of(told.events)[0]
    answers = Answers(6123, 13, frozenset({("1", 1)}))

    assert looked(calendar.week(0), quiet, answers).strip() == (
        "1 March  6,123 answers by version 1; log loss 0.450 on 90 of 100 flights whose label is due; nothing"
    )


def test_a_training_is_said_with_its_reasons_and_its_end(told):
    bad, serving = weeks_of(told.events)[1], promotions_of(told.events)[-1]

    assert looked(calendar.week(1), bad, None).endswith("retrain: excess loss 0.9 is above 0.8")
    assert answered(bad, serving).strip() == "promoted: version 2 answers, 20 s after the decision"


def test_a_block_is_said_with_what_is_wrong_and_that_nothing_was_trained(told):
    found = weeks_of(told.events)[2]

    assert blocked(calendar.week(2), found).strip() == (
        "15 March  BLOCKED, and no training was asked for: data blocked: distance in another unit"
    )


def test_an_improvement_is_said_with_its_interval():
    assert improved(CHANGE) == (
        "version 2 against version 1 on the same 950 flights of 28 days: log loss -0.0300 "
        "(from -0.0500 to -0.0100, each bound at 95%, whole days resampled)"
    )


@pytest.mark.parametrize(
    ("ref", "said"),
    [
        ({"action": "warn", "reasons": ["half of the columns moved"]}, "warn: half of the columns moved"),
        ({}, ""),
    ],
    ids=["a decision", "a task that has not ended"],
)
def test_a_decision_task_is_said_by_action_and_reasons(ref, said):
    assert sentence("decide", ref) == said


def test_the_tables_name_versions_decisions_quality_and_time_to_serving(told):
    out = Console(file=io.StringIO(), width=140)
    out.print(summary.versions(promotions_of(told.events), [CHANGE]))
    out.print(summary.decisions(weeks_of(told.events)))
    text = out.file.getvalue()

    for words in ("started by hand", "0.800 -> 0.420", "20 s", "excess loss 0.9 is above 0.8", "promoted", "blocked"):
        assert words in text
    assert "0.450" not in text
