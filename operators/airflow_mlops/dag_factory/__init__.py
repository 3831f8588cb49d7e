"""Specs become DAGs: `retrain_dag`, `monitor_dag` and `score_dag` for one spec, `dags_from` for a folder of them."""

from airflow_mlops.dag_factory.folder import dags_from
from airflow_mlops.dag_factory.monitor import monitor_dag
from airflow_mlops.dag_factory.retrain import retrain_dag
from airflow_mlops.dag_factory.score import score_dag

__all__ = ["dags_from", "monitor_dag", "retrain_dag", "score_dag"]
