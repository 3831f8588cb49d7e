"""Airflow's deadline alert of a loop that takes longer than promised."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

from airflow.sdk import AsyncCallback, DeadlineAlert, DeadlineReference  # type: ignore[attr-defined]  # not in its stub

from airflow_mlops.lifecycle.budgets import record_late
from airflow_mlops.spec.durations import format_duration

if TYPE_CHECKING:
    from airflow_mlops.spec import ModelSpec

log = logging.getLogger(__name__)

# What the loop consists of: a look that decides, and what is done about it.
STAGES = ("monitor", "retrain")


def deadline_of(spec: ModelSpec, kind: str) -> DeadlineAlert | None:
    """Return the alert for a DAG of the loop; None where nothing is promised, or for a DAG beside the loop.

    Parameters
    ----------
    spec : ModelSpec
        Section ``slo.loop_time`` says how long a run may take, from when it was asked for.
    kind : str
        Of the DAG, such as ``retrain``.
    """
    promised = spec.slo.loop_time if spec.slo else None
    if promised is None or kind not in STAGES:
        return None
    return DeadlineAlert(
        reference=DeadlineReference.DAGRUN_QUEUED_AT,
        interval=promised.limit,
        # In the triggerer: where an executor runs a callback, Airflow refuses it the connections it looks up.
        callback=AsyncCallback(note_late, {"model": spec.name, "limit": format_duration(promised.limit)}),
        name=f"{spec.name} {kind} within {format_duration(promised.limit)}",
    )


async def note_late(*, model: str, limit: str, context: dict[str, Any] | None = None, **_: Any) -> None:
    """Log that a run is late, and put it on record; the run itself goes on.

    Parameters
    ----------
    model : str
        Name of the model.
    limit : str
        How long it may take.
    context : dict, optional
        Of Airflow: ``dag_run`` and ``deadline``.
    """
    run = (context or {}).get("dag_run") or {}
    dag_id, run_id = str(run.get("dag_id", "")), str(run.get("dag_run_id") or run.get("run_id") or "")
    log.error("Run %s of %s has taken longer than slo.loop_time.limit (%s)", run_id, dag_id, limit)
    # In a thread: the database would hold up every trigger.
    await asyncio.to_thread(_record, model, dag_id, run_id, limit)


def _record(model: str, dag_id: str, run_id: str, limit: str) -> None:
    from airflow_mlops.hooks.ledger import LedgerHook

    record_late(LedgerHook().ledger, model, dag_id=dag_id, run_id=run_id, limit=limit)
