"""What the rows say over all streams."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from benchmarks.loop.arena import Arena
    from benchmarks.loop.reference import Reference
    from benchmarks.loop.rows import Row

CAP = 1.2
"""Gains beyond this count as this in the capped mean, for one stream must not carry all others."""
MOST_NOTES = 8


def of_stream(
    arena: Arena, looks: int, reference: Reference, rows: Mapping[str, Row], notes: Any = ()
) -> dict[str, Any]:
    """Turn the rows of one stream into JSON."""
    further = [f"and {len(arena.notes) - MOST_NOTES} more"] if len(arena.notes) > MOST_NOTES else []
    return {
        "task": arena.spec.task,
        "batches": arena.batches,
        "looks": looks,
        "control": reference.control,
        "reference": reference.to_dict(),
        "notes": [*arena.notes[:MOST_NOTES], *further, *notes],
        "policies": {
            name: {
                "gain_kept": reference.kept(row.loss),
                "trainings_pct": 100 * row.trainings / looks if looks else 0.0,
                "gain_kept_one_draw": reference.kept_of_one_draw(row.loss),
                "strict": reference.strict(row.loss),
                "mean_loss": row.loss,
                "trainings": row.trainings,
                "served": row.served,
            }
            for name, row in rows.items()
        },
    }


def of_policies(streams: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Average each policy over the streams that drift, and give the trainings on the controls beside.

    A policy that a stream lacks is averaged over the others, and ``streams`` says over how many.
    """
    names = dict.fromkeys(name for stream in streams.values() for name in stream["policies"])
    return {name: _of_policy(name, streams) for name in names}


def _of_policy(name: str, streams: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    having = {key: stream for key, stream in streams.items() if name in stream["policies"]}
    drifting = {key: each["policies"][name] for key, each in having.items() if not each["control"]}
    controls = [each["policies"][name] for each in having.values() if each["control"]]
    gains = {key: row["gain_kept"] for key, row in drifting.items() if row["gain_kept"] is not None}
    stricts = [row["strict"] for row in drifting.values() if row["strict"] is not None]
    one_draw = [row["gain_kept_one_draw"] for row in drifting.values() if row["gain_kept_one_draw"] is not None]
    worst = min(gains, key=lambda key: gains[key], default=None)
    return {
        "mean": _mean(list(gains.values())),
        "capped_mean": _mean([min(gain, CAP) for gain in gains.values()]),
        "worst": None if worst is None else gains[worst],
        "worst_stream": worst,
        "trainings_pct": _mean([row["trainings_pct"] for row in drifting.values()]),
        "most_trainings_pct": max((row["trainings_pct"] for row in drifting.values()), default=None),
        "control_trainings_pct": max((row["trainings_pct"] for row in controls), default=None),
        "one_draw_capped_mean": _mean([min(gain, CAP) for gain in one_draw]),
        "one_draw_worst": min(one_draw, default=None),
        "strict_mean": _mean([min(gain, CAP) for gain in stricts]),
        "strict_worst": min(stricts, default=None),
        "streams": len(gains),
    }


def _mean(values: list[float]) -> float | None:
    return sum(values) / len(values) if values else None
