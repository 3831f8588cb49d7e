"""Addresses of what a page links to: stored reports, the runs of Airflow, and MLflow's own pages."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Annotated

from airflow.api_fastapi.common.db.common import SessionDep
from airflow.models.dagrun import DagRun
from airflow.sdk.exceptions import AirflowNotFoundException
from fastapi import Depends
from pydantic import BaseModel
from sqlalchemy import select

from airflow_mlops.errors import TrackingRefused
from airflow_mlops.hooks.mlflow import MlflowHook
from airflow_mlops.report_access import admitted, readable_uri, report_url
from airflow_mlops.ui.access import ModelDep, SeenModel
from airflow_mlops.ui.sources import StoreDep

if TYPE_CHECKING:
    from collections.abc import Iterable

    from airflow_mlops.artifacts import ArtifactStore


class ReportLink(BaseModel):
    """A stored report; ``href`` is its address below Airflow's own."""

    name: str
    href: str


class RunLink(BaseModel):
    """A run of Airflow, at ``/dags/{dag_id}/runs/{run_id}``."""

    dag_id: str
    run_id: str


class Reports:
    """The stored reports of a model that the user may open, through one of its DAGs that they may read.

    Parameters
    ----------
    store : ArtifactStore
        Where reports are.
    model : SeenModel
        Whose.
    """

    def __init__(self, store: ArtifactStore, model: SeenModel) -> None:
        self._store = store
        self._model = model

    def link(self, name: str, uri: str | None) -> ReportLink | None:
        """Return the link to a report's file; None where it is gone, or no DAG that the user may read leads to it."""
        root = f"{self._store.uri().rstrip('/')}/"
        if not uri or not uri.startswith(root):
            return None
        path = uri.removeprefix(root)
        for dag in self._model.dags:
            if readable_uri(self._store, dag.dag_id, path) is not None:
                return ReportLink(name=name, href=report_url("", dag.dag_id, path))
        return None

    def address(self, uri: str | None) -> str | None:
        """Return where a report would be opened, without a look whether it is still there: for lists of many."""
        root = f"{self._store.uri().rstrip('/')}/"
        if not uri or not uri.startswith(root) or self._through is None:
            return None
        return report_url("", self._through, uri.removeprefix(root))

    @cached_property
    def _through(self) -> str | None:
        """The DAG by way of which its readers open reports of the model; None where there is none."""
        return admitted(self._store, self._model.name, (dag.dag_id for dag in self._model.dags))

    def links(self, wanted: Iterable[tuple[str, str | None]]) -> list[ReportLink]:
        """Return the links to those of some reports that can be opened; a report that is named twice is one."""
        uris = {uri: name for name, uri in reversed(list(wanted)) if uri}
        found = (self.link(name, uri) for uri, name in reversed(uris.items()))
        return [link for link in found if link is not None]


def find_reports(store: StoreDep, model: ModelDep) -> Reports:
    """Make the links to a model's reports."""
    return Reports(store, model)


ReportsDep = Annotated[Reports, Depends(find_reports)]


class Runs:
    """The runs of a model's DAGs that the user may read; the ledger names runs without their DAG."""

    def __init__(self, session: SessionDep, model: ModelDep) -> None:
        self._session = session
        self._dag_ids = [dag.dag_id for dag in model.dags]
        self._kinds = {dag.dag_id: dag.kind for dag in model.dags}

    def find(self, run_id: str | None, *kinds: str) -> RunLink | None:
        """Return a run by its id; None where Airflow does not have it any more.

        Parameters
        ----------
        run_id : str or None
            As the ledger has it.
        *kinds : str
            Of DAG, the likeliest first: runs by schedule of several DAGs may have the same id.
        """
        if not run_id:
            return None
        query = select(DagRun.dag_id).where(DagRun.run_id == run_id, DagRun.dag_id.in_(self._dag_ids))
        found = sorted(self._session.scalars(query), key=lambda dag_id: self._rank(dag_id, kinds))
        return RunLink(dag_id=found[0], run_id=run_id) if found else None

    def dags_of(self, run_ids: Iterable[str | None]) -> dict[str, str]:
        """Return the DAG of each of many runs; one whose id two DAGs have is left out."""
        wanted = {run_id for run_id in run_ids if run_id}
        query = select(DagRun.run_id, DagRun.dag_id)
        query = query.where(DagRun.run_id.in_(wanted), DagRun.dag_id.in_(self._dag_ids))
        found: dict[str, set[str]] = {}
        for run_id, dag_id in self._session.execute(query) if wanted else ():
            found.setdefault(run_id, set()).add(dag_id)
        return {run_id: dag_ids.pop() for run_id, dag_ids in found.items() if len(dag_ids) == 1}

    def _rank(self, dag_id: str, kinds: tuple[str, ...]) -> tuple[int, str]:
        kind = self._kinds.get(dag_id)
        return (kinds.index(kind) if kind in kinds else len(kinds), dag_id)


RunsDep = Annotated[Runs, Depends(Runs)]


def open_mlflow() -> MlflowHook | None:
    """Return the hook whose connection knows where MLflow's pages are; None where there is none, or no page.

    Nothing is asked of MLflow, so that a page does not wait for it.
    """
    hook = MlflowHook()
    try:
        return hook if hook.pages else None
    except (AirflowNotFoundException, TrackingRefused):
        return None


MlflowDep = Annotated[MlflowHook | None, Depends(open_mlflow)]
