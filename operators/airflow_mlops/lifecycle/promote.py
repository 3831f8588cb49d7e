"""Move the champion in the ledger, which alone says who serves; `lifecycle.reconcile` shows it in MLflow."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from airflow_mlops.events import Event
    from airflow_mlops.ledger import Ledger
    from airflow_mlops.refs import EvaluationRef, ModelRef
    from airflow_mlops.spec import ModelSpec


def promote(
    ledger: Ledger,
    spec: ModelSpec,
    model: ModelRef,
    evaluation: EvaluationRef,
    *,
    at: datetime,
    run: str | None,
    facts: Mapping[str, Any] | None = None,
) -> Event:
    """Make a registered version champion, if the champion is still the one it was judged against.

    Parameters
    ----------
    ledger : Ledger
        The source of truth.
    spec : ModelSpec
        Of the model; the event says what a server has to know of its rows.
    model : ModelRef
        With its version.
    evaluation : EvaluationRef
        Carries the epoch of the comparison.
    at : datetime
        Event time.
    run : str or None
        Who promotes.
    facts : mapping, optional
        More that the event says: who asked for it, why, and where the version came from.

    Raises
    ------
    PromotionConflict
        Another version was promoted since the evaluation.
    PromotionFrozen
        The version is frozen, or every promotion of the model is.
    """
    payload = {
        **(facts or {}),
        "model": model.to_dict(),
        "evaluation": evaluation.to_dict(),
        "mlflow_version": model.version,
        "cause": evaluation.action,
        "rows": rows_of(spec),
    }
    return ledger.promote(
        spec.name, str(model.version), expected_epoch=evaluation.epoch, payload=payload, at=at, run=run
    )


def rows_of(spec: ModelSpec) -> dict[str, Any]:
    """Say what whoever serves a version has to know of its rows, and has no spec to read it from."""
    return {
        "columns": list(spec.features.columns),
        "time": spec.data.time,
        "key": list(spec.data.key),
        "sensitive": list(spec.data.sensitive),
        "task": spec.task,
    }
