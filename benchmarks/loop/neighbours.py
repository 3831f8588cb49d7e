"""How much the figures hang on the default settings: each parameter a little lower and higher, on all streams."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from airflow_mlops.replay.measure import mean_loss
from airflow_mlops.replay.play import Player
from airflow_mlops.spec.policy_sections import Budget, CommitteePolicy, Correction, SinglePolicy
from benchmarks.loop.rows import looks_of
from benchmarks.loop.summary import CAP

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from benchmarks.loop.run import Measured

Setting = dict[str, Any]

BOTH: tuple[Setting, ...] = (
    {},
    {"allowance": 0.25},
    {"allowance": 1.0},
    {"longest": 20},
    {"longest": 40},
    {"growth": 0.3},
    {"growth": 0.5},
    {"memory": 0.7},
    {"memory": 0.9},
    {"windows": ("mix", "recent")},
    {"windows": ("all", "recent")},
    {"budget": Budget(start=2, share=0.05)},
    {"budget": Budget(start=3, share=0.07)},
    {"correction": None},
    {"correction": Correction(rows=150)},
    {"correction": Correction(rows=500)},
    {"correction": Correction(windows=6)},
)
OF_COMMITTEE: tuple[Setting, ...] = (
    {"price": 0.6},
    {"price": 1.4},
    {"members": 2},
    {"members": 5},
    {"sharpness": 8},
    {"sharpness": 18},
    {"prior": 2},
    {"prior": 5},
    {"trust": 0.1},
)
OF_SINGLE: tuple[Setting, ...] = (
    {"price": 0.15},
    {"price": 0.4},
    {"price": 0.6},
    {"margin": 0.0},
    {"margin": 0.03},
    {"prior": 0.5},
    {"prior": 2},
    {"trust": 0.08},
    {"trust": 0.3},
)
KINDS = {"committee": (CommitteePolicy, BOTH + OF_COMMITTEE), "single": (SinglePolicy, BOTH + OF_SINGLE)}


def neighbours(streams: Mapping[str, Measured]) -> dict[str, Any]:
    """Replay the settings around each default.

    Returns
    -------
    dict
        By kind: ``settings``, each with its figures; ``average`` over all of them; and ``left_out``, what the setting
        that is best on all other streams keeps on each stream.
    """
    drifting = [measured for measured in streams.values() if not measured.reference.control]
    controls = [measured for measured in streams.values() if measured.reference.control]
    return {kind: _of_kind(policy, grid, drifting, controls) for kind, (policy, grid) in KINDS.items()}


def _of_kind(
    policy: type[CommitteePolicy] | type[SinglePolicy],
    grid: Sequence[Setting],
    drifting: Sequence[Measured],
    controls: Sequence[Measured],
) -> dict[str, Any]:
    policies = [policy(**setting) for setting in grid]
    played = np.array([[_played(each, measured) for measured in drifting] for each in policies]).reshape(
        len(grid), len(drifting), 2
    )
    still = [max((_played(each, measured)[1] for measured in controls), default=None) for each in policies]
    rows = [
        {"setting": _named(setting), **_figures(gains), "control_trainings_pct": control}
        for setting, gains, control in zip(grid, played, still, strict=True)
    ]
    average = {name: _mean([row[name] for row in rows]) for name in rows[0] if name != "setting"}
    return {"settings": rows, "average": average, "left_out": _left_out(played[:, :, 0], drifting)}


def _played(policy: CommitteePolicy | SinglePolicy, measured: Measured) -> tuple[float, float]:
    """Return gain kept, not a number where there is none, and trainings in percent."""
    board = measured.arena.board
    play = Player(board, policy).play()
    gain = measured.reference.kept(mean_loss(board, play.losses))
    return (np.nan if gain is None else gain, 100 * len(play.trainings) / max(1, looks_of(board)))


def _figures(played: np.ndarray) -> dict[str, float | None]:
    gains = played[np.isfinite(played[:, 0]), 0]
    if not len(gains):
        return dict.fromkeys(("capped_mean", "worst", "trainings_pct"))
    return {
        "capped_mean": float(np.minimum(gains, CAP).mean()),
        "worst": float(gains.min()),
        "trainings_pct": float(played[:, 1].mean()),
    }


def _left_out(gains: np.ndarray, drifting: Sequence[Measured]) -> dict[str, Any]:
    """Choose the setting without one stream, and apply it there."""
    if len(drifting) < 2:
        return {}
    capped = np.minimum(gains, CAP)
    found = {}
    for place, measured in enumerate(drifting):
        chosen = int(np.nanmean(np.delete(capped, place, axis=1), axis=1).argmax())
        found[measured.arena.name] = float(gains[chosen, place])
    kept = np.array(list(found.values()))
    return {"streams": found, "capped_mean": float(np.nanmean(np.minimum(kept, CAP))), "worst": float(np.nanmin(kept))}


def _named(setting: Setting) -> str:
    """Write a setting as a person would; the empty one is the default."""
    plain = {
        name: value.model_dump(mode="json", exclude_unset=True) if hasattr(value, "model_dump") else value
        for name, value in setting.items()
    }
    return ", ".join(f"{name}: {value}" for name, value in plain.items()) or "default"


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None
