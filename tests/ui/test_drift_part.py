"""Drift by column on a model's page: what the stage stored is what is shown, and nothing sensitive is."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import timedelta

import pyarrow as pa
import pytest

from airflow_mlops.ledger import Ledger
from airflow_mlops.report_access import admit
from airflow_mlops.spec.data_sections import DriftSpec
from airflow_mlops.stages.drift import drift as compare
from airflow_mlops.stages.drift.distributions import distributions_of
from airflow_mlops.stages.drift.report import DISTRIBUTIONS
from airflow_mlops.stages.profile import profile_table
from airflow_mlops.ui.model import drift
from tests.conftest import ROOT, utc
from tests.ui.parts import MODEL, asker

MARCH = utc("2013-03-01T05:00:00")
COLUMNS = ["temp", "carrier", "name", "gone"]


def rows(shift, *, gone=False):
    """A hundred rows: a number that is shifted, a category, a sensitive text, and a column that may be gone."""
    return pa.table(
        {
            "temp": pa.array([float(place) + shift for place in range(100)]),
            "carrier": pa.array((["UA"] * 60 + ["B6"] * 40) if shift else (["UA"] * 20 + ["B6"] * 80)),
            "name": pa.array([f"person {place}" for place in range(100)]),
            "gone": pa.array([None if gone else float(place) for place in range(100)]),
        }
    )


@pytest.fixture(scope="module")
def found():
    """A report and its distributions, as the drift task makes them."""
    profiles = [profile_table(table, sensitive=["name"]) for table in (rows(0), rows(50, gone=True))]
    report = compare(*profiles, COLUMNS, DriftSpec(), sensitive=["name"])
    return report, distributions_of(report, *profiles)


@pytest.fixture
def ledger(tmp_path):
    return Ledger(f"sqlite:///{tmp_path}/ledger.db")


@pytest.fixture
def ask(ledger, store):
    return asker(drift, ledger=ledger, store=store)


@pytest.fixture
def look(ledger, store, found):
    """Store a report of a day as the task does, and put it on record."""

    def add(day=0, *, is_stored=True):
        report, distributions = found
        key, at = f"{day:016x}", MARCH + timedelta(days=day)
        folder = store.uri(MODEL, "reports", "drift", key)
        if is_stored:
            store.write_json(f"{folder}/report.json", report.to_dict())
            store.write_json(f"{folder}/{DISTRIBUTIONS}", distributions)
            store.write_bytes(f"{folder}/report.html", b"drawn")
            store.complete(folder, {"id": key})
        current = {"start": "2013-02-20T00:00:00+00:00", "end": "2013-03-01T00:00:00+00:00"}
        facts = {"verdict": report.verdict, "summary": report.summary(), "html_uri": f"{folder}/report.html"}
        ledger.append(MODEL, "drift", key, {**facts, "uri": folder, "current": current}, at=at, run=f"run {day}")
        return key

    return add


def test_the_farthest_column_is_first_with_its_score_and_verdict(ask, look):
    look()

    answer = ask("drift")

    first, *_, last = answer["columns"]
    assert (first["column"], first["verdict"], first["exceeds_default"]) == ("temp", "drifted", True)
    assert first["method"].startswith("p-value") or first["score"] > first["threshold"]
    assert (last["column"], last["score"], last["finding"]) == ("gone", None, "gone has no value in the current window")
    assert (answer["total"], answer["compared"], answer["reference_rows"]) == (3, 2, 100)


def test_sensitive_columns_are_named_and_neither_scored_nor_drawn(ask, look):
    look()

    answer, pictures = ask("drift"), ask("drift/distributions?columns=name&columns=temp")

    assert answer["left_out"] == ["name"]
    assert "name" not in [each["column"] for each in answer["columns"]]
    assert [each["column"] for each in pictures["columns"]] == ["temp"]
    assert "person" not in json.dumps([answer, pictures])


def test_both_sides_of_a_number_are_counted_on_the_same_edges(ask, look):
    look()

    (temp,) = ask("drift/distributions?columns=temp")["columns"]

    assert len(temp["edges"]) == len(temp["reference"]) + 1 == len(temp["current"]) + 1
    assert (temp["edges"][0], temp["edges"][-1]) == (0.0, 149.0)
    assert sum(temp["reference"]) == pytest.approx(1)
    assert sum(temp["current"]) == pytest.approx(1)
    assert temp["reference"][-1] == temp["current"][0] == 0


def test_categories_have_a_share_each_and_one_for_all_others(ask, look):
    look()

    (carrier,) = ask("drift/distributions?columns=carrier")["columns"]

    assert carrier["values"] == ["UA", "B6"]
    assert (carrier["reference"], carrier["current"]) == ([0.2, 0.8, 0.0], [0.6, 0.4, 0.0])


def test_an_earlier_look_may_be_asked_for(ask, look):
    first, second = look(0), look(7)

    assert [each["id"] for each in ask("drift")["looks"]] == [second, first]
    assert ask("drift")["look"]["id"] == second
    assert ask(f"drift?look={first}")["look"]["id"] == first


def test_what_the_loop_made_of_it_stands_beside(ask, look, ledger):
    look()
    signal = {"verdict": "stable", "value": 0.1, "limit": 0.5, "detail": "1 of 10 columns moved"}
    ledger.append(MODEL, "signals", "x", {"measured": {"data_drift": signal}}, at=MARCH, run="run 0")

    assert ask("drift")["signals"] == [{"name": "data drift", **signal}]


def test_a_report_that_retention_deleted_leaves_what_the_ledger_knows(ask, look):
    look(is_stored=False)

    answer = ask("drift")

    assert (answer["columns"], answer["drifted"], answer["compared"]) == ([], 2, 2)
    assert "retention deleted them" in answer["trouble"]
    assert "retention deleted them" in ask("drift/distributions?columns=temp")["trouble"]


def test_a_damaged_report_is_said_to_be_one(ask, look, store):
    key = look()
    [place] = [place for place in store.fs.find(store.root) if place.endswith("/report.json")]
    store.write_bytes(place, b"{")

    answer = ask(f"drift?look={key}")

    assert answer["columns"] == []
    assert "report.json is not JSON" in answer["trouble"]
    assert store.root not in answer["trouble"]


def test_evidentlys_page_is_linked_for_readers_of_a_dag_that_made_it(ask, look, store):
    key = look()
    assert ask("drift")["report"] is None

    admit(store, MODEL, f"{MODEL}_monitor")

    path = f"/mlops/reports/{MODEL}_monitor/{MODEL}/reports/drift/{key}/report.html"
    assert ask("drift")["report"] == path


def test_a_model_without_a_report_says_so(ask):
    answer = ask("drift")

    assert (answer["look"], answer["looks"], answer["columns"]) == (None, [], [])
    assert ask("drift/distributions?columns=temp")["columns"] == []


@pytest.mark.parametrize("query", ["look=../..", "look=" + "a" * 65, "limit=0", "limit=3000"])
def test_malformed_questions_are_refused(ask, query):
    ask(f"drift?{query}", status=422)


def test_a_look_that_is_not_on_record_is_not_found(ask):
    ask("drift?look=abc", status=404)
    ask("drift/distributions?look=abc", status=404)


def test_more_than_twelve_pictures_at_once_are_refused(ask):
    ask("drift/distributions?" + "&".join(f"columns=c{place}" for place in range(13)), status=422)


def test_a_column_is_read_back_without_a_heavy_library():
    code = (
        "import sys; from airflow_mlops.stages.drift.page import METHODS; from airflow_mlops.loop.drift_words import "
        "effect_words; from airflow_mlops.stages.drift.report import ColumnDrift; "
        "print(ColumnDrift.from_dict(dict(column='a', kind='numerical', method='ks', score=0.01, threshold=0.05, "
        "drifted=True)).severity, [each for each in ('numpy', 'pandas', 'pyarrow') if each in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={"PYTHONPATH": str(ROOT / "operators")},
        capture_output=True,
        text=True,
        check=True,
    )

    assert done.stdout.strip() == "5.0 []"
