"""What is promised of the model, what is left of each error budget, and how fast it is used."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from fastapi import APIRouter
from pydantic import BaseModel

from airflow_mlops.loop.payloads import facts, number, text
from airflow_mlops.loop.told import tell
from airflow_mlops.ui.access import ModelDep
from airflow_mlops.ui.recorded import recorded_spec
from airflow_mlops.ui.sources import LedgerDep, StoreDep

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from airflow_mlops.events import Event
    from airflow_mlops.loop.slo import Budget

router = APIRouter()

_SLO, _TRAIN = "slo", "train"
_OBJECTIVES = ("quality", "freshness", "completeness", "latency", "loop_time")
_LOOKS = 100


class BurnRate(BaseModel):
    """How fast a budget is used over a long and a short window; 1 uses it up exactly in its period.

    The alert of ``kind`` is on where both are above ``limit``; None: not enough data.
    """

    kind: str
    limit: float
    long_days: float
    long: float | None
    short: float | None
    is_on: bool


class Standing(BaseModel):
    """A budget at one look; ``at`` is event time."""

    at: datetime
    left: float | None
    sli: float | None
    state: str


class Objective(BaseModel):
    """One objective: the share that has to be good, the share that was, and what is left of the error budget.

    ``left`` is a share of the budget, below zero where more was missed than may be. ``history`` has the oldest first.
    """

    objective: str
    target: float
    sli: float | None
    left: float | None
    state: str
    good: int
    bad: int
    sentence: str
    burns: list[BurnRate]
    history: list[Standing]


class Promise(BaseModel):
    """An objective of the spec that no look has measured yet; ``limit`` as the spec has it, with its unit."""

    objective: str
    target: float | None
    limit: str | None


class Late(BaseModel):
    """A run that took longer than promised."""

    at: datetime
    sentence: str


class Budgets(BaseModel):
    """All objectives at the last look, the worst first; ``at`` is its event time, None where nothing was measured.

    ``promised`` are further objectives, of the spec as it was at ``promised_at``, when a model was trained last; None:
    there is no such spec.
    """

    at: datetime | None
    objectives: list[Objective]
    promised: list[Promise]
    promised_at: datetime | None
    late: list[Late]


@router.get("/budgets")
def read_budgets(model: ModelDep, ledger: LedgerDep, store: StoreDep) -> Budgets:
    """Return where each objective stands, and how it came there."""
    from airflow_mlops.loop.slo.budget import STATES

    events = ledger.newest(model.name, kinds=(_SLO,), limit=_LOOKS)
    # By event time: a run that was repeated later does not say how things stand.
    looks = sorted((each for each in events if "objectives" in each.payload), key=lambda each: (each.at, each.seq))
    measured = [(event.at, _budgets(event)) for event in looks]
    last = measured[-1][1] if measured else []
    trained = next(iter(ledger.newest(model.name, kinds=(_TRAIN,), limit=1)), None)
    spec = recorded_spec(store, text(trained.payload, "uri")) if trained else None
    known = {budget.objective for budget in last}
    worst_first = sorted(last, key=lambda budget: STATES.index(budget.state))
    return Budgets(
        at=looks[-1].at if looks else None,
        objectives=[_objective(budget, measured) for budget in worst_first],
        promised=[each for each in _promises(spec or {}) if each.objective not in known],
        promised_at=trained.at if trained and spec is not None else None,
        late=[Late(at=each.at, sentence=tell(each).what) for each in events if text(each.payload, "late")],
    )


def _promises(spec: Mapping[str, Any]) -> list[Promise]:
    section = facts(spec, "slo")
    found = {name: facts(section, name) for name in _OBJECTIVES if section.get(name)}
    return [Promise(objective=name, target=number(each, "target"), limit=_limit(each)) for name, each in found.items()]


def _limit(objective: Mapping[str, Any]) -> str | None:
    if (milliseconds := number(objective, "limit_ms")) is not None:
        return f"{milliseconds:g} ms"
    limit = objective.get("limit")
    return f"{limit:g}" if isinstance(limit, int | float) else limit if isinstance(limit, str) else None


def _budgets(event: Event) -> list[Budget]:
    from airflow_mlops.loop.slo import Budget

    return [Budget.from_dict(each) for each in event.payload["objectives"]]


def _objective(budget: Budget, measured: Sequence[tuple[datetime, Sequence[Budget]]]) -> Objective:
    history = [(at, each) for at, budgets in measured for each in budgets if each.objective == budget.objective]
    return Objective(
        objective=budget.objective,
        target=budget.target,
        sli=budget.sli,
        left=budget.left,
        state=budget.state,
        good=budget.good,
        bad=budget.bad,
        sentence=budget.sentence,
        burns=[
            BurnRate(
                kind=burn.kind,
                limit=burn.limit,
                long_days=burn.long_days,
                long=burn.long,
                short=burn.short,
                is_on=burn.is_on,
            )
            for burn in budget.burns
        ],
        history=[Standing(at=at, left=each.left, sli=each.sli, state=each.state) for at, each in history],
    )
