"""Every kind of event is told as a sentence, whatever its payload holds."""

from __future__ import annotations

import re

import pytest

from airflow_mlops import events
from airflow_mlops.events import Event
from airflow_mlops.loop.told import PEOPLE, tell
from tests.conftest import utc

MARCH = utc("2013-03-01T05:00:00")
SPAN = {"start": "2013-02-20T00:00:00+00:00", "end": "2013-03-01T00:00:00+00:00"}

TOLD = [
    ("ingest", {"rows": 8117, "part": "rows", **SPAN}, "Rows came in: 8,117 rows from 2013-02-20 to 2013-03-01."),
    ("ingest", {"rows": 1, "part": "labels"}, "Labels came in: 1 row."),
    (
        "validate",
        {"ref": {"verdict": "failed", "summary": {"rows": 10, "critical": 2, "warning": 0, "quarantined": 4}}},
        "The data check of 10 rows says failed (2 critical); 4 rows put in quarantine.",
    ),
    ("features", {"rows": 9, "holdout_rows": 3}, "Features were made of 9 rows, 3 rows held out."),
    ("train", {"id": "a", "rows": 9, "estimator": "sklearn.Forest"}, "A model was trained on 9 rows (Forest)."),
    ("weigh", {"members": {"a": 0.5, "b": 0.5}}, "A committee of 2 members was weighed."),
    ("weigh", {"correction": {"slope": 1}}, "A correction of the champion's answers was fitted."),
    (
        "evaluate",
        {"verdict": "fail", "gate": "full", "champion_version": "1"},
        "The full gate judged a challenger against v1: fail.",
    ),
    ("register", {"version": "3"}, "v3 was registered."),
    ("deploy", {"version": "3", "outcome": "done", "epoch": 4}, "v3 is served since epoch 4."),
    ("deploy", {"version": "3", "outcome": "strange"}, "Deploy of v3: strange."),
    (
        "drift",
        {"verdict": "drifted", "summary": {"drifted_columns": 9, "compared_columns": 16}},
        "Drift report: drifted (9 of 16 columns).",
    ),
    (
        "signals",
        {"measured": {"quality": {"verdict": "stable"}, "data_drift": {"verdict": "drifted"}}},
        "2 signals were measured, drifted: data drift.",
    ),
    ("decision", {"action": "warn", "held_by": "data check"}, "Decision: warn, held by data check."),
    ("decision", {"action": "nothing"}, "Nothing to do."),
    ("shadow_decision", {"action": "retrain"}, "The policy in shadow would have decided: retrain."),
    ("request", {"cause": "person", "action": "retrain"}, "A run began to retrain: a person asked for it."),
    ("request", {"cause": None}, "The retrain run found nothing to do."),
    ("promotion", {"version": "3", "cause": "retrain"}, "v3 became champion (retrain)."),
    ("promotion", {"version": "2", "cause": "rollback"}, "v2 became champion again by a rollback."),
    (
        "promotion",
        {"version": "2", "cause": "drill", "drill": {"leg": "back"}},
        "v2 became champion again, the drill being over.",
    ),
    ("bake", {"version": "2", "verdict": "held"}, "The watch after the promotion of v2: held."),
    (
        "slo",
        {
            "objectives": [
                {"objective": "loop_time", "left": 0.5, "state": "ok"},
                {"objective": "quality", "left": -1.0},
            ]
        },
        "Error budgets: loop time 50% left, quality spent.",
    ),
    ("slo", {"late": "flights_retrain", "limit": "2h"}, "A run of flights_retrain takes longer than the 2h promised."),
    ("approval", {"version": "2", "answer": "rejected"}, "v2 was rejected."),
    ("approval", {"version": "2", "answer": "automatic"}, "v2 was let through without asking anybody."),
    ("freeze", {"scope": "version", "version": "2", "frozen": True}, "v2 was frozen."),
    ("freeze", {"scope": "promotions", "frozen": False}, "Promotions were unfrozen."),
    ("freeze", {"scope": "loop", "frozen": False}, "The loop goes on after a pause."),
    ("role", {"version": "2", "role": "shadow"}, "v2 was given the role shadow."),
    (
        "override",
        {"policy": "shadow", "kinds": {"shadow": "excess_loss", "own": "age"}},
        "The policy in shadow (excess loss) decides from now on, until the spec changes.",
    ),
    ("override", {"policy": "own"}, "The policy of the spec decides again."),
    ("rollback", {"replaced": "3", "to": "2", "outcome": "asked"}, "A rollback from v3 to v2 was asked for."),
    ("rollback", {"outcome": "refused"}, "A rollback was refused."),
    (
        "hand_change",
        {"alias": "champion", "shown": None, "ledger": "1", "settled": "restore"},
        "MLflow's alias champion was changed by hand: on no version, the ledger says v1; it is set back.",
    ),
    (
        "drill",
        {"version": "1", "replaced": "2", "seconds": {"total": 1.617}, "limit_s": 10.0, "verdict": "held"},
        "A drill went back from v2 to v1 in 1.62 s (10 s may be): held.",
    ),
    ("reproduction", {"sentence": "version 1 is the same in every byte"}, "version 1 is the same in every byte."),
    (
        "transfer",
        {"version": "1", "source": {"version": "7"}},
        "v1 came from another ledger, where it is v7.",
    ),
    (
        "retention",
        {"deleted": [{"kind": "model"}, {"kind": "model"}, {"kind": "report"}]},
        "Retention deleted 2 of kind model, 1 of kind report.",
    ),
    (
        "clock",
        {"behind_s": 7200},
        "The clock of writing was set back by 2.0 h; later times of writing count from here.",
    ),
    ("notice", {"target": "team", "told": []}, "team is told from here on what goes wrong."),
    ("notice", {"target": "team", "told": ["drift:3|open"]}, "team was told of one thing."),
    (
        "notice",
        {"target": "team", "told": ["drift:3|open", "drift:3|closed"], "day": "2013-03-01"},
        "team was told of 2 things, in the digest of 2013-03-01.",
    ),
    ("score", {"version": "2", "rows": 970}, "v2 scored a batch of 970 rows."),
    ("backtest", {"summary": {"a": {}}}, "A backtest of 1 policy was made."),
]

# As the events' own page lists them.
KINDS = re.findall(r"[a-z_]+", " ".join(re.findall(r"``([a-z_ \n]+)``", events.__doc__ or "")))


def event(kind, payload):
    return Event("flights", 1, kind, "key", MARCH, MARCH, None, None, payload, "", "")


@pytest.mark.parametrize(
    ("kind", "payload", "sentence"), TOLD, ids=[f"{kind}{place}" for place, (kind, *_) in enumerate(TOLD)]
)
def test_an_event_is_told_as_a_sentence(kind, payload, sentence):
    assert tell(event(kind, payload)).what == sentence


def test_no_kind_of_event_is_left_out():
    assert set(KINDS) <= {kind for kind, *_ in TOLD}


@pytest.mark.parametrize("kind", sorted({*KINDS, "score", "backtest", "unheard_of"}))
@pytest.mark.parametrize("payload", [{}, {"version": None, "objectives": None}], ids=["empty", "null"])
def test_a_payload_without_facts_is_told_too(kind, payload):
    assert tell(event(kind, payload)).what.endswith(".")


@pytest.mark.parametrize(
    ("payload", "who", "is_person"),
    [
        ({"by": "ada"}, "ada", True),
        ({"by": ["ada", "bob"]}, "ada, bob", True),
        ({"rollback": {"by": "ada"}}, "ada", True),
        ({"by": ["the loop"]}, "the loop", False),
        ({}, "the loop", False),
    ],
)
def test_whoever_did_it_is_named(payload, who, is_person):
    told = tell(event("promotion", payload))

    assert (told.who, told.is_person) == (who, is_person)


def test_nobody_knows_who_moved_an_alias():
    assert tell(event("hand_change", {"alias": "champion"})).who == "somebody, in MLflow"


@pytest.mark.parametrize(
    ("payload", "why"),
    [
        ({"reason": "it is wrong"}, "it is wrong"),
        ({"reasons": ["first", "second"]}, "first"),
        ({"evaluation": {"reasons": ["it is better"]}}, "it is better"),
        ({}, None),
    ],
)
def test_the_first_reason_on_record_is_why(payload, why):
    assert tell(event("promotion", payload)).why == why


def test_people_do_what_the_events_say_they_do():
    assert set(PEOPLE) <= set(KINDS)
