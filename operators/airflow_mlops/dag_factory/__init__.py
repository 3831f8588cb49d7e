"""Specs become DAGs.

`retrain_dag`, `monitor_dag`, `score_dag`, `actions_dag`, `bake_dag`, `drill_dag`, `ingest_dag`, `reproduce_dag` and
`backtest_dag` for one spec, `dags_from` for a folder of them; there the backtest is left out, for a run of it trains
for minutes and belongs where somebody asks for it.
"""

from airflow_mlops.dag_factory.actions import actions_dag
from airflow_mlops.dag_factory.backtest import backtest_dag
from airflow_mlops.dag_factory.bake import bake_dag
from airflow_mlops.dag_factory.drill import drill_dag
from airflow_mlops.dag_factory.folder import dags_from
from airflow_mlops.dag_factory.ingest import ingest_dag
from airflow_mlops.dag_factory.monitor import monitor_dag
from airflow_mlops.dag_factory.reproduce import reproduce_dag
from airflow_mlops.dag_factory.retrain import retrain_dag
from airflow_mlops.dag_factory.score import score_dag

__all__ = [
    "actions_dag",
    "backtest_dag",
    "bake_dag",
    "dags_from",
    "drill_dag",
    "ingest_dag",
    "monitor_dag",
    "reproduce_dag",
    "retrain_dag",
    "score_dag",
]
