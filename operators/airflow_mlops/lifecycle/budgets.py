"""The error budgets of a model at a look, measured from what the ledger has and from what the server has counted."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Protocol

from airflow_mlops.errors import ServerRefused, ServerUnavailable
from airflow_mlops.events import APPROVAL, PROMOTION, REQUEST
from airflow_mlops.loop import slo
from airflow_mlops.loop.history import DECISION, DEPLOY, EVALUATE, History

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from airflow_mlops.ledger import Ledger
    from airflow_mlops.lifecycle.server_status import Answered, ServerStatus
    from airflow_mlops.loop.signals import Signals
    from airflow_mlops.loop.slo import Budget, Count
    from airflow_mlops.spec import ModelSpec

log = logging.getLogger(__name__)

SLO = "slo"
# What tells how long the loop took.
_LOOP = (DECISION, REQUEST, EVALUATE, DEPLOY, PROMOTION, APPROVAL)


class AsksServer(Protocol):
    """A client of a model server."""

    def status(self) -> ServerStatus:
        """Ask what the server serves and has counted."""
        ...


@dataclass(frozen=True)
class Budgets:
    """The budgets of one look.

    Parameters
    ----------
    spec : ModelSpec
        With a section ``slo``.
    ledger : Ledger
        Where looks and runs are.
    now : datetime
        The moment of the look, event time.
    server : callable or None
        Gives a client of the model server; None where the spec names none.
    """

    spec: ModelSpec
    ledger: Ledger
    now: datetime
    server: Callable[[], AsksServer] | None = None

    def measure(self, history: History, looks: Sequence[Signals]) -> tuple[list[Budget], dict[str, Any] | None]:
        """Measure all objectives of the spec.

        Parameters
        ----------
        history : History
            As it stands at the look, its own window included.
        looks : sequence of Signals
            All looks so far in the order of time, this one the last.

        Returns
        -------
        budgets : list of Budget
            One for each objective.
        requests : dict or None
            What the server has counted, for the ledger; None where it was not asked or did not answer.
        """
        promised, requests = self._promised(), self._requests()
        counts: dict[str, Callable[[Any], Sequence[Count]]] = {
            "quality": lambda objective: slo.quality(history.windows, objective.limit),
            "freshness": lambda objective: slo.freshness(looks, objective.limit),
            "completeness": lambda objective: slo.completeness(looks, objective.limit),
            "latency": lambda _: slo.latency(self._readings(requests)),
            "loop_time": lambda objective: slo.loop_time(self._runs(), objective.limit),
        }
        section = self.spec.slo
        found = [
            slo.budget_of(
                name,
                counts[name](objective),
                target=objective.target,
                period=section.period,
                now=self.now,
            )
            for name, objective in promised.items()
            if section is not None
        ]
        return found, requests

    def record(self, budgets: Sequence[Budget], requests: dict[str, Any] | None, *, key: str, run: str | None) -> None:
        """Put a look's budgets on record."""
        payload = {"objectives": [budget.to_dict() for budget in budgets], "requests": requests}
        self.ledger.append(self.spec.name, SLO, key, payload, at=self.now, run=run)

    def _promised(self) -> dict[str, Any]:
        section = self.spec.slo
        names = ("quality", "freshness", "completeness", "latency", "loop_time")
        return {name: found for name in names if section and (found := getattr(section, name)) is not None}

    def _runs(self) -> list[Any]:
        events = [event for kind in _LOOP for event in self.ledger.events(self.spec.name, kind=kind, as_of=self.now)]
        return sorted(events, key=lambda event: event.seq)

    # The server

    def _requests(self) -> dict[str, Any] | None:
        """Ask the server what it has counted; where it is away, latency is judged at the next look."""
        section = self.spec.slo
        if section is None or section.latency is None or self.server is None:
            return None
        try:
            answered = answered_of(self.server().status(), self.spec.name)
        except (ServerUnavailable, ServerRefused) as error:
            log.warning("The latency of requests was not measured: %s", error)
            return None
        if answered is None:
            return None
        slow = answered.slower_than(section.latency.limit_ms / 1000)
        return {"since": answered.since, "total": answered.requests, "slow": slow}

    def _readings(self, requests: dict[str, Any] | None) -> list[slo.Requests]:
        events = self.ledger.events(self.spec.name, kind=SLO, as_of=self.now)
        found = [reading for event in events if event.at < self.now and (reading := slo.Requests.of(event))]
        return [*found, slo.Requests(self.now, **requests)] if requests else found


def answered_of(status: ServerStatus, model: str, *, epoch: int | None = None) -> Answered | None:
    """Return what a server has counted of the version that answers; None where it serves none, or one of another epoch.

    Parameters
    ----------
    status : ServerStatus
        What it said.
    model : str
        Of which.
    epoch : int, optional
        Which promotion it is about; None: whatever answers.
    """
    served = status.models.get(model)
    return served.answered if served is not None and epoch in (None, served.epoch) else None


def is_budget_spent(ledger: Ledger, spec: ModelSpec, *, as_of: datetime | None = None) -> bool:
    """Tell whether an error budget was spent at the last look, where that freezes promotions.

    Parameters
    ----------
    ledger : Ledger
        Of the model.
    spec : ModelSpec
        Section ``slo``; without one, or with ``slo.freeze`` off, nothing is frozen.
    as_of : datetime, optional
        Event time of the last look that counts.
    """
    if spec.slo is None or not spec.slo.freeze:
        return False
    return any(budget.state == "spent" for budget in last_budgets(ledger, spec.name, as_of=as_of))


def record_late(ledger: Ledger, model: str, *, dag_id: str, run_id: str, limit: str) -> None:
    """Put on record that a run takes longer than promised, at the last moment of event time that the ledger knows."""
    last = ledger.state(model).last.values()
    at = max((event.at for event in last), default=datetime.now(UTC))
    ledger.append(model, SLO, f"late:{dag_id}:{run_id}", {"late": dag_id, "limit": limit}, at=at, run=run_id)


def held_to_better(ledger: Ledger, spec: ModelSpec, *, as_of: datetime) -> ModelSpec:
    """Return the spec by which a challenger is judged at a moment.

    With a spent budget it has to be shown better, by however little: a training may mend what was promised, and nothing
    else may risk more of it. Where the spec has a section ``approval``, a person decides that instead.

    Parameters
    ----------
    ledger : Ledger
        Of the model.
    spec : ModelSpec
        As it is written.
    as_of : datetime
        Event time.
    """
    if spec.approval is not None or not is_budget_spent(ledger, spec, as_of=as_of):
        return spec
    gate = spec.evaluate.gate.model_copy(update={"goal": "better", "margin": 0.0})
    stricter = spec.model_copy(update={"evaluate": spec.evaluate.model_copy(update={"gate": gate})})
    stricter._base_dir = spec.base_dir
    return stricter


def last_budgets(ledger: Ledger, model: str, *, as_of: datetime | None = None) -> list[Budget]:
    """Return the budgets of the last look; none before the first."""
    looks = [event for event in ledger.events(model, kind=SLO, as_of=as_of) if "objectives" in event.payload]
    last = max(looks, key=lambda event: (event.at, event.seq), default=None)
    return [slo.Budget.from_dict(each) for each in last.payload["objectives"]] if last else []
