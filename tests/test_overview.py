"""The overview of a model: what a row of the list says, folded from its events."""

from __future__ import annotations

import json
from copy import deepcopy
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_mlops.events import Event
from airflow_mlops.overview import NEEDS_PERSON, STATES, advance, begun, state_of
from airflow_mlops.overview.fold import _CHANGES

START = datetime(2013, 3, 1, tzinfo=UTC)
DAY = timedelta(days=1)

TRAINED = ("train", {"id": "m2"})
PASSED = ("evaluate", {"id": "e2", "model_id": "m2", "gate": "full", "verdict": "pass"})
REGISTERED = ("register", {"id": "m2", "version": "2", "evaluation": "e2"})
PROMOTED = ("promotion", {"version": "2", "model": {"id": "m2"}, "evaluation": {"id": "e2"}, "cause": None})
FIRST = ("promotion", {"version": "1"})
ASKED = ("approval", {"version": "2", "answer": "asked", "evaluation": "e2"})
OPENED = ("request", {"action": "retrain", "cause": "decision", "reason": "it has lost 0.4"})
DECIDED = ("decision", {"action": "nothing", "reasons": ["it holds"], "held_by": None})
CHECK_FAILED = ("validate", {"ref": {"verdict": "failed", "summary": {"worst": [{"message": "half is null"}]}}})
SPENT = ("slo", {"objectives": [{"objective": "freshness", "left": -0.5, "state": "spent"}]})


def event(seq, kind, payload, *, run="r"):
    """Return an event of the day of its number."""
    at = START + seq * DAY
    epoch = seq if kind == "promotion" else None
    return Event("m", seq, kind, f"k{seq}", at, at, run, epoch, payload, "", "")


def told(*facts):
    """Return the overview after these facts, one a day."""
    overview = begun()
    for seq, (kind, payload) in enumerate(facts, start=1):
        overview = advance(overview, event(seq, kind, payload))
    return overview


def looked(loss=0.5, share=0.1, *, end=None, **more):
    """Return the signals of a look."""
    window = {"end": (end or START).isoformat(), "loss": loss, "metric": "log_loss", "maturity": 0.9}
    measured = {
        "quality": {"limit": 0.8, "verdict": "stable"},
        "data_drift": {"value": share, "limit": 0.5, "verdict": "stable"},
        "freshness": {"value": 0.1, "limit": 0.2, "verdict": "stable"},
    }
    return "signals", {"quality": window, "measured": measured, "data_check": "passed", **more}


def test_before_the_first_event_nothing_serves():
    assert state_of(begun()) == ("no champion", "no version was promoted yet")


def test_a_training_is_followed_from_the_fit_to_the_promotion():
    facts, stages = [FIRST], []
    for fact in (TRAINED, PASSED, REGISTERED, ASKED):
        facts.append(fact)
        found = told(*facts)["challenger"]
        stages.append((found["version"], found["stage"]))
    after = told(*facts, ("approval", {"version": "2", "answer": "approved"}), PROMOTED)

    assert stages == [(None, "trained"), (None, "passed"), ("2", "passed"), ("2", "awaiting approval")]
    assert (after["challenger"], after["approval"], after["serving"]["version"]) == (None, None, "2")
    assert [(mark["version"], mark["outcome"]) for mark in after["curves"]["retrains"]] == [("2", "promoted")]


@pytest.mark.parametrize(
    "refusal",
    [
        ("evaluate", {"id": "e2", "model_id": "m2", "gate": "full", "verdict": "fail"}),
        ("approval", {"version": "2", "answer": "rejected"}),
        ("deploy", {"version": "2", "outcome": "refused"}),
    ],
    ids=["gate", "person", "deploy"],
)
def test_whoever_refuses_a_challenger_ends_its_training(refusal):
    before = [] if refusal[0] == "evaluate" else [PASSED, REGISTERED, ASKED]
    overview = told(FIRST, OPENED, TRAINED, *before, refusal)

    assert overview["challenger"]["stage"] == "refused"
    assert [mark["outcome"] for mark in overview["curves"]["retrains"]] == ["refused"]
    assert (overview["request"], overview["approval"]) == (None, None)


def test_a_rollback_meanwhile_does_not_end_a_training():
    overview = told(FIRST, OPENED, ("promotion", {"version": "0", "cause": "rollback"}))

    assert overview["request"]["action"] == "retrain"
    assert overview["serving"]["cause"] == "rollback"


def test_a_model_that_was_trained_again_is_no_challenger_once_it_serves():
    overview = told(FIRST, TRAINED, PASSED, REGISTERED, PROMOTED, TRAINED, PASSED, PROMOTED)

    assert (overview["serving"]["version"], overview["challenger"]) == ("2", None)


def test_a_run_that_finds_nothing_to_do_opens_no_request():
    assert told(FIRST, ("request", {"cause": None, "reason": "nothing to do"}))["request"] is None


def test_nobody_is_waited_for_once_another_version_came_back():
    back = ("promotion", {"version": "1", "cause": "rollback"})
    overview = told(FIRST, TRAINED, PASSED, REGISTERED, ASKED, back)

    assert (overview["challenger"]["stage"], overview["approval"]) == ("passed", None)


def test_a_shadow_is_the_challenger_until_its_role_is_another():
    given_role = ("role", {"version": "3", "role": "shadow"})

    assert told(FIRST, given_role)["challenger"]["stage"] == "shadow"
    assert told(FIRST, given_role, ("role", {"version": "3", "role": "candidate"}))["challenger"] is None


def test_of_many_windows_the_last_forty_are_kept_in_the_order_of_time():
    ends = [START + day * DAY for day in range(60)]
    overview = told(*(looked(loss=0.001 * day, end=end) for day, end in enumerate(reversed(ends))))
    quality = overview["curves"]["quality"]

    assert quality["at"] == [end.isoformat() for end in ends[-40:]]
    assert len(overview["curves"]["drift"]["values"]) == 40


def test_a_window_measured_again_replaces_what_was_measured_first():
    again = {"end": START.isoformat(), "loss": 0.7, "metric": "log_loss"}
    overview = told(looked(0.5), looked(0.6, end=START + 7 * DAY, reopened=[again]))

    assert overview["curves"]["quality"]["values"] == [0.7, 0.6]


def test_another_metric_begins_another_curve():
    kind, payload = looked()
    payload["quality"] |= {"metric": "brier", "loss": 0.2}
    overview = told(looked(0.5), (kind, payload))

    assert overview["curves"]["quality"]["metric"] == "brier"
    assert len(overview["curves"]["quality"]["values"]) == 1


def test_the_worst_budget_is_told_and_a_late_run_changes_nothing():
    objectives = [
        {"objective": "quality", "left": 0.4, "state": "ok"},
        {"objective": "latency", "left": 0.1, "state": "page"},
        {"objective": "loop_time", "left": None, "state": "unknown"},
    ]
    overview = told(FIRST, ("slo", {"objectives": objectives}), ("slo", {"late": "m_retrain", "limit": "2h"}))

    assert (overview["budget"]["objective"], overview["budget"]["left"]) == ("latency", 0.1)


FROZEN = ("freeze", {"scope": "promotions", "frozen": True, "by": "ada", "reason": "holidays"})
PAUSED = ("freeze", {"scope": "loop", "frozen": True, "by": "ada", "reason": "an audit"})


@pytest.mark.parametrize(
    ("facts", "state", "why"),
    [
        ([FIRST, CHECK_FAILED], "data blocked", "the data check of 2013-03-03 00:00 did not pass: half is null"),
        ([FIRST, ASKED], "needs approval", "v2 waits for a person's approval since 2013-03-03 00:00"),
        ([FIRST, SPENT], "budget spent", "the error budget of freshness is spent"),
        ([FIRST, ("decision", {"action": "call", "reasons": ["look at it"]})], "needs a person", "look at it"),
        ([FIRST, PAUSED], "paused", "the loop is paused by ada since 2013-03-03 00:00 (an audit)"),
        ([FIRST, FROZEN], "frozen", "promotions are frozen by ada since 2013-03-03 00:00 (holidays)"),
        ([FIRST, OPENED], "retraining", "a run is at it since 2013-03-03 00:00 (retrain): it has lost 0.4"),
        ([FIRST, ("decision", {"action": "warn", "reasons": ["it moved"]})], "watching", "it moved"),
        ([FIRST, DECIDED], "healthy", "it holds"),
        ([FIRST], "healthy", "nothing was decided yet"),
    ],
)
def test_the_state_says_why(facts, state, why):
    assert state_of(told(*facts)) == (state, why)


def test_what_needs_a_person_is_said_before_anything_else():
    everything = [FIRST, OPENED, PAUSED, FROZEN, SPENT, ASKED, CHECK_FAILED]
    found = [state_of(told(*everything[:count]))[0] for count in range(1, len(everything) + 1)]

    assert [STATES.index(state) for state in found] == sorted((STATES.index(state) for state in found), reverse=True)
    assert set(found[-3:]) <= set(NEEDS_PERSON)


def test_sound_data_and_an_answer_end_their_states():
    passed = ("validate", {"ref": {"verdict": "passed", "summary": {}}})
    answered = ("approval", {"version": "2", "answer": "approved"})
    unpaused = ("freeze", {"scope": "loop", "frozen": False, "by": "ada", "reason": "done"})

    assert state_of(told(FIRST, CHECK_FAILED, ASKED, PAUSED, passed, answered, unpaused))[0] == "healthy"


FIELDS = [
    *("version", "id", "model", "evaluation", "answer", "scope", "frozen", "role", "quality", "end"),
    *("loss", "metric", "measured", "data_drift", "value", "limit", "reopened", "objectives", "left", "state"),
    *("ref", "verdict", "summary", "worst", "message", "reasons", "action", "cause", "outcome", "data_check"),
]
leaves = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.just("x" * 5000)
json_values = st.recursive(
    leaves,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(FIELDS), inner, max_size=6),
    max_leaves=20,
)
payloads = st.dictionaries(st.text(max_size=4), json_values, max_size=3) | json_values.filter(
    lambda value: isinstance(value, dict)
)


@settings(max_examples=50)
@given(st.lists(st.tuples(st.sampled_from([*sorted(_CHANGES), "ingest", "new"]), payloads), max_size=12))
def test_whatever_is_on_record_the_fold_goes_on_and_stays_small_and_plain(facts):
    overview = begun()
    for seq, (kind, payload) in enumerate(facts, start=1):
        before = deepcopy(overview)
        after = advance(overview, event(seq, kind, payload))
        assert overview == before
        overview = after

    assert json.loads(json.dumps(overview, allow_nan=False)) == overview
    assert len(json.dumps(overview)) < 20_000
    assert state_of(overview)[0] in STATES


def test_a_long_life_fits_in_eight_kilobytes():
    long = "the quality fell because " + "so much moved " * 200
    overview = begun()
    for seq in range(1, 600):
        name = f"{seq:016x}"
        kind, payload = [
            ("train", {"id": name}),
            ("evaluate", {"id": f"e{name}", "model_id": name, "gate": "full", "verdict": "fail"}),
            looked(0.123456789, 0.123456789, end=START + seq * DAY),
            ("decision", {"action": "warn", "reasons": [long]}),
            ("request", {"action": "retrain", "cause": "decision", "reason": long}),
        ][seq % 5]
        overview = advance(overview, event(seq, kind, payload))
    overview.pop("tally")

    assert len(overview["curves"]["retrains"]) == 20
    assert len(json.dumps(overview, separators=(",", ":"))) < 8_000


def test_a_drill_does_not_begin_a_champions_service_anew():
    drilled = ("promotion", {"version": "1", "cause": "drill"})
    restored = ("promotion", {"version": "2", "cause": "drill"})

    during, after = told(FIRST, PROMOTED, drilled)["serving"], told(FIRST, PROMOTED, drilled, restored)["serving"]

    assert (during["version"], during["cause"]) == ("1", "drill")
    assert after == {**told(FIRST, PROMOTED)["serving"], "epoch": 4}
