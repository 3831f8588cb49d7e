"""The compared columns as they were and as they are, in numbers small enough to be drawn by a page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_mlops.stages.profile.bins import are_comparable, bins_of, heads_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from airflow_mlops.stages.drift.report import DriftReport
    from airflow_mlops.stages.profile import ColumnProfile, Profile

# Digits of a share, more than a picture shows; and of an edge.
_DIGITS, _EDGE_DIGITS = 4, 10
# A share below it is what rounding leaves.
_NOTHING = 1e-12


def distributions_of(
    report: DriftReport, then: Profile, now: Profile, *, predictions: tuple[ColumnProfile, ColumnProfile] | None = None
) -> dict[str, Any]:
    """Give the distributions of what a report compares.

    Parameters
    ----------
    report : DriftReport
        Its compared columns, label and prediction; columns that it leaves out as sensitive are not in it.
    then, now : Profile
        What it was made from.
    predictions : tuple of two ColumnProfile, optional
        Of what the model answers.

    Returns
    -------
    dict
        JSON. By column: ``kind`` is "number", with ``edges``, or "category", with ``values``, for which there is one
        share more, of all others. ``reference`` and ``current`` are shares of the values, ``nulls`` shares of the rows.
    """
    scored = (*report.compared, report.label)
    sides = {each.column: (then.columns[each.column], now.columns[each.column]) for each in scored if each}
    columns = {name: found for name, pair in sides.items() if (found := _distribution(pair))}
    prediction = _distribution(predictions) if predictions and report.prediction else None
    return {"columns": columns, "prediction": prediction}


def _distribution(sides: tuple[ColumnProfile, ColumnProfile]) -> dict[str, Any] | None:
    if not are_comparable(sides):
        return None
    nulls = _rounded((side.rows - side.known) / side.rows for side in sides)
    if sides[0].kind in ("text", "boolean"):
        heads = heads_of(sides)
        then, now = map(_rounded, heads.shares)
        return {"kind": "category", "values": heads.values, "reference": then, "current": now, "nulls": nulls}
    if sides[0].kind != "number":
        return None
    bins = bins_of(sides)
    then, now = map(_rounded, bins.shares)
    edges = [float(f"{edge:.{_EDGE_DIGITS}g}") for edge in bins.edges.tolist()]
    return {
        "kind": "number",
        "edges": edges,
        "reference": then,
        "current": now,
        "outside": _rounded(bins.outside),
        "nulls": nulls,
    }


def _rounded(shares: Iterable[float]) -> list[float]:
    return [float(f"{share:.{_DIGITS}g}") if share > _NOTHING else 0.0 for share in shares]
