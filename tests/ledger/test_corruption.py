"""Whatever is done to a ledger behind its back is noticed, by reads, writes and the check, and said in one sentence."""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
import time
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_mlops.errors import ClockBack, LedgerCorrupt, LedgerMisuse, MLOpsError
from airflow_mlops.ledger import Ledger
from airflow_mlops.ledger.tables import events_table
from tests.ledger.places import MARCH, fork, tamper

NO_CHECK = {
    "promotion missing": "DELETE FROM mlops_ledger_events WHERE epoch = 1",
    "promotion changed": """UPDATE mlops_ledger_events SET payload = '{"version":"9"}' WHERE epoch = 2""",
    "tail cut": "DELETE FROM mlops_ledger_events WHERE seq >= 4",
    "all gone": "DELETE FROM mlops_ledger_events",
    "state names another champion": "UPDATE mlops_ledger_state SET champion = '9'",
    "state lost": "DELETE FROM mlops_ledger_state",
}


def fill(ledger):
    """Record five events, two promotions among them."""
    ledger.append("flights", "register", "1", {"version": "1"}, at=MARCH)
    ledger.promote("flights", "1", expected_epoch=0, payload={"cause": "retrain"}, at=MARCH)
    ledger.append("flights", "signals", "a", {"loss": 0.5}, at=MARCH, run="monitor__1")
    ledger.promote("flights", "2", expected_epoch=1, payload={"cause": "retrain"}, at=MARCH + timedelta(days=7))
    ledger.append("flights", "signals", "b", {"loss": None}, at=MARCH + timedelta(days=8))
    return ledger


@pytest.fixture
def whole(ledger):
    return fill(ledger)


@pytest.mark.parametrize("statement", NO_CHECK.values(), ids=NO_CHECK.keys())
def test_who_asks_where_a_model_stands_meets_the_fault_too(whole, statement):
    tamper(whole, statement)

    for ask in (whole.state, whole.history, whole.verify):
        with pytest.raises(LedgerCorrupt, match="Last good event"):
            ask("flights")


@pytest.mark.parametrize("statement", list(NO_CHECK.values())[1:], ids=list(NO_CHECK)[1:])
def test_nothing_is_written_or_said_to_serve_where_the_end_of_a_chain_is_not_right(whole, statement):
    tamper(whole, statement)

    with pytest.raises(LedgerCorrupt, match="Last good event"):
        whole.serving("flights")
    with pytest.raises(LedgerCorrupt, match="Last good event"):
        whole.append("flights", "signals", "c", {}, at=MARCH)
    with pytest.raises(LedgerCorrupt, match="Last good event"):
        whole.promote("flights", "3", expected_epoch=2, payload={}, at=MARCH)


columns = st.sampled_from([column.name for column in events_table.columns])
values = st.one_of(
    st.none(), st.integers(-(2**63), 2**63 - 1), st.floats(), st.text(max_size=70), st.binary(max_size=9)
)


@pytest.fixture(scope="module")
def pattern(tmp_path_factory):
    """A whole ledger to be copied, for each edit is made to a whole one."""
    path = tmp_path_factory.mktemp("pattern") / "ledger.db"
    fill(Ledger(f"sqlite:///{path}")).backup(path.with_name("copy.db"))
    return path.with_name("copy.db")


def verify_all(ledger):
    """Check what was there, and whatever is there now."""
    for model in ("flights", *ledger.models()):
        ledger.verify(model)


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 5), columns, values)
def test_every_edit_of_any_field_is_found_by_the_check(pattern, seq, column, value):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(shutil.copy(pattern, folder))
        with closing(sqlite3.connect(path)) as connection:
            told = f"SELECT {column}, typeof({column}) FROM mlops_ledger_events WHERE rowid = {seq}"
            before = connection.execute(told).fetchone()
            try:
                connection.execute(f"UPDATE mlops_ledger_events SET {column} = ? WHERE rowid = {seq}", [value])
            except (sqlite3.IntegrityError, UnicodeEncodeError):
                return  # The database itself refuses.
            connection.commit()
            if connection.execute(told).fetchone() == before:
                return
        ledger = Ledger(f"sqlite:///{path}")

        with pytest.raises(LedgerCorrupt, match="Last good event"):
            verify_all(ledger)


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_a_cut_or_overwritten_file_gives_a_sentence_or_what_was_written(pattern, data):
    content = bytearray(pattern.read_bytes())
    if data.draw(st.booleans()):
        del content[data.draw(st.integers(1, len(content) - 1)) :]
    else:
        start = data.draw(st.integers(0, len(content) - 1))
        content[start : start + 64] = data.draw(st.binary(min_size=1, max_size=64))[: len(content) - start]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "ledger.db")
        path.write_bytes(content)
        ledger = Ledger(f"sqlite:///{path}")

        try:
            count = ledger.verify("flights")
            state = ledger.state("flights")
        except MLOpsError:
            return

        assert (count, state.champion.version, state.epoch) == (5, "2", 2)


def test_a_copy_of_the_file_made_while_somebody_writes_is_an_older_ledger_or_refused(tmp_path):
    path = tmp_path / "ledger.db"
    fill(Ledger(f"sqlite:///{path}"))
    writer = fork.Process(target=_write_for_good, args=(f"sqlite:///{path}",))
    writer.start()
    try:
        for number in range(8):
            time.sleep(0.03)
            for log in (False, True):
                copy = tmp_path / f"copy{number}{log}.db"
                shutil.copy(path, copy)
                if log and (wal := path.with_name("ledger.db-wal")).exists():
                    shutil.copy(wal, copy.with_name(f"{copy.name}-wal"))
    finally:
        writer.kill()
        writer.join()
    count = Ledger(f"sqlite:///{path}").verify("flights")

    for copy in tmp_path.glob("copy*.db"):
        ledger = Ledger(f"sqlite:///{copy}")
        try:
            found = ledger.verify("flights")
        except LedgerCorrupt:
            continue
        assert found <= count
        assert ledger.events("flights") == Ledger(f"sqlite:///{path}").events("flights")[:found]


def _write_for_good(url):
    ledger, number = Ledger(url), 0
    while True:
        number += 1
        ledger.append("flights", "signals", f"more {number}", {"text": "x" * 900}, at=MARCH)


def test_the_check_of_a_cut_file_names_the_last_event_that_can_be_read(tmp_path):
    ledger = fill(Ledger(f"sqlite:///{tmp_path}/ledger.db"))
    for number in range(60):
        ledger.append("flights", "signals", f"long {number}", {"text": "x" * 900}, at=MARCH)
    copy = ledger.backup(tmp_path / "copy.db")
    with copy.open("r+b") as file:
        file.truncate(copy.stat().st_size // 2)

    with pytest.raises(LedgerCorrupt, match=r"Last good event: ([1-9]\d* of flights|none that can be read)"):
        Ledger(f"sqlite:///{copy}").verify("flights")


# The clock


class Clock:
    """A clock that can be set."""

    def __init__(self):
        self.now = MARCH

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def timed(url, clock):
    """A ledger with one event, written when the clock said noon."""
    clock.now = MARCH + timedelta(hours=12)
    ledger = Ledger(url, clock=clock)
    ledger.append("flights", "signals", "noon", {}, at=MARCH)
    return ledger


def test_times_of_writing_do_not_go_back_where_clocks_differ_a_little(timed, clock):
    clock.now -= timedelta(minutes=4)

    assert timed.append("flights", "signals", "next", {}, at=MARCH).recorded_at == MARCH + timedelta(hours=12)
    assert timed.verify("flights") == 2


def test_a_clock_that_went_back_is_refused_until_it_is_right_again(timed, clock):
    clock.now -= timedelta(hours=2)

    with pytest.raises(
        ClockBack, match=r"went back by 2:00:00\. Nothing was recorded\. Last good event: 1\."
    ) as caught:
        timed.append("flights", "signals", "next", {}, at=MARCH)
    with pytest.raises(ClockBack, match="accept-clock flights --reason"):
        timed.promote("flights", "1", expected_epoch=0, payload={}, at=MARCH)

    assert caught.value.seq == 1
    assert timed.append("flights", "signals", "noon", {}, at=MARCH).seq == 1
    clock.now += timedelta(hours=3)
    assert timed.append("flights", "signals", "next", {}, at=MARCH).seq == 2


def test_an_accepted_clock_is_believed_from_then_on(timed, clock):
    clock.now -= timedelta(days=30)
    accepted = timed.accept_clock("flights", reason="the machine was a month ahead", by="ada")

    after = timed.append("flights", "signals", "next", {}, at=MARCH)

    assert (accepted.kind, accepted.payload["by"], after.recorded_at) == ("clock", "ada", clock.now)
    assert timed.verify("flights") == 3


def test_a_clock_that_is_not_behind_cannot_be_accepted(timed):
    with pytest.raises(LedgerMisuse, match="the clock is not behind the last event of flights"):
        timed.accept_clock("flights", reason="to be sure", by="ada")


def test_the_check_notices_a_step_back_that_nobody_accepted(timed, clock, monkeypatch):
    clock.now -= timedelta(hours=2)
    with monkeypatch.context() as patched:
        patched.setattr("airflow_mlops.ledger.writing._time_of_writing", lambda now, _tail, **_: now)
        timed.append("flights", "signals", "next", {}, at=MARCH)

    with pytest.raises(LedgerCorrupt, match=r"recorded 2:00:00 before an earlier one\. Last good event: 1"):
        timed.verify("flights")
