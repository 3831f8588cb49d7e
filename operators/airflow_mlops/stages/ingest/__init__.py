"""From what a source gave to the rows of a window: at once and sorted, or batch by batch."""

from airflow_mlops.stages.ingest.cut import Cut, IngestReport, Wanted, plain_types
from airflow_mlops.stages.ingest.order import ingest, ordered

__all__ = ["Cut", "IngestReport", "Wanted", "ingest", "ordered", "plain_types"]
