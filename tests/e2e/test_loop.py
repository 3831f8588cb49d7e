"""The retrain and monitor DAGs on a real scheduler, told twice."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from airflow_mlops.demo.__main__ import main
from airflow_mlops.demo.story import MODEL, MONITOR, RETRAIN, Told, compare_with_first, facts_of, play
from airflow_mlops.ledger import Ledger

pytestmark = pytest.mark.e2e

ROOT = Path(__file__).parents[2]
# Far below what Airflow keeps in its database without a thought, and far above a reference.
REFERENCE_BYTES = 20_000


@pytest.fixture(scope="module")
def stack(start_stack):
    return start_stack()


@pytest.fixture(scope="module")
def told(stack, api_of) -> list[Told]:
    """Both runs of the first telling; `play` raises where a task does not succeed."""
    logs = Path(stack.settings.folder, "airflow", "logs")
    return [play(api_of(stack), chapter, lambda _: None, logs=logs) for chapter in (RETRAIN, MONITOR)]


@pytest.fixture(scope="module")
def facts(stack, told):
    """What is true after it; raises unless ledger, MLflow's alias and the tasks agree on one champion."""
    found = facts_of(stack.settings, *told)
    assert compare_with_first(stack.settings, found) is None
    return found


@pytest.fixture
def ledger(stack):
    return Ledger(f"sqlite:///{stack.settings.artifacts / 'ledger.db'}")


def test_one_version_is_promoted_once(facts):
    assert (facts.version, facts.promotions, facts.mlflow_versions) == ("1", 1, 1)


def test_each_stage_is_in_the_ledger_and_its_chain_is_whole(facts, ledger):
    kinds = {event.kind for event in ledger.events(MODEL)}

    assert kinds >= {"ingest", "validate", "features", "train", "evaluate", "register", "deploy", "promotion", "drift"}
    assert ledger.verify(MODEL) == len(ledger.events(MODEL))


def test_june_is_compared_with_the_rows_the_champion_was_trained_on(facts, told, ledger):
    payload = ledger.state(MODEL).champion.payload

    assert payload["model"]["features"]["snapshots"][0]["id"] == facts.snapshot
    assert facts.drift == told[1].results["drift"]["verdict"]


def test_tasks_hand_on_references_and_never_rows(told):
    for one in told:
        for task_id, result in one.results.items():
            assert len(json.dumps(result)) < REFERENCE_BYTES, task_id
            assert {"id", "uri"} <= set(result) or {"model", "version"} <= set(result), task_id


def test_the_second_telling_makes_nothing_twice_and_down_stops_everything(stack, facts, ledger, monkeypatch, capsys):
    monkeypatch.setenv("CI", "true")
    events = len(ledger.events(MODEL))
    where = ["--folder", stack.settings.folder, "--dags", str(ROOT / "dags")]

    assert main(["up", *where]) == 0
    said = capsys.readouterr().out
    assert "Nothing was made twice" in said
    assert "same as run" in said
    assert len(ledger.events(MODEL)) == events
    leaders = stack.processes.leaders()
    assert main(["status", *where]) == 0

    assert main(["down", *where]) == 0
    assert [leader.name for leader in leaders if leader.members()] == []
    assert main(["status", *where]) == 1
