"""A ledger with a model that is well and one with which everything is wrong."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow_mlops.ledger import Ledger

if TYPE_CHECKING:
    from pathlib import Path

START = datetime(2013, 3, 1, tzinfo=UTC)
DAY = timedelta(days=1)
WELL, SICK = "well", 'si"ck'


class Life:
    """Record facts of a model, one a day."""

    def __init__(self, ledger: Ledger, model: str, *, day: int = 0, epoch: int = 0) -> None:
        self._ledger, self._model = ledger, model
        self._day, self._epoch = day, epoch

    def __call__(self, kind: str, **payload: Any) -> None:
        """Record a fact."""
        self._day += 1
        key, at = f"{kind} {self._day}", START + self._day * DAY
        self._ledger.append(self._model, kind, key, payload, at=at, run=f"run {self._day}")

    def promote(self, version: str, cause: str) -> None:
        """Have a version serve."""
        self._day += 1
        payload = {"version": version, "cause": cause}
        at = START + self._day * DAY
        self._ledger.promote(self._model, version, expected_epoch=self._epoch, payload=payload, at=at)
        self._epoch += 1

    def register(self, version: str) -> None:
        """Register a version, trained and judged before."""
        self("train", id=f"m{version}", seconds=2.5)
        self("evaluate", id=f"e{version}", model_id=f"m{version}", gate="full", verdict="pass")
        self("register", id=f"m{version}", version=version)


def look(*, loss: float, verdict: str, share: float, days: float, version: str = "1") -> dict[str, Any]:
    """Return the payload of a look."""
    window = {"end": START.isoformat(), "loss": loss, "metric": "log_loss", "maturity": 0.9}
    measured = {
        "quality": {"value": loss, "low": loss - 0.05, "high": loss + 0.05, "limit": 0.8, "verdict": verdict},
        "data_drift": {"value": share, "low": 0, "high": 1, "limit": 0.5, "verdict": verdict},
        "freshness": {"value": days, "limit": 0.5, "verdict": "stable"},
    }
    measured = {name: {"name": name, **signal} for name, signal in measured.items()}
    return {"quality": window, "measured": measured, "champion_version": version, "age_days": 7.0, "epoch": 1}


def budget(objective: str, state: str, left: float) -> dict[str, Any]:
    """Return what an event says of a budget."""
    burns = [{"rate": None}, {"rate": 2.5}]
    counts = {"target": 0.95, "good": 90, "bad": 10, "sli": 0.9}
    return {"objective": objective, "state": state, "left": left, "burns": burns, **counts}


def make_ledger(folder: Path) -> Ledger:
    """Make the ledger in a folder."""
    ledger = Ledger(f"sqlite:///{folder / 'ledger.db'}")
    well = Life(ledger, WELL)
    well.register("1")
    well.promote("1", "retrain")
    for _ in range(3):
        well("validate", ref={"verdict": "passed"})
        well("signals", data_check="passed", **look(loss=0.5, verdict="stable", share=0.1, days=0.1))
        well("decision", action="nothing", reasons=["it holds"], held_by=None)
    well("slo", objectives=[budget("quality", "ok", 0.8)])
    make_sick(Life(ledger, SICK))
    return ledger


def make_sick(sick: Life) -> None:
    """Let everything go wrong with a model."""
    for version in ("1", "2"):
        sick.register(version)
        sick.promote(version, "retrain")
    sick.promote("1", "rollback")
    for _ in range(3):
        sick("signals", data_check="passed", **look(loss=0.9, verdict="drifted", share=0.8, days=2))
    sick("slo", late="sick_retrain", limit="4h")
    spent = [budget("quality", "spent", -0.5), budget("freshness", "page", 0.4), budget("latency", "ticket", 0.9)]
    sick("slo", objectives=spent)
    sick("evaluate", id="e3", model_id="m3", gate="full", verdict="fail", reasons=["it is worse"])
    sick("validate", ref={"verdict": "failed", "summary": {"worst": []}})
    sick("decision", action="nothing", reasons=["three refusals"], held_by="circuit")
    sick.register("4")
    sick("approval", version="4", answer="asked")


def roll_back(ledger: Ledger) -> None:
    """Let the sick model go back once more, with all that is wrong as it was."""
    sick = Life(ledger, SICK, day=40, epoch=3)
    sick.promote("2", "rollback")
    sick("signals", data_check="failed", **look(loss=0.9, verdict="drifted", share=0.8, days=2, version="2"))
    sick.register("5")
    sick("approval", version="5", answer="asked")
