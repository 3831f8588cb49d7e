"""A short year as a ledger would hold it: a champion, a bad week, a promotion, a blocked week."""

from __future__ import annotations

from datetime import timedelta

import pytest

from airflow_mlops.ledger import Ledger
from tests.conftest import utc

START = utc("2013-03-01T05:00:00")
MODEL = "flights"


class Clock:
    """Ten seconds pass between any two records."""

    def __init__(self) -> None:
        self.now = utc("2026-01-01T12:00:00")

    def __call__(self):
        self.now += timedelta(seconds=10)
        return self.now


class Told:
    """Writes what the loop would record; `events` is what it has written."""

    def __init__(self, url: str) -> None:
        self.ledger = Ledger(url, clock=Clock())

    @property
    def events(self):
        return self.ledger.events(MODEL)

    def promotion(self, version: str, epoch: int, week: int) -> None:
        at = START + timedelta(weeks=week)
        self.ledger.promote(
            MODEL,
            version,
            expected_epoch=epoch - 1,
            payload={"model": {"id": f"m{version}", "version": version}},
            at=at,
        )
        done = {"outcome": "done", "epoch": epoch, "version": version}
        self.ledger.append(MODEL, "deploy", f"{version}:done", done, at=at)

    def look(
        self, week: int, *, loss: float | None = None, action: str = "nothing", reason: str = "", **signals
    ) -> None:
        at, version = START + timedelta(weeks=week), signals.pop("version", "1")
        key = f"{at.isoformat()}:{len(self.events)}"
        quality = {"quality": {"loss": loss, "labelled": 90, "rows": 100}} if loss is not None else {}
        self.ledger.append(MODEL, "signals", key, {"data_check": "passed", **quality, **signals}, at=at)
        decision = {
            "action": action,
            "reasons": [reason] if reason else [],
            "held_by": "data check" if signals.get("data_check") == "failed" else None,
            "champion_version": version,
            "signals": key,
            "now": at.isoformat(),
            "epoch": 1,
        }
        self.ledger.append(MODEL, "decision", key, decision, at=at)


@pytest.fixture
def told(tmp_path) -> Told:
    """A quiet week, a bad one that leads to version 2, a blocked week and the same one mended."""
    year = Told(f"sqlite:///{tmp_path / 'ledger.db'}")
    year.promotion("1", 1, 0)
    year.look(1, loss=0.45)
    year.look(2, loss=0.80, action="retrain", reason="excess loss 0.9 is above 0.8")
    year.promotion("2", 2, 2)
    year.look(
        3,
        data_check="failed",
        data_check_reasons=["distance: other unit"],
        version="2",
        reason="data blocked: distance in another unit",
    )
    year.look(3, loss=0.42, version="2")
    return year
