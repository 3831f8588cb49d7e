"""Move the champion: first in the ledger, which alone says who serves, then in MLflow, which shows it."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from datetime import datetime

    from mlflow import MlflowClient

    from airflow_mlops.events import Event
    from airflow_mlops.ledger import Ledger
    from airflow_mlops.refs import EvaluationRef, ModelRef
    from airflow_mlops.spec import ModelSpec

log = logging.getLogger(__name__)

ALIAS = "champion"


def promote(
    ledger: Ledger,
    spec: ModelSpec,
    model: ModelRef,
    evaluation: EvaluationRef,
    *,
    at: datetime,
    run: str | None,
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

    Raises
    ------
    PromotionConflict
        Another version was promoted since the evaluation.
    """
    payload = {
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


def reconcile(ledger: Ledger, client: MlflowClient, model_name: str, *, has_promoted: bool = False) -> bool:
    """Make MLflow's alias ``champion`` say what the ledger says.

    Parameters
    ----------
    ledger : Ledger
        The source of truth.
    client : MlflowClient
        Bound to its server.
    model_name : str
        Of the spec; the registered name is taken from the promotion.
    has_promoted : bool
        The ledger has just moved, so that a difference is no surprise.

    Returns
    -------
    bool
        Whether the alias had to be moved.
    """
    champion = ledger.state(model_name).champion
    if champion is None:
        return False
    registered = champion.payload["model"].get("registered_name") or model_name
    shown = client.get_registered_model(registered).aliases.get(ALIAS)
    if str(shown) == champion.version:
        return False
    log.log(
        logging.INFO if has_promoted else logging.WARNING,
        "MLflow's alias %s of %s says version %s; the ledger says %s since epoch %d, so the alias is set",
        *(ALIAS, registered, shown, champion.version, champion.epoch),
    )
    client.set_registered_model_alias(registered, ALIAS, champion.version)
    return True
