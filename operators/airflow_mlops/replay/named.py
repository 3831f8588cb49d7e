"""Which signals the rules of a policy name: no other is measured."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_mlops.loop.choice import WARN
from airflow_mlops.loop.verdicts.readings import FRESHNESS
from airflow_mlops.spec.rule_sections import Compare, parts

if TYPE_CHECKING:
    from airflow_mlops.spec.loop_sections import Policy
    from airflow_mlops.spec.rule_sections import Rule

# Those that are measured on rows.
NAMES = frozenset({"data_drift", "prediction_drift", "quality", "estimated_quality", FRESHNESS})


def named_by(policy: Policy, *, warnings: bool, train_only: bool = False) -> frozenset[str]:
    """Return the measured signals that the rules of a policy name.

    Parameters
    ----------
    policy : Policy
        One without rules names none.
    warnings : bool
        Read the default rule of ``warn`` where the policy has none of its own.
    train_only : bool, default=False
        Leave warnings out altogether: they change nothing that is trained or served.
    """
    warn = getattr(policy, "warn", None) or (WARN if warnings and hasattr(policy, "warn") else None)
    return NAMES & signals_of(getattr(policy, "train", None), None if train_only else warn)


def signals_of(*rules: Rule | None) -> frozenset[str]:
    """Return the signals that rules name."""
    asked = [part for rule in rules if rule is not None for part in parts(rule)]
    return frozenset(part.signal for part in asked if isinstance(part, Compare))
