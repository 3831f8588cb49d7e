"""A promotion on trial: looks compare it with the version before, the server is asked, and the policy goes back."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from airflow_mlops.errors import ServerUnavailable
from airflow_mlops.lifecycle.bake import BakeTrial
from airflow_mlops.lifecycle.budgets import is_budget_spent, last_budgets
from airflow_mlops.lifecycle.holds import control_of
from airflow_mlops.lifecycle.server_status import ServerStatus
from airflow_mlops.spec import load_spec
from tests.conftest import ROOT, at_once
from tests.lifecycle.looks import Place, day, small_spec

BAKE = {"window": "4d", "loss": 0.02}
SLO = {
    "period": "10d",
    "quality": {"limit": 0.1, "target": 0.9},
    "freshness": {"limit": "1d"},
    "loop_time": {"limit": "1h"},
}


class Server:
    """A model server as its client shows it: what it has answered since the promotion."""

    def __init__(self, *, epoch=2, requests=100, failed=0):
        self.answered = {"since": "now", "requests": requests, "failed": failed, "not_finite": 0, "times": [[0.1, 100]]}
        self.epoch = epoch

    def status(self):
        model = {"version": "2", "epoch": self.epoch, "reason": None, "loaded": [], "answered": self.answered}
        return ServerStatus.from_dict({"server": {"version": "1", "ledger": "ok"}, "models": {"flights": model}})


class Away:
    def status(self):
        raise ServerUnavailable("the model server cannot be reached")


@pytest.fixture(scope="module")
def place(tmp_path_factory, january):
    """A good champion, and then a version that is sure of the wrong answers, looked at over two windows."""
    spec = _with(
        small_spec(at_once(load_spec(ROOT / "dags" / "specs" / "flights.yaml")), deploy={"bake": BAKE, "server": None}),
        slo=SLO,
    )
    place = Place(tmp_path_factory.mktemp("bake"), january, spec)
    place.train("good", since=day(1), until=day(3), at=day(3))
    place.promote("good", "1", at=day(3))
    place.frame["late"] = ~place.frame["late"].astype("boolean")
    place.train("bad", since=day(1), until=day(3), at=day(3.1))
    place.frame["late"] = ~place.frame["late"]
    place.promote("bad", "2", at=day(3.5))
    for now in (day(5.5), day(7.5)):
        place.look(now)
    return place


def _with(spec, **sections):
    plain = spec.model_dump(mode="json", by_alias=True) | sections
    changed = type(spec).model_validate(plain)
    changed._base_dir = spec.base_dir
    return changed


def trial(place, server=None, ledger=None):
    return BakeTrial(place.spec, ledger or place.ledger, (lambda: server) if server else None)


def test_a_look_shows_that_the_version_before_would_have_lost_less(place):
    look = place.ledger.events("flights", kind="signals")[-1]
    against = look.payload["quality"]["against"]
    assert (against["epoch"], against["version"]) == (2, "1")
    assert sum(each["served"] for each in against["days"]) > sum(each["before"] for each in against["days"])
    assert look.payload["measured"]["bake"]["verdict"] == "drifted"


def test_the_policy_goes_back_at_that_look_and_its_decision_is_for_the_bake_dag(place):
    decision = next(each for each in place.ledger.events("flights", kind="decision") if each.at == day(7.5))
    assert (decision.payload["action"], decision.payload["cause"]) == ("roll back", "bake")
    assert decision.payload["reasons"][0].startswith("the bake of version 2 broke: what serves loses +")


def test_the_trial_records_one_verdict_and_one_decision_however_often_it_judges(place):
    first, again = trial(place).judge(run="a"), trial(place).judge(run="b")
    assert first == again
    assert (first.verdict, first.version, first.goes_back, first.now) == ("broken", "2", True, day(7.5))
    assert [event.key for event in place.ledger.events("flights", kind="bake")] == ["2:broken"]
    assert place.ledger.find("flights", "decision", first.decision).payload["epoch"] == 2


def test_the_watch_ends_at_once_where_a_guard_is_broken_or_another_serves(place):
    assert trial(place).ended(2) == "a guard is broken"
    assert trial(place).ended(1) == "another version serves"


def test_a_look_records_what_is_left_of_every_budget(place):
    budgets = {budget.objective: budget for budget in last_budgets(place.ledger, "flights")}
    assert set(budgets) == {"quality", "freshness", "loop_time"}
    assert budgets["quality"].state == "spent"
    assert budgets["freshness"].state == "unknown"
    assert is_budget_spent(place.ledger, place.spec)
    assert not is_budget_spent(place.ledger, place.spec, as_of=day(4))


@pytest.fixture
def fresh(tmp_path, january, flights_spec):
    """Two promotions, and no look at the second yet."""
    place = Place(tmp_path, january, small_spec(flights_spec, deploy={"bake": BAKE, "server": None}))
    place.train("good", since=day(1), until=day(3), at=day(3))
    place.promote("good", "1", at=day(3))
    place.promote("good", "2", at=day(3.5))
    return place


def test_a_server_that_fails_breaks_a_bake_before_any_label_has_come(fresh):
    assert trial(fresh, Server()).ended(2) is None
    assert trial(fresh, Server(failed=100)).ended(2) == "a guard is broken"
    found = trial(fresh, Server(failed=100)).judge(run="a")
    assert (found.goes_back, found.now) == (True, day(3.5))
    assert "100.0% of 100 requests failed" in found.reason


@pytest.mark.parametrize("server", [None, Server(), Server(failed=100, epoch=1), Away()])
def test_a_version_holds_while_nothing_speaks_against_it(fresh, server):
    found = trial(fresh, server).judge(run="a")
    assert (found.verdict, found.goes_back, found.decision) == ("held", False, None)


def test_the_end_of_the_watch_follows_from_the_promotion(fresh):
    promotion = trial(fresh).promotion()
    assert trial(fresh).ends_at(promotion) == promotion.recorded_at + timedelta(minutes=30)


def test_a_paused_loop_does_not_go_back_by_itself_and_does_once_it_goes_on(fresh):
    pause = {"scope": "loop", "version": None, "by": "ann", "reason": "a move"}
    fresh.ledger.append("flights", "freeze", "1", {**pause, "frozen": True}, at=day(3.6))
    held = trial(fresh, Server(failed=100)).judge(run="a")
    assert (held.verdict, held.goes_back) == ("broken", False)
    fresh.ledger.append("flights", "freeze", "2", {**pause, "frozen": False}, at=day(3.7))
    assert trial(fresh, Server(failed=100)).judge(run="b").goes_back


def test_what_was_gone_back_to_is_not_on_trial(fresh):
    model = fresh.ledger.state("flights").champion.payload["model"] | {"version": "1"}
    payload = {"model": model, "cause": "rollback", "evaluation": {"gate": "none"}}
    fresh.ledger.promote("flights", "1", expected_epoch=2, payload=payload, at=day(4))
    assert trial(fresh, Server(epoch=3, failed=100)).judge(run="a").verdict == "over"
    assert "bake" not in fresh.look(day(6)).signals.measured


def test_an_answer_is_awaited_until_it_is_given_or_expires(fresh):
    spec = _with(fresh.spec, approval={"needs": ["every_training"], "expires": "1d"})
    judged = {"verdict": "pass", "id": "e3", "epoch": 2, "model_id": "good", "risks": ["every_training"]}
    fresh.ledger.append("flights", "evaluate", "e3", judged, at=day(4))
    fresh.ledger.append("flights", "register", "d3", {"version": "3", "id": "good"}, at=day(4))
    now = datetime.now(UTC)
    assert control_of(fresh.ledger, spec, clock=now).awaited == "3"
    assert control_of(fresh.ledger, spec, clock=now + timedelta(days=2)).awaited is None
    assert control_of(fresh.ledger, fresh.spec, clock=now).awaited is None
    fresh.ledger.append("flights", "approval", "3:e3", {"version": "3", "answer": "rejected"}, at=day(4))
    assert control_of(fresh.ledger, spec, clock=now).awaited is None
