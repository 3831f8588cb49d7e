"""What the DAGs of a spec have in common: parameters, schedule, and where a stage runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.sdk import Param

from airflow_mlops.dag_factory.deadline import deadline_of
from airflow_mlops.dag_factory.night import with_night_help
from airflow_mlops.dag_factory.task_pages import task_page, task_title
from airflow_mlops.spec import ModelSpec, load_spec

if TYPE_CHECKING:
    from pathlib import Path


def loaded(spec: ModelSpec | str | Path) -> ModelSpec:
    """Return the spec, read from its file where a path is given."""
    return spec if isinstance(spec, ModelSpec) else load_spec(spec)


def dag_settings(spec: ModelSpec, kind: str, page: str) -> dict[str, Any]:
    """Return the DAG arguments that every kind of DAG shares; ``page`` is its own part of what people read."""
    deadline = deadline_of(spec, kind)
    return {
        **({"deadline": deadline} if deadline else {}),
        "dag_id": f"{spec.name}_{kind}",
        "dag_display_name": f"{spec.name}: {kind}",
        "doc_md": with_night_help(spec, page),
        "default_args": {"owner": spec.owner},
        # Sorted: an order that changes between two parses would make a new DAG version each time.
        "tags": sorted({*spec.tags, "mlops", kind}),
        "catchup": False,
        # Two runs at once would judge their challengers against the same champion, and the second would be refused.
        "max_active_runs": 1,
    }


def now_param(spec: ModelSpec) -> Param:
    """Return the parameter ``now``: where in event time the run stands."""
    default = spec.retrain.now.isoformat() if spec.retrain.now else None
    return Param(
        default,
        type=["string", "null"],
        format="date-time",
        title="Now",
        description="The run sees only rows before this moment. Empty: the time the run was asked for.",
    )


def reason_param() -> Param:
    """Return the parameter ``reason``: why a person started the run."""
    # Not a plain string: Airflow's form demands one of those, and lets nobody start the run without it.
    return Param(
        None,
        type=["string", "null"],
        title="Reason",
        description="Why you start this run; kept with it. May stay empty.",
        maxLength=500,
    )


def version_template(name: str) -> str:
    """Return the template of a version that a form names, with or without the "v" of the pages."""
    return f"{{{{ (params.{name} or '').strip().removeprefix('v') }}}}"


def task_settings(spec: ModelSpec, stage: str, task_id: str | None = None) -> dict[str, Any]:
    """Return the task arguments of a stage: its name, its page, and where and how long it may run."""
    resources = spec.resources.of(stage)
    where = {
        "executor": resources.executor,
        "queue": resources.queue,
        "pool": resources.pool,
        "execution_timeout": resources.timeout,
        "retries": resources.retries,
    }
    task_id = task_id or stage
    return {
        "task_id": task_id,
        "task_display_name": task_title(task_id),
        "doc_md": task_page(task_id, spec),
        "spec": spec,
        # What the spec leaves out is left to the operator and to Airflow.
        **{name: value for name, value in where.items() if value is not None},
    }
