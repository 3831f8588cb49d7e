"""The DAG that watches a version after its promotion, and goes back where it has to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow.sdk import DAG

from airflow_mlops.assets import champion_asset, rollback_asset
from airflow_mlops.dag_factory.pages import bake_page
from airflow_mlops.dag_factory.settings import dag_settings, loaded, task_settings
from airflow_mlops.operators.bake import BakeOperator
from airflow_mlops.operators.rollback import RollbackOperator

if TYPE_CHECKING:
    from pathlib import Path

    from airflow_mlops.spec import ModelSpec

_BAKED = "ti.xcom_pull(task_ids='bake')"


def bake_dag(spec: ModelSpec | str | Path) -> DAG:
    """Make the bake DAG of a spec: ``{name}_bake``.

    It is started by the champion asset, after each promotion, and by the rollback asset, which the monitor rings where
    labels show that the promoted version is worse than the one before.

    Parameters
    ----------
    spec : ModelSpec, str or Path
        The spec, or its file; with a section ``deploy.bake``.

    Raises
    ------
    SpecError
        The file has faults.
    """
    spec = loaded(spec)
    with DAG(
        **dag_settings(spec, "bake", bake_page(spec)),
        schedule=champion_asset(spec.name) | rollback_asset(spec.name),
        description=f"Watch what was promoted of {spec.name}, and go back where it breaks",
    ) as dag:
        bake = BakeOperator(**task_settings(spec, "bake"))
        back = RollbackOperator(
            of_version=f"{{{{ {_BAKED}['version'] }}}}",
            reason=f"{{{{ {_BAKED}['reason'] }}}}",
            by="the loop",
            now=f"{{{{ {_BAKED}['now'] }}}}",
            **task_settings(spec, "act", "roll_back"),
        )
        bake >> back
    return dag
