"""The ledger on both its databases: append, promote, read back, notice tampering."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import event

from airflow_mlops.errors import LedgerCorrupt, LedgerMisuse, LedgerUnavailable, PromotionConflict
from airflow_mlops.ledger import Ledger
from tests.ledger.places import MARCH, fork, in_processes, tamper

# Append


def test_an_event_is_read_back_as_it_was_appended(ledger):
    appended = ledger.append("flights", "ingest", "ab12", {"rows": 3, "é": [1.5, None]}, at=MARCH, run="manual__1")

    assert ledger.find("flights", "ingest", "ab12") == appended
    assert ledger.events("flights") == [appended]
    assert (appended.seq, appended.epoch, appended.run, appended.payload) == (
        1,
        None,
        "manual__1",
        {"rows": 3, "é": [1.5, None]},
    )


def test_the_newest_events_come_a_page_at_a_time_of_all_kinds_or_of_some(ledger):
    for place, kind in enumerate(["ingest", "drift", "ingest", "slo", "drift"]):
        ledger.append("flights", kind, str(place), {}, at=MARCH)
        ledger.append("churn", kind, str(place), {}, at=MARCH)

    def numbers(**wanted):
        return [event.seq for event in ledger.newest("flights", **wanted)]

    assert numbers(limit=2) == [5, 4]
    assert numbers(limit=2, before=4) == [3, 2]
    assert numbers(kinds=["ingest", "drift"], limit=3) == [5, 3, 2]
    assert numbers(kinds=["slo"], before=4) == []


def test_the_same_fact_twice_is_one_event_that_names_the_first_run(ledger):
    first = ledger.append("flights", "ingest", "ab12", {"rows": 3}, at=MARCH, run="manual__1")
    again = ledger.append("flights", "ingest", "ab12", {"rows": 4}, at=MARCH + timedelta(days=1), run="manual__2")

    assert again == first
    assert again.run == "manual__1"
    assert len(ledger.events("flights")) == 1


def test_times_come_back_in_utc_whatever_zone_they_had(ledger):
    new_york = datetime.fromisoformat("2013-02-28T19:00:00-05:00")

    appended = ledger.append("flights", "ingest", "ab12", {}, at=new_york)

    assert appended.at == MARCH
    assert appended.at.tzinfo == UTC
    assert appended.recorded_at.tzinfo == UTC


def test_a_time_without_zone_is_refused(ledger):
    with pytest.raises(LedgerMisuse, match="2013-03-01T00:00:00 has no time zone; the ledger takes aware times only"):
        ledger.append("flights", "ingest", "ab12", {}, at=MARCH.replace(tzinfo=None))

    assert ledger.events("flights") == []


def test_a_payload_that_is_not_json_is_refused(ledger):
    with pytest.raises(LedgerMisuse, match="a payload of the ledger must be JSON, but object is not JSON"):
        ledger.append("flights", "ingest", "ab12", {"frame": object()}, at=MARCH)


def test_numbers_of_numpy_and_nan_become_plain_json(ledger):
    import numpy as np

    payload = {"rows": np.int64(3), "loss": np.float64("nan"), "share": np.float32(0.5)}

    assert ledger.append("flights", "train", "k", payload, at=MARCH).payload == {"rows": 3, "loss": None, "share": 0.5}


def test_a_promotion_cannot_be_appended_by_hand(ledger):
    with pytest.raises(LedgerMisuse, match=r"call Ledger\.promote"):
        ledger.append("flights", "promotion", "1@0", {"version": "1"}, at=MARCH)


def test_models_keep_chains_of_their_own(ledger):
    ledger.append("flights", "ingest", "a", {}, at=MARCH)
    ledger.append("churn", "ingest", "a", {}, at=MARCH)

    assert ledger.models() == ["churn", "flights"]
    assert [e.seq for model in ledger.models() for e in ledger.events(model)] == [1, 1]


def test_processes_that_append_at_once_lose_nothing(url):
    per_process, processes = 10, 5

    def append(number):
        own = Ledger(url)
        for turn in range(per_process):
            own.append("flights", "ingest", f"{number}-{turn}", {}, at=MARCH)

    assert in_processes(append, processes) == [None] * processes
    ledger = Ledger(url)
    assert ledger.verify("flights") == per_process * processes
    assert [e.seq for e in ledger.events("flights")] == list(range(1, per_process * processes + 1))


def test_processes_that_record_the_same_fact_at_once_leave_one_event(url):
    events = in_processes(
        lambda number: Ledger(url).append("flights", "ingest", "same", {"by": number}, at=MARCH, run=f"run {number}"), 6
    )

    assert len({e.hash for e in events}) == 1
    assert Ledger(url).verify("flights") == 1


def test_a_ledger_opened_before_a_fork_serves_parent_and_children(url):
    ledger = Ledger(url)
    ledger.append("flights", "ingest", "parent", {}, at=MARCH)

    in_processes(lambda number: ledger.append("flights", "ingest", f"child {number}", {}, at=MARCH), 3)

    ledger.append("flights", "ingest", "parent again", {}, at=MARCH)
    assert ledger.verify("flights") == 5


@pytest.mark.parametrize("statement", ["INSERT INTO mlops_ledger_events", "UPDATE mlops_ledger_state"])
def test_a_process_killed_inside_a_transaction_leaves_nothing(url, statement):
    ledger = Ledger(url)
    ledger.append("flights", "ingest", "before", {}, at=MARCH)

    def die_in_the_middle():
        own = Ledger(url)

        @event.listens_for(own._database.engine, "after_cursor_execute")
        def kill(_connection, _cursor, executed, *_):
            if executed.startswith(statement):
                os.kill(os.getpid(), signal.SIGKILL)

        own.promote("flights", "1", expected_epoch=0, payload={}, at=MARCH)

    process = fork.Process(target=die_in_the_middle)
    process.start()
    process.join()

    assert process.exitcode == -signal.SIGKILL
    assert [e.key for e in ledger.events("flights")] == ["before"]
    assert ledger.promote("flights", "1", expected_epoch=0, payload={}, at=MARCH).epoch == 1
    assert ledger.verify("flights") == 2


# Promotion


def test_a_promotion_moves_the_champion_and_retires_the_one_before(ledger):
    for version in ("1", "2", "3"):
        ledger.append("flights", "register", version, {"version": version, "id": f"model{version}"}, at=MARCH)
    ledger.promote("flights", "1", expected_epoch=0, payload={"evaluation": {"epoch": 0}}, at=MARCH)
    ledger.promote("flights", "2", expected_epoch=1, payload={"evaluation": {"epoch": 1}}, at=MARCH + timedelta(days=7))

    state = ledger.state("flights")

    assert {version.version: version.role for version in state.versions.values()} == {
        "1": "retired",
        "2": "champion",
        "3": "candidate",
    }
    assert (state.epoch, state.champion.version, state.champion.since) == (2, "2", MARCH + timedelta(days=7))
    assert state.champion.payload == {"version": "2", "evaluation": {"epoch": 1}}
    assert state.versions["1"].payload["id"] == "model1"


def test_who_comes_second_is_told_who_was_first(ledger):
    ledger.promote("flights", "1", expected_epoch=0, payload={}, at=MARCH)

    with pytest.raises(PromotionConflict, match=r"version 2 of flights was judged against epoch 0, but .* at epoch 1"):
        ledger.promote("flights", "2", expected_epoch=0, payload={}, at=MARCH)

    assert ledger.state("flights").champion.version == "1"


def test_a_promotion_from_an_epoch_that_never_was_is_refused(ledger):
    with pytest.raises(PromotionConflict, match="judged against epoch 5, but the ledger is at epoch 0"):
        ledger.promote("flights", "1", expected_epoch=5, payload={}, at=MARCH)

    assert ledger.state("flights").epoch == 0


def test_the_same_promotion_again_is_the_first_one(ledger):
    first = ledger.promote("flights", "1", expected_epoch=0, payload={}, at=MARCH, run="manual__1")

    assert ledger.promote("flights", "1", expected_epoch=0, payload={"later": True}, at=MARCH, run="manual__2") == first
    assert ledger.state("flights").epoch == 1


def test_an_old_run_retried_does_not_promote_again(ledger):
    first = ledger.promote("flights", "1", expected_epoch=0, payload={}, at=MARCH)
    ledger.promote("flights", "2", expected_epoch=1, payload={}, at=MARCH)

    assert ledger.promote("flights", "1", expected_epoch=0, payload={}, at=MARCH) == first
    assert ledger.state("flights").champion.version == "2"


def test_an_earlier_version_can_be_promoted_again(ledger):
    for epoch, version in enumerate(["1", "2", "1"]):
        ledger.promote("flights", version, expected_epoch=epoch, payload={}, at=MARCH)

    state = ledger.state("flights")

    assert (state.champion.version, state.epoch) == ("1", 3)
    assert state.versions["2"].role == "retired"


def test_of_processes_that_promote_at_once_one_wins(url):
    outcomes = in_processes(
        lambda number: Ledger(url).promote("flights", str(number), expected_epoch=0, payload={}, at=MARCH).payload, 6
    )

    winners = [outcome["version"] for outcome in outcomes if isinstance(outcome, dict)]
    conflicts = [outcome for outcome in outcomes if isinstance(outcome, PromotionConflict)]
    assert (len(winners), len(conflicts)) == (1, 5)
    assert Ledger(url).state("flights").champion.version == winners[0]
    assert Ledger(url).verify("flights") == 1


# As of


def test_the_state_of_an_earlier_moment_knows_nothing_of_what_came_later(ledger):
    ledger.append("flights", "ingest", "january", {}, at=MARCH)
    ledger.promote("flights", "1", expected_epoch=0, payload={}, at=MARCH + timedelta(days=1))
    ledger.promote("flights", "2", expected_epoch=1, payload={}, at=MARCH + timedelta(days=9))
    ledger.append("flights", "ingest", "february", {}, at=MARCH + timedelta(days=10))

    before = ledger.state("flights", as_of=MARCH + timedelta(days=8))

    assert (before.epoch, before.champion.version, before.last["ingest"].key) == (1, "1", "january")
    assert ledger.state("flights", as_of=MARCH - timedelta(days=1)).champion is None
    assert [e.kind for e in ledger.events("flights", as_of=MARCH)] == ["ingest"]


def test_the_state_of_an_unknown_model_is_empty(ledger):
    state = ledger.state("nobody")

    assert (state.model, state.epoch, state.champion, state.versions, state.seq) == ("nobody", 0, None, {}, 0)


# Tampering


@pytest.fixture
def whole(ledger):
    """A ledger of five events, a promotion last."""
    for number in range(4):
        ledger.append("flights", "ingest", f"key{number}", {"rows": number}, at=MARCH)
    ledger.promote("flights", "1", expected_epoch=0, payload={}, at=MARCH)
    assert ledger.verify("flights") == 5
    return ledger


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        ("""UPDATE mlops_ledger_events SET payload = '{"rows":9}' WHERE seq = 3""",
         r"event 3 \(ingest key2\) was changed after it was written\. Last good event: 2"),
        ("UPDATE mlops_ledger_events SET at = '2014' || substr(at, 5) WHERE seq = 2",
         r"event 2 \(ingest key1\) was changed after it was written\. Last good event: 1"),
        ("DELETE FROM mlops_ledger_events WHERE seq = 3", r"event 3 is missing, 4 follows\. Last good event: 2"),
        ("DELETE FROM mlops_ledger_events WHERE seq >= 4", r"names event 5, .* is 3\. Last good event: 3"),
        ("DELETE FROM mlops_ledger_events", r"names event 5, .* is 0\. Last good event: 0"),
        ("UPDATE mlops_ledger_events SET previous_hash = hash WHERE seq = 4",
         r"event 4 \(ingest key3\) does not follow the event before it\. Last good event: 3"),
        ("UPDATE mlops_ledger_state SET champion = '7'",
         r"names version 7 at epoch 1, but its events say version 1 at epoch 1"),
        ("DELETE FROM mlops_ledger_state", r"flights has 5 good events but no state row; run Ledger\.rebuild"),
    ],
    ids=["payload changed", "time changed", "middle deleted", "tail cut", "all deleted", "chain relinked",
         "state changed", "state deleted"],
)  # fmt: skip
def test_tampering_is_noticed_and_the_last_good_event_named(whole, statement, words):
    tamper(whole, statement)

    with pytest.raises(LedgerCorrupt, match=words):
        whole.verify("flights")


def test_nothing_is_written_behind_a_cut(whole):
    tamper(whole, "DELETE FROM mlops_ledger_events WHERE seq >= 4")

    with pytest.raises(LedgerCorrupt, match="Last good event: 3"):
        whole.append("flights", "ingest", "new", {}, at=MARCH)
    with pytest.raises(LedgerCorrupt, match="Last good event: 3"):
        whole.promote("flights", "2", expected_epoch=0, payload={}, at=MARCH)
    assert len(whole.events("flights")) == 3


def test_a_changed_event_is_not_handed_out(whole):
    tamper(whole, """UPDATE mlops_ledger_events SET payload = '{"version":"6"}' WHERE kind = 'promotion'""")

    with pytest.raises(LedgerCorrupt, match=r"event 5 of flights \(promotion 1@0\) was changed"):
        whole.state("flights")


def test_nothing_is_written_behind_a_changed_event(whole):
    tamper(whole, """UPDATE mlops_ledger_events SET payload = '{}' WHERE kind = 'promotion'""")

    with pytest.raises(LedgerCorrupt, match=r"event 5 of flights \(promotion 1@0\) was changed"):
        whole.append("flights", "ingest", "new", {}, at=MARCH)


def test_a_lost_state_row_is_rebuilt_from_the_events(whole):
    before = whole.state("flights")
    tamper(whole, "DELETE FROM mlops_ledger_state")

    assert whole.rebuild("flights") == before
    assert whole.verify("flights") == 5
    assert whole.append("flights", "ingest", "next", {}, at=MARCH).seq == 6


def test_a_broken_chain_is_not_rebuilt(whole):
    tamper(whole, "DELETE FROM mlops_ledger_events WHERE seq = 2")

    with pytest.raises(LedgerCorrupt, match="event 2 is missing, 3 follows"):
        whole.rebuild("flights")


# Schema, backup, outages


def test_a_ledger_of_a_newer_release_is_refused(whole, url):
    tamper(whole, "UPDATE mlops_ledger_schema SET schema_version = 99")

    with pytest.raises(
        LedgerMisuse, match="has schema version 99, this package knows 3: it was written by a newer release"
    ):
        Ledger(url).events("flights")


def test_a_backup_holds_every_event(whole, tmp_path, url):
    target = whole.backup(tmp_path / "copies" / "ledger.backup")

    if str(url).startswith("sqlite"):
        copy = Ledger(f"sqlite:///{target}")
        assert copy.events("flights") == whole.events("flights")
        assert copy.verify("flights") == 5
    else:
        *lines, last = [json.loads(line) for line in target.read_text().splitlines()]
        assert lines == [e.to_dict() for e in whole.events("flights")]
        assert last["models"]["flights"]["seq"] == 5


def test_a_locked_database_is_worth_a_retry(tmp_path, monkeypatch):
    monkeypatch.setattr("airflow_mlops.ledger.database.BUSY_S", 0.05)
    ledger = Ledger(f"sqlite:///{tmp_path}/ledger.db")
    ledger.append("flights", "ingest", "a", {}, at=MARCH)
    other = sqlite3.connect(tmp_path / "ledger.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")

    with pytest.raises(
        LedgerUnavailable, match=r"ledger\.db did not answer: database is locked\. Nothing was recorded"
    ):
        ledger.append("flights", "ingest", "b", {}, at=MARCH)

    other.execute("ROLLBACK")
    other.close()
    assert ledger.append("flights", "ingest", "b", {}, at=MARCH).seq == 2


def test_a_reader_does_not_wait_for_a_writer(tmp_path):
    ledger = Ledger(f"sqlite:///{tmp_path}/ledger.db")
    ledger.append("flights", "ingest", "a", {}, at=MARCH)
    other = sqlite3.connect(tmp_path / "ledger.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")

    assert ledger.state("flights").seq == 1
    other.close()


def test_a_postgres_that_does_not_come_to_an_end_is_waited_for_as_long_as_a_locked_sqlite(postgres):
    from airflow_mlops.ledger.database import BUSY_S, Database

    with Database(postgres).read() as connection:
        assert connection.exec_driver_sql("SHOW statement_timeout").scalar() == f"{BUSY_S}s"
    with Database(postgres.update_query_dict({"options": "-c statement_timeout=5000"})).read() as connection:
        assert connection.exec_driver_sql("SHOW statement_timeout").scalar() == "5s"


def test_a_server_that_is_away_is_named_without_its_password():
    ledger = Ledger("postgresql+psycopg://mlops:hunter2@127.0.0.1:1/mlops?connect_timeout=2")

    with pytest.raises(
        LedgerUnavailable, match=r"postgresql\+psycopg://mlops:\*\*\*@127\.0\.0\.1:1/mlops did not answer"
    ) as caught:
        ledger.events("flights")

    assert "hunter2" not in str(caught.value)
    assert "hunter2" not in repr(ledger)


def test_a_file_that_is_no_database_is_called_corrupt(tmp_path):
    (tmp_path / "ledger.db").write_bytes(b"no database, " * 100)

    with pytest.raises(LedgerCorrupt, match=r"ledger\.db is not a readable ledger: file is not a database"):
        Ledger(f"sqlite:///{tmp_path}/ledger.db").models()


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("sqlite://", "a ledger in memory would be lost with its process"),
        ("mysql://host/base", "the ledger lives in SQLite or Postgres, not in mysql"),
        ("user:hunter2 nonsense", "the ledger's address is not a database URL"),
    ],
)
def test_an_address_that_can_be_no_ledger_is_refused(address, words):
    with pytest.raises(LedgerMisuse, match=words) as caught:
        Ledger(address)

    assert "hunter2" not in str(caught.value)


def test_a_position_moves_with_each_event_of_its_model_alone(ledger):
    before = ledger.position("flights")
    ledger.append("flights", "ingest", "a", {}, at=MARCH)
    ledger.append("flights", "ingest", "a", {}, at=MARCH)
    ledger.append("trains", "ingest", "a", {}, at=MARCH)

    assert (before, ledger.position("flights"), ledger.position("trains")) == (0, 1, 1)
