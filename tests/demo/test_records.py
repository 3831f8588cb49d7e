from __future__ import annotations

from datetime import timedelta

from airflow_mlops.demo.records import promotions_of, weeks_of
from tests.demo.conftest import MODEL, START


def test_each_decision_is_a_week_with_what_was_measured(told):
    quiet, bad, blocked, mended = weeks_of(told.events)

    assert (quiet.loss, quiet.labelled, quiet.rows, quiet.version, quiet.action) == (0.45, 90, 100, "1", "nothing")
    assert (bad.action, bad.reasons, bad.outcome) == ("retrain", ("excess loss 0.9 is above 0.8",), "promoted")
    assert blocked.is_blocked
    assert (blocked.loss, blocked.faults, blocked.held_by) == (None, ("distance: other unit",), "data check")
    assert (mended.now, mended.is_blocked, mended.version) == (blocked.now, False, "2")


def test_a_refused_challenger_is_how_a_training_ended(told):
    at = START + timedelta(weeks=4)
    told.look(4, loss=0.9, action="retrain", reason="too much", version="2")
    assert weeks_of(told.events)[-1].outcome is None

    told.ledger.append(MODEL, "evaluate", "e1", {"verdict": "fail"}, at=at)

    assert weeks_of(told.events)[-1].outcome == "refused"


def test_a_promotion_knows_the_decision_that_asked_for_it_and_how_long_it_took(told):
    first, second = promotions_of(told.events)

    assert (first.version, first.epoch, first.since, first.reasons, first.seconds) == ("1", 1, START, (), None)
    assert (second.version, second.epoch) == ("2", 2)
    assert second.reasons == ("excess loss 0.9 is above 0.8",)
    # Two records after the decision, ten seconds each.
    assert second.seconds == 20
