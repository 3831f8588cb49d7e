"""An override: the policy in shadow decides, until somebody, or a change of the spec, gives the own one its place."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from airflow_mlops.errors import LedgerMisuse
from airflow_mlops.events import OVERRIDE
from airflow_mlops.ledger import Ledger
from airflow_mlops.lifecycle.override import in_force, override_of, use_policy
from airflow_mlops.loop.history import DECISION, SHADOW, History
from tests.lifecycle.looks import Place, day, small_spec

WHY = {"reason": "it was right for a month", "by": "ada"}
MARCH = datetime(2013, 3, 1, tzinfo=UTC)


@pytest.fixture
def ledger(tmp_path):
    return Ledger(f"sqlite:///{tmp_path}/ledger.db")


@pytest.fixture
def spec(flights_spec):
    """By its own policy nothing is asked for; the one in shadow chooses among versions."""
    return with_shadow(flights_spec)


def with_shadow(spec, **retrain):
    return small_spec(spec, retrain={"policy": {"kind": "schedule"}, "shadow": {"kind": "committee"}, **retrain})


def in_place(ledger, spec):
    return override_of(ledger.state(spec.name), spec)


def test_an_override_is_one_event_with_who_and_why(ledger, spec):
    event = use_policy(ledger, spec, "shadow", at=MARCH, **WHY)

    assert (event.kind, event.payload["kinds"]) == (OVERRIDE, {"own": "schedule", "shadow": "committee"})
    assert in_place(ledger, spec).to_dict() == {**WHY, "since": MARCH.isoformat()}


def test_what_is_so_already_keeps_its_first_reason(ledger, spec):
    assert use_policy(ledger, spec, "own", at=MARCH, **WHY) is None
    use_policy(ledger, spec, "shadow", at=MARCH, **WHY)

    assert use_policy(ledger, spec, "shadow", at=MARCH, reason="once more", by="bob") is None
    assert in_place(ledger, spec).by == "ada"


def test_the_specs_own_policy_gets_its_place_back_and_may_lose_it_again(ledger, spec):
    for policy in ("shadow", "own", "shadow"):
        use_policy(ledger, spec, policy, at=MARCH, **WHY)

    assert [event.payload["policy"] for event in ledger.events(spec.name, kind=OVERRIDE)] == ["shadow", "own", "shadow"]
    assert in_place(ledger, spec) is not None


def test_an_override_ends_with_a_change_of_the_retrain_section_and_with_no_other(ledger, spec):
    use_policy(ledger, spec, "shadow", at=MARCH, **WHY)

    assert in_place(ledger, spec.model_copy(update={"owner": "another team"})) is not None
    changed = with_shadow(spec, shadow={"kind": "committee", "price": 3})
    assert in_place(ledger, changed) is None
    assert in_force(changed, None) is changed
    assert use_policy(ledger, changed, "shadow", at=MARCH, **WHY) is not None


@pytest.mark.parametrize(
    ("policy", "reason", "told"),
    [
        ("shadow", "why not", "gives no retrain.shadow"),
        ("shadow", " ", "say why"),
        ("other", "why not", "say 'shadow'"),
    ],
)
def test_what_cannot_be_is_refused_in_a_sentence(ledger, flights_spec, policy, reason, told):
    with pytest.raises(LedgerMisuse, match=told):
        use_policy(ledger, small_spec(flights_spec), policy, at=MARCH, reason=reason, by="ada")


def test_under_an_override_the_shadow_decides_and_the_own_policy_only_records(tmp_path, january, spec):
    place = Place(tmp_path, january, spec)
    place.train("poor", since=day(1), until=day(1.5), at=day(3), holdout=day(3))
    place.promote("poor", "1", at=day(3))
    place.train("good", since=day(1), until=day(3), at=day(3))
    before = place.look(day(5))

    use_policy(place.ledger, spec, "shadow", at=day(5), **WHY)
    override = in_place(place.ledger, spec)
    after = place.look(day(5), spec=in_force(spec, override), override=override)

    assert (before.decision.action, before.shadow.action) == ("warn", "re-weigh")
    assert (after.decision.action, after.shadow.action) == ("re-weigh", "warn")
    assert before.key != after.key
    told = place.ledger.find(spec.name, DECISION, after.key).payload["policy"]
    assert told == {"section": "shadow", "kind": "committee", "override": {**WHY, "since": day(5).isoformat()}}
    assert place.ledger.find(spec.name, SHADOW, after.key).payload["policy"]["section"] == "policy"
    assert place.ledger.find(spec.name, DECISION, before.key).payload["policy"]["override"] is None


def test_what_a_policy_read_stays_its_own_whichever_of_the_two_decided(ledger):
    age = {"age": {"name": "age", "value": 1.0}}
    drift = {"data_drift": {"name": "data_drift", "value": 0.5}}
    swapped = {DECISION: {"section": "shadow"}, SHADOW: {"section": "policy"}}
    for at, kinds in ((day(1), {DECISION: None, SHADOW: None}), (day(2), swapped)):
        for kind, told in kinds.items():
            read = age if (kind == DECISION) is (told is None) else drift
            ledger.append("flights", kind, str(at), {"readings": read, "policy": told}, at=at)

    history = History.of(ledger.events("flights"))

    assert [list(each.signals) for each in history.readings] == [["age"], ["age"]]
    assert [list(each.signals) for each in history.shadow_readings] == [["data_drift"], ["data_drift"]]
