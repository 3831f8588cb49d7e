"""The versions of a model, and the evidence that each rests on."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, HTTPException, Path, Query
from pydantic import BaseModel

from airflow_mlops.hooks.mlflow import MlflowHook
from airflow_mlops.lifecycle.version_record import Sources, VersionRecord, version_record
from airflow_mlops.lifecycle.version_rows import VersionRow, Versions
from airflow_mlops.ui.access import ModelDep
from airflow_mlops.ui.links import MlflowDep, ReportLink, ReportsDep, RunLink, RunsDep
from airflow_mlops.ui.sources import LedgerDep, StoreDep

router = APIRouter()


class VersionList(BaseModel):
    """A page of versions and refused challengers, the newest first; ``total`` counts all."""

    versions: list[VersionRow]
    total: int


class MlflowLinks(BaseModel):
    """Addresses of MLflow's own pages; None where it has none, or does not know the version."""

    version: str | None
    run: str | None


class VersionAnswer(BaseModel):
    """A version with its evidence, and links to what the user may open of it."""

    version: VersionRecord
    run: RunLink | None
    reports: list[ReportLink]
    mlflow: MlflowLinks


@router.get("/versions")
def list_versions(
    model: ModelDep,
    ledger: LedgerDep,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    offset: Annotated[int, Query(ge=0, le=1_000_000)] = 0,
) -> VersionList:
    """Return a page of the versions of a model, and of the challengers that the gate refused."""
    rows, total = Versions(ledger, model.name).page(limit=limit, offset=offset)
    return VersionList(versions=rows, total=total)


@router.get("/versions/{version}")
def read_version(
    model: ModelDep,
    ledger: LedgerDep,
    store: StoreDep,
    runs: RunsDep,
    reports: ReportsDep,
    mlflow: MlflowDep,
    # Postgres takes no text with a zero in it.
    version: Annotated[str, Path(max_length=200, pattern=r"^[^\x00]*$")],
) -> VersionAnswer:
    """Return what a version was made of, how it was judged and when it served.

    Raises
    ------
    HTTPException
        404 where the model has no such version, and no challenger that was judged under this id.
    """
    found = version_record(ledger, store, model.name, version)
    if found is None:
        raise HTTPException(404, f"{model.name} has no version {version}, and no challenger was judged under this id.")
    record, sources = found
    # The first that is still there: an older one may have outlived the newest.
    cards = reports.links(("Model card", uri) for uri in sources.cards)[:1]
    wanted = [
        ("Evaluation report", sources.evaluation),
        *((f"Data Docs of its rows{_number(at, sources)}", uri) for at, uri in enumerate(sources.data_docs, start=1)),
    ]
    return VersionAnswer(
        version=record,
        run=runs.find(sources.run, "retrain", "actions"),
        reports=[*cards, *reports.links(wanted)],
        mlflow=_mlflow(mlflow, sources, record.row.version),
    )


def _number(at: int, sources: Sources) -> str:
    return f" ({at} of {len(sources.data_docs)})" if len(sources.data_docs) > 1 else ""


def _mlflow(hook: MlflowHook | None, sources: Sources, version: str | None) -> MlflowLinks:
    if hook is None:
        return MlflowLinks(version=None, run=None)
    registered, run, experiment = sources.registered_name, sources.mlflow_run_id, sources.mlflow_experiment_id
    return MlflowLinks(
        version=hook.version_url(registered, version) if registered and version else None,
        run=hook.run_url(run, experiment) if run and experiment else None,
    )
