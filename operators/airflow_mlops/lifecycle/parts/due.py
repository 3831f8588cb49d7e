"""Which parts of a window a run has to read."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from airflow_mlops.lifecycle.parts.shelf import Known
    from airflow_mlops.lifecycle.parts.spans import Span
    from airflow_mlops.stages.ingest import Wanted


@dataclass(frozen=True, slots=True)
class PartPlan:
    """How a run goes about parts.

    Attributes
    ----------
    length : timedelta
        Of a part.
    now : datetime
        Moment of the run, in event time.
    late : timedelta
        How long after its end rows of a part may still come.
    version : str or None
        Of the source; what was read of the same version is not read again.
    sort_mb : int
        Parts of up to so many megabytes are sorted, and so many are held in memory.
    again : bool
        Whether parts are read again that are not expected to change.
    """

    length: timedelta
    now: datetime
    late: timedelta = timedelta(0)
    version: str | None = None
    sort_mb: int = 256
    again: bool = False


def due_among(known: Mapping[Span, Known | None], wanted: Wanted, plan: PartPlan) -> list[Span]:
    """Return the parts to read, in order of time.

    A part is not read again when the source's version is the one it was read of; or when it was read at least
    ``plan.late`` after its end. A part without rows counts only when a later one has rows: else its rows may just not
    have landed. The last part of a window that ends within it is always read.

    Parameters
    ----------
    known : mapping of Span to Known or None
        What was read of each part, in order of time.
    wanted : Wanted
        The window, and the columns a part must have.
    plan : PartPlan
        How the run goes about parts.
    """
    newest = max((span.start for span, at in known.items() if at is not None and at.part is not None), default=None)
    return [
        span
        for span, at in known.items()
        if at is None
        or not _has_columns(at, wanted)
        or not (_is_of_version(at, plan) or _is_settled(span, at, wanted, plan, newest))
    ]


def _has_columns(at: Known, wanted: Wanted) -> bool:
    if at.part is None:
        return True
    names = {column["name"] for column in at.part["schema"]}
    return names.issuperset((wanted.time, *wanted.key, *wanted.columns))


def _is_of_version(at: Known, plan: PartPlan) -> bool:
    return plan.version is not None and at.version == plan.version and not plan.again


def _is_settled(span: Span, at: Known, wanted: Wanted, plan: PartPlan, newest: datetime | None) -> bool:
    if plan.again or (not span.is_whole and span.end == wanted.end):
        return False
    if at.part is None and (newest is None or newest < span.start):
        return False
    return at.read_at >= span.end + plan.late
