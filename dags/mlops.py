"""The DAGs of every file in ``specs/``: to retrain the model, watch it, score batches of rows, and act on it."""

from pathlib import Path

from airflow_mlops.dag_factory import dags_from

globals().update(dags_from(Path(__file__).with_name("specs")))
