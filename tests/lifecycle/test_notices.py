"""A bad night: many incidents, a notifier that fails, two tasks at once, and a task that is killed after it sent."""

from __future__ import annotations

import random
from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest

from airflow_mlops.errors import NoticeFailed
from airflow_mlops.ledger import Ledger
from airflow_mlops.lifecycle.notices import Notices
from airflow_mlops.loop.incidents import TOLD_OF, incidents_of
from airflow_mlops.spec.notify_section import NotifySpec

NIGHT = datetime(2013, 3, 1, tzinfo=UTC)


class Killed(BaseException):
    """The end of a process."""


@pytest.fixture
def ledger(tmp_path):
    opened = Ledger(f"sqlite:///{tmp_path / 'ledger.db'}")
    opened.append("flights", "request", "first", {}, at=NIGHT)
    return opened


class Channel:
    """Keep what was sent, by what each message says."""

    def __init__(self):
        self.sent = []
        self.before = lambda: None

    def send(self, notifier, arguments):
        self.before()
        self.sent.append((notifier, arguments["text"]))


def notices(spec, ledger, send, *, names=("box",), hours=0):
    targets = {name: {"notifier": f"a.{name}", "arguments": {"text": "{{ text }}"}} for name in names}
    notify = NotifySpec.model_validate({"targets": targets})
    told = spec.model_copy(update={"notify": notify})
    at = NIGHT + timedelta(hours=hours)
    return Notices(told, ledger, send, "https://airflow.example.com/base", at, run=f"look {hours}")


def go_wrong(ledger, number, *, run):
    late = {"late": f"run {number}", "limit": "1h", "objectives": []}
    ledger.append("flights", "slo", f"late {number}", late, at=NIGHT + timedelta(minutes=number), run=run)


def marks_of(ledger):
    events = ledger.events("flights", kind="notice")
    return Counter(mark for event in events for mark in event.payload["told"])


def incidents(ledger):
    return incidents_of(ledger.newest("flights", kinds=TOLD_OF, limit=500))


@pytest.mark.parametrize("seed", range(3))
def test_a_night_is_told_whole_and_no_more_often_than_tasks_were_killed(flights_spec, ledger, seed, monkeypatch):
    chance, channel, killed, number = random.Random(seed), Channel(), 0, 0
    record = Notices._record

    def fail():
        if chance.random() < 0.5:
            raise ConnectionError("no route")

    def die(self, key, payload):
        nonlocal killed
        if payload["why"] == "incidents" and chance.random() < 0.2:
            killed += 1
            raise Killed
        return record(self, key, payload)

    monkeypatch.setattr(Notices, "_record", die)
    channel.before = fail
    for hour in range(40):
        for _ in range(2 if number < 50 else 0):
            number += 1
            go_wrong(ledger, number, run=f"look {hour}")
        try:
            notices(flights_spec, ledger, channel.send, hours=hour).tell()
        except (NoticeFailed, Killed):
            continue

    assert marks_of(ledger) == Counter(f"{each.id}|{mark}" for each in incidents(ledger) for mark in ("open", "closed"))
    assert len(incidents(ledger)) == 50
    assert (
        len(channel.sent)
        == sum(event.payload["why"] == "incidents" for event in ledger.events("flights", kind="notice")) + killed
    )
    for each in incidents(ledger):
        assert 1 <= sum(f"a run of {each.subject} takes" in text for _, text in channel.sent) <= 1 + killed


def test_fifty_at_once_are_one_message_with_an_absolute_link(flights_spec, ledger):
    channel = Channel()
    for number in range(50):
        go_wrong(ledger, number, run="look 0")

    notices(flights_spec, ledger, channel.send).tell()

    [(_, text)] = channel.sent
    assert text.splitlines()[-2:] == [
        "and 30 more: 30 late run",
        "https://airflow.example.com/base/plugin/models/flights",
    ]
    assert len(marks_of(ledger)) == 100


def test_what_another_task_sent_meanwhile_is_not_sent_again(flights_spec, ledger):
    channel = Channel()
    go_wrong(ledger, 1, run="look 0")

    def meanwhile():
        channel.before = lambda: None
        notices(flights_spec, ledger, channel.send, names=("box", "mail")).tell()

    channel.before = meanwhile
    notices(flights_spec, ledger, channel.send, names=("box", "mail")).tell()

    # The one that was under way when the other task came is told by both.
    assert Counter(notifier for notifier, _ in channel.sent) == {"a.box": 2, "a.mail": 1}
    assert set(marks_of(ledger).values()) == {2}


def test_an_error_that_repeats_an_address_does_not_tell_it(flights_spec, ledger):
    go_wrong(ledger, 1, run="look 0")

    def refused(_, __):
        raise ConnectionError(
            "HTTPSConnectionPool(host='hooks.slack.com', port=443): Max retries exceeded with url: "
            "/services/T000/B000/verysecret (https://discord.com/api/webhooks/1/verysecret, "
            "https://x.logic.azure.com/workflows/1/invoke?sig=verysecret, xoxb-verysecret) " + "page " * 500
        )

    with pytest.raises(NoticeFailed, match="port=443") as raised:
        notices(flights_spec, ledger, refused).tell()

    assert "verysecret" not in str(raised.value)
    assert len(str(raised.value)) < 700
