"""What a comparison of two windows leaves behind."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Self

from airflow_mlops.stages.drift.methods import P_VALUES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_mlops.loop.effects import Effect
    from airflow_mlops.stages.drift.domain import Domain

PREDICTION = "prediction"
# Beside a stored report: what its columns are drawn by.
DISTRIBUTIONS = "distributions.json"
# In place of a method: a side has no value at all, or the column holds what is not compared.
NO_VALUES, NO_METHOD = "null", "none"


@dataclass(frozen=True, slots=True)
class ColumnDrift:
    """How far one column has moved.

    ``method`` is Evidently's name of the method, or ``null`` where a side has no value at all, or ``none`` where the
    column cannot be compared; then ``score`` is None and ``finding`` says why. A ``ks``, ``chisquare``, ``z``,
    ``g_test`` or ``TVD`` score is a p-value, small when far; the others are distances, large when far: ``wasserstein``
    in standard deviations of the reference, ``jensenshannon`` 0 to 0.83. Rows are those with a value. ``is_exact``
    tells a score of counted values from one of digests. ``effect`` is the distance 0 to 1 with its interval, of a
    sample.
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
    is_exact: bool = False
    effect: Effect | None = None

    @property
    def verdict(self) -> str:
        """``drifted``, ``stable``, ``not enough data``, or ``not compared`` where the kind of column is none for it."""
        if self.score is None:
            return "not enough data" if self.method == NO_VALUES else "not compared"
        return "drifted" if self.drifted else "stable"

    def to_dict(self) -> dict[str, Any]:
        """Turn into JSON."""
        return {**asdict(self), "verdict": self.verdict}

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> Self:
        """Read back what `to_dict` gave."""
        from airflow_mlops.loop.effects import Effect

        facts = {name: value[name] for name in cls.__dataclass_fields__ if name in value}
        return cls(**{**facts, "effect": Effect(**facts["effect"]) if facts.get("effect") else None})

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


@dataclass(frozen=True, slots=True)
class DriftReport:
    """How far a set of columns has moved.

    ``share`` is the share of compared columns that drifted; the verdict is ``drifted`` where it reaches
    ``share_threshold``, and ``not enough data`` where no column has a score. Predictions and labels are scored beside
    the columns and do not count in the share; neither does ``domain``, the check of all columns together.
    ``sample_rows`` are the rows of then and of now that effects, predictions and that check come from. ``left_out`` are
    sensitive columns: asked for, not looked at.
    """

    columns: tuple[ColumnDrift, ...]
    share_threshold: float
    reference_rows: int
    current_rows: int
    prediction: ColumnDrift | None = None
    label: ColumnDrift | None = None
    domain: Domain | None = None
    sample_rows: tuple[int, int] | None = None
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
        return len(self.drifted) / len(self.compared) if self.compared else 0.0

    @property
    def verdict(self) -> str:
        """``drifted``, ``stable`` or ``not enough data``."""
        if not self.compared:
            return "not enough data"
        return "drifted" if self.share >= self.share_threshold else "stable"

    @property
    def has_drifted_part(self) -> bool:
        """Whether a column, the predictions or the labels drifted: then there is something to see."""
        return any(column is not None and column.drifted for column in (*self.columns, self.prediction, self.label))

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
            "label": None if self.label is None else _rounded(self.label.score),
            "label_drifted": None if self.label is None else self.label.drifted,
            "domain_auc": None if self.domain is None else _rounded(self.domain.auc),
            "findings": len(self.findings),
        }

    def to_dict(self) -> dict[str, Any]:
        """Turn into JSON, all scores in full."""
        return {
            "verdict": self.verdict,
            **self.summary(),
            "reference_rows": self.reference_rows,
            "current_rows": self.current_rows,
            "sample_rows": self.sample_rows,
            "columns": [column.to_dict() for column in self.columns],
            "prediction": None if self.prediction is None else self.prediction.to_dict(),
            "label": None if self.label is None else self.label.to_dict(),
            "domain": None if self.domain is None else asdict(self.domain),
            "left_out": self.left_out,
            "findings": list(self.findings),
        }


def _rounded(score: float | None) -> float | None:
    return None if score is None else float(f"{score:.4g}")
