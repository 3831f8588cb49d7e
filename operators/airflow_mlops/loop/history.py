"""What the ledger knows of a model's past that a decision needs: promotions, trainings, and losses window by window."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from airflow_mlops.errors import SignalsUnusable
from airflow_mlops.events import APPROVAL, DRILL, FREEZE, REGISTER, version_of
from airflow_mlops.loop.facts import Held, Member, Promotion, Reading, Training, Window
from airflow_mlops.loop.signal import Signal
from airflow_mlops.loop.signals import Signals
from airflow_mlops.refs import PASSED

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from airflow_mlops.events import Event

__all__ = ["Held", "History", "Member", "Promotion", "Reading", "Training", "Window"]

# Kinds of events that are read here, beside promotions.
TRAIN, EVALUATE, DEPLOY, SIGNALS, DECISION, SHADOW = (
    "train",
    "evaluate",
    "deploy",
    "signals",
    "decision",
    "shadow_decision",
)


@dataclass(frozen=True, slots=True)
class History:
    """Promotions by epoch, ended trainings by time, and labelled windows by time, none overlapping another.

    ``members`` are the trained versions by time, ``looks`` the moments of the monitor's looks, ``readings`` what the
    rules of ``retrain.policy`` read in the past, and ``shadow_readings`` the same of ``retrain.shadow``, whichever
    of the two decided. ``holds`` are freezes of versions by time. A drill promotes another version and the same
    again, and is no promotion here.
    """

    promotions: tuple[Promotion, ...] = ()
    trainings: tuple[Training, ...] = ()
    windows: tuple[Window, ...] = ()
    members: tuple[Member, ...] = ()
    looks: tuple[datetime, ...] = ()
    readings: tuple[Reading, ...] = ()
    shadow_readings: tuple[Reading, ...] = ()
    holds: tuple[Held, ...] = ()

    @property
    def frozen(self) -> dict[str, str | None]:
        """Versions that may not serve again, with their model ids."""
        last = {held.version: held for held in self.holds}
        return {version: held.model for version, held in last.items() if held.frozen}

    @property
    def has_earlier(self) -> bool:
        """Whether another version than the champion ever served, and is not frozen."""
        free = {each.version for each in self.promotions} - self.frozen.keys()
        return bool(free - {self.promotions[-1].version}) if self.promotions else False

    @classmethod
    def of(cls, events: Iterable[Event]) -> History:
        """Read a model's events.

        Parameters
        ----------
        events : iterable of Event
            Of one model, in any order; an event passed twice counts once. Events of other kinds, and those without the
            fields that are needed, are passed over.
        """
        ordered = [event for _, event in sorted({event.seq: event for event in events}.items())]
        promotions = [_promotion(event) for event in ordered if event.kind == "promotion"]
        trainings = [_training(event, ordered) for event in ordered if _has_ended(event, ordered)]
        looks = [found for event in ordered if event.kind == SIGNALS and (found := _signals(event.payload))]
        members = [member for event in ordered if event.kind == TRAIN and (member := _member(event))]
        return cls(
            promotions=tuple(found for found in promotions if found),
            trainings=tuple(sorted(trainings, key=lambda training: training.at)),
            windows=_apart([window for signals in looks for window in Window.all_of(signals)]),
            members=tuple(sorted(members, key=lambda member: member.at)),
            looks=tuple(sorted({signals.now for signals in looks})),
            readings=_readings(ordered, "policy"),
            shadow_readings=_readings(ordered, "shadow"),
            holds=_holds(ordered),
        )

    def seen_by(self, signals: Signals) -> History:
        """Give the history as it stood when ``signals`` were measured, their own window included.

        A look that is run again later decides as it did the first time.
        """
        windows = [window for window in self.windows if window.measured_at <= signals.now]
        return replace(
            self,
            promotions=tuple(each for each in self.promotions if each.epoch <= signals.epoch),
            trainings=tuple(each for each in self.trainings if each.at <= signals.now),
            windows=_apart([*windows, *Window.all_of(signals)]),
            members=tuple(each for each in self.members if each.at <= signals.now),
            looks=tuple(sorted({*(each for each in self.looks if each < signals.now), signals.now})),
            readings=tuple(each for each in self.readings if each.at < signals.now),
            shadow_readings=tuple(each for each in self.shadow_readings if each.at < signals.now),
            holds=tuple(each for each in self.holds if each.at <= signals.now),
        )


def _has_ended(evaluate: Event, events: Sequence[Event]) -> bool:
    """Tell whether a training came to its end: a refusal, by gate, a person or deploy, or a promotion.

    A challenger that passed and whose deploy crashed is none: the champion goes on losing, and is to be asked about.
    Nor is a light gate's verdict on other weights: nothing was trained.
    """
    judged = evaluate.payload
    if evaluate.kind != EVALUATE or judged.get("gate", "full") != "full":
        return False
    if judged.get("verdict") not in PASSED or "id" not in judged:
        return "verdict" in judged
    return _is_promoted(evaluate, events) or any(
        event.seq > evaluate.seq and _refuses(event) and event.payload.get("model_id") == judged.get("model_id")
        for event in events
    )


def _refuses(event: Event) -> bool:
    if event.kind == DEPLOY:
        return event.payload.get("outcome") == "refused"
    return event.kind == APPROVAL and event.payload.get("answer") == "rejected"


def _is_promoted(evaluate: Event, events: Sequence[Event]) -> bool:
    judged = evaluate.payload.get("id")
    return judged is not None and any(
        event.kind == "promotion" and (event.payload.get("evaluation") or {}).get("id") == judged for event in events
    )


def _promotion(event: Event) -> Promotion | None:
    version = version_of(event.payload)
    if version is None or event.epoch is None or event.payload.get("cause") == DRILL:
        return None
    model, evaluation = event.payload.get("model") or {}, event.payload.get("evaluation") or {}
    own = {model["id"]: 1.0} if model.get("id") else {}
    return Promotion(
        version,
        event.epoch,
        event.at,
        _metrics(evaluation),
        members=model.get("members") or own,
        correction=model.get("correction"),
        action=evaluation.get("action", "retrain"),
    )


def _training(event: Event, events: Sequence[Event]) -> Training:
    judged = event.payload
    return Training(
        event.at,
        judged["verdict"],
        judged.get("epoch") or 0,
        _metrics(judged),
        trained=judged.get("trained_id") or judged.get("model_id"),
        promoted=_is_promoted(event, events),
    )


def _member(event: Event) -> Member | None:
    """Read a trained version; an event without the start of its held-out rows tells nothing of what it learned."""
    held_out = (event.payload.get("features") or {}).get("holdout_start")
    if "id" not in event.payload or not held_out:
        return None
    seconds = event.payload.get("seconds") or 0.0
    return Member(event.payload["id"], event.at, datetime.fromisoformat(held_out), seconds, event.payload)


def _readings(events: Sequence[Event], section: str) -> tuple[Reading, ...]:
    """Read what the rules of a policy read, one a moment: of a look that was made twice the last counts."""
    found = {
        event.at: {name: Signal.from_dict(each) for name, each in event.payload["readings"].items()}
        for event in events
        if event.payload.get("readings") and _section_of(event) == section
    }
    return tuple(Reading(at, found[at]) for at in sorted(found))


def _section_of(event: Event) -> str | None:
    """Name the section of the spec whose policy decided; decisions of before there were overrides do not say."""
    told = {DECISION: "policy", SHADOW: "shadow"}.get(event.kind)
    return (event.payload.get("policy") or {}).get("section", told) if told else None


def _holds(events: Sequence[Event]) -> tuple[Held, ...]:
    """Read freezes of versions; a freeze of all promotions holds none of them by itself."""
    models: dict[str | None, str] = {}
    for event in events:
        if event.kind in (REGISTER, "promotion"):
            model = event.payload.get("model") or event.payload
            if model.get("id"):
                models[version_of(event.payload)] = model["id"]
    found = [
        Held(
            event.at, str(event.payload["version"]), models.get(str(event.payload["version"])), event.payload["frozen"]
        )
        for event in events
        if event.kind == FREEZE and event.payload.get("scope") == "version"
    ]
    return tuple(found)


def _metrics(evaluation: Mapping[str, Any] | None) -> dict[str, float]:
    metrics = (evaluation or {}).get("metrics") or {}
    return {name: value for name, value in metrics.items() if isinstance(value, int | float)}


def _signals(payload: Mapping[str, Any]) -> Signals | None:
    try:
        return Signals.from_dict(payload)
    except SignalsUnusable:
        return None


def _apart(windows: list[Window]) -> tuple[Window, ...]:
    """Keep windows that do not overlap, from the newest back; of one window the measurement that was made last.

    A monitor that looks every hour at the last week measures each row many times. Counted so often, one bad day would
    ask for a training that seven bad days should ask for.
    """
    latest = {(window.start, window.end): window for window in sorted(windows, key=lambda each: each.measured_at)}
    kept: list[Window] = []
    for window in sorted(latest.values(), key=lambda each: (each.end, each.start), reverse=True):
        if not kept or window.end <= kept[-1].start:
            kept.append(window)
    return tuple(reversed(kept))
