"""Summaries of columns that fit into some kilobytes, are made in one pass, and merge."""

from airflow_mlops.stages.profile.column import ColumnProfile
from airflow_mlops.stages.profile.digest import RANK_ERROR, Digest
from airflow_mlops.stages.profile.profile import FORM, Profile, profile_batches, profile_columns, profile_table

__all__ = [
    "FORM",
    "RANK_ERROR",
    "ColumnProfile",
    "Digest",
    "Profile",
    "profile_batches",
    "profile_columns",
    "profile_table",
]
