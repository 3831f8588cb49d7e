"""What is different between two profiles."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow_mlops.spec.data_sections import DriftSpec
from airflow_mlops.stages.drift.compare import drift

if TYPE_CHECKING:
    from airflow_mlops.stages.drift.report import ColumnDrift
    from airflow_mlops.stages.profile.column import ColumnProfile
    from airflow_mlops.stages.profile.profile import Profile

# Shares of the values below which the quantiles lie that are set side by side.
SHARES = [0.05, 0.25, 0.5, 0.75, 0.95]
# Categories that are named; there may be thousands.
NAMED = 10


@dataclass(frozen=True, slots=True)
class ColumnDiff:
    """A column that is in both.

    Attributes
    ----------
    before, after : ColumnProfile
        Sensitive ones have type and nulls alone.
    new, gone : tuple of str
        Categories that are only in one of them, the most frequent first; empty where not each value is counted.
    distance : ColumnDrift or None
        By Evidently's method for the column; None where it is sensitive.
    """

    before: ColumnProfile
    after: ColumnProfile
    new: tuple[str, ...] = ()
    gone: tuple[str, ...] = ()
    distance: ColumnDrift | None = None

    @property
    def name(self) -> str:
        """Of the column."""
        return self.after.name

    @property
    def is_moved(self) -> bool:
        """Whether the distance is beyond Evidently's default."""
        return self.distance is not None and self.distance.exceeds_evidently_default

    @property
    def is_retyped(self) -> bool:
        """Whether the type is another one."""
        return self.before.type != self.after.type

    def to_dict(self) -> dict[str, Any]:
        """Turn into JSON."""
        sides = {"before": column_facts(self.before), "after": column_facts(self.after)}
        found = {"column": self.name, **sides, "new": list(self.new), "gone": list(self.gone)}
        if self.distance is not None:
            facts = ("method", "score", "threshold", "exceeds_evidently_default", "finding")
            found["distance"] = {name: getattr(self.distance, name) for name in facts}
        return found


@dataclass(frozen=True, slots=True)
class ProfileDiff:
    """Two profiles beside each other.

    Attributes
    ----------
    rows : tuple of two int
    added, removed : dict of str to str
        Types of columns that only the second, or only the first, has.
    columns : tuple of ColumnDiff
        Of columns in both, those that have moved first, in the order of the second.
    """

    rows: tuple[int, int]
    added: dict[str, str]
    removed: dict[str, str]
    columns: tuple[ColumnDiff, ...]

    @property
    def retyped(self) -> dict[str, tuple[str, str]]:
        """Give the types before and after of columns whose type is another one."""
        return {each.name: (each.before.type, each.after.type) for each in self.columns if each.is_retyped}

    def to_dict(self) -> dict[str, Any]:
        """Turn into JSON."""
        return {
            "rows": list(self.rows),
            "added": self.added,
            "removed": self.removed,
            "retyped": {name: list(types) for name, types in self.retyped.items()},
            "columns": [each.to_dict() for each in self.columns],
        }


def diff_profiles(before: Profile, after: Profile) -> ProfileDiff:
    """Set two profiles side by side.

    Parameters
    ----------
    before, after : Profile
        Of two snapshots, or of several put together.

    Returns
    -------
    ProfileDiff
        The distance of each column is that of `stages.drift`, with the method Evidently has as default.
    """
    common = [name for name in after.columns if name in before.columns]
    open_to_all = [
        name for name in common if not (before.columns[name].is_sensitive or after.columns[name].is_sensitive)
    ]
    distances = {}
    if open_to_all:
        report = drift(before, after, open_to_all, DriftSpec())
        distances = {each.column: each for each in report.columns}
    columns = [_column(before.columns[name], after.columns[name], distances.get(name)) for name in common]
    return ProfileDiff(
        rows=(before.rows, after.rows),
        added={name: each.type for name, each in after.columns.items() if name not in before.columns},
        removed={name: each.type for name, each in before.columns.items() if name not in after.columns},
        columns=tuple(sorted(columns, key=lambda each: not (each.is_moved or each.is_retyped))),
    )


def _column(before: ColumnProfile, after: ColumnProfile, distance: ColumnDrift | None) -> ColumnDiff:
    sides = (before, after)
    if distance is None or any(each.kind != "text" or each.counts is None for each in sides):
        return ColumnDiff(before, after, distance=distance)
    then, now = set(before.values), set(after.values)
    # The values of a profile are ordered by how frequent they are.
    new, gone = (value for value in after.values if value not in then), (v for v in before.values if v not in now)
    return ColumnDiff(before, after, tuple(new), tuple(gone), distance)


def column_facts(column: ColumnProfile) -> dict[str, Any]:
    """Give what a person or a program wants to know of a column, as JSON; times are microseconds since 1970."""
    found: dict[str, Any] = {"type": column.type, "rows": column.rows, "nulls": column.nulls}
    if column.is_sensitive:
        return found
    found |= {"distinct": column.distinct, "distinct_error": column.distinct_error}
    if column.kind in ("number", "time") and column.known:
        ends = {"minimum": column.minimum, "maximum": column.maximum, "mean": column.mean}
        found |= {**ends, "quantiles": dict(zip(map(str, SHARES), column.quantiles(SHARES), strict=True))}
    return found
