"""Is this snapshot fit for use? The suite's answer and the data check's, in one verdict."""

from airflow_mlops.stages.validate.batch_check import Former
from airflow_mlops.stages.validate.findings import Finding, verdict_of, worst_first
from airflow_mlops.stages.validate.suggest import suggest_suite
from airflow_mlops.stages.validate.validate import Validation, facts_of, lasting_facts_of, validate

__all__ = [
    "Finding",
    "Former",
    "Validation",
    "facts_of",
    "lasting_facts_of",
    "suggest_suite",
    "validate",
    "verdict_of",
    "worst_first",
]
