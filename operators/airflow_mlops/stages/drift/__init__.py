"""How far the rows of now have moved from the rows of then, column by column, by Evidently's default methods."""

from airflow_mlops.stages.drift.compare import drift
from airflow_mlops.stages.drift.page import render_page
from airflow_mlops.stages.drift.report import PREDICTION, ColumnDrift, DriftReport

__all__ = ["PREDICTION", "ColumnDrift", "DriftReport", "drift", "render_page"]
