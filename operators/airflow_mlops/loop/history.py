"""What the ledger knows of a model's past that a decision needs: promotions, trainings, and losses window by window."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from airflow_mlops.errors import SignalsUnusable
from airflow_mlops.events import version_of
from airflow_mlops.loop.signals import Signals

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from airflow_mlops.events import Event
    from airflow_mlops.loop.signals import VersionLoss


@dataclass(frozen=True, slots=True)
class Promotion:
    """A version became champion; ``metrics`` are those of its evaluation on held-out rows."""

    version: str
    epoch: int
    at: datetime
    metrics: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Training:
    """A training that ended with a verdict on its challenger, judged against the champion of ``epoch``."""

    at: datetime
    verdict: str
    epoch: int
    metrics: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Window:
    """Losses of the served predictions of the rows of [``start``, ``end``), as they were known at ``measured_at``.

    ``is_sound`` tells that the data check let the tick's rows pass; ``maturity`` is the share of labels known by then.
    """

    start: datetime
    end: datetime
    measured_at: datetime
    metric: str
    labelled: int
    loss: float
    by_version: Mapping[str, VersionLoss]
    is_sound: bool
    maturity: float = 1.0

    def counts(self, maturity: float, *, ended_by: datetime | None) -> bool:
        """Tell whether enough labels have arrived, or the window ended so early that no more are waited for."""
        return self.maturity >= maturity or (ended_by is not None and self.end <= ended_by)

    @classmethod
    def of(cls, signals: Signals) -> Window | None:
        """Take the labelled window out of a tick's signals; None where nothing was labelled."""
        quality = signals.quality
        if quality is None or quality.loss is None:
            return None
        return cls(
            start=quality.start,
            end=quality.end,
            measured_at=signals.now,
            metric=quality.metric,
            labelled=quality.labelled,
            loss=quality.loss,
            by_version=quality.by_version,
            is_sound=signals.data_check in ("passed", "warning"),
            maturity=quality.maturity,
        )


@dataclass(frozen=True, slots=True)
class History:
    """Promotions by epoch, ended trainings by time, and labelled windows by time, none overlapping another."""

    promotions: tuple[Promotion, ...] = ()
    trainings: tuple[Training, ...] = ()
    windows: tuple[Window, ...] = ()

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
        trainings = [_training(event) for event in ordered if event.kind == "evaluate" and _has_ended(event, ordered)]
        windows = [_window(event.payload) for event in ordered if event.kind == "signals"]
        return cls(
            promotions=tuple(found for found in promotions if found),
            trainings=tuple(sorted(trainings, key=lambda training: training.at)),
            windows=_apart([window for window in windows if window]),
        )

    def seen_by(self, signals: Signals) -> History:
        """Give the history as it stood when ``signals`` were measured, their own window included.

        A tick that is run again later decides as it did the first time.
        """
        own = Window.of(signals)
        windows = [window for window in self.windows if window.measured_at <= signals.now]
        return replace(
            self,
            promotions=tuple(each for each in self.promotions if each.epoch <= signals.epoch),
            trainings=tuple(each for each in self.trainings if each.at <= signals.now),
            windows=_apart([*windows, own] if own else windows),
        )


def _has_ended(evaluate: Event, events: Sequence[Event]) -> bool:
    """Tell whether a training came to its end: a refusal, by gate or by deploy, or a promotion.

    A challenger that passed and whose deploy crashed is none: the champion goes on losing, and is to be asked about.
    """
    judged = evaluate.payload
    if judged.get("verdict") != "passed" or "id" not in judged:
        return "verdict" in judged
    return any(
        (event.payload.get("evaluation") or {}).get("id") == judged["id"]
        if event.kind == "promotion"
        else event.kind == "deploy"
        and event.payload.get("outcome") == "refused"
        and event.payload.get("model_id") == judged.get("model_id")
        and event.seq > evaluate.seq
        for event in events
    )


def _promotion(event: Event) -> Promotion | None:
    version = version_of(event.payload)
    if version is None or event.epoch is None:
        return None
    return Promotion(version, event.epoch, event.at, _metrics(event.payload.get("evaluation")))


def _training(event: Event) -> Training:
    return Training(event.at, event.payload["verdict"], event.payload.get("epoch") or 0, _metrics(event.payload))


def _metrics(evaluation: Mapping[str, Any] | None) -> dict[str, float]:
    metrics = (evaluation or {}).get("metrics") or {}
    return {name: value for name, value in metrics.items() if isinstance(value, int | float)}


def _window(payload: Mapping[str, Any]) -> Window | None:
    try:
        return Window.of(Signals.from_dict(payload))
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
