"""What went wrong with a model, told from its events: from when to when, why, and what was done."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from airflow_mlops.loop.incidents import DEEDS, KINDS, TOLD_OF, incidents_of
from airflow_mlops.loop.signal import Signal
from tests.loop.past import START, WEEK, event, first_champion, numbered, promotion, signals


def look(week, *, check="passed", reasons=(), **verdicts):
    """Give the signals of a look; ``verdicts`` are those of measured signals by name."""
    now = START + week * WEEK
    measured = {
        name: Signal(name, 1.5, verdict, start=now - WEEK, end=now, detail=f"{name} is {verdict}")
        for name, verdict in verdicts.items()
    }
    found = signals(week, data_check=check, data_check_reasons=tuple(reasons), measured=measured)
    return event(0, "signals", found.to_dict(), week=week)


def decision(week, *, action="nothing", held_by=None, reasons=("calm",), **standing):
    payload = {"action": action, "reasons": list(reasons), "held_by": held_by, "signals": "s", "standing": standing}
    return event(0, "decision", payload, week=week)


def budgets(week, state, *, objective="quality"):
    told = {"objective": objective, "state": state, "left": 0.25, "good": 90, "bad": 10}
    return event(0, "slo", {"objectives": [told]}, week=week)


def freeze(week, scope="loop", *, frozen=True):
    payload = {"scope": scope, "version": None, "frozen": frozen, "by": "ann", "reason": "the source moves"}
    return event(0, "freeze", payload, week=week)


def rollback(week, *, epoch):
    payload = {"version": "1", "cause": "rollback", "rollback": {"replaced": "2", "by": "bob", "reason": "it is worse"}}
    return event(0, "promotion", payload, week=week, epoch=epoch)


def told(*events, **kwargs):
    return incidents_of(numbered(*events), **kwargs)


def kinds(*events):
    return [(each.kind, each.is_open) for each in told(*events)]


def test_a_sound_model_has_no_incident():
    assert told(*first_champion(), look(1, data_drift="stable", freshness="stable"), decision(1)) == ()


def test_rows_that_the_data_check_stopped_are_blocked_until_a_look_passes():
    [found] = told(
        look(1, check="failed", reasons=["70% of 'distance' are new", "too few rows"]), look(2, check="failed"), look(3)
    )

    assert (found.kind, found.noticed, found.end) == ("data blocked", START + WEEK, START + 3 * WEEK)
    assert found.cause == "70% of 'distance' are new; too few rows"
    assert not found.is_open


def test_rows_of_a_training_that_were_stopped_are_an_incident_of_their_own():
    request = replace(event(0, "request", {"cause": "person", "action": "retrain"}), run="r")
    judged = {"ref": {"verdict": "failed", "summary": {"worst": [{"severity": "critical", "message": "no rows"}]}}}
    found = told(request, replace(event(0, "validate", judged), run="r"), look(1))

    assert [(each.kind, each.subject, each.cause, each.is_open) for each in found] == [
        ("data blocked", "training", "no rows", True)
    ]


def test_drift_lasts_while_either_signal_says_so_and_begins_with_its_window():
    [found] = told(
        look(1, data_drift="watch"),
        look(2, data_drift="drifted"),
        look(3, data_drift="stable", prediction_drift="drifted"),
        look(4, data_drift="unknown", prediction_drift="stable"),
    )

    assert (found.start, found.noticed) == (START + WEEK, START + 2 * WEEK)
    assert found.end == START + 4 * WEEK
    assert found.cause == "data_drift is drifted"


def test_what_is_not_known_neither_begins_nor_ends_an_incident():
    assert kinds(look(1, freshness="unknown")) == []
    assert kinds(look(1, freshness="drifted"), look(2, freshness="unknown")) == [("stale data", True)]


def test_stale_data_begin_with_the_newest_row():
    [found] = told(look(1, freshness="drifted"))
    assert found.start == START + WEEK - timedelta(days=1.5)


def test_an_excess_loss_begins_where_the_version_began_to_lose_and_ends_with_a_promotion():
    losing = {"excess": 0.5, "limit": 0.4, "champion_version": "1", "losing_since": (START + WEEK).isoformat()}
    [found] = told(
        *first_champion(),
        look(3),
        decision(3, action="retrain", **losing),
        event(0, "request", {"cause": "decision", "action": "retrain"}, week=3),
        event(0, "evaluate", {"verdict": "fail", "reasons": ["it is no better"]}, week=3),
        promotion(4, "2", epoch=2),
        look(5),
    )

    assert (found.kind, found.start, found.end) == ("excess loss", START + WEEK, START + 4 * WEEK)
    assert found.done == (
        "the decision asked to retrain",
        "the challenger was refused: it is no better",
        "version 2 was promoted",
    )


def test_what_people_did_meanwhile_is_told_in_the_words_of_their_buttons():
    [found] = told(
        look(1),
        decision(1, action="retrain", excess=0.5, limit=0.4),
        event(0, "freeze", {"scope": "loop", "frozen": True, "by": "ada", "reason": "a holiday"}, week=1),
        event(
            0, "freeze", {"scope": "version", "version": "2", "frozen": False, "by": "ada", "reason": "whole"}, week=1
        ),
        event(0, "request", {"cause": "person", "action": "retrain", "reason": "ada: new rows"}, week=1),
    )

    assert found.done == (
        "the loop was paused by ada: a holiday",
        "version 2 was unfrozen by ada: whole",
        "a person asked to retrain (ada: new rows)",
    )


def test_a_training_that_was_refused_starts_the_count_of_losses_anew():
    assert kinds(decision(1, excess=0.5, limit=0.4), decision(2, excess=0.0, limit=0.4)) == [("excess loss", False)]


def test_a_budget_burns_and_then_is_spent_by_objective():
    found = told(
        budgets(1, "page"), budgets(2, "spent"), budgets(3, "unknown"), budgets(3, "ticket", objective="freshness")
    )

    assert [(each.kind, each.subject, each.is_open) for each in found] == [
        ("budget burn", "quality", False),
        ("budget spent", "quality", True),
        ("budget burn", "freshness", True),
    ]
    assert "25% of the error budget is left" in found[0].cause


def test_a_broken_bake_ends_with_the_rollback_which_is_what_was_done():
    broken = {"epoch": 2, "version": "2", "verdict": "broken", "signal": {"detail": "it loses 50% more"}}
    [found] = told(
        *first_champion(), promotion(1, "2", epoch=2), event(0, "bake", broken, week=2), rollback(2, epoch=3)
    )

    assert (found.kind, found.is_open) == ("bake broken", False)
    assert found.cause == "the bake of version 2 broke: it loses 50% more"
    assert found.done == ("rolled back from version 2 to 1 by bob: it is worse",)


def test_a_rollback_by_a_person_is_an_incident_of_a_moment():
    [found] = told(*first_champion(), promotion(1, "2", epoch=2), rollback(2, epoch=3))

    assert (found.kind, found.start, found.end) == ("rolled back", START + 2 * WEEK, START + 2 * WEEK)
    assert found.cause == "version 2 was rolled back by bob: it is worse"


def test_a_drill_is_no_incident_and_ends_none():
    there = event(0, "promotion", {"version": "1", "cause": "drill"}, week=2, epoch=3)
    assert kinds(look(1, data_drift="drifted"), there) == [("drift", True)]


def test_an_open_circuit_is_told_once_and_apart_from_a_call():
    assert kinds(decision(1, action="call", held_by="circuit"), decision(2, action="call"), decision(3)) == [
        ("circuit open", False),
        ("call", False),
    ]


@pytest.mark.parametrize("held_by", ["data check", "pause", "freeze", "approval", "error budget"])
def test_what_hides_the_policys_word_does_not_close_a_call(held_by):
    assert kinds(decision(1, action="call"), decision(2, held_by=held_by)) == [("call", True)]


@pytest.mark.parametrize(("settled", "is_open"), [("ask", True), ("restore", False), ("adopt", False)])
def test_a_hand_change_is_open_where_it_was_left(settled, is_open):
    change = {"alias": "champion", "shown": "3", "ledger": "1", "settled": settled}
    [found] = told(event(0, "hand_change", change))

    assert (found.kind, found.is_open, bool(found.done)) == ("hand change", is_open, not is_open)
    assert found.cause == "MLflow's alias 'champion' was moved by hand: it shows version 3, the ledger says version 1"


def test_a_run_that_is_late_is_an_incident_of_a_moment():
    [found] = told(event(0, "slo", {"late": "m_retrain", "limit": "2h"}))
    assert (found.kind, found.subject, found.is_open) == ("late run", "m_retrain", False)


# Known, and told once


def test_a_pause_explains_what_is_open_while_it_lasts():
    paused = [freeze(1), look(2, data_drift="drifted")]

    [known] = told(*paused)
    assert known.known == "the loop is paused by ann since 2013-03-08 05:00: the source moves"
    [outlasting] = told(*paused, freeze(3, frozen=False))
    assert not outlasting.is_known
    [over] = told(*paused, freeze(3, frozen=False), look(4, data_drift="stable"))
    assert over.is_known


def test_frozen_promotions_explain_what_another_version_would_mend_and_nothing_else():
    found = told(
        freeze(1, scope="promotions"),
        look(2, check="failed", data_drift="drifted"),
        event(0, "slo", {"late": "m_retrain", "limit": "2h"}),
        rollback(3, epoch=1),
    )

    assert {each.kind: each.is_known for each in found} == {
        "drift": True,
        "data blocked": False,
        "late run": False,
        "rolled back": False,
    }


def test_a_frozen_version_explains_nothing():
    [found] = told(freeze(1, scope="version"), look(2, data_drift="drifted"))
    assert not found.is_known


def test_a_promotion_explains_what_the_first_look_after_it_sees():
    seen = [*first_champion(), look(1, data_drift="drifted"), decision(1)]

    assert told(*seen)[0].known == "version 1 serves since 2013-03-01 05:00, after the look before"
    assert not told(*seen, look(2, data_drift="drifted"))[0].is_known
    assert not told(*first_champion(), look(1), decision(1), look(2, data_drift="drifted"))[0].is_known


def test_an_incident_keeps_its_id_while_events_are_added_and_in_any_order():
    events = numbered(
        *first_champion(), look(1, data_drift="drifted"), decision(1, action="call"), look(2, data_drift="stable")
    )
    ids = [each.id for each in incidents_of(events)]

    assert ids == ["drift:3", "call:4"]
    assert [each.id for each in incidents_of(events[:4])] == ids
    assert incidents_of([*reversed(events), events[0]]) == incidents_of(events)


def test_an_incident_that_holds_at_the_first_look_of_a_part_may_be_older():
    part = [look(5, data_drift="drifted"), look(6, data_drift="drifted", freshness="drifted")]

    assert [each.is_cut for each in told(*part, is_whole=False)] == [True, False]
    assert not any(each.is_cut for each in told(*part))


def test_only_the_last_deeds_are_named():
    asked = [event(0, "request", {"cause": f"person {number}", "action": "retrain"}) for number in range(DEEDS + 3)]
    [found] = told(look(1, data_drift="drifted"), *asked)

    assert len(found.done) == DEEDS
    assert "person 8" in found.done[-1]


@pytest.mark.parametrize("kind", TOLD_OF)
def test_events_of_another_form_are_passed_over(kind):
    epoch = 1 if kind == "promotion" else None
    assert told(event(0, kind, {}, epoch=epoch), event(0, kind, {"form": "of tomorrow"}, epoch=epoch)) == ()


def test_an_incident_is_json():
    [found] = told(look(1, data_drift="drifted"))
    plain = found.to_dict()

    assert plain["noticed"] == "2013-03-08T05:00:00.000000+00:00"
    assert (plain["end"], plain["is_open"], plain["is_known"]) == (None, True, False)
    assert plain["kind"] in KINDS
