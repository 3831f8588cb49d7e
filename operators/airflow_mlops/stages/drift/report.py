"""What a comparison of two windows leaves behind."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class ColumnDrift:
    """How far one column has moved.

    ``method`` is Evidently's name of the method, or ``null`` where a side has no value at all, or ``none`` where the
    column cannot be compared; then ``score`` is None and ``finding`` says why. A ``ks``, ``chisquare`` or ``z`` score
    is a p-value, small when far; ``wasserstein`` (in standard deviations of the reference) and ``jensenshannon`` (0 to
    0.83) are distances, large when far. Rows are those with a value.
    """

    column: str
    kind: str
    method: str
    score: float | None = None
    threshold: float | None = None
    drifted: bool = False
    exceeds_evidently_default: bool = False
    reference_rows: int = 0
    current_rows: int = 0
    finding: str | None = None

    @property
    def is_p_value(self) -> bool:
        """Whether a small score means drift."""
        return self.method in P_VALUES

    @property
    def severity(self) -> float:
        """How many times the score is beyond its threshold; 1 is on it, -1 where there is no score."""
        if self.score is None or not self.threshold:
            return -1.0
        if self.is_p_value:
            return self.threshold / max(self.score, 1e-300)
        return self.score / self.threshold


P_VALUES = frozenset({"ks", "chisquare", "z"})


@dataclass(frozen=True, slots=True)
class DriftReport:
    """How far a set of columns has moved.

    ``share`` is the share of compared columns that drifted; the verdict is ``drifted`` where it reaches
    ``share_threshold``. Predictions are scored beside the columns and do not count in the share. ``left_out`` are
    sensitive columns: asked for, not looked at.
    """

    columns: tuple[ColumnDrift, ...]
    share_threshold: float
    reference_rows: int
    current_rows: int
    prediction: ColumnDrift | None = None
    left_out: tuple[str, ...] = field(default=())

    @property
    def compared(self) -> tuple[ColumnDrift, ...]:
        """The columns that have a score."""
        return tuple(column for column in self.columns if column.score is not None)

    @property
    def drifted(self) -> tuple[ColumnDrift, ...]:
        """The columns that drifted, the farthest first."""
        return tuple(column for column in self.worst if column.drifted)

    @property
    def worst(self) -> tuple[ColumnDrift, ...]:
        """All compared columns, the farthest first."""
        return tuple(sorted(self.compared, key=lambda column: column.severity, reverse=True))

    @property
    def findings(self) -> tuple[str, ...]:
        """What is to be said about columns without a score."""
        return tuple(column.finding for column in self.columns if column.finding)

    @property
    def share(self) -> float:
        """Drifted columns among the compared ones, 0 to 1."""
        return len(self.drifted) / len(self.compared)

    @property
    def verdict(self) -> str:
        """``drifted`` or ``stable``."""
        return "drifted" if self.share >= self.share_threshold else "stable"

    def summary(self) -> dict[str, Any]:
        """Give what fits into a log line: counts, share, and the five columns that moved farthest."""
        return {
            "drifted_columns": len(self.drifted),
            "compared_columns": len(self.compared),
            "share": round(self.share, 4),
            "share_threshold": self.share_threshold,
            "worst": {column.column: _rounded(column.score) for column in self.worst[:5]},
            "prediction": None if self.prediction is None else _rounded(self.prediction.score),
            "prediction_drifted": None if self.prediction is None else self.prediction.drifted,
            "findings": len(self.findings),
        }

    def to_dict(self) -> dict[str, Any]:
        """Turn into JSON, all scores in full."""
        return {**asdict(self), "verdict": self.verdict, "findings": list(self.findings), **self.summary()} | {
            "prediction": None if self.prediction is None else asdict(self.prediction),
            "findings": list(self.findings),
        }


def _rounded(score: float | None) -> float | None:
    return None if score is None else float(f"{score:.4g}")
