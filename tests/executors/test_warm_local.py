"""The executor imports before it forks, and never stops the scheduler."""

from __future__ import annotations

import logging
import multiprocessing
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from airflow_mlops.executors import warm_local
from airflow_mlops.executors.warm_local import PRELOAD, WarmLocalExecutor, preload, wanted

OPERATORS = Path(__file__).parents[2] / "operators"


@pytest.fixture
def faulty(tmp_path, monkeypatch):
    """Modules that cannot be imported, each in its own way, and one that can."""
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "raises_value_error.py").write_text("raise ValueError('no licence')")
    (tmp_path / "exits.py").write_text("raise SystemExit(3)")
    (tmp_path / "is_fine.py").write_text("")
    yield
    sys.modules.pop("is_fine", None)


@pytest.mark.parametrize(
    ("option", "modules"),
    [
        ("", []),
        ("a.b, c", ["a.b", "c"]),
        ("a,\n b,\n", ["a", "b"]),
        ("default", list(PRELOAD)),
        ("default, my_company.features, pandas", [*PRELOAD, "my_company.features"]),
    ],
)
def test_the_option_names_modules_and_the_default_list(option, modules):
    assert wanted(option) == modules


def test_the_modules_are_in_the_process_after_a_preload(faulty):
    done = preload(["is_fine"])

    assert "is_fine" in sys.modules
    assert list(done.seconds) == ["is_fine"]
    assert str(done) == "preloaded 1 modules in 0.0 s (all quick)"


def test_a_module_that_fails_does_not_keep_the_next_one_out(faulty):
    done = preload(["raises_value_error", "exits", "is_fine"])

    assert done.failed == {"raises_value_error": "ValueError('no licence')", "exits": "SystemExit(3)"}
    assert list(done.seconds) == ["is_fine"]


def test_what_libraries_say_while_they_are_imported_stays_out_of_the_log(tmp_path, monkeypatch, caplog, recwarn):
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "talks.py").write_text(
        "import logging, warnings\nlogging.getLogger('talks').warning('hello')\nwarnings.warn('old')"
    )

    preload(["talks"])
    logging.getLogger("later").warning("heard")

    assert caplog.messages == ["heard"]
    assert not recwarn.list


def test_a_library_of_our_list_that_is_not_installed_is_named_and_no_fault(monkeypatch):
    monkeypatch.setattr(warm_local, "PRELOAD", ("no_such_library",))

    done = preload(["no_such_library"])

    assert (done.missing, done.failed) == (["no_such_library"], {})
    assert str(done).endswith("; not installed: no_such_library")


def test_a_module_of_somebody_else_whose_library_is_missing_names_that_library(monkeypatch, tmp_path):
    (tmp_path / "features_of_theirs.py").write_text("import no_such_library")
    monkeypatch.syspath_prepend(tmp_path)

    done = preload(["features_of_theirs"])

    assert done.failed == {"features_of_theirs": """ModuleNotFoundError("No module named 'no_such_library'")"""}


def test_workers_inherit_what_was_preloaded_and_faults_are_logged(faulty, monkeypatch, caplog):
    monkeypatch.setenv("AIRFLOW__MLOPS__PRELOAD", "raises_value_error, is_fine")
    executor = WarmLocalExecutor(parallelism=1)
    inherited: list[bool] = []
    monkeypatch.setattr(WarmLocalExecutor, "_spawn_worker", lambda self: inherited.append("is_fine" in sys.modules))

    monkeypatch.setenv("GOMP_SPINCOUNT", "")
    monkeypatch.delenv("GOMP_SPINCOUNT")

    with caplog.at_level(logging.INFO):
        executor.start()

    assert inherited == [True]
    assert os.environ["GOMP_SPINCOUNT"] == "10000"
    assert caplog.messages[-2:] == [
        "preload of raises_value_error failed, its tasks import it themselves: ValueError('no licence')",
        "preloaded 1 modules in 0.0 s (all quick)",
    ]


def test_the_scheduler_lives_while_it_preloads(airflow_db, monkeypatch):
    from airflow.jobs.job import Job
    from airflow.utils.session import create_session

    with create_session() as session:
        job = Job()
        job.latest_heartbeat = datetime.now(UTC) - timedelta(minutes=5)
        session.add(job)
        session.flush()
        number = job.id
    monkeypatch.setenv("AIRFLOW__MLOPS__PRELOAD", "json")
    monkeypatch.setattr(WarmLocalExecutor, "_spawn_worker", lambda self: None)
    executor = WarmLocalExecutor(parallelism=1)
    executor.job_id = number

    executor.start()

    with create_session() as session:
        assert datetime.now(UTC) - session.get(Job, number).latest_heartbeat < timedelta(minutes=1)


def test_a_spin_count_that_somebody_chose_is_kept(monkeypatch):
    monkeypatch.setenv("AIRFLOW__MLOPS__PRELOAD", "json")
    monkeypatch.setenv("GOMP_SPINCOUNT", "7")
    monkeypatch.setattr(WarmLocalExecutor, "_spawn_worker", lambda self: None)

    WarmLocalExecutor(parallelism=1).start()

    assert os.environ["GOMP_SPINCOUNT"] == "7"


def test_it_says_so_when_workers_are_not_forked(monkeypatch, caplog):
    monkeypatch.setattr(multiprocessing, "get_start_method", lambda: "spawn")
    executor = WarmLocalExecutor(parallelism=1)

    with caplog.at_level(logging.WARNING):
        executor.start()

    assert "nothing is preloaded: workers start by spawn" in caplog.text


def test_airflow_loads_it_by_its_path():
    from airflow.executors.executor_loader import ExecutorLoader
    from airflow.executors.executor_utils import ExecutorName

    path = "airflow_mlops.executors.warm_local.WarmLocalExecutor"

    assert ExecutorLoader.import_executor_cls(ExecutorName(module_path=path))[0] is WarmLocalExecutor


_FORK_AFTER_PRELOAD = """
import os, sys, threading
from airflow_mlops.executors.warm_local import PRELOAD, preload
done = preload(PRELOAD)
assert not done.failed, done.failed
assert threading.active_count() == 1, threading.enumerate()
import airflow_mlops
for layer in ("operators", "stages", "lifecycle"):
    for file in os.listdir(os.path.join(airflow_mlops.__path__[0], layer)):
        name = f"airflow_mlops.{layer}.{file.removesuffix('.py')}"
        assert file.startswith("__") or name in sys.modules, name
pid = os.fork()
if pid == 0:
    import numpy as np
    from sklearn.ensemble import HistGradientBoostingRegressor
    x = np.random.default_rng(0).normal(size=(400, 20))
    HistGradientBoostingRegressor(max_iter=5).fit(x @ x.T, x[:, 0])
    os._exit(0)
print("child", os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), "missing", *done.missing)
"""


def test_a_process_forked_after_the_whole_preload_computes():
    """Native thread pools survive the fork, and no thread of Python's runs when it happens."""
    done = subprocess.run(
        [sys.executable, "-c", _FORK_AFTER_PRELOAD],
        env={**os.environ, "PYTHONPATH": str(OPERATORS)},
        capture_output=True,
        text=True,
        timeout=300,
    )

    assert done.stdout.strip().splitlines()[-1:] == ["child 0 missing"], done.stdout + done.stderr
