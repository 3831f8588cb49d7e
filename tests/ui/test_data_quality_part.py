"""The history of the data check on a model's page."""

from __future__ import annotations

from datetime import timedelta

import pytest

from airflow_mlops.ledger import Ledger
from airflow_mlops.report_access import admit
from airflow_mlops.ui.model import data_quality
from tests.conftest import utc
from tests.ui.parts import MODEL, asker

MARCH = utc("2013-03-01T05:00:00")


@pytest.fixture
def ledger(tmp_path):
    return Ledger(f"sqlite:///{tmp_path}/ledger.db")


@pytest.fixture
def ask(ledger, store):
    return asker(data_quality, ledger=ledger, store=store)


@pytest.fixture
def check(ledger, store):
    """Put a snapshot and its check on record."""

    def add(day, verdict="passed", worst=(), **summary):
        at, snapshot = MARCH + timedelta(days=day), f"s{day}"
        folder = store.uri(MODEL, "snapshots", snapshot)
        store.complete(folder, {"id": snapshot, "report": {"rows_read": 12, "outside": 2, "undated": 0}})
        rows = {"id": snapshot, "uri": folder, "rows": 10, "part": "rows", "parts": [{}, {}]}
        span = {"start": "2013-02-20T00:00:00+00:00", "end": "2013-03-01T00:00:00+00:00"}
        ledger.append(MODEL, "ingest", snapshot, {**rows, **span}, at=at)
        page = store.uri(MODEL, "reports", "validate", snapshot, "report.html")
        counts = {"rows": 10, "critical": 0, "warning": 0, "info": 0, "expectations": 3, "quarantined": 0}
        ref = {"verdict": verdict, "html_uri": page, "summary": {**counts, "worst": list(worst), **summary}}
        ledger.append(MODEL, "validate", f"{snapshot}:x", {"ref": ref, "snapshot": {"id": snapshot}}, at=at)

    return add


def test_each_check_says_what_came_in_and_what_was_found(ask, check):
    worst = [{"severity": "critical", "check": "nulls", "column": "dep", "message": "70% of 'dep' is null"}]
    check(0, "failed", worst, critical=1, quarantined=4)

    (found,) = ask("data-quality")["checks"]

    assert (found["verdict"], found["critical"], found["quarantined"], found["rows"]) == ("failed", 1, 4, 10)
    assert found["findings"] == worst
    assert (found["parts"], found["end"]) == (2, "2013-03-01T00:00:00+00:00")


def test_what_the_newest_ingest_left_out_is_told(ask, check):
    check(0)

    assert ask("data-quality")["incoming"] == {"rows_read": 12, "outside": 2, "undated": 0}


def test_a_deleted_snapshot_leaves_its_verdict(ask, check, store):
    check(0)
    store.delete(store.uri(MODEL, "snapshots", "s0"))

    answer = ask("data-quality")

    assert (answer["incoming"], answer["checks"][0]["verdict"]) == (None, "passed")


def test_the_newest_is_first_and_older_ones_follow(ask, check):
    for day in range(5):
        check(day)

    first = ask("data-quality?limit=3")
    second = ask(f"data-quality?limit=3&before={first['next_before']}")

    assert [each["snapshot"] for each in first["checks"] + second["checks"]] == ["s4", "s3", "s2", "s1", "s0"]
    assert second["next_before"] is None


def test_data_docs_are_linked_for_readers_of_a_dag_that_made_them(ask, check, store):
    check(0)
    assert ask("data-quality")["checks"][0]["report"] is None

    admit(store, MODEL, f"{MODEL}_monitor")

    path = f"/mlops/reports/{MODEL}_monitor/{MODEL}/reports/validate/s0/report.html"
    assert ask("data-quality")["checks"][0]["report"] == path


def test_a_strange_payload_is_shown_as_far_as_it_is_known(ask, ledger):
    ledger.append(MODEL, "validate", "x", {"ref": {"summary": {"worst": "none", "rows": "many"}}}, at=MARCH)

    (found,) = ask("data-quality")["checks"]

    assert (found["verdict"], found["rows"], found["findings"], found["snapshot"]) == ("unknown", None, [], None)


def test_parts_that_came_late_are_told_with_their_rows(ask, ledger, check):
    def ingest(snapshot, day, *parts):
        listed = [
            {"start": f"2013-03-0{at}T00:00:00+00:00", "end": f"2013-03-0{at + 1}T00:00:00+00:00", **part}
            for at, part in enumerate(parts, start=1)
        ]
        at = MARCH + timedelta(days=day)
        ledger.append(MODEL, "ingest", snapshot, {"id": snapshot, "part": "rows", "parts": listed}, at=at)
        ref = {"verdict": "passed", "summary": {}}
        ledger.append(MODEL, "validate", snapshot, {"ref": ref, "snapshot": {"id": snapshot}}, at=at)

    ingest("a1", 1, {"digest": "a", "rows": 5}, {"digest": "b", "rows": 6})
    ingest("a2", 2, {"digest": "a", "rows": 5}, {"digest": "c", "rows": 9}, {"digest": "d", "rows": 2})

    after, before = ask("data-quality")["checks"]

    assert (after["late_parts"], before["late_parts"], before["late"]) == (1, 0, [])
    assert (after["late"][0]["start"][:10], after["late"][0]["before"], after["late"][0]["now"]) == ("2013-03-02", 6, 9)
