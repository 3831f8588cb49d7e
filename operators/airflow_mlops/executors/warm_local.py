"""A LocalExecutor whose workers are born with the libraries already imported."""

from __future__ import annotations

import importlib
import logging
import multiprocessing
import os
import time
import warnings
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from airflow.executors.local_executor import LocalExecutor

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

log = logging.getLogger(__name__)

DEFAULT = "default"
_LONG_S = 0.5

# The top-level modules that bring what the stages import, found by comparing `sys.modules` before and after each.
PRELOAD = (
    # what every task needs before its operator begins
    "airflow.sdk.execution_time.supervisor",
    "airflow_mlops.dag_factory",
    "airflow_mlops.demo.flights",
    *(f"airflow_mlops.hooks.{name}" for name in ("artifacts", "ledger", "mlflow", "source")),
    "airflow_mlops.ledger",
    *(
        f"airflow_mlops.lifecycle.{name}"
        for name in ("by_hand", "deploy", "isolated", "promote", "reconcile", "register", "server_target")
    ),
    *(
        f"airflow_mlops.lifecycle.{name}"
        for name in ("evidence", "light_judgement", "override", "tick", "tracking", "weighing")
    ),
    *(f"airflow_mlops.lifecycle.{name}" for name in ("catalog", "check", "facts")),
    *(
        f"airflow_mlops.lifecycle.{name}"
        for name in ("bake", "card", "drill", "freeze", "lakes", "rollback", "spool", "storing", "sweep", "transfer")
    ),
    *(f"airflow_mlops.lifecycle.{name}" for name in ("metrics", "notices")),
    *(
        f"airflow_mlops.lifecycle.{name}"
        for name in ("acting", "decision_record", "questions", "timeline", "version_record")
    ),
    "airflow_mlops.lifecycle.parts",
    "airflow_mlops.lifecycle.suite_rows",
    "airflow_mlops.operators.history",
    *(f"airflow_mlops.stages.{name}" for name in ("ingest", "validate", "features", "training_set", "train")),
    *(
        f"airflow_mlops.stages.{name}"
        for name in ("canonical", "fingerprints", "golden", "model_file", "deploy", "drift")
    ),
    *(f"airflow_mlops.stages.evaluate.{name}" for name in ("evaluation", "importance", "metrics", "page", "plots")),
    *(f"airflow_mlops.stages.validate.{name}" for name in ("data_docs", "quarantine", "suite.metrics")),
    *(f"airflow_mlops.stages.{name}" for name in ("approve", "committee", "links", "score", "tree_artifact", "weigh")),
    "airflow_mlops.stages.evaluate.light",
    *(f"airflow_mlops.{name}" for name in ("lifecycle.reproduce", "spec.record", "stages.reproduce")),
    *(f"airflow_mlops.stages.drift.{name}" for name in ("distributions", "domain", "effects")),
    *(f"airflow_mlops.stages.decide.{name}" for name in ("page", "quality", "text")),
    "airflow_mlops.serving.prediction_log",
    *(f"airflow_mlops.loop.{name}" for name in ("explain", "first_champion", "gate", "light_gate")),
    # skops looks at every module that is loaded, so it comes before the many
    "skops.io",
    "skops.card",
    "markdown_it",
    # tables
    "pandas",
    "pyarrow.csv",
    "pyarrow.dataset",
    "pyarrow.json",
    "pyarrow.parquet",
    "duckdb",
    # models
    "sklearn.calibration",
    "sklearn.compose",
    "sklearn.dummy",
    "sklearn.ensemble",
    "sklearn.impute",
    "sklearn.inspection",
    "sklearn.linear_model",
    "sklearn.pipeline",
    "sklearn.preprocessing",
    "narwhals._pandas_like.dataframe",
    "alembic.command",
    "mlflow.pyfunc",
    "mlflow.sklearn",
    "mlflow.store.model_registry.sqlalchemy_store",
    "mlflow.store.tracking.sqlalchemy_store",
    "mlflow.tracking.request_header.registry",
    # reports
    "great_expectations",
    "evidently",
    "plotly.graph_objects",
    "matplotlib.backends.backend_agg",
    "matplotlib.backends.backend_svg",
    "matplotlib.figure",
)


@dataclass
class Preloaded:
    """What a preload did."""

    seconds: dict[str, float] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        """Say it in one sentence, slowest first."""
        slowest = sorted(self.seconds.items(), key=lambda item: -item[1])
        named = ", ".join(f"{name} {seconds:.1f} s" for name, seconds in slowest if seconds >= 0.05)
        text = f"preloaded {len(self.seconds)} modules in {sum(self.seconds.values()):.1f} s ({named or 'all quick'})"
        return text + (f"; not installed: {', '.join(self.missing)}" if self.missing else "")


class WarmLocalExecutor(LocalExecutor):
    """Import the heavy libraries once, in the scheduler, before the workers are forked from it.

    A task is a fork of a worker, and a worker is a fork of the scheduler: what is in the scheduler's memory is in every
    task's, shared until it is written to. ``[mlops] preload`` holds the list. Nothing but imports happens here: no
    thread, no client and no connection may be open when a process forks.
    """

    def start(self) -> None:
        """Preload, then fork the workers."""
        if self.is_mp_using_fork:
            # GNU OpenMP's threads spin for milliseconds while they wait for each other, which starves tasks that share
            # the cores; not at all would make a fit on idle cores half as fast. It reads this when it is loaded.
            os.environ.setdefault("GOMP_SPINCOUNT", "10000")
            modules = wanted(self.conf.get("mlops", "preload", fallback=DEFAULT) or "")
            done = preload(modules, while_at_it=self._beat)
            for module, fault in done.failed.items():
                log.warning("preload of %s failed, its tasks import it themselves: %s", module, fault)
            log.info("%s", done)
        else:
            log.warning(
                "nothing is preloaded: workers start by %s and inherit no modules; set [core] mp_start_method = fork.",
                multiprocessing.get_start_method(),
            )
        super().start()

    def _beat(self) -> None:
        """Tell Airflow that the scheduler lives.

        Its own heart beats in its loop, which comes later. One that was silent for ``[scheduler]
        scheduler_health_check_threshold`` is taken for dead, by itself too, and its running tasks are started again.
        """
        from airflow.jobs.job import Job
        from airflow.utils.session import create_session
        from sqlalchemy import update

        if self.job_id is not None:
            with create_session() as session:
                alive = update(Job).where(Job.id == int(self.job_id)).values(latest_heartbeat=datetime.now(UTC))
                session.execute(alive)


def wanted(option: str) -> list[str]:
    """Return the modules that ``[mlops] preload`` asks for, each once, in order.

    Parameters
    ----------
    option : str
        Modules separated by commas or line ends; ``default`` stands for `PRELOAD`.
    """
    names = option.replace("\n", ",").split(",")
    modules = (module for name in map(str.strip, names) for module in (PRELOAD if name == DEFAULT else (name,)))
    return list(dict.fromkeys(module for module in modules if module))


def preload(modules: Iterable[str], *, while_at_it: Callable[[], None] = lambda: None) -> Preloaded:
    """Import modules; where one cannot be imported, the next one is tried.

    Parameters
    ----------
    modules : iterable of str
        Full names.
    while_at_it : callable, optional
        Called after each module that took longer than half a second, and at the end.

    Returns
    -------
    Preloaded
        Seconds by module, modules that are not installed, and the fault of each one that failed.
    """
    done = Preloaded()
    with _quiet():
        for module in modules:
            begun = time.monotonic()
            try:
                importlib.import_module(module)
            except ModuleNotFoundError as error:
                # Of our own list, a library that is left out on purpose; of anybody else's, a fault.
                if module in PRELOAD and module.startswith(str(error.name)):
                    done.missing.append(module)
                else:
                    done.failed[module] = repr(error)
            except (Exception, SystemExit) as error:  # noqa: BLE001
                # A module may raise anything while it is imported, and a scheduler that does not start stops every DAG.
                done.failed[module] = repr(error)
            else:
                done.seconds[module] = time.monotonic() - begun
            if time.monotonic() - begun > _LONG_S:
                while_at_it()
    while_at_it()
    return done


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep what libraries say while they are imported out of the scheduler's log: more than a thousand lines."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
