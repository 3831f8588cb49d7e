from __future__ import annotations

import json
import subprocess
import sys
import threading

import pytest

from airflow_mlops.errors import ModelUnusable
from airflow_mlops.lifecycle.isolated import has_one_thread, run_isolated
from airflow_mlops.lifecycle.model_folder import Packaging, write_model_folder
from airflow_mlops.lifecycle.stored_model import StoredModel

from .conftest import COLUMNS


@pytest.fixture
def request_for(store, make_model, tmp_path):
    """A request to check a model folder."""
    model = make_model()
    stored = StoredModel.read(store, model)
    folder = tmp_path / "model"
    folder.mkdir()
    write_model_folder(folder, stored, Packaging(COLUMNS))
    inputs = {
        "model": str(folder),
        "rows": store.path(f"{model.uri}/golden.parquet"),
        "expected": stored.expected,
        "limits": {"tolerance": 1e-6, "max_latency_ms": 1e4, "max_memory_mb": 1e4},
    }
    return {"stage": "deploy", "inputs": inputs}


def test_a_fresh_interpreter_comes_to_the_same_answer_as_a_fork(request_for):
    fresh = run_isolated(request_for, timeout_s=120, fork=False)
    forked = run_isolated(request_for, timeout_s=120, fork=True)

    assert fresh["passed"]
    assert forked["passed"]
    assert fresh["max_difference"] == forked["max_difference"] == 0.0


def test_the_runner_needs_no_airflow(request_for):
    code = "import sys, airflow_mlops.runner; print('airflow' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "False"


@pytest.mark.parametrize("fork", [True, False], ids=["fork", "fresh interpreter"])
def test_an_error_comes_back_as_its_sentence(fork):
    with pytest.raises(ModelUnusable, match="the runner knows no stage 'paint'; it knows deploy"):
        run_isolated({"stage": "paint"}, timeout_s=60, fork=fork)


def test_the_runner_answers_in_json_on_standard_output():
    done = subprocess.run(
        [sys.executable, "-m", "airflow_mlops.runner"], input='{"stage": "paint"}', capture_output=True, text=True,
        check=True,
    )  # fmt: skip

    error = json.loads(done.stdout)["error"]
    assert (error["type"], error["retryable"]) == ("UnknownRequest", False)


def test_a_second_thread_forbids_forking():
    stop = threading.Event()
    thread = threading.Thread(target=stop.wait)
    thread.start()
    try:
        assert not has_one_thread()
    finally:
        stop.set()
        thread.join()
