"""What served when, why, by whose word and on which evidence; at any moment of event time or of writing."""

from __future__ import annotations

import json
import time
from datetime import timedelta

import pytest

from airflow_mlops.cli import main
from airflow_mlops.errors import LedgerCorrupt
from airflow_mlops.events import Event
from airflow_mlops.ledger import Fact, Ledger
from airflow_mlops.ledger.history import history_of
from tests.ledger.places import MARCH, tamper

WEEK = timedelta(days=7)


@pytest.fixture
def told(url):
    """Two trainings a week apart, then a rollback; each written a day after its event time."""
    now = [MARCH]
    ledger = Ledger(url, clock=lambda: now[0] + timedelta(days=1))
    for epoch, version in enumerate("12"):
        now[0] = MARCH + epoch * WEEK
        run = f"retrain__{version}"
        evaluation = {"id": f"e{version}", "verdict": "pass", "metrics": {"rmse": 20.5}, "uri": f"file:///{version}"}
        asked = {"cause": "decision", "reason": "excess loss", "decision": f"d{version}"}
        said = {"version": version, "evaluation": f"e{version}", "answer": "approved", "by": ["ada"], "reason": "fine"}
        ledger.append("flights", "request", run, asked, at=now[0], run=run)
        ledger.append("flights", "register", version, {"version": version}, at=now[0], run=run)
        ledger.append("flights", "approval", f"{version}:e{version}", said, at=now[0], run=run)
        payload = {"cause": "retrain", "evaluation": evaluation}
        ledger.promote("flights", version, expected_epoch=epoch, payload=payload, at=now[0], run=run)
        ledger.append("flights", "signals", version, {"loss": 0.5}, at=now[0])
    now[0] = MARCH + 2 * WEEK
    back = {"replaced": "2", "reason": "complaints", "by": "bob"}
    held = {"scope": "version", "version": "2", "frozen": True, "reason": "complaints", "by": "bob"}
    ledger.promote(
        "flights", "1", expected_epoch=2, payload={"cause": "rollback", "rollback": back}, at=now[0],
        beside=[Fact("freeze", "2@2", held)],
    )  # fmt: skip
    return ledger


def test_every_stretch_says_what_served_why_and_on_which_evidence(told):
    first, second, third = told.history("flights").stretches

    assert [(each.version, each.epoch) for each in (first, second, third)] == [("1", 1), ("2", 2), ("1", 3)]
    assert [(each.since, each.until) for each in (first, second, third)] == [
        (MARCH, MARCH + WEEK),
        (MARCH + WEEK, MARCH + 2 * WEEK),
        (MARCH + 2 * WEEK, None),
    ]
    assert (first.cause, first.reason, first.decision) == ("retrain", "excess loss", "d1")
    assert (first.approval.answer, first.approval.by) == ("approved", ("ada",))
    assert (first.evidence.id, first.evidence.verdict, first.evidence.metrics) == ("e1", "pass", {"rmse": 20.5})
    assert (third.cause, third.reason, third.by, third.approval) == ("rollback", "complaints", "bob", None)


def test_freezes_are_told_with_who_and_why(told):
    (change,) = told.history("flights").changes

    assert (change.subject, change.what, change.by, change.reason) == ("version 2", "frozen", "bob", "complaints")


MOMENTS = [
    (-1, None, None), (0, "1", None), (6, "1", "1"), (7, "2", "1"), (8, "2", "2"), (14, "1", "2"), (15, "1", "1")
]  # fmt: skip


@pytest.mark.parametrize(("days", "version", "recorded"), MOMENTS)
def test_what_served_at_a_moment_and_what_the_ledger_said_then(told, days, version, recorded):
    moment, history = MARCH + timedelta(days=days), told.history("flights")

    for is_recorded, expected in ((False, version), (True, recorded)):
        stretch = history.at(moment, recorded=is_recorded)
        event = told.serving("flights", at=moment, recorded=is_recorded)
        assert (stretch and stretch.version) == (event and event.payload["version"]) == expected


def test_the_largest_epoch_counts_where_event_times_are_not_in_order(ledger):
    for epoch, days in enumerate((5, 3)):
        ledger.promote("flights", str(epoch), expected_epoch=epoch, payload={}, at=MARCH + timedelta(days=days))

    assert ledger.serving("flights", at=MARCH + timedelta(days=4)).epoch == 2
    assert ledger.history("flights").at(MARCH + timedelta(days=6)).epoch == 2


def test_a_moment_is_told_as_the_whole_history_tells_it(told):
    whole = told.history("flights")
    for days in range(-1, 16):
        for recorded in (False, True):
            moment = MARCH + timedelta(days=days)
            assert told.stretch("flights", moment, recorded=recorded) == whole.at(moment, recorded=recorded)


def test_a_moment_whose_promotion_was_deleted_is_refused(told):
    tamper(told, "DELETE FROM mlops_ledger_events WHERE kind = 'promotion' AND epoch = 1")

    for ask in (told.serving, told.stretch):
        with pytest.raises(LedgerCorrupt, match=r"the promotion of epoch 1 is missing.*surely 0"):
            ask("flights", at=MARCH)


def test_a_long_history_takes_time_in_proportion_to_its_length():
    said = {"answer": "automatic", "by": [], "reason": ""}
    events = []
    for number in range(1, 10_001):
        payload = {"version": str(number), "evaluation": f"e{number}", **said}
        events.append(_event(2 * number - 1, "approval", payload))
        events.append(_event(2 * number, "promotion", {"version": str(number), "evaluation": {"id": f"e{number}"}}))
    started = time.process_time()

    stretches = history_of(events, model="flights").stretches

    assert time.process_time() - started < 3
    assert all(each.approval.version == each.version for each in stretches)


def _event(seq, kind, payload):
    epoch = seq // 2 if kind == "promotion" else None
    return Event(
        model="flights", seq=seq, kind=kind, key=str(seq), at=MARCH, recorded_at=MARCH, run=None, epoch=epoch,
        payload=payload, previous_hash="", hash="",
    )  # fmt: skip


def test_a_model_that_never_served_has_an_empty_history(ledger):
    assert ledger.serving("flights") is None
    assert ledger.history("flights").stretches == ()


# On the command line


@pytest.fixture
def command(told, url, monkeypatch):
    shown = url if isinstance(url, str) else url.render_as_string(hide_password=False)
    monkeypatch.setenv("LEDGER", shown)
    return lambda *arguments: main([*arguments, "--url-env", "LEDGER"])


def test_the_history_is_a_table_and_json(command, capsys):
    assert command("history", "flights") == 0
    words = capsys.readouterr().out
    assert words.count("2013-03-08") == 2
    assert "version 2: frozen by bob (complaints)" in words

    assert command("history", "flights", "--json") == 0
    assert [each["version"] for each in json.loads(capsys.readouterr().out)["stretches"]] == ["1", "2", "1"]


def test_one_moment_is_told_in_sentences(command, capsys):
    assert command("history", "flights", "--at", "2013-03-09") == 0

    words = capsys.readouterr().out
    assert "version 2 served from 2013-03-08 00:00 to 2013-03-15 00:00 (epoch 2, event 9)" in words
    assert "why: retrain: excess loss (decision d2)" in words
    assert "approval: approved by ada" in words


def test_a_moment_before_the_first_champion_is_exit_code_1(command, capsys):
    assert command("history", "flights", "--at", "2013-01-01") == 1
    assert "nothing served as flights" in capsys.readouterr().out


def test_options_that_say_nothing_are_refused(command, capsys):
    assert command("history", "flights", "--recorded") == 2
    assert "give --at TIME too" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        command("history", "flights", "--limit", "0")
    assert "write 1 or more" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [("ledger", "verify"), ("ledger", "backup", "copy"), ("history", "flights")])
def test_a_file_cut_to_nothing_is_no_ledger_in_good_order(tmp_path, monkeypatch, capsys, arguments):
    (tmp_path / "ledger.db").touch()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LEDGER", f"sqlite:///{tmp_path}/ledger.db")

    assert main([*arguments, "--url-env", "LEDGER"]) == 2
    assert "there is no ledger at" in capsys.readouterr().err
    assert (tmp_path / "ledger.db").stat().st_size == 0


def test_the_ledger_is_restored_and_its_clock_accepted_by_command(command, tmp_path, capsys):
    assert command("ledger", "backup", str(tmp_path / "copy")) == 0
    assert command("ledger", "restore", str(tmp_path / "copy")) == 0
    assert "flights: 12 events, all good" in capsys.readouterr().out

    assert command("ledger", "accept-clock", "flights", "--reason", "to be sure") == 2
    assert "the clock is not behind" in capsys.readouterr().err
