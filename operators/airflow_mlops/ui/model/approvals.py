"""Questions about the model that wait for a person; they are answered through Airflow's own API."""

from __future__ import annotations

from datetime import datetime

from fastapi import APIRouter
from pydantic import BaseModel

from airflow_mlops.lifecycle.questions import Question, open_questions
from airflow_mlops.ui.access import ModelDep
from airflow_mlops.ui.links import ReportLink, Reports, ReportsDep, RunLink, Runs, RunsDep
from airflow_mlops.ui.sources import LedgerDep

router = APIRouter()

# What a dialog can show; the report has the rest.
_REASONS = 5


class Pending(BaseModel):
    """One version waits for a person's word.

    ``at`` is event time, ``since`` and ``expires`` the clock's. ``asked_for`` are the risks for which somebody is
    asked, ``risks`` all. ``starter`` started the run, ``first`` approved first of two; ``set_aside`` may not answer.
    ``approvers`` empty: whoever may write to the runs of the DAG. ``run`` waits in Airflow.
    """

    version: str
    reason: str
    asked_for: list[str]
    risks: list[str]
    at: datetime
    since: datetime
    expires: datetime | None
    starter: str | None
    first: list[str]
    first_reason: str | None
    four_eyes: bool | None
    set_aside: list[str]
    approvers: list[str]
    verdict: str | None
    evidence: list[str]
    report: ReportLink | None
    run: RunLink | None


class Approvals(BaseModel):
    """What waits; ``dag`` is the retrain DAG, whose tasks ask, where the user may read it."""

    dag: str | None
    pending: list[Pending]


@router.get("/approvals")
def read_approvals(model: ModelDep, ledger: LedgerDep, reports: ReportsDep, runs: RunsDep) -> Approvals:
    """Return the questions that nobody has answered, the newest first."""
    dag = model.dag("retrain")
    pending = [_pending(question, reports, runs) for question in open_questions(ledger, model.name)]
    return Approvals(dag=dag.dag_id if dag else None, pending=pending)


def _pending(question: Question, reports: Reports, runs: Runs) -> Pending:
    judged = question.judged
    return Pending(
        version=question.version,
        reason=question.reason,
        asked_for=list(question.asked_for),
        risks=list(question.risks),
        at=question.at,
        since=question.since,
        expires=question.expires,
        starter=question.starter,
        first=list(question.first),
        first_reason=question.first_reason,
        four_eyes=question.four_eyes,
        set_aside=list(question.set_aside),
        approvers=list(question.approvers),
        verdict=judged.get("verdict"),
        evidence=[str(reason) for reason in judged.get("reasons") or ()][:_REASONS],
        report=reports.link("Evaluation report", judged.get("html_uri")),
        run=runs.find(question.run, "retrain") if question.run else None,
    )
