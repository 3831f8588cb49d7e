"""Why the policy decided as it did: the last decision, or an earlier one."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, HTTPException, Query
from pydantic import BaseModel

from airflow_mlops.lifecycle.decision_record import DecisionRecord, decision_record
from airflow_mlops.ui.access import ModelDep
from airflow_mlops.ui.links import RunLink, RunsDep
from airflow_mlops.ui.sources import LedgerDep

router = APIRouter()


class DecisionAnswer(BaseModel):
    """A decision, None before the first; ``run`` is the run that decided, None where Airflow has it no more."""

    decision: DecisionRecord | None
    run: RunLink | None


@router.get("/decision")
def read_decision(
    model: ModelDep,
    ledger: LedgerDep,
    runs: RunsDep,
    # Postgres takes no text with a zero in it.
    key: Annotated[str | None, Query(max_length=500, pattern=r"^[^\x00]*$")] = None,
) -> DecisionAnswer:
    """Return the last decision, or the one of a key, with its rules, its readings and its shadow's decision.

    Raises
    ------
    HTTPException
        404 where the model has no decision of this key.
    """
    found = decision_record(ledger, model.name, key)
    if found is None and key is not None:
        raise HTTPException(404, f"{model.name} has no decision {key!r}; it may be of another ledger.")
    # A broken bake is decided by the bake DAG, everything else by the monitor.
    return DecisionAnswer(decision=found, run=runs.find(found.run, "monitor", "bake") if found else None)
