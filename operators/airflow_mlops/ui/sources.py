"""Where the pages' facts come from: the ledger and the artifact store that Airflow's configuration names."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends

from airflow_mlops.artifacts import ArtifactStore
from airflow_mlops.hooks.artifacts import ArtifactsHook
from airflow_mlops.hooks.ledger import LedgerHook
from airflow_mlops.ledger.reader import LedgerReader


def open_ledger() -> LedgerReader:
    """Open the ledger for reading; the pages write nothing there, actions are runs of DAGs."""
    return LedgerHook().ledger


def open_store() -> ArtifactStore:
    """Open the artifact store."""
    return ArtifactsHook().store


LedgerDep = Annotated[LedgerReader, Depends(open_ledger)]
StoreDep = Annotated[ArtifactStore, Depends(open_store)]
