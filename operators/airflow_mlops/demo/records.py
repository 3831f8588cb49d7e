"""The story as the ledger tells it: what was decided week by week, and which version served since when."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from airflow_mlops.events import APPROVAL, DRILL, PROMOTION
from airflow_mlops.refs import PASSED

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from airflow_mlops.events import Event

AUTOMATIC = "automatic"
Outcome = Literal["promoted", "refused"]


@dataclass(frozen=True, slots=True)
class Week:
    """One decision of the monitor.

    Parameters
    ----------
    now : datetime
        The moment it stood at.
    version : str or None
        The champion at that moment.
    action : str
        ``nothing``, ``warn`` or ``retrain``.
    reasons : tuple of str
        Why.
    held_by : str or None
        What kept the policy from being asked, such as the data check.
    data_check : str
        Verdict on the rows, and in ``faults`` what was wrong with them.
    loss : float or None
        Mean loss of the window whose labels had become due; None where nothing could be measured.
    labelled, rows : int
        Predictions of that window with a label, and all of them.
    outcome : str or None
        How the training ended that this decision asked for: ``promoted`` or ``refused``.
    decided_at : datetime
        By the clock.
    """

    now: datetime
    version: str | None
    action: str
    reasons: tuple[str, ...]
    held_by: str | None
    data_check: str
    faults: tuple[str, ...]
    loss: float | None
    labelled: int
    rows: int
    outcome: Outcome | None
    decided_at: datetime

    @property
    def is_blocked(self) -> bool:
        """Whether the data check failed."""
        return self.data_check == "failed"


@dataclass(frozen=True, slots=True)
class Promotion:
    """A version that became champion.

    ``model`` is its reference, ``reasons`` those of the decision that asked for it; a person asked for it where there
    are none. ``seconds`` lie between that decision and the record that the server answers with the version.
    ``approval`` says who let it serve, and why, or that nobody had to be asked.
    """

    version: str
    epoch: int
    since: datetime
    model: dict[str, Any]
    reasons: tuple[str, ...]
    seconds: float | None
    approval: str = AUTOMATIC


def weeks_of(events: Sequence[Event]) -> list[Week]:
    """Return every decision of a model in the order of recording."""
    signals = {event.key: event.payload for event in events if event.kind == "signals"}
    ended = _endings(events)
    decisions = [event for event in events if event.kind == "decision"]
    return [_week(event, signals.get(event.payload["signals"], {}), ended.get(event.at)) for event in decisions]


def _endings(events: Sequence[Event]) -> dict[datetime, Outcome]:
    """Say how the trainings ended, by the moment they stood at."""
    refused: dict[datetime, Outcome] = {
        event.at: "refused" for event in events if event.kind == "evaluate" and event.payload["verdict"] not in PASSED
    }
    return refused | {
        event.at: "promoted" for event in events if event.kind == PROMOTION and event.payload.get("cause") != DRILL
    }


def _week(event: Event, signals: dict[str, Any], outcome: Outcome | None) -> Week:
    decision, quality = event.payload, signals.get("quality") or {}
    return Week(
        now=event.at,
        version=decision.get("champion_version"),
        action=decision["action"],
        reasons=tuple(decision["reasons"]),
        held_by=decision.get("held_by"),
        data_check=signals.get("data_check", "missing"),
        faults=tuple(signals.get("data_check_reasons", ())),
        loss=quality.get("loss"),
        labelled=quality.get("labelled", 0),
        rows=quality.get("rows", 0),
        outcome=outcome if decision["action"] == "retrain" else None,
        decided_at=event.recorded_at,
    )


def promotions_of(events: Sequence[Event]) -> list[Promotion]:
    """Return every promotion in order, with the decision that asked for it.

    A drill is none: the same version serves before and after, at a later epoch, which is the one that is given here.
    """
    asked = {event.at: event for event in events if event.kind == "decision" and event.payload["action"] == "retrain"}
    served = {
        event.payload["epoch"]: event.recorded_at
        for event in events
        if event.kind == "deploy" and event.payload["outcome"] == "done"
    }
    said = {
        event.payload["evaluation"]: f"{' and '.join(event.payload['by'])}: {event.payload['reason']}"
        for event in events
        if event.kind == APPROVAL and event.payload["answer"] == "approved"
    }
    moved = [event for event in events if event.kind == PROMOTION]
    found = [
        _promotion(event, asked.get(event.at), served.get(event.epoch), said)
        for event in moved
        if event.payload.get("cause") != DRILL
    ]
    return [*found[:-1], replace(found[-1], epoch=moved[-1].epoch or 0)] if found else []


def _promotion(event: Event, decision: Event | None, served: datetime | None, said: Mapping[str, str]) -> Promotion:
    seconds = (served - decision.recorded_at).total_seconds() if decision and served else None
    return Promotion(
        version=str(event.payload["version"]),
        epoch=event.epoch or 0,
        since=event.at,
        model=event.payload["model"],
        reasons=tuple(decision.payload["reasons"]) if decision else (),
        seconds=seconds,
        approval=said.get((event.payload.get("evaluation") or {}).get("id", ""), AUTOMATIC),
    )
