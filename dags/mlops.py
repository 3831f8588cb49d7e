"""Three DAGs for every file in ``specs/``: one retrains the model, one watches it, one scores batches of rows."""

from pathlib import Path

from airflow_mlops.dag_factory import dags_from

globals().update(dags_from(Path(__file__).with_name("specs")))
