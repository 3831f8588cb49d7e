"""From two profiles to a drift report."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from airflow_mlops.errors import MissingColumns
from airflow_mlops.stages.drift.kinds import column_kind
from airflow_mlops.stages.drift.methods import DEFAULT_THRESHOLDS, default_method, is_applicable, is_beyond, score
from airflow_mlops.stages.drift.report import NO_METHOD, NO_VALUES, PREDICTION, ColumnDrift, DriftReport

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy as np

    from airflow_mlops.spec.data_sections import DriftSpec
    from airflow_mlops.stages.profile import ColumnProfile, Profile

    Recount = Callable[[str], tuple[np.ndarray, np.ndarray]]


def drift(
    reference: Profile,
    current: Profile,
    columns: Sequence[str],
    spec: DriftSpec,
    *,
    sensitive: Sequence[str] = (),
    label: str | None = None,
    predictions: tuple[ColumnProfile, ColumnProfile] | None = None,
    recount: Recount | None = None,
) -> DriftReport:
    """Compare two windows column by column, with the methods and thresholds Evidently has as defaults.

    The thresholds are Evidently's conventions, not calibrated to a rate of false alarms; see the documentation of this
    stage for what they amount to on real data, and for how near a score of a digested column is to Evidently's.

    Parameters
    ----------
    reference, current : Profile
        Of the rows the model was trained on, and of those to be judged.
    columns : sequence of str
        Which columns; `spec.columns` go before them.
    spec : DriftSpec
        Columns, methods, a threshold for all of them, and the share of drifted columns that makes the set drifted.
    sensitive : sequence of str, default=()
        Columns that are left out.
    label : str, optional
        Column with what became of each row; scored beside the others where both sides have it.
    predictions : tuple of two ColumnProfile, optional
        Of what the model answers for rows of then and rows of now.
    recount : callable, optional
        Gives, for a column of so many categories that profiles have not counted them, how often each is there, then
        and now. Default: the score of the frequent ones, with a finding that says so.

    Returns
    -------
    DriftReport
        A score for each column, or a finding why there is none.

    Raises
    ------
    MissingColumns
        A column is not in one of the profiles.

    References
    ----------
    Evidently documentation, "Data drift": default methods by column type and size of the reference.
    """
    wanted = list(spec.columns or columns)
    chosen = [column for column in wanted if column not in sensitive]
    for profile, where in ((reference, "the reference"), (current, "the current snapshot")):
        if missing := [column for column in chosen if column not in profile.columns]:
            raise MissingColumns(missing, present=list(profile.columns), where=where)
    compare = _Comparison(spec, recount)
    is_labelled = label is not None and label not in sensitive and all(label in p.columns for p in (reference, current))
    return DriftReport(
        tuple(compare.column(name, reference.columns[name], current.columns[name]) for name in chosen),
        share_threshold=spec.share,
        reference_rows=reference.rows,
        current_rows=current.rows,
        prediction=compare.column(PREDICTION, *predictions) if predictions else None,
        label=compare.column(label, reference.columns[label], current.columns[label])
        if label and is_labelled
        else None,
        left_out=tuple(column for column in wanted if column in sensitive),
    )


@dataclass(frozen=True)
class _Comparison:
    spec: DriftSpec
    recount: Recount | None

    def column(self, name: str, then: ColumnProfile, now: ColumnProfile) -> ColumnDrift:
        """Score one column, or say why not."""
        kind = column_kind(now)
        if kind in ("text", "unknown"):
            # A short window can make a column of names look like text, or be empty; what it was in training counts.
            kind = column_kind(then)
        found = ColumnDrift(name, kind=kind, method=NO_METHOD, reference_rows=then.known, current_rows=now.known)
        if not (then.known and now.known):
            side = "current window" if then.known else "reference"
            return replace(found, method=NO_VALUES, finding=f"{name} has no value in the {side}")
        if kind not in ("numerical", "categorical"):
            return replace(found, finding=f"{name} holds {_words(kind, then)} values, which are not compared")
        is_numerical = kind == "numerical"
        if is_numerical and {then.kind, now.kind} != {"number"}:
            return replace(found, finding=f"{name} was {then.type} in the reference and is {now.type} now")
        method = self.spec.methods.get(name) or default_method(then, now, is_numerical=is_numerical)
        if name in self.spec.methods and not is_applicable(method, is_numerical=is_numerical):
            return replace(
                found, finding=f"{name} is {kind}, and Evidently has no {method} for that; see drift.methods"
            )
        return self._scored(replace(found, method=method), then, now)

    def _scored(self, found: ColumnDrift, then: ColumnProfile, now: ColumnProfile) -> ColumnDrift:
        name, method, is_numerical = found.column, found.method, found.kind == "numerical"
        is_sketched = not is_numerical and (then.texts is not None or now.texts is not None)
        counted = self.recount(name) if is_sketched and self.recount else None
        value = score(method, then, now, is_numerical=is_numerical, counted=counted)
        finding = None
        if is_sketched and not counted:
            most = max(side.distinct or 0 for side in (then, now))
            finding = (
                f"{name} has about {most:,.0f} categories: its score is that of the frequent ones, the rest as one"
            )
        default = DEFAULT_THRESHOLDS[method]
        limit = default if self.spec.threshold is None else self.spec.threshold
        return replace(
            found,
            score=value,
            threshold=limit,
            drifted=is_beyond(method, value, limit),
            exceeds_evidently_default=is_beyond(method, value, default),
            is_exact=bool(counted) or all(side.counts is not None for side in (then, now)),
            finding=finding,
        )


def _words(kind: str, column: ColumnProfile) -> str:
    return column.type if kind == "unknown" else kind
