"""A model's past for tests: events as the ledger gives them, and signals week by week."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from airflow_mlops.events import Event
from airflow_mlops.loop.signals import Quality, Signals, VersionLoss

START = datetime(2013, 3, 1, 5, tzinfo=UTC)
WEEK = timedelta(weeks=1)


def event(seq, kind, payload, *, week=0.0, epoch=None):
    at = START + week * WEEK
    return Event("m", seq, kind, str(seq), at, at, None, epoch, payload, "", "")


def numbered(*events):
    """Give each event the number of its place."""
    return [
        Event(**{name: getattr(each, name) for name in Event.__dataclass_fields__} | {"seq": place})
        for place, each in enumerate(events, 1)
    ]


def training(week, *, verdict="pass", epoch=0, metrics=None):
    return event(0, "evaluate", {"verdict": verdict, "epoch": epoch, "metrics": metrics or {}}, week=week)


def promotion(week, version, *, epoch, metrics=None):
    payload = {"version": version, "evaluation": {"metrics": metrics or {}}}
    return event(0, "promotion", payload, week=week, epoch=epoch)


def signals(week, loss=None, *, version="1", epoch=1, labels=500, length=WEEK, **facts):
    """Measure the window that ends two days before the tick."""
    now = START + week * WEEK
    end = now - timedelta(days=2)
    by_version = {version: VersionLoss(loss, labels)} if loss is not None else {}
    quality = Quality(end - length, end, "log_loss", 600, labels, labels / 600, loss, by_version)
    told = {"champion_version": version, "data_check": "passed", "quality": quality, "age_days": 7.0 * week}
    return Signals(now=now, epoch=epoch, **(told | facts))


def measured(week, loss, **facts):
    found = signals(week, loss, **facts)
    return event(0, "signals", found.to_dict(), week=week)


def first_champion(loss=0.5):
    """Give the events of a first training and its promotion, with what it lost on held-out rows."""
    return [training(0, metrics={"log_loss": loss}), promotion(0, "1", epoch=1, metrics={"log_loss": loss})]
