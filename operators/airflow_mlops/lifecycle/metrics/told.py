"""The values of metrics: a pure function of what the ledger keeps of a model."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from statistics import median
from typing import TYPE_CHECKING, Any, get_args

from airflow_mlops.events import ROLLBACK
from airflow_mlops.lifecycle.metrics.listed import PREFIX
from airflow_mlops.loop.actions import Action
from airflow_mlops.overview import state_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from airflow_mlops.loop.incidents import Incident

_DAY_S = 86400
_VERDICTS = {"stable": 0, "watch": 1, "drifted": 2}
# What a counter is told apart by begins at 0: of one that begins at 1 Prometheus sees no increase.
_REFUSING, _CHECKED = ("evaluate", "deploy", "approve"), ("passed", "warning", "failed")


@dataclass(frozen=True, slots=True)
class Sample:
    """A metric's value; ``labels`` in the order that the list of metrics has them."""

    metric: str
    labels: tuple[str, ...]
    value: float


def samples_of(model: str, overview: Mapping[str, Any]) -> Iterator[Sample]:
    """Tell a model's metrics.

    Parameters
    ----------
    model : str
        Its name, the first label.
    overview : mapping
        As the ledger keeps it, up to the model's last event; what it does not say gives no sample.
    """
    for told in (_ledger, _loop, _counters, _hands, _served, _quality, _data, _budgets):
        for name, labels, value in told(overview):
            if value is not None:
                yield Sample(f"{PREFIX}{name}", (model, *labels), float(value))


def incident_samples(model: str, incidents: Iterable[Incident]) -> Iterator[Sample]:
    """Tell how many incidents of each kind are open, and not explained by what people did."""
    is_open = Counter(each.kind for each in incidents if each.is_open and not each.is_known)
    # One that is over is a 0 and not a gap.
    for kind in sorted({each.kind for each in incidents}):
        yield Sample(f"{PREFIX}incidents_open", (model, kind), float(is_open[kind]))


# Name without prefix, labels but the model's, value: None gives no sample.
_Told = tuple[str, tuple[str, ...], float | None]


def _ledger(overview: Mapping[str, Any]) -> Iterator[_Told]:
    tally = overview["tally"]
    yield "ledger_events_total", (), tally["events"]
    yield "ledger_recorded_timestamp_seconds", (), _timestamp(tally["recorded_at"])


def _loop(overview: Mapping[str, Any]) -> Iterator[_Told]:
    tally, decision = overview["tally"], overview["decision"]
    look = tally["look"] or {}
    yield "model_state", (state_of(overview)[0],), 1
    yield "look_timestamp_seconds", (), _timestamp(look.get("at"))
    yield "look_recorded_timestamp_seconds", (), _timestamp(look.get("recorded_at"))
    yield "look_interval_seconds", (), _interval(tally["looked"])
    if decision:
        yield "last_decision", (decision["action"], decision["held_by"] or ""), 1
    yield "last_training_seconds", (), tally["trained"]


def _interval(looked: list[str]) -> float | None:
    times = [datetime.fromisoformat(each).timestamp() for each in looked]
    gaps = [after - before for before, after in pairwise(times)]
    return median(gaps) if gaps else None


def _counters(overview: Mapping[str, Any]) -> Iterator[_Told]:
    tally = overview["tally"]
    yield "looks_total", (), tally["looks"]
    yield "trainings_total", (), tally["trainings"]
    yield "training_seconds_total", (), tally["training_seconds"]
    yield "rollbacks_total", (), tally["promotions"].get(ROLLBACK, 0)
    yield "late_runs_total", (), tally["late"]
    told_apart = {
        "decisions_total": ("decisions", get_args(Action)),
        "refusals_total": ("refusals", _REFUSING),
        "promotions_total": ("promotions", (ROLLBACK,)),
        "data_checks_total": ("checks", _CHECKED),
    }
    for name, (kept, usual) in told_apart.items():
        counts = dict.fromkeys(usual, 0) | tally[kept]
        for what, count in counts.items():
            yield name, (what,), count


def _hands(overview: Mapping[str, Any]) -> Iterator[_Told]:
    """Tell what people hold, and what waits for them."""
    yield "retraining", (), overview["request"] is not None
    yield "paused", (), overview["paused"] is not None
    yield "promotions_frozen", (), overview["frozen"] is not None
    yield "approval_pending", (), overview["approval"] is not None
    if overview["approval"] is not None:
        yield "approval_asked_timestamp_seconds", (), _timestamp(overview["tally"]["asked_at"])


def _served(overview: Mapping[str, Any]) -> Iterator[_Told]:
    serving, challenger, look = overview["serving"], overview["challenger"], overview["tally"]["look"] or {}
    if serving:
        yield "champion", (serving["version"],), 1
        yield "champion_epoch", (), serving["epoch"]
        yield "champion_since_timestamp_seconds", (), _timestamp(serving["since"])
        if look.get("version") == serving["version"]:
            yield "champion_age_seconds", (), _seconds(look["age_days"])
    if challenger:
        yield "challenger", (challenger["version"] or "", challenger["stage"]), 1


def _quality(overview: Mapping[str, Any]) -> Iterator[_Told]:
    tally, maturity = overview["tally"], overview["maturity"]
    measured, version = tally["signals"].get("quality", {}), (tally["look"] or {}).get("version") or ""
    for end, name in (("value", ""), ("low", "_low"), ("high", "_high"), ("limit", "_limit")):
        yield f"quality_loss{name}", (version,), measured.get(end)
    yield "label_maturity_ratio", (), maturity and maturity["share"]


def _data(overview: Mapping[str, Any]) -> Iterator[_Told]:
    signals, check, freshness = overview["tally"]["signals"], overview["data_check"], overview["freshness"] or {}
    moved = signals.get("data_drift", {})
    yield "drift_share_ratio", (), moved.get("value")
    yield "drift_share_limit_ratio", (), moved.get("limit")
    for name, signal in signals.items():
        yield "signal_verdict", (name,), _VERDICTS.get(signal["verdict"])
        yield "signal_drifted_looks", (name,), signal["drifted"]
    if check and check["verdict"]:
        yield "data_check", (check["verdict"],), 1
    yield "data_age_seconds", (), _seconds(freshness.get("days"))
    yield "data_age_limit_seconds", (), _seconds(freshness.get("limit"))


def _budgets(overview: Mapping[str, Any]) -> Iterator[_Told]:
    for budget in overview["tally"]["objectives"]:
        objective = (budget["objective"],)
        yield "slo_target_ratio", objective, budget["target"]
        yield "slo_good_ratio", objective, budget["sli"]
        yield "error_budget_left_ratio", objective, budget["left"]
        yield "error_budget_burn_rate", objective, budget["burn"]
        if budget["state"]:
            yield "error_budget_state", (*objective, budget["state"]), 1


def _seconds(days: float | None) -> float | None:
    return None if days is None else days * _DAY_S


def _timestamp(moment: str | None) -> float | None:
    return None if moment is None else datetime.fromisoformat(moment).timestamp()
