"""What came late: parts of time that a snapshot has otherwise than those before it, told from the ledger alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow_mlops.loop.payloads import text, whole

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


@dataclass(frozen=True, slots=True)
class Changed:
    """A part that was read again and is another one; its rows ``before`` and ``now``, in event time."""

    start: str
    end: str
    before: int
    now: int


def late_parts(ingests: Iterable[Mapping[str, Any]]) -> dict[str, list[Changed]]:
    """Find the parts of each snapshot that were others in the newest snapshot before it that lists them.

    Parameters
    ----------
    ingests : iterable of mapping
        Payloads of ingests, the oldest first. Rows and labels have parts of their own.

    Returns
    -------
    dict of str to list of Changed
        By the id of the snapshot, in order of time; snapshots without a late part are left out.
    """
    known: dict[tuple[str | None, str, str], Mapping[str, Any]] = {}
    found: dict[str, list[Changed]] = {}
    for ingest in ingests:
        for part in ingest.get("parts") or ():
            start, end = text(part, "start"), text(part, "end")
            if not start or not end:
                continue
            place = (text(ingest, "part"), start, end)
            before, known[place] = known.get(place), part
            if before is not None and before.get("digest") != part.get("digest"):
                rows = (whole(each, "rows") or 0 for each in (before, part))
                found.setdefault(str(ingest.get("id")), []).append(Changed(start, end, *rows))
    return found
