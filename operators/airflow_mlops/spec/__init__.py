"""The spec: one YAML file that says everything specific to one model."""

from airflow_mlops.spec.load import load_spec
from airflow_mlops.spec.sections import ModelSpec

__all__ = ["ModelSpec", "load_spec"]
