"""The life of a model without training one: the events that its stages, monitor and people would have recorded."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow_mlops.events import GENESIS, Event, chain_hash, encode_payload, utc_text
from airflow_mlops.overview import advance, begun

if TYPE_CHECKING:
    from collections.abc import Iterator

START = datetime(2013, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)
# A look a day, a training each fortnight, a rollback after each sixth.
LOOKS_PER_TRAINING, TRAININGS_PER_ROLLBACK = 14, 6
COLUMNS = ("carrier", "origin", "dest", "distance", "temp", "dewp", "humid", "wind_speed", "pressure", "visib")

Fact = tuple[str, str, dict[str, Any], datetime, str]


def facts(model: str, seed: int, store: str) -> Iterator[Fact]:
    """Yield kind, key, payload, event time and run, without end; an event has the fields and the size of a real one.

    ``store`` is the address of the artifact store.
    """
    place = f"{store}/{model}"
    rng, served, days = random.Random(seed), [], 0
    while True:
        if days % LOOKS_PER_TRAINING == 0:
            version = str(days // LOOKS_PER_TRAINING + 1)
            yield from _training(model, place, version, served, START + days * DAY, rng)
        days += 1
        yield from _look(model, place, served, START + days * DAY, rng)
        if days % (LOOKS_PER_TRAINING * TRAININGS_PER_ROLLBACK) == LOOKS_PER_TRAINING // 2 and len(served) > 1:
            yield from _rollback(served, START + days * DAY)


def _snapshot(model: str, place: str, at: datetime) -> dict[str, Any]:
    name = f"{model}-{at:%Y%m%d}"
    return {
        "id": name,
        "uri": f"{place}/snapshots/{name}",
        "digest": name.rjust(64, "0"),
        "rows": 8117,
        "columns": len(COLUMNS),
        "start": utc_text(at - 7 * DAY),
        "end": utc_text(at),
        "same_as": None,
        "lake": None,
        "parts": [],
        "source_version": None,
    }


def _training(
    model: str, place: str, version: str, served: list[str], at: datetime, rng: random.Random
) -> Iterator[Fact]:
    run, identity = f"retrain__{version}", f"model-{version}"
    made = {
        "id": identity,
        "digest": identity.rjust(64, "0"),
        "estimator": "sklearn.ensemble.HistGradientBoostingClassifier",
        "features": {"id": f"f{version}", "feature_names": list(COLUMNS), "snapshots": [_snapshot(model, place, at)]},
        "rows": 164_184,
        "uri": f"{place}/models/{identity}",
        "members": {},
        "seconds": 4.8,
        "serialization": "skops",
        "version": None,
        "registered_name": None,
    }
    loss = 0.5 + rng.random() / 10
    checks = [{"name": f"check {number}", "value": loss / 10, "limit": 0.1, "verdict": "pass"} for number in range(12)]
    judged = {
        "id": f"e{version}",
        "action": "retrain",
        "gate": "full",
        "verdict": "pass" if rng.random() < 0.8 or not served else "fail",
        "epoch": len(served),
        "model_id": identity,
        "model": made,
        "champion_version": served[-1] if served else None,
        "checks": checks,
        "metrics": {"log_loss": loss, "accuracy": 0.74, "roc_auc": 0.76, "brier": 0.17},
        "reasons": ["the challenger is better by 0.06 (log_loss)"],
        "risks": ["every_training"],
        "uri": f"{place}/reports/evaluate/e{version}",
        "html_uri": f"{place}/reports/evaluate/e{version}/report.html",
    }
    asked = {"action": "retrain", "cause": "decision", "reason": "version 1 has lost 0.452 more than a fresh one would"}
    yield "request", run, {**asked, "epoch": len(served), "now": utc_text(at), "window": "all", "weights": {}}, at, run
    yield "train", identity, made, at, run
    yield "evaluate", judged["id"], judged, at, run
    if judged["verdict"] == "fail":
        return
    named = {**made, "version": version, "registered_name": model}
    yield "register", named["digest"], named | {"evaluation": judged["id"]}, at, run
    answer = {"version": version, "evaluation": judged["id"], "model_id": identity, "answer": "automatic", "by": []}
    answer |= {"reason": "nobody is asked for its risks", "risks": [], "asked": [], "sensitive": []}
    yield "approval", f"{version}:{judged['id']}:automatic", answer, at, run
    yield "promotion", f"{version}@{len(served)}", {"version": version, "model": named, "evaluation": judged}, at, run
    served.append(version)
    done = {"version": version, "outcome": "done", "epoch": len(served), "expected_epoch": len(served) - 1}
    yield "deploy", f"{version}@{len(served) - 1}:done", done, at, run


def _look(model: str, place: str, served: list[str], at: datetime, rng: random.Random) -> Iterator[Fact]:
    run, key, version = f"monitor__{at:%Y%m%d}", utc_text(at), served[-1] if served else None
    loss, share = 0.55 + rng.gauss(0, 0.05), max(0.0, rng.gauss(0.2, 0.1))
    snapshot = _snapshot(model, place, at)
    signals = {
        "quality": (loss, 0.79),
        "data_drift": (share, 0.5),
        "freshness": (0.04, 0.17),
        "prediction_drift": (0.08, 0.36),
    }
    measured = {
        name: {
            "name": name,
            "value": value,
            "limit": limit,
            "verdict": "drifted" if value > limit else "stable",
            "low": value - 0.05,
            "high": value + 0.05,
            "rows": 8117,
            "start": utc_text(at - DAY),
            "end": utc_text(at),
            "maturity": 0.97,
            "detail": f"{name} is {value:.3f}, limit {limit}",
        }
        for name, (value, limit) in signals.items()
    }
    quality = {"start": utc_text(at - DAY), "end": utc_text(at), "metric": "log_loss", "rows": 6200, "labelled": 6005}
    quality |= {"maturity": 0.97, "loss": loss, "error": 0.02, "by_version": {}, "by_member": {}, "against": None}
    looked = {
        "now": utc_text(at),
        "epoch": len(served),
        "champion_version": version,
        "data_check": "passed",
        "data_check_reasons": [],
        "drift": {"verdict": "stable", "share": share, "columns": list(COLUMNS[:3])},
        "prediction_drift": None,
        "quality": quality,
        "age_days": 3.0,
        "problems": [],
        "reopened": [],
        "measured": measured,
        "inputs": {"rows": snapshot, "labels": None},
    }
    decided = {
        "now": utc_text(at),
        "epoch": len(served),
        "champion_version": version,
        "signals": key,
        "action": "nothing",
        "held_by": None,
        "reasons": ["version 1 has lost 0.2 more than a fresh model would have, not above the 0.378 that ask for it"],
        "counterfactual": "A next window with a loss above 0.949 would ask for a training.",
        "standing": {"champion_version": version, "excess": 0.2, "limit": 0.378, "level": 0.47, "windows": 7},
        "readings": {},
        "tree": {},
        "weights": {},
        "window": None,
    }
    report = {"id": f"r{key}", "uri": f"{place}/reports/validate/{key}", "verdict": "passed"}
    report |= {"summary": {"rows": 8117, "critical": 0, "warning": 0, "worst": []}, "stage": "validate"}
    yield "ingest", snapshot["id"], snapshot, at, run
    yield "validate", f"{snapshot['id']}:1", {"ref": report, "content": snapshot["digest"], "reference": []}, at, run
    yield "signals", key, looked, at, run
    yield "decision", key, decided, at, run
    yield "slo", key, {"objectives": [_budget(rng)], "requests": None}, at, run


def _budget(rng: random.Random) -> dict[str, Any]:
    left = rng.uniform(-0.05, 1.0)
    burn = {"kind": "page", "limit": 14.4, "long_days": 0.04, "long": 0.1, "short": 0.1}
    state = "ok" if left > 0 else "spent"
    counted = {"good": 990, "bad": 10, "sli": 0.99, "left": left, "burns": [burn]}
    return {"objective": "quality", "target": 0.9, "state": state, **counted}


def _rollback(served: list[str], at: datetime) -> Iterator[Fact]:
    back, replaced = served[-2], served[-1]
    said = {"replaced": replaced, "reason": "it got worse", "by": "the loop"}
    payload = {"version": back, "cause": "rollback", "rollback": said, "evaluation": {"verdict": "pass", "metrics": {}}}
    yield "promotion", f"{back}@{len(served)}", payload, at, f"rollback__{at:%Y%m%d}"
    served.append(back)


def rows_of(
    model: str, count: int, seed: int, store: str
) -> tuple[list[dict[str, Any]], dict[str, Any], dict[str, Any]]:
    """Return the rows of so many events in their chain, the state row at its end, and the overview by the fold."""
    state: dict[str, Any] = {"model": model, "seq": 0, "epoch": 0, "champion": None, "hash": GENESIS}
    rows, overview = [], begun()
    for (kind, key, payload, at, run), seq in zip(facts(model, seed, store), range(1, count + 1), strict=False):
        if kind == "promotion":
            state |= {"epoch": state["epoch"] + 1, "champion": payload["version"]}
        epoch = state["epoch"] if kind == "promotion" else None
        moment, text, before = utc_text(at), encode_payload(payload), state["hash"]
        row = {"model": model, "seq": seq, "kind": kind, "key": key, "at": moment, "recorded_at": moment, "run": run}
        row |= {"epoch": epoch, "payload": text, "previous_hash": before}
        row["hash"] = chain_hash(**row)
        state |= {"seq": seq, "hash": row["hash"]}
        rows.append(row)
        event = Event(**{**row, "at": at, "recorded_at": at, "payload": payload})
        overview = advance(overview, event)
    return rows, state, overview
