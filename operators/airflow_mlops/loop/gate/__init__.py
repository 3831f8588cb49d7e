"""May a challenger replace the champion? Tests on the same rows, and the checks they are put together from."""

from airflow_mlops.loop.gate.check import Check, Verdict, verdict_of
from airflow_mlops.loop.gate.judge import Comparison, GateVerdict, judge

__all__ = ["Check", "Comparison", "GateVerdict", "Verdict", "judge", "verdict_of"]
