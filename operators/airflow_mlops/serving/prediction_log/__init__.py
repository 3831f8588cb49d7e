"""Every prediction that was answered, on disk before its answer goes out, and readable after any crash.

The writer needs the ``[serving]`` extra when a log is made; nothing here needs it to be imported or to read.
"""

from airflow_mlops.serving.prediction_log.log import PredictionLog
from airflow_mlops.serving.prediction_log.reader import read_predictions
from airflow_mlops.serving.prediction_log.record import Record

__all__ = ["PredictionLog", "Record", "read_predictions"]
