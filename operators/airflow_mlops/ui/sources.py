"""Where the pages' facts come from: the ledger and the artifact store that Airflow's configuration names."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

from airflow.models.dag import DagTag
from airflow.models.dagrun import DagRun
from airflow.utils.session import create_session
from airflow.utils.state import DagRunState
from fastapi import Depends
from sqlalchemy import select

from airflow_mlops.artifacts import ArtifactStore
from airflow_mlops.errors import LedgerUnavailable
from airflow_mlops.hooks.artifacts import ArtifactsHook
from airflow_mlops.hooks.ledger import LedgerHook
from airflow_mlops.ledger.reader import LedgerReader
from airflow_mlops.ui.dag_models import TAG

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

# Of a database that is stuck: whoever waits longer keeps a thread of the API server from everybody else.
_PATIENCE_S = 5.0
# Bytes of JSON that a page may ask for: one that is read whole takes ten times as much memory.
_MOST_JSON = 64 << 20


def open_ledger() -> LedgerReader:
    """Open the ledger for reading; the pages write nothing there, actions are runs of DAGs.

    Raises
    ------
    LedgerUnavailable
        Its file is gone. Opened all the same it would be made anew, and every model would look like one of which
        nothing was ever recorded.
    """
    ledger = LedgerHook(patience_s=_PATIENCE_S).ledger
    if ledger.is_missing and _has_recorded():
        raise LedgerUnavailable(
            f"the ledger is gone: there is no file {ledger.place}, though trainings were recorded in it. See whether "
            "its disk is mounted, and put the file back, or restore a backup."
        )
    return ledger


def _has_recorded() -> bool:
    with create_session(scoped=False) as session:
        return was_trained(session)


def was_trained(session: Session) -> bool:
    """Tell whether Airflow knows of a model's training that ended well: before that, a ledger may be missing."""
    ours = select(DagTag.dag_id).where(DagTag.name == TAG)
    trainings = select(DagTag.dag_id).where(DagTag.name == "retrain", DagTag.dag_id.in_(ours))
    ended_well = select(DagRun.id).where(DagRun.state == DagRunState.SUCCESS, DagRun.dag_id.in_(trainings)).limit(1)
    return session.scalar(ended_well) is not None


def open_store() -> ArtifactStore:
    """Open the artifact store, for JSON of a bounded size."""
    return replace(ArtifactsHook().store, most_json=_MOST_JSON)


LedgerDep = Annotated[LedgerReader, Depends(open_ledger)]
StoreDep = Annotated[ArtifactStore, Depends(open_store)]
