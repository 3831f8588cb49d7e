"""A backtest: policies played over one history, beside what a clock, every look, and hindsight would have done."""

from airflow_mlops.replay.report.candidate import Candidate, own_candidates
from airflow_mlops.replay.report.comparison import Comparison
from airflow_mlops.replay.report.found import Entry, Report
from airflow_mlops.replay.report.run import FEWEST_LOOKS, backtest

__all__ = ["FEWEST_LOOKS", "Candidate", "Comparison", "Entry", "Report", "backtest", "own_candidates"]
