"""A row of the list of models, as the page reads it."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, Field, SkipValidation

from airflow_mlops.overview.state import State

# The overview writes moments as ISO text in UTC.
Moment = Annotated[str, Field(json_schema_extra={"format": "date-time"})]


class Curve(BaseModel):
    """The last windows of one measure, oldest first; above ``limit`` it is too much.

    ``values`` are those at the moments ``at`` of event time; a quality's moment is the end of its window.
    A quality is a mean loss by the name of ``metric``, a drift the share of the columns that moved.
    """

    metric: str
    # A page has thousands of points. Who makes many objects has Python look through all that the API server holds for
    # garbage, which takes longer than the page itself.
    at: SkipValidation[list[Moment]]
    values: SkipValidation[list[float]]
    limit: float | None


class Retrain(BaseModel):
    """A training, and what came of it; ``version`` is None while it is not registered."""

    at: datetime
    outcome: Literal["trained", "refused", "promoted"]
    version: str | None


class RowServing(BaseModel):
    """What serves; ``since`` is event time, ``cause`` why it was promoted."""

    version: str
    since: datetime
    cause: str | None


class Challenger(BaseModel):
    """The newest version that does not serve; ``version`` is None while it is not registered."""

    version: str | None
    stage: Literal["trained", "refused", "passed", "awaiting approval", "shadow"]
    since: datetime


class Maturity(BaseModel):
    """Share of the labels of the last measured window that have arrived, 0 to 1; ``at`` is the window's end."""

    share: float
    at: datetime


class RowBudget(BaseModel):
    """The objective of which the least error budget is left: a share of it, below zero where it is overdrawn."""

    objective: str
    left: float | None
    state: Literal["ok", "ticket", "page", "spent", "unknown"]


class Freshness(BaseModel):
    """How old the newest row was at the last look, and from where on that is too old."""

    days: float
    limit: float | None


class NextRun(BaseModel):
    """The next scheduled run of the retrain or monitor DAG, by Airflow's clock."""

    at: datetime
    kind: str
    dag_id: str


class RowDecision(BaseModel):
    """The last decision; ``key`` finds its event, ``held_by`` names what held the wish of the policy."""

    at: datetime
    action: str
    sentence: str
    key: str
    held_by: str | None


class PendingApproval(BaseModel):
    """A version that waits for a person's answer."""

    version: str
    since: datetime


class ModelRow(BaseModel):
    """One model.

    ``why`` is the sentence to ``state``. ``behind`` counts the events that the row does not tell of yet: after an
    upgrade, a long ledger is read in steps, and each answer is further on.
    """

    name: str
    owners: list[str]
    tags: list[str]
    state: State
    why: str
    serving: RowServing | None
    challenger: Challenger | None
    quality: Curve | None
    drift: Curve | None
    retrains: list[Retrain]
    maturity: Maturity | None
    budget: RowBudget | None
    freshness: Freshness | None
    next_run: NextRun | None
    decision: RowDecision | None
    approval: PendingApproval | None
    behind: int


class ModelList(BaseModel):
    """A page of rows.

    ``total`` counts all models that match. ``states`` counts by state those that match everything but the filter by
    state, and ``needs_person`` those of them that need a person. ``owners`` and ``tags`` are what there is to filter
    by, of all models that the user may see, cut at 200 each.
    """

    models: list[ModelRow]
    total: int
    states: dict[State, int]
    needs_person: int
    owners: list[str]
    tags: list[str]
