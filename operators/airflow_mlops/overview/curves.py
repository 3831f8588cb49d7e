"""The last windows of quality and drift, and the trainings between them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_mlops.overview.plain import items, mapping, moment, name, number

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_mlops.events import Event

Curves = dict[str, Any]

# Points of a curve that is as wide as a word, and trainings between them.
MOST, MARKS = 40, 20
DRIFT = "data_drift"


def none_yet() -> Curves:
    """Return the curves of a model before its first event."""
    return {"quality": None, "drift": None, "retrains": []}


def measured(curves: Curves, event: Event) -> Curves:
    """Add what a look measured: its own window, and earlier ones that it measured again."""
    payload = event.payload
    limits = mapping(payload.get("measured"))
    windows = [mapping(each) for each in (*items(payload.get("reopened")), payload.get("quality"))]
    quality = curves["quality"]
    limit = number(mapping(limits.get("quality")).get("limit"))
    for window in windows:
        at, loss, metric = moment(window.get("end")), number(window.get("loss")), name(window.get("metric"))
        if at and metric and loss is not None:
            quality = _with(quality, metric, at, loss, limit)
    found = mapping(limits.get(DRIFT))
    drift, share = curves["drift"], number(found.get("value"))
    if share is not None:
        drift = _with(drift, DRIFT, event.at.isoformat(), share, number(found.get("limit")))
    return {**curves, "quality": quality, "drift": drift}


def _with(curve: Mapping[str, Any] | None, metric: str, at: str, value: float, limit: float | None) -> dict[str, Any]:
    """Add a point; a curve of another metric begins anew, and a look without a limit leaves the one before."""
    if curve is None or curve["metric"] != metric:
        curve = {"metric": metric, "limit": None, "at": [], "values": []}
    known = dict(zip(curve["at"], curve["values"], strict=True))
    points = sorted({**known, at: value}.items())[-MOST:]
    # Two lists rather than a pair a point: whoever reads a page of models would make thousands of small objects.
    return {
        "metric": metric,
        "limit": curve["limit"] if limit is None else limit,
        "at": [at for at, _ in points],
        "values": [value for _, value in points],
    }


def last(curve: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Return the last value of a curve and its limit; None before the first."""
    return None if curve is None else {"value": curve["values"][-1], "limit": curve["limit"]}


def trained(
    curves: Curves, event: Event, *, model: str | None = None, evaluation: str | None = None, **facts: str | None
) -> Curves:
    """Tell more of a training, found by its model or its evaluation; one of a model not seen yet is added."""
    marks = list(curves["retrains"])
    named = {"model": model, "evaluation": evaluation}
    known = next((mark for mark in reversed(marks) if _is_of(mark, named)), None)
    if known is not None:
        told = {key: value for key, value in (named | facts).items() if value is not None and key != "model"}
        marks[marks.index(known)] = {**known, **told}
    elif model is not None:
        marks.append({"at": event.at.isoformat(), "outcome": "trained", "version": None, **named, **facts})
    return {**curves, "retrains": marks[-MARKS:]}


def _is_of(mark: Mapping[str, Any], named: Mapping[str, str | None]) -> bool:
    return any(value is not None and mark[key] == value for key, value in named.items())
