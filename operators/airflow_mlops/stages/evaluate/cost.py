"""What a challenger may cost beside the champion."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_mlops.loop.gate import Check

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_mlops.spec.gate_sections import Cost
    from airflow_mlops.stages.evaluate.evidence import Costs

# Below these nobody feels a difference, and the noise of the machine is as large as what is measured.
FLOORS = {"latency": 2.0, "memory": 20.0, "size": 1.0}
_FIELDS = {"latency": "latency_ms", "memory": "memory_mb", "size": "size_mb"}
_UNITS = {"latency": "ms", "memory": "MB", "size": "MB"}
_WORDS = {
    "latency": "one row takes {} in the median",
    "memory": "loading and predicting adds {}",
    "size": "the stored model has {}",
}


def cost_checks(costs: Mapping[str, Costs], limits: Cost) -> list[Check]:
    """Check the ratios of what was measured of both; what was not is left out.

    Parameters
    ----------
    costs : mapping of str to Costs
        Of "challenger" and "champion".
    limits : Cost
        Largest ratios. They say nothing of a model that takes less than 2 ms a row, 20 MB of memory or 1 MB of bytes.
    """
    if not {"challenger", "champion"} <= costs.keys():
        return []
    allowed = {"latency": limits.latency, "memory": limits.memory, "size": limits.size}
    checks = []
    for name, most in allowed.items():
        own, other = (getattr(costs[side], _FIELDS[name]) for side in ("challenger", "champion"))
        if own is not None and other is not None:
            checks.append(_check(name, own, other, most))
    return checks


def _check(name: str, own: float, other: float, most: float) -> Check:
    # Beside a champion below the floor the floor is what counts.
    ratio = own / max(other, FLOORS[name])
    passed = own <= FLOORS[name] or ratio <= most
    unit = _UNITS[name]
    sentence = f"{_WORDS[name].format(f'{own:.3g} {unit}')}, of the champion {other:.3g} {unit}"
    if not passed:
        sentence += f": more than {most:g} times as much (evaluate.gate.cost.{name}); take a smaller model, or raise it"
    return Check(
        name,
        "cost",
        "pass" if passed else "fail",
        sentence,
        value=ratio,
        limit=most,
        detail={"challenger": own, "champion": other, "unit": unit},
    )
