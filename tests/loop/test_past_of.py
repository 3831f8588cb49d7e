"""The numbers of a model's past, read off its events."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

from airflow_mlops.loop.history import History
from airflow_mlops.loop.past_of import past_of
from airflow_mlops.loop.scorecard import Card
from airflow_mlops.loop.signal import Signal
from airflow_mlops.loop.signals import VersionLoss
from airflow_mlops.spec.policy_sections import Budget, CommitteePolicy, Correction, RulesPolicy, SinglePolicy
from tests.loop.past import START, WEEK, event, numbered, signals

POLICY = CommitteePolicy()
# Tests count weeks from the first champion; windows end two days before their look.
LAG = timedelta(days=2) / WEEK


def trained(name, week, *, holdout=None, seconds=None):
    """Record a trained version; by default it holds nothing out."""
    start = START + (week if holdout is None else holdout) * WEEK
    payload = {"id": name, "features": {"holdout_start": start.isoformat()}}
    return event(0, "train", payload | ({"seconds": seconds} if seconds else {}), week=week)


def judged(name, week, verdict="pass", *, gate="full"):
    payload = {"id": f"{name}@{week}", "verdict": verdict, "gate": gate, "trained_id": name, "epoch": 1}
    return event(0, "evaluate", payload, week=week)


def promoted(name, week, epoch, *, members=None, action="retrain", correction=None, trained_id=None):
    model = {"id": name, "members": members or {}, "correction": correction}
    evaluation = {"id": f"{trained_id or name}@{week}", "action": action, "metrics": {}}
    return event(
        0, "promotion", {"version": str(epoch), "model": model, "evaluation": evaluation}, week=week, epoch=epoch
    )


def first(name="a"):
    return [trained(name, 0), judged(name, 0), promoted(name, 0, 1)]


def look(week, loss, members=None, *, scorecard=None, **facts):
    """Judge the week that begins with the week before the look's."""
    found = signals(week, loss, **facts)
    by_member = {name: VersionLoss(each, 500) for name, each in (members or {}).items()}
    bounds = {"start": START + (week - 1) * WEEK, "end": START + week * WEEK}
    quality = replace(found.quality, by_member=by_member, scorecard=scorecard, **bounds)
    return replace(found, quality=quality)


def past(events, now, policy=POLICY, **facts):
    history = History.of(numbered(*events)).seen_by(now)
    return past_of(history, now, policy, window=WEEK, **facts)


def recorded(found):
    return event(0, "signals", found.to_dict(), week=(found.now - START) / WEEK)


def test_times_count_from_the_first_champion_in_windows():
    found = past([*first(), *(recorded(look(week, 0.5)) for week in (1, 2))], look(3, 0.6))
    assert (found.now, found.looks, found.trained) == (3.0, 3, [0.0])
    assert (found.starts, found.served) == ([0.0, 1.0, 2.0], [0.5, 0.5, 0.6])


def test_a_window_from_before_the_first_champion_is_none_of_its_own():
    found = past([*first(), recorded(look(0.5, 0.4))], look(2, 0.5))
    assert found.starts == [1.0]


def test_the_pool_is_the_latest_trained_versions_since_the_first_champion():
    events = [trained("z", -1), *first(), *(trained(name, week) for name, week in (("b", 1), ("c", 2), ("d", 3)))]
    assert past(events, look(4, 0.5), POLICY.model_copy(update={"pool": 3})).pool == ["b", "c", "d"]
    assert past(events, look(4, 0.5)).pool == ["a", "b", "c", "d"]


def test_a_version_has_no_loss_where_it_was_trained_or_was_not_asked():
    events = [
        *first(),
        recorded(look(1, 0.5, {"a": 0.5})),
        trained("b", 2, holdout=1.5),
        recorded(look(2, 0.6, {"a": 0.6, "b": 0.1})),
    ]
    found = past(events, look(3, 0.7, {"a": 0.7, "b": 0.4}))
    np.testing.assert_array_equal(found.losses, [[0.5, 0.6, 0.7], [np.nan, np.nan, 0.4]])


def test_what_serves_is_the_weights_of_the_last_promotion():
    weights = {"a": 0.25, "b": 0.75}
    events = [*first(), trained("b", 1), promoted("ab", 2, 2, members=weights, action="re-weigh")]
    assert past(first(), look(1, 0.5)).serving == {"a": 1.0}
    assert past(events, look(3, 0.5, epoch=2)).serving == weights


def test_a_training_that_was_refused_counts_until_its_version_serves():
    refused = [trained("b", 2), judged("b", 2, "fail"), trained("c", 4), judged("c", 4, "fail")]
    serves = promoted("ac", 5, 2, members={"a": 0.5, "c": 0.5}, action="re-weigh")
    weeks = [recorded(look(week, 0.1 * week)) for week in range(1, 7)]

    before = past([*first(), *weeks[:4], *refused], look(5, 0.5))
    after = past([*first(), *weeks, *refused, serves], look(7, 0.7, epoch=2))

    assert (before.trained, before.refused, before.fresh) == ([0.0, 2.0, 4.0], 2, pytest.approx([0.1]))
    assert (after.trained, after.refused) == ([0.0, 2.0, 4.0], 0)
    # The first whole window after week 5 begins with it.
    assert after.fresh == pytest.approx([0.1, 0.6])


def test_a_light_gate_ends_no_training():
    light = [judged("a", 2, gate="light"), promoted("a", 2, 2, action="re-elect", members={"a": 1.0})]
    found = past([*first(), *light], look(3, 0.5, epoch=2))
    assert (found.trained, found.refused) == ([0.0], 0)
    assert found.returns == [2.0]


def test_a_training_that_is_under_way_has_not_ended():
    crashed = [trained("b", 2), judged("b", 2)]
    assert past([*first(), *crashed], look(3, 0.5)).trained == [0.0]


def test_what_was_spent_is_that_of_thirty_days_without_the_first_champion():
    events = first()
    for week in (1, 6):
        events += [trained(f"m{week}", week, seconds=60.0 * week), judged(f"m{week}", week, "fail")]
    found = past(events, look(7, 0.5), POLICY.model_copy(update={"budget": Budget(trainings=2)}))
    assert (found.spent_trainings, found.spent_seconds) == (1, 360.0)
    assert past(events, look(7, 0.5), POLICY.model_copy(update={"cooldown": timedelta(days=8)})).cools
    assert not past(events, look(7, 0.5), POLICY.model_copy(update={"cooldown": timedelta(days=7)})).cools


def test_a_window_counts_when_enough_labels_are_there_or_no_more_are_waited_for():
    few = look(1, 0.5, labels=300)
    early = past([*first(), recorded(few)], look(2, 0.6, labels=600), maturity=0.9, label_wait=timedelta(days=30))
    late = past([*first(), recorded(few)], look(6, 0.6, labels=600), maturity=0.9, label_wait=timedelta(days=30))
    assert early.served == [0.6]
    assert late.served == [0.5, 0.6]


def test_a_window_that_was_measured_again_has_its_last_loss():
    again = replace(look(2, 0.6), reopened=(replace(look(1, 0.55).quality, maturity=1.0),))
    assert past([*first(), recorded(look(1, 0.5)), recorded(again)], look(3, 0.7)).served == [0.55, 0.6, 0.7]


def test_earlier_readings_are_given_to_rules_that_persist():
    policy = RulesPolicy.model_validate(
        {"train": {"persist": {"signal": "data_drift", "verdict": "drifted"}, "times": 2, "last": 3}}
    )
    readings = {"data_drift": Signal("data_drift", 0.6, "drifted").to_dict()}
    decisions = [event(0, "decision", {"action": "nothing", "readings": readings}, week=week) for week in (1, 2)]
    history = History.of(numbered(*first(), *decisions)).seen_by(look(3, 0.5))

    found = past_of(history, look(3, 0.5), policy, window=WEEK, readings=history.readings)
    plain = past_of(history, look(3, 0.5), POLICY, window=WEEK, readings=history.readings)

    assert [each["data_drift"].verdict for each in found.earlier] == ["drifted", "drifted"]
    assert list(plain.earlier) == []


def test_a_correction_is_measured_on_the_newest_scorecards_that_no_member_has_seen():
    rng = np.random.default_rng(1)
    target = (rng.random(4000) < 0.7).astype(float)
    times = np.full(4000, np.datetime64("2013-03-10"))
    seen = np.where(np.arange(4000) < 1000, np.nan, 0.0)
    cards = {name: Card("binary", (0, 1), times, target, {"a": np.zeros(4000), "b": seen}) for name in ("x", "y")}
    weeks = [recorded(look(week, 0.5, scorecard={"uri": name})) for week, name in ((1, "w"), (2, "x"))]
    policy = SinglePolicy(correction=Correction(rows=1, windows=2))
    now = look(3, 0.5, scorecard={"uri": "y"})

    found = past([*first(), *weeks], now, policy, read_card=lambda card: cards[card["uri"]])

    assert found.correct({"a": 1.0}).value == pytest.approx(np.log(0.7 / 0.3), abs=0.1)
    assert (found.correct({"a": 1.0}).rows, found.correct({"a": 0.5, "b": 0.5}).rows) == (8000, 6000)
    assert found.correct({"gone": 1.0}) is None


def test_a_correction_is_compared_with_the_one_that_serves():
    served = promoted("a", 1, 2, members={"a": 1.0}, action="recalibrate", correction=0.5)
    card = Card("binary", (0, 1), np.empty(2), np.array([0.0, 1.0]), {"a": np.zeros(2)})
    now = look(2, 0.5, epoch=2, scorecard={"uri": "x"})
    found = past([*first(), served], now, read_card=lambda _: card)
    assert found.correct({"a": 1.0}).moved == 0.5
