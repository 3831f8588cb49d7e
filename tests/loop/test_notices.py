"""Whatever happened and however often it is asked, each incident is told once, and none is lost."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace
from datetime import timedelta
from typing import get_args

import pytest

from airflow_mlops.loop.incidents import KINDS, incidents_of
from airflow_mlops.loop.notices import Asked, Before, before_of, messages, passed_by
from airflow_mlops.spec.notify_section import NotifySpec
from airflow_mlops.spec.vocabulary import Told
from tests.loop.past import START, event

HOUR = timedelta(hours=1)


def at(hours):
    return START + hours * HOUR


def happened(hours, kind, payload, *, run="r"):
    return replace(event(0, kind, payload), at=at(hours), recorded_at=at(hours), run=run)


def look(hours, *, check="passed", **verdicts):
    measured = {name: {"name": name, "verdict": said, "detail": f"{name} {said}"} for name, said in verdicts.items()}
    return happened(hours, "signals", {"data_check": check, "measured": measured})


def freeze(hours, *, frozen):
    said = {"scope": "loop", "frozen": frozen, "by": "ann", "reason": "the source moves"}
    return happened(hours, "freeze", said)


def promotion(hours, version):
    return replace(happened(hours, "promotion", {"version": version}), epoch=1)


class Teller:
    """Tells of a growing history and keeps what was told, as the ledger does."""

    def __init__(self, *, digest=6, quiet="0s", **targets):
        targets = targets or {"box": {}}
        asked = {name: {"notifier": "a.Notifier", **options} for name, options in targets.items()}
        self.notify = NotifySpec.model_validate({"targets": asked, "digest": digest, "quiet": quiet})
        self.history, self.notices, self.sent = [], [], []

    def add(self, *events):
        for each in events:
            self.history.append(replace(each, seq=len(self.history) + 1))

    def tell(self, hours, *, questions=(), loses=False):
        """Tell what is due; ``loses`` is a crash after everything was found and before anything was sent."""
        before = {name: before_of(self.notices, name) for name in self.notify.targets}
        before = {name: replace(each, begun=True) for name, each in before.items()}
        incidents = incidents_of(self.history)
        found = messages(self.notify, incidents, questions, self.history, at=at(hours), before=before)
        if not loses:
            self.sent += found
            self.notices += [happened(hours, "notice", each.to_payload()) for each in found]
        return found

    @property
    def marks(self):
        return Counter((each.target, mark) for each in self.sent for mark in each.told)


def test_kinds_that_a_spec_may_name_are_those_that_are_told():
    named = {word for part in get_args(Told) for word in get_args(part) or [part]}

    assert named == {*KINDS, "approval"}


@pytest.mark.parametrize("seed", range(20))
def test_each_incident_is_told_exactly_once_whatever_happens(seed):
    chance = random.Random(seed)
    teller = Teller(box={"closed": True}, daily={"when": "digest"}, few={"of": ["drift"]})
    for hour in range(0, 24 * 12, 3):
        if chance.random() < 0.8:
            drift = chance.choice(["stable", "stable", "drifted"])
            teller.add(look(hour, check=chance.choice(["passed", "failed", "missing"]), data_drift=drift))
        if chance.random() < 0.1:
            late = {"late": f"run {hour}", "limit": "1h", "objectives": []}
            teller.add(happened(hour, "slo", late))
        for _ in range(chance.randrange(3)):
            teller.tell(hour, loses=chance.random() < 0.3)
    end = 24 * 14
    for later in (end, end + 24, end + 48):
        teller.add(look(later, data_drift="stable"))
        teller.tell(later)

    incidents = incidents_of(teller.history)
    assert teller.marks.keys() == (
        {("box", f"{each.id}|{mark}") for each in incidents for mark in ("open", "closed")}
        | {("daily", f"{each.id}|open") for each in incidents}
        | {("few", f"{each.id}|open") for each in incidents if each.kind == "drift"}
        | {(target, mark) for target, mark in teller.marks if mark.endswith("|closed")}
    )
    assert set(teller.marks.values()) == {1}
    days = Counter(each.day for each in teller.sent if each.why == "digest")
    assert set(days.values()) == {1}


def test_what_one_look_found_is_one_message():
    teller = Teller()
    teller.add(look(0, check="failed", data_drift="drifted"))

    [message] = teller.tell(0)

    assert sorted(item.kind for item in message.items) == ["data blocked", "drift"]
    assert teller.tell(0) == []


def test_that_it_is_over_is_told_once_where_a_target_asks():
    teller = Teller(box={"closed": True}, other={})
    teller.add(look(0, data_drift="drifted"))
    teller.tell(0)
    teller.add(look(24, data_drift="stable"))

    [message] = teller.tell(24)

    assert message.target == "box"
    assert "over, 2013-" in message.items[0].sentence
    assert teller.tell(24) == []


def test_what_lasted_no_time_is_told_with_its_moment():
    teller = Teller()
    teller.add(happened(0, "slo", {"late": "run 1", "limit": "1h", "objectives": []}))

    [message] = teller.tell(0)

    assert message.items[0].sentence.startswith(f"late run (run 1), at {START:%Y-%m-%d %H:%M} UTC: ")


def test_nothing_is_told_while_the_loop_is_paused_and_what_outlasts_the_pause_is_told_then():
    teller = Teller()
    teller.add(freeze(0, frozen=True), look(24, data_drift="drifted", check="failed"), look(48, data_drift="drifted"))
    assert teller.tell(48) == []

    teller.add(freeze(72, frozen=False), look(72, data_drift="drifted"))

    assert [item.kind for message in teller.tell(72) for item in message.items] == ["drift"]


def test_drift_after_a_promotion_waits_until_the_quiet_is_over_and_bad_rows_do_not():
    teller = Teller(quiet="2d")
    decided = happened(24, "decision", {"action": "nothing", "signals": "s"})
    teller.add(look(0), promotion(1, "2"), look(24, data_drift="stable"), decided)
    teller.add(look(30, check="failed", data_drift="drifted"))

    assert [item.kind for message in teller.tell(30) for item in message.items] == ["data blocked"]
    assert [item.kind for message in teller.tell(48) for item in message.items] == []
    assert [item.kind for message in teller.tell(49) for item in message.items] == ["drift"]


def test_a_digest_goes_with_the_first_look_of_a_day_and_holds_what_came_since():
    teller = Teller(daily={"when": "digest"}, digest=6)
    start = START.replace(hour=0) + timedelta(days=1) - START
    midnight = int(start / HOUR)
    teller.add(look(midnight + 6))
    assert teller.tell(midnight + 6) == []
    teller.add(look(midnight + 8, data_drift="drifted"))
    assert teller.tell(midnight + 8) == []
    teller.add(look(midnight + 20, data_drift="drifted", check="failed"))
    assert teller.tell(midnight + 20) == []
    teller.add(look(midnight + 29, data_drift="drifted", check="failed"))
    assert teller.tell(midnight + 29) == []
    teller.add(look(midnight + 30, data_drift="drifted", check="failed"))

    [message] = teller.tell(midnight + 30)

    assert sorted(item.kind for item in message.items) == ["data blocked", "drift"]
    assert message.day == f"{START + timedelta(days=2):%Y-%m-%d}"


def test_a_question_does_not_wait_for_the_digest_and_is_asked_once():
    teller = Teller(daily={"when": "digest"}, few={"of": ["drift"]})
    asked = [Asked("approval:2:e", "may version 2 serve?", ("gate: pass",))]

    [message] = teller.tell(0, questions=asked)

    assert (message.target, message.items[0].lines) == ("daily", ("gate: pass",))
    assert teller.tell(1, questions=asked) == []


def test_a_new_target_begins_after_what_is_over_but_for_what_its_own_run_noticed():
    late = {"late": "x", "objectives": []}
    teller = Teller()
    teller.add(happened(0, "slo", late, run="old"), happened(5, "slo", late, run="own"))
    incidents = incidents_of(teller.history)

    passed = passed_by(incidents, "own")
    found = messages(teller.notify, incidents, (), teller.history, at=at(5), before={"box": Before(passed=passed)})

    assert [item.id for message in found for item in message.items] == ["late run:2:x"]


def test_the_same_message_has_the_same_key():
    teller = Teller()
    teller.add(look(0, check="failed", data_drift="drifted"))

    assert teller.tell(0, loses=True)[0].key == teller.tell(0, loses=True)[0].key
