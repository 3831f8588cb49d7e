"""A LocalExecutor whose workers are born with the libraries already imported."""

from __future__ import annotations

import importlib
import logging
import multiprocessing
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from airflow.executors.local_executor import LocalExecutor

if TYPE_CHECKING:
    from collections.abc import Iterable

log = logging.getLogger(__name__)

DEFAULT = "default"

PRELOAD = (
    "pandas",
    "pyarrow.parquet",
    "pyarrow.compute",
    "duckdb",
    "sklearn.ensemble",
    "sklearn.linear_model",
    "sklearn.compose",
    "sklearn.pipeline",
    "sklearn.preprocessing",
    "sklearn.impute",
    "sklearn.inspection",
    "sklearn.calibration",
    "skops.io",
    "mlflow",
    "mlflow.sklearn",
    "mlflow.pyfunc",
    "great_expectations",
    "evidently",
    "matplotlib.figure",
    "matplotlib.backends.backend_agg",
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
            log.info("%s", preload(wanted(self.conf.get("mlops", "preload", fallback=DEFAULT))))
        else:
            log.warning(
                "nothing is preloaded: workers start by %s and inherit no modules; set [core] mp_start_method = fork.",
                multiprocessing.get_start_method(),
            )
        super().start()


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


def preload(modules: Iterable[str]) -> Preloaded:
    """Import modules; one that cannot be imported is logged, and the next one is tried."""
    done = Preloaded()
    for module in modules:
        begun = time.monotonic()
        try:
            importlib.import_module(module)
        except ModuleNotFoundError as error:
            log.debug("preload: %s", error)
            done.missing.append(module)
        except (Exception, SystemExit) as error:  # noqa: BLE001
            # A module may raise anything while it is imported, and a scheduler that does not start stops every DAG.
            log.warning("preload of %s failed, its tasks import it themselves: %r", module, error)
            done.failed[module] = repr(error)
        else:
            done.seconds[module] = time.monotonic() - begun
    return done
