"""A folder of specs becomes DAGs, and one broken spec does not take the others down."""

from __future__ import annotations

import logging
import re
from typing import TYPE_CHECKING, Any

from airflow.sdk import DAG, BaseOperator, get_parsing_context

from airflow_mlops.dag_factory.actions import actions_dag
from airflow_mlops.dag_factory.bake import bake_dag
from airflow_mlops.dag_factory.drill import drill_dag
from airflow_mlops.dag_factory.ingest import ingest_dag
from airflow_mlops.dag_factory.monitor import monitor_dag
from airflow_mlops.dag_factory.pages import broken_page
from airflow_mlops.dag_factory.reproduce import reproduce_dag
from airflow_mlops.dag_factory.retrain import retrain_dag
from airflow_mlops.dag_factory.score import score_dag
from airflow_mlops.errors import SpecError
from airflow_mlops.spec import ModelSpec, load_spec
from airflow_mlops.spec.load import spec_files

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

log = logging.getLogger(__name__)

# What makes a DAG of each kind, and whether a spec has it.
_MAKERS: dict[str, tuple[Callable[[ModelSpec], DAG], Callable[[ModelSpec], bool]]] = {
    "retrain": (retrain_dag, lambda spec: True),
    "monitor": (monitor_dag, lambda spec: True),
    "score": (score_dag, lambda spec: True),
    "actions": (actions_dag, lambda spec: True),
    "bake": (bake_dag, lambda spec: spec.deploy.bake is not None),
    "drill": (drill_dag, lambda spec: spec.drill.schedule is not None),
    "ingest": (ingest_dag, lambda spec: spec.ingest.schedule is not None),
    "reproduce": (reproduce_dag, lambda spec: spec.reproduce.schedule is not None),
}


def dags_from(folder: str | Path) -> dict[str, DAG]:
    """Make every DAG of every spec in a folder.

    A file counts as a spec when it ends in ``.yaml`` or ``.yml`` and not in ``.suite.yaml``. Airflow shows an import
    error for a whole Python file and retires all of its DAGs, so a broken spec raises nothing here: a DAG named
    ``broken_spec_<file>`` stands in for it, shows the faults on its page, and fails with them when it is run.

    Parameters
    ----------
    folder : str or Path
        Where the specs are. Subfolders are left alone.

    Returns
    -------
    dict of str to DAG
        By DAG id, for ``globals().update(...)``. A task that is being started gets only the DAG it belongs to.
    """
    wanted = get_parsing_context().dag_id
    dags: dict[str, DAG] = {}
    for file in spec_files(folder):
        if wanted and not _may_make(file, wanted):
            continue
        for dag in _dags_of(file, taken=dags, wanted=wanted):
            dags[dag.dag_id] = dag
    return dags


def _dags_of(file: Path, *, taken: dict[str, DAG], wanted: str | None) -> list[DAG]:
    try:
        spec = load_spec(file)
        _refuse_second(spec, file, taken)
        _refuse_unknown_executors(spec, file)
    except SpecError as error:
        log.error("The spec %s makes no DAGs: %s", file, error)
        return [broken_dag(file, error)]
    return [
        make(spec) for kind, (make, has) in _MAKERS.items() if has(spec) and wanted in (None, f"{spec.name}_{kind}")
    ]


def broken_dag(file: Path, error: SpecError) -> DAG:
    """Make the DAG that stands in for a spec with faults."""
    with DAG(
        dag_id=_broken_id(file),
        dag_display_name=f"Broken spec: {file.name}",
        description="This spec has faults and makes no DAGs; open Dag Docs",
        doc_md=broken_page(str(error)),
        schedule=None,
        tags=["broken spec", "mlops"],
    ) as dag:
        RaiseSpecError(task_id="show_faults", faults=str(error), retries=0)
    return dag


class RaiseSpecError(BaseOperator):
    """Fail with the faults of a spec.

    Parameters
    ----------
    faults : str
        What is wrong with it.
    """

    def __init__(self, *, faults: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.faults = faults

    def execute(self, context: object) -> None:
        """Raise the faults.

        Raises
        ------
        SpecError
            Always.
        """
        raise SpecError(self.faults)


def _broken_id(file: Path) -> str:
    return "broken_spec_" + re.sub(r"[^\w.-]", "_", file.stem)


def _may_make(file: Path, dag_id: str) -> bool:
    """Tell cheaply whether a file can be the one behind a DAG: each task start looks at every file."""
    if dag_id == _broken_id(file):
        return True
    return dag_id.rpartition("_")[0].encode() in file.read_bytes()


def _refuse_second(spec: ModelSpec, file: Path, taken: dict[str, DAG]) -> None:
    if any(f"{spec.name}_{kind}" in taken for kind in _MAKERS):
        raise SpecError(f"{file}: name: {spec.name!r} is the name of another spec in this folder; give it its own.")


def _refuse_unknown_executors(spec: ModelSpec, file: Path) -> None:
    """Airflow would refuse the whole Python file, with all DAGs in it."""
    named = {stage: at.executor for stage in _stages(spec) if (at := spec.resources.of(stage)).executor}
    if not named:
        return
    from airflow.exceptions import UnknownExecutorException
    from airflow.executors.executor_loader import ExecutorLoader

    for stage, executor in named.items():
        try:
            ExecutorLoader.lookup_executor_name_by_str(executor, validate_teams=False)
        except UnknownExecutorException as error:
            known = ", ".join(name.alias or name.module_path for name in ExecutorLoader.get_executor_names(False))
            raise SpecError(
                f"{file}: resources.{stage}.executor: Airflow has no executor {executor!r} configured; it has {known}. "
                "Add it to [core] executor, or mend the spec."
            ) from error


def _stages(spec: ModelSpec) -> list[str]:
    return [field.alias or name for name, field in type(spec.resources).model_fields.items()]
