"""Snapshots made of parts: files of a fixed stretch of time each, read once and shared by all snapshots they are in."""

from airflow_mlops.lifecycle.parts.due import PartPlan
from airflow_mlops.lifecycle.parts.ingest import PartsReport, ingest_parts
from airflow_mlops.lifecycle.parts.shelf import Shelf
from airflow_mlops.lifecycle.parts.spans import Span, newest_parts, spans_of

__all__ = ["PartPlan", "PartsReport", "Shelf", "Span", "ingest_parts", "newest_parts", "spans_of"]
