"""Which changes a person may want to see before they serve, and whether one has to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from airflow_mlops.loop.actions import CHEAP

if TYPE_CHECKING:
    from collections.abc import Iterable

    from airflow_mlops.loop.gate import Check
    from airflow_mlops.spec.sections import ModelSpec
    from airflow_mlops.spec.vocabulary import Risk


@dataclass(frozen=True, slots=True)
class Served:
    """What serves, as far as people have seen it.

    Attributes
    ----------
    columns : frozenset of str
        Raw columns it takes.
    estimators : frozenset of str
        Import paths of the estimators in it: one, or those of a committee's members.
    approved : frozenset of str
        Sensitive columns that a person approved for this model.
    """

    columns: frozenset[str]
    estimators: frozenset[str]
    approved: frozenset[str] = frozenset()


def risks_of(
    spec: ModelSpec,
    *,
    estimators: Iterable[str],
    served: Served | None,
    action: str = "retrain",
    checks: Iterable[Check] = (),
) -> list[Risk]:
    """Find the risks that a challenger carries.

    Parameters
    ----------
    spec : ModelSpec
        Says which raw columns the challenger takes.
    estimators : iterable of str
        Import paths of the estimators in it: one, or those of a committee's members.
    served : Served or None
        What it would take the place of; None before the first promotion.
    action : str
        What was asked for: "retrain", or one of those that train nothing.
    checks : iterable of Check
        Of its gate; one that passed may carry a risk all the same.

    Returns
    -------
    list of str
        Words of `spec.vocabulary.Risk`, sorted.
    """
    found: set[Risk] = {"every_change"}
    if action not in CHEAP:
        found.add("every_training")
    found |= {check.risk for check in checks if check.risk is not None and check.verdict == "pass"}
    if served is None:
        found.add("first_version")
    else:
        # Of what trains nothing too: a training that a person rejected may come back as a member of a committee.
        if added_columns(spec, served.columns):
            found.add("new_columns")
        if set(estimators) - served.estimators:
            found.add("new_estimator")
    if sensitive_columns(spec) - (served.columns & served.approved if served else frozenset()):
        found.add("sensitive_columns")
    return sorted(found)


def added_columns(spec: ModelSpec, served: Iterable[str]) -> list[str]:
    """Return the raw columns that the spec names and that what serves does not take, in the spec's order."""
    known = set(served)
    return [name for name in spec.features.columns if name not in known]


def sensitive_columns(spec: ModelSpec) -> frozenset[str]:
    """Return the sensitive columns that the model takes all the same."""
    return frozenset(spec.data.sensitive) & frozenset(spec.features.columns)


def risks_to_approve(spec: ModelSpec, risks: Iterable[str], *, is_budget_spent: bool = False) -> list[str]:
    """Return those risks for which a person has to be asked, sorted; none: the version may go by itself.

    Parameters
    ----------
    spec : ModelSpec
        Its section ``approval``; without one nobody is ever asked.
    risks : iterable of str
        What the challenger carries.
    is_budget_spent : bool
        An error budget of the section ``slo`` is spent, so nothing goes by itself.
    """
    if spec.approval is None:
        return []
    found = set(risks) & set(spec.approval.needs)
    return sorted({*found, "budget_spent"} if is_budget_spent else found)
