"""Every DAG in ``dags/`` parses light, has the shape it should have, and runs on real flights."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from airflow_mlops.artifacts import ArtifactStore
from airflow_mlops.ledger import Ledger
from airflow_mlops.spec.load import spec_files
from tests.conftest import ROOT
from tests.running_server import TOKEN, RunningServer

HEAVY = {"pandas", "numpy", "sklearn", "mlflow", "great_expectations", "evidently", "pyarrow", "duckdb", "scipy"}
MIDNIGHT = "2013-03-01T05:00:00+00:00"


@pytest.fixture(scope="module")
def bag(airflow_home):
    """All DAGs of the folder, as Airflow finds them."""
    from airflow.dag_processing.dagbag import DagBag

    return DagBag(dag_folder=ROOT / "dags")


@pytest.fixture(scope="module")
def server(airflow_home):
    """The model server that the flights' spec names, on the ledger of this session."""
    ledger = f"sqlite:///{airflow_home / 'artifacts' / 'ledger.db'}"
    running = RunningServer(ArtifactStore.local(airflow_home / "artifacts"), ledger)
    address = {"conn_type": "model_server", "host": "127.0.0.1", "port": running.port, "password": TOKEN}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AIRFLOW_CONN_MODEL_SERVER_DEFAULT", json.dumps(address))
        yield running
    running.kill()


@pytest.fixture(scope="module")
def run(bag, server):
    """Run a DAG once a session as an asset would start it, without a logical date; return its tasks' states."""
    states: dict[str, dict[str, str]] = {}

    def once(dag_id: str, **conf: str) -> dict[str, str]:
        if dag_id not in states:
            dag_run = bag.dags[dag_id].test(logical_date=None, run_conf=conf)
            assert dag_run.logical_date is None
            states[dag_id] = {ti.task_id: str(ti.state) for ti in dag_run.get_task_instances()}
        return states[dag_id]

    return once


def edges(dag):
    return {f"{task.task_id} > {after}" for task in dag.tasks for after in task.downstream_task_ids}


def test_nothing_fails_to_import(bag):
    assert bag.import_errors == {}
    names = {file.stem for file in spec_files(ROOT / "dags" / "specs")}
    made = {f"{name}_{kind}" for name in names for kind in ("retrain", "monitor", "score", "actions")}
    assert set(bag.dags) == made | {"flights_by_hand"}


@pytest.mark.parametrize("file", sorted((ROOT / "dags").glob("*.py")), ids=lambda file: file.name)
def test_parsing_loads_nothing_heavy(file):
    program = f"import runpy, sys; runpy.run_path({str(file)!r}); print(sorted({HEAVY!r} & sys.modules.keys()))"

    told = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert told.stdout.strip().splitlines()[-1] == "[]"


def test_the_retrain_dag_checks_before_it_trains_and_judges_before_it_deploys(bag):
    assert edges(bag.dags["flights_retrain"]) == {
        "request > ingest",
        "ingest > validate",
        "ingest > features",
        "validate > features",
        "features > train",
        "train > evaluate",
        "train > register",
        "evaluate > register",
        "evaluate > approve",
        "register > approve",
        "approve > deploy",
        "evaluate > deploy",
        "register > deploy",
    }


def test_the_monitor_dag_checks_before_it_decides_and_draws(bag):
    assert edges(bag.dags["flights_monitor"]) == {
        "ingest > validate",
        "ingest > decide",
        "validate > decide",
        "ingest > drift",
        "validate > drift",
    }


def test_the_score_dag_checks_before_it_scores(bag):
    assert edges(bag.dags["flights_score"]) == {"ingest > validate", "ingest > score", "validate > score"}


def test_the_dag_written_by_hand_has_all_eight_stages(bag):
    asked = {edge for edge in edges(bag.dags["flights_retrain"]) if "request" in edge or "approve" in edge}
    after_the_request = edges(bag.dags["flights_retrain"]) - asked

    assert edges(bag.dags["flights_by_hand"]) == after_the_request | {"ingest > drift", "deploy > drift"}


def test_the_retrain_dag_runs_through_and_promotes(run, airflow_home):
    states = run("flights_retrain", now=MIDNIGHT, reason="a test")

    assert set(states.values()) == {"success"}
    ledger = Ledger(f"sqlite:///{airflow_home / 'artifacts' / 'ledger.db'}")
    assert ledger.state("flights").champion.epoch == 1


def test_the_monitor_dag_compares_june_with_the_champions_winter(run, airflow_home):
    run("flights_retrain", now=MIDNIGHT, reason="a test")

    states = run("flights_monitor", now="2013-07-01T04:00:00+00:00")

    assert set(states.values()) == {"success"}
    ledger = Ledger(f"sqlite:///{airflow_home / 'artifacts' / 'ledger.db'}")
    last = ledger.state("flights").last
    assert last["drift"].payload["verdict"] == "drifted"
    assert last["signals"].payload["drift"]["verdict"] == "drifted"
    assert last["decision"].payload["action"] == "warn"


def test_the_dag_written_by_hand_finds_all_done_already(run, airflow_home):
    run("flights_retrain", now=MIDNIGHT, reason="a test")
    ledger = Ledger(f"sqlite:///{airflow_home / 'artifacts' / 'ledger.db'}")

    states = run("flights_by_hand")

    assert states["ingest"] == states["train"] == states["evaluate"] == "success"
    assert len(ledger.events("flights", kind="promotion")) == 1
    assert len(ledger.events("flights", kind="train")) == 1
