"""Who let a version serve: what a challenger risks by the ledger, and the answers on record.

An answer is about a version as one evaluation judged it. It is recorded once: a second run, a retry or a cleared task
finds it, and nobody is asked twice.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_mlops.events import APPROVAL
from airflow_mlops.loop.risk import Served, risks_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from airflow_mlops.ledger import Ledger
    from airflow_mlops.loop.gate import Check
    from airflow_mlops.refs import ModelRef
    from airflow_mlops.spec import ModelSpec

TRAIN = "train"


def risks_on_record(
    ledger: Ledger, spec: ModelSpec, model: ModelRef, *, action: str = "retrain", checks: Iterable[Check] = ()
) -> list[str]:
    """Find the risks of a challenger beside what the ledger says serves.

    Parameters
    ----------
    ledger : Ledger
        Says what serves, of which estimators it is made, and what people approved.
    spec : ModelSpec
        Of the model.
    model : ModelRef
        The challenger: what was trained, or a committee.
    action : str
        What was asked for.
    checks : iterable of Check
        Of its gate.
    """
    champion = ledger.state(spec.name).champion
    trained = {event.key: str(event.payload.get("estimator")) for event in ledger.events(spec.name, kind=TRAIN)}
    served = None if champion is None else _served(ledger, spec.name, champion.payload, trained)
    estimators = _estimators(model.to_dict(), trained)
    return list(risks_of(spec, estimators=estimators, served=served, action=action, checks=checks))


def _served(ledger: Ledger, name: str, promotion: Mapping[str, Any], trained: Mapping[str, str]) -> Served:
    approved = {
        column
        for event in ledger.events(name, kind=APPROVAL)
        if event.payload.get("answer") == "approved"
        for column in event.payload.get("sensitive", ())
    }
    return Served(
        columns=frozenset((promotion.get("rows") or {}).get("columns", ())),
        estimators=_estimators(promotion.get("model") or {}, trained),
        approved=frozenset(approved),
    )


def _estimators(model: Mapping[str, Any], trained: Mapping[str, str]) -> frozenset[str]:
    """Name the estimators of a model's members; of one that is no committee, its own."""
    own = {str(model.get("id")): str(model.get("estimator"))}
    known = {**trained, **own}
    return frozenset(known[member] for member in model.get("members") or own if member in known)
