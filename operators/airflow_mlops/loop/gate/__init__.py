"""May a challenger replace the champion? Tests on the same rows, and the checks they are put together from."""

from airflow_mlops.loop.gate.check import Check, Verdict, verdict_of
from airflow_mlops.loop.gate.delong import Ranking
from airflow_mlops.loop.gate.guard import guard_check
from airflow_mlops.loop.gate.judge import judge
from airflow_mlops.loop.gate.slices import worst_slice_check
from airflow_mlops.loop.gate.verdict import Comparison, GateVerdict

__all__ = [
    "Check",
    "Comparison",
    "GateVerdict",
    "Ranking",
    "Verdict",
    "guard_check",
    "judge",
    "verdict_of",
    "worst_slice_check",
]
