"""Rows of a snapshot, wherever they are: the one door for whoever reads them.

A small snapshot is read whole, with `read_rows`. One of any size is opened, with `open_rows`, and read a batch at a
time, some columns, some stretch of time.
"""

from airflow_mlops.snapshots.opening import check_digest, check_files, is_stored, open_rows, read_frame, read_rows
from airflow_mlops.snapshots.rows import BATCH_ROWS, Rows

__all__ = ["BATCH_ROWS", "Rows", "check_digest", "check_files", "is_stored", "open_rows", "read_frame", "read_rows"]
