"""The DAG that replays a model's history under its policies, and one more, when somebody asks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow.sdk import DAG, Param

from airflow_mlops.dag_factory.pages import backtest_page
from airflow_mlops.dag_factory.settings import dag_settings, loaded, task_settings
from airflow_mlops.operators.backtest import BacktestOperator

if TYPE_CHECKING:
    from pathlib import Path

    from airflow_mlops.spec import ModelSpec


def backtest_dag(spec: ModelSpec | str | Path) -> DAG:
    """Make the backtest DAG of a spec: ``{name}_backtest``, by hand only.

    Parameters
    ----------
    spec : ModelSpec, str or Path
        The spec, or its file.

    Raises
    ------
    SpecError
        The file has faults.
    """
    spec = loaded(spec)
    with DAG(
        **dag_settings(spec, "backtest", backtest_page(spec)),
        schedule=None,
        description=f"What policies would have done with the history of {spec.name}",
        params={
            "from": _moment(None, "From", "Begin of the history. Empty: 120 windows of the monitor before its end."),
            "to": _moment(
                spec.retrain.now.isoformat() if spec.retrain.now else None,
                "To",
                "End of the history. Empty: the time the run was asked for.",
            ),
            "policy": Param(
                None,
                type=["string", "null"],
                format="multiline",
                title="Policy",
                description="A further policy, which is held against the spec's own: YAML with the one key 'policy'.",
            ),
        },
    ) as dag:
        BacktestOperator(
            # As it is a training many times over, it runs where trainings run.
            **{**task_settings(spec, "train", "backtest"), "execution_timeout": None},
            now="{{ params.get('to') or dag_run.run_after.isoformat() }}",
            start="{{ params.get('from') or '' }}",
            policy="{{ params.get('policy') or '' }}",
        )
    return dag


def _moment(default: str | None, title: str, description: str) -> Param:
    return Param(default, type=["string", "null"], format="date-time", title=title, description=description)
