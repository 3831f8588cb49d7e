"""Which label belongs to which row and prediction, and which labels were known at a moment.

Training and monitoring join labels with this one code, so that a champion is judged by what it was trained to say.
"""

from airflow_mlops.loop.labels.joined import Labelled, join_labels
from airflow_mlops.loop.labels.known import known_labels, label_arrivals, require_columns
from airflow_mlops.loop.labels.names import row_id, row_ids

__all__ = ["Labelled", "join_labels", "known_labels", "label_arrivals", "require_columns", "row_id", "row_ids"]
