"""The list of metrics: the exporter writes no other, and the reference page is checked against it.

Names follow Prometheus: base units, ``_total`` on counters, ``_ratio`` on shares of 1. A time is told as a timestamp,
so that its age is counted by who asks and not by who was scraped.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

PREFIX = "mlops_"
# Of most metrics.
MODEL = ("model",)


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric; ``unit`` is empty where it is a plain number or a 1."""

    name: str
    kind: Literal["gauge", "counter"]
    unit: str
    labels: tuple[str, ...]
    meaning: str


def _gauge(name: str, meaning: str, *labels: str, unit: str = "") -> Metric:
    return Metric(f"{PREFIX}{name}", "gauge", unit, (*MODEL, *labels), meaning)


def _counter(name: str, meaning: str, *labels: str, unit: str = "") -> Metric:
    return Metric(f"{PREFIX}{name}_total", "counter", unit, (*MODEL, *labels), meaning)


_LEDGER = (
    Metric("mlops_ledger_up", "gauge", "", (), "1 where the ledger answered this scrape, 0 where it did not."),
    Metric("mlops_ledger_models", "gauge", "", (), "Models with at least one event."),
    Metric("mlops_ledger_read_seconds", "gauge", "seconds", (), "How long this scrape read the ledger."),
    _gauge("ledger_broken", "1 where the end of the model's chain is not whole: restore a backup."),
    _gauge("ledger_behind_events", "Events not told of yet, after an upgrade; till then the model has no others."),
    _counter("ledger_events", "Events of the model."),
    _gauge("ledger_recorded_timestamp_seconds", "When the last event was recorded, by the clock.", unit="seconds"),
)

_LOOP = (
    _gauge("model_state", "1 for the state of the model, as the list of models says it.", "state"),
    _gauge("look_timestamp_seconds", "The moment the last look stood at, event time.", unit="seconds"),
    _gauge("look_recorded_timestamp_seconds", "When the last look was recorded, by the clock.", unit="seconds"),
    _gauge("look_interval_seconds", "Usual time between two looks, the median of the last.", unit="seconds"),
    _counter("looks", "Looks at what is served."),
    _counter("decisions", "Decisions by what was decided.", "action"),
    _gauge("last_decision", "1 for the last decision and what held the policy's wish.", "action", "held_by"),
    _counter("trainings", "Models trained."),
    _counter("training_seconds", "Time that fits took.", unit="seconds"),
    _gauge("last_training_seconds", "Time that the last fit took.", unit="seconds"),
    _counter("refusals", "Challengers refused, by the step that refused them.", "stage"),
    _counter("promotions", "Promotions by cause, those that go back included.", "cause"),
    _counter("rollbacks", "Promotions that went back because a version was bad; drills are none."),
    _counter("late_runs", "Runs that took longer than slo.loop_time.limit."),
    _gauge("retraining", "1 while a run is at what was asked for."),
    _gauge("paused", "1 while the loop is paused."),
    _gauge("promotions_frozen", "1 while promotions are frozen."),
    _gauge("approval_pending", "1 while a version waits for a person's answer."),
    _gauge("approval_asked_timestamp_seconds", "When a person was asked, by the clock; while pending.", unit="seconds"),
    _gauge("incidents_open", "Incidents that are not over and that nothing people did explains.", "kind"),
)

_SERVED = (
    _gauge("champion", "1 for the version that serves.", "version"),
    _gauge("champion_epoch", "How often the champion has moved."),
    _gauge("champion_since_timestamp_seconds", "Since when the version serves, event time.", unit="seconds"),
    _gauge("champion_age_seconds", "Age of what the champion was trained on, at the last look.", unit="seconds"),
    _gauge("challenger", "1 for the newest version that does not serve, and its stage.", "version", "stage"),
)

_QUALITY = (
    _gauge("quality_loss", "Mean loss of the champion in the newest window with enough labels.", "version"),
    _gauge("quality_loss_low", "Lower end of the loss's interval.", "version"),
    _gauge("quality_loss_high", "Upper end of the loss's interval.", "version"),
    _gauge("quality_loss_limit", "From this loss on the quality is too bad.", "version"),
    _gauge("label_maturity_ratio", "Share of that window's labels that have arrived.", unit="ratio"),
)

_DATA = (
    _gauge("drift_share_ratio", "Share of the columns that moved, at the last look.", unit="ratio"),
    _gauge("drift_share_limit_ratio", "From this share on the rows drifted.", unit="ratio"),
    _gauge("signal_verdict", "Verdict on a signal at the last look: 0 stable, 1 watch, 2 drifted.", "signal"),
    _gauge("signal_drifted_looks", "Looks in a row that found the signal drifted.", "signal"),
    _gauge("data_check", "1 for the verdict of the last data check.", "verdict"),
    _counter("data_checks", "Data checks by verdict.", "verdict"),
    _gauge("data_age_seconds", "Age of the newest row at the last look.", unit="seconds"),
    _gauge("data_age_limit_seconds", "From this age on the rows are too old.", unit="seconds"),
)

_BUDGETS = (
    _gauge("slo_target_ratio", "Share that is promised to be good.", "objective", unit="ratio"),
    _gauge("slo_good_ratio", "Share that was good in the period.", "objective", unit="ratio"),
    _gauge("error_budget_left_ratio", "Share of the error budget left; below 0: overdrawn.", "objective", unit="ratio"),
    _gauge("error_budget_burn_rate", "How many times as fast as it may the budget burns.", "objective"),
    _gauge("error_budget_state", "1 for what is to be done: ok, ticket, page, spent, unknown.", "objective", "state"),
)

METRICS: dict[str, Metric] = {
    metric.name: metric for metric in (*_LEDGER, *_LOOP, *_SERVED, *_QUALITY, *_DATA, *_BUDGETS)
}
