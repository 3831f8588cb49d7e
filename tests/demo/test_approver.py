"""The demonstration's approver answers as a person does: not before the evidence could be read."""

from __future__ import annotations

from datetime import UTC, datetime

from airflow_mlops.demo.airflow_api import RunState, TaskState
from airflow_mlops.demo.approver import READING_S, answering
from airflow_mlops.demo.runs import RETRAIN, Told

DAG, RUN, TASK = "flights_retrain", "manual__1", "approve"


class Answers:
    """An Airflow that remembers what was approved."""

    def __init__(self) -> None:
        self.given: list[tuple[str, str, str]] = []

    def approve(self, dag_id: str, run_id: str, task_id: str, *, reason: str) -> None:
        assert reason
        self.given.append((dag_id, run_id, task_id))


def told(state, tries=1):
    task = TaskState(TASK, state, None, None, None, tries, TASK)
    return Told(RETRAIN, RunState(DAG, RUN, "running", datetime(2013, 3, 1, tzinfo=UTC), None, (task,)))


def looks(*seen):
    """Look at the states one after the other, each at its second; return what was approved after each look."""
    api, now = Answers(), [0.0]
    look = answering(api, lambda _: None, clock=lambda: now[0])
    counts = []
    for second, run in seen:
        now[0] = second
        look(run)
        counts.append(len(api.given))
    assert set(api.given) <= {(DAG, RUN, TASK)}
    return counts


def test_an_answer_is_given_once_the_evidence_could_be_read():
    waits = told("awaiting_input")

    assert looks((0, told("running")), (1, waits), (READING_S, waits), (1 + READING_S, waits)) == [0, 0, 0, 1]


def test_a_try_that_asks_anew_is_read_anew():
    assert looks((0, told("awaiting_input")), (READING_S, told("awaiting_input", tries=2))) == [0, 0]
