"""What is promised of a model: what was kept of it, what may still be missed, and how fast that is used up."""

from airflow_mlops.loop.slo.budget import Budget, Burn, Count, budget_of, slo_signal
from airflow_mlops.loop.slo.counts import Requests, completeness, freshness, latency, loop_time, quality

__all__ = [
    "Budget",
    "Burn",
    "Count",
    "Requests",
    "budget_of",
    "completeness",
    "freshness",
    "latency",
    "loop_time",
    "quality",
    "slo_signal",
]
