"""What the server counts of the version that answers, for the trial of its promotion."""

from __future__ import annotations

import pytest

from airflow_mlops.lifecycle.server_status import Answered
from airflow_mlops.serving.metrics import Tally, all_finite
from tests.serving.conftest import in_process, until
from tests.serving.small_models import ROW

ASKED = {"dataframe_records": [ROW]}


def answered(client):
    return Answered.from_dict(client.get("/status").json()["models"]["flights"]["answered"])


def test_requests_of_the_champion_are_counted_and_begin_anew_with_the_next(champion):
    with in_process(champion) as client:
        client.post("/invocations", json=ASKED)
        client.post("/invocations", json={})
        counted = answered(client)
        assert (counted.requests, counted.failed, counted.times[-1]) == (2, 0, (30.0, 2))

        champion.promote(champion.add())
        until(lambda: client.get("/status").json()["models"]["flights"]["epoch"] == 2)
        assert answered(client).requests == 0
        client.post("/models/flights/versions/1/invocations", json=ASKED)
        assert answered(client).requests == 0, "the version before answers by its name, and is not on trial"


def test_what_the_client_did_wrong_is_no_failure_and_an_answer_that_is_not_finite_is_one():
    tally = Tally(1)
    for status, is_finite in ((200, True), (400, True), (500, True), (504, True), (200, False)):
        tally.count(status, 0.02, is_finite=is_finite)
    counted = Answered.from_dict(tally.to_dict())
    assert (counted.requests, counted.failed, counted.not_finite) == (5, 3, 1)


@pytest.mark.parametrize(
    ("answer", "is_finite"),
    [
        ([0.1, 0.2], True),
        ([0.1, float("nan")], False),
        ([[0.1, 0.9], [float("inf"), 0.0]], False),
        (["late", "on time"], True),
        ([], True),
    ],
)
def test_only_numbers_can_be_not_finite(answer, is_finite):
    assert all_finite(answer) is is_finite


def test_slow_requests_are_those_beyond_the_next_counted_time():
    tally = Tally(1)
    for seconds in (0.0005, 0.02, 0.06, 0.2, 60.0):
        tally.count(200, seconds, is_finite=True)
    counted = Answered.from_dict(tally.to_dict())
    assert [counted.slower_than(limit) for limit in (0.05, 0.06, 0.1, 40.0)] == [3, 2, 2, 0]
