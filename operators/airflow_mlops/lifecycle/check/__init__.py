"""A batch against rows that are known to be good: pass, warn or block, with reasons."""

from airflow_mlops.lifecycle.check.judge import Checked, Terms, check
from airflow_mlops.lifecycle.check.opened import Opened
from airflow_mlops.lifecycle.check.reasons import Reason, unreadable

__all__ = ["Checked", "Opened", "Reason", "Terms", "check", "unreadable"]
