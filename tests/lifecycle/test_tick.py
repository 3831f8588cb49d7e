"""Looks of the policies that choose among versions: what is decided, held, recorded, and only told in shadow."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.lifecycle.looks import Place, day, small_spec

if TYPE_CHECKING:
    from airflow_mlops.spec import ModelSpec

KEYS = {"action", "weights", "correction", "tree", "readings", "counterfactual", "held_by"}


@pytest.fixture
def place(tmp_path, january, flights_spec):
    """A champion of half a day, and a better version of two whole days, neither seen by looks from the third on."""
    place = Place(tmp_path, january, small_spec(flights_spec))
    place.train("poor", since=day(1), until=day(1.5), at=day(3), holdout=day(3))
    place.promote("poor", "1", at=day(3))
    place.train("good", since=day(1), until=day(3), at=day(3))
    return place


def with_policy(place, policy, shadow=None) -> ModelSpec:
    return small_spec(place.spec, retrain={"policy": policy, "shadow": shadow})


def events(place, kind):
    return place.ledger.events("flights", kind=kind)


def test_a_committee_is_weighed_anew_by_what_its_members_would_have_lost(place):
    found = place.look(day(5))

    losses = found.signals.quality.by_member
    assert losses["good"].loss < losses["poor"].loss
    assert found.decision.action == "re-weigh"
    assert found.decision.weights["good"] > found.decision.weights["poor"] > 0
    assert sum(found.decision.weights.values()) == pytest.approx(1)


def test_a_single_version_is_elected_anew(place):
    found = place.look(day(5), spec=with_policy(place, {"kind": "single", "margin": 0.0}))
    assert (found.decision.action, found.decision.weights) == ("re-elect", {"good": 1.0})


def test_a_rule_of_ones_own_asks_for_a_training_with_its_window(place):
    rule = {"any": [{"signal": "age", "at_least": 1}, {"signal": "data_drift", "verdict": "drifted"}]}
    policy = {"kind": "rules", "train": rule, "windows": ["recent"], "shortest": 0}
    found = place.look(day(5), spec=with_policy(place, policy)).decision
    assert (found.action, found.window) == ("retrain", "recent")
    assert "age is 1" in found.reasons[0]


def test_without_a_champion_a_training_is_asked_for(tmp_path, january, flights_spec):
    new = Place(tmp_path, january, small_spec(flights_spec))
    found = new.look(day(5)).decision
    assert (found.action, found.window) == ("retrain", "all")
    assert found.reasons == ("no version serves this model: there is no champion",)


@pytest.mark.parametrize("kind", ["committee", "single"])
def test_a_failed_data_check_holds_whatever_a_policy_wishes(place, kind):
    found = place.look(day(5), spec=with_policy(place, {"kind": kind}), verdict="failed")

    assert (found.decision.action, found.decision.held_by) == ("warn", "data check")
    assert "temp is in another unit" in found.decision.reasons[0]
    assert found.decision.weights == {}
    assert found.signals.measured["data_quality"].verdict == "drifted"
    assert found.signals.quality is None
    # That these rows were stopped is no reason where they are not.
    assert "With rows that pass the data check it would be 'nothing'" in found.decision.counterfactual
    assert "data_quality is drifted" not in found.decision.counterfactual


def test_in_quiet_hours_no_training_is_asked_for(place):
    policy = {
        "kind": "rules",
        "train": {"signal": "age", "at_least": 1},
        "shortest": 0,
        "quiet_hours": [22, 6],
    }
    spec = with_policy(place, policy)
    assert place.look(day(5), spec=spec, hour=23).decision.held_by == "quiet hours"
    assert place.look(day(7), spec=spec, hour=12).decision.action == "retrain"


def test_everything_a_decision_rests_on_is_on_record_also_of_nothing(place):
    spec = with_policy(place, {"kind": "committee", "tolerance": 1.0, "correction": None})

    found = place.look(day(5), spec=spec)

    [event] = events(place, "decision")
    assert found.decision.action in ("nothing", "warn")
    assert set(event.payload) >= KEYS
    assert event.payload["tree"]["train"]["value"] is False
    assert event.payload["tree"]["train"]["of"][0]["of"][0]["rule"].startswith("excess_loss at least")
    assert event.payload["readings"]["quality"]["value"] == found.signals.quality.loss
    assert event.payload["counterfactual"].startswith("Would train")


def test_a_look_that_is_repeated_finds_what_it_decided(place):
    spec = with_policy(place, {"kind": "committee"}, shadow={"kind": "single"})
    first = place.look(day(5), spec=spec)
    place.train("later", since=day(1), until=day(3), at=day(4))

    again = place.look(day(5), spec=spec, run="another")

    assert again.to_dict() == first.to_dict()
    assert again.first_run == "monitor"


def test_a_policy_in_shadow_decides_on_the_same_facts_and_only_records(place):
    shadow = {"kind": "rules", "train": {"signal": "age", "at_least": 1}, "shortest": 0}
    spec = with_policy(place, {"kind": "committee"}, shadow=shadow)

    found = place.look(day(5), spec=spec)

    [decision], [shadowed] = events(place, "decision"), events(place, "shadow_decision")
    assert (decision.key, decision.payload["action"]) == (found.key, "re-weigh")
    assert (shadowed.key, shadowed.payload["action"]) == (found.key, "retrain")
    assert found.shadow.action == "retrain"
    assert shadowed.payload["readings"]["quality"] == decision.payload["readings"]["quality"]


def test_another_policy_in_shadow_is_another_look(place):
    plain = place.look(day(5))
    shadowed = place.look(day(5), spec=with_policy(place, {"kind": "committee"}, shadow={"kind": "schedule"}))
    assert plain.key != shadowed.key
    assert shadowed.shadow.action in ("nothing", "warn")


def test_a_committee_in_shadow_is_weighed_beside_another_policy(place):
    shadow = {"kind": "committee"}
    found = place.look(day(5), spec=with_policy(place, {"kind": "excess_loss"}, shadow=shadow))
    assert found.decision.weights == {}
    assert found.shadow.weights["good"] > 0


def test_verdicts_are_measured_with_intervals_and_windows(place):
    measured = place.look(day(5)).signals.measured
    assert set(measured) == {
        *("data_quality", "freshness", "data_drift", "prediction_drift", "quality", "estimated_quality"),
    }
    quality = measured["quality"]
    assert (quality.start, quality.end) == (day(3), day(5))
    assert quality.low < quality.value < quality.high
    assert quality.maturity > 0.9
