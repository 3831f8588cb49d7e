"""From what a look measured, and what the looks before it found, to signals with verdicts."""

from airflow_mlops.loop.verdicts.drift import data_drift, prediction_drift
from airflow_mlops.loop.verdicts.losses import Level, estimated_quality, quality
from airflow_mlops.loop.verdicts.persistence import is_beyond, persistent, with_past
from airflow_mlops.loop.verdicts.readings import readings

__all__ = [
    "Level",
    "data_drift",
    "estimated_quality",
    "is_beyond",
    "persistent",
    "prediction_drift",
    "quality",
    "readings",
    "with_past",
]
