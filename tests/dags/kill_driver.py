"""Run all stages, each in a process that is killed before its first effect, its second, and so on until it ends.

``python -m tests.dags.kill_driver FOLDER`` prints how often each stage was killed. A process of its own: a parent that
has trained a model holds threads that a forked child cannot use.
"""

from __future__ import annotations

import functools
import importlib
import json
import os
import signal
import sys
import traceback
from itertools import count
from pathlib import Path

from tests.chain import STAGES, Chain

# Whatever outlives the process: bytes, events, and what MLflow is told.
_EFFECTS = {
    "fsspec.implementations.local.LocalFileSystem": ("pipe_file", "mv"),
    "airflow_mlops.ledger.Ledger": ("append", "promote"),
    "mlflow.MlflowClient": (
        *("create_experiment", "create_run", "set_tag", "log_batch", "log_inputs", "log_artifact", "log_artifacts"),
        *("set_terminated", "update_run", "create_registered_model", "create_model_version"),
        *("set_model_version_tag", "set_registered_model_alias", "delete_registered_model_alias"),
        *("set_registered_model_tag", "delete_model_version_tag"),
    ),
}
_PRELOADED = (
    "pandas",
    "sklearn.ensemble",
    "mlflow",
    "mlflow.sklearn",
    "great_expectations",
    "evidently",
    "matplotlib.pyplot",
)


def main(folder: Path) -> None:
    """Drive all stages, and print the number of kills of each."""
    chain = Chain(folder)
    os.environ.update(chain.environment)
    for module in _PRELOADED:
        importlib.import_module(module)
    print(json.dumps({stage: survive(chain, stage) for stage in STAGES}))


def survive(chain: Chain, stage: str) -> int:
    """Try a stage until a try lives to its end; return how many did not."""
    result = chain.folder / f"{stage}.json"
    for effect in count(1):
        child = os.fork()
        if child == 0:
            _try(chain, stage, effect, result)
        _, status = os.waitpid(child, 0)
        if os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL:
            continue
        if status != 0:
            raise SystemExit(f"{stage}: the try after {effect - 1} kills failed")
        chain.results[stage] = json.loads(result.read_text())
        return effect - 1
    raise AssertionError


def _try(chain: Chain, stage: str, effect: int, result: Path) -> None:
    remaining = count(effect - 1, -1)
    for path, names in _EFFECTS.items():
        module, _, owner = path.rpartition(".")
        kind = getattr(importlib.import_module(module), owner)
        for name in names:
            setattr(kind, name, _mortal(getattr(kind, name), remaining))
    try:
        result.write_text(json.dumps(chain.operator(stage).execute({"run_id": "manual__1"})))
    except BaseException:
        traceback.print_exc()
        os._exit(1)
    os._exit(0)


def _mortal(function, remaining):
    @functools.wraps(function)
    def killed_when_due(*args, **kwargs):
        if next(remaining) == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return function(*args, **kwargs)

    return killed_when_due


if __name__ == "__main__":
    main(Path(sys.argv[1]))
