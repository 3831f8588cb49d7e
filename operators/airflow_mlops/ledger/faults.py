"""Look at the ends of many chains at once, so that a list of models tells which ledger cannot be trusted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import and_, func, select

from airflow_mlops.errors import LedgerCorrupt
from airflow_mlops.ledger import verification
from airflow_mlops.ledger.overviews import in_parts
from airflow_mlops.ledger.tables import events_table, is_unchanged, state_table

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy import Connection

_EVENTS, _STATES = events_table.c, state_table.c


def faults(connection: Connection, names: Sequence[str], told: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """Say by model what is wrong with the end of its chain; models with nothing wrong are left out.

    All ends are compared at once, and one that looks strange is checked as `verification.expect_whole_end` does. Events
    before the end are left to `verification.verify`.

    Parameters
    ----------
    connection : Connection
        A transaction of the ledger.
    names : sequence of str
        Which models.
    told : mapping
        Their overviews: what serves has to be what the state says.
    """
    found = {}
    for model in _strange(connection, names, told):
        try:
            verification.expect_whole_end(connection, model)
        except LedgerCorrupt as error:
            found[model] = str(error)
    return found


def _strange(connection: Connection, names: Sequence[str], told: Mapping[str, Mapping[str, Any]]) -> list[str]:
    # Beside the event that the state names stands the last one, which may be another.
    last = events_table.alias()
    of_model = select(func.max(last.c.seq)).where(last.c.model == _STATES.model).scalar_subquery()
    promoted = select(func.max(last.c.epoch)).where(last.c.model == _STATES.model).scalar_subquery()
    query = select(
        events_table,
        _STATES.model.label("of"),
        _STATES.seq.label("stated"),
        _STATES.hash.label("end"),
        _STATES.epoch.label("moved"),
        _STATES.champion,
        of_model.label("last_seq"),
        promoted.label("last_epoch"),
    ).select_from(state_table.outerjoin(events_table, and_(_EVENTS.model == _STATES.model, _EVENTS.seq == _STATES.seq)))
    known = {row.of: row._mapping for row in in_parts(connection, query, _STATES.model, names)}
    strange = [model for model, row in known.items() if not _is_whole(row, told.get(model))]
    # Their state row is lost; a model that has no event yet has neither.
    unknown = [name for name in names if name not in known]
    with_events = select(_EVENTS.model).distinct()
    return strange + [row.model for row in in_parts(connection, with_events, _EVENTS.model, unknown)]


def _is_whole(row: Mapping[Any, Any], told: Mapping[str, Any] | None) -> bool:
    if row["seq"] is None:
        return not row["stated"] and row["last_seq"] is None
    is_end = (row["seq"], row["hash"], row["moved"]) == (row["last_seq"], row["end"], row["last_epoch"] or 0)
    serving = (told or {}).get("serving") or {}
    is_told = told is None or told["seq"] != row["seq"] or serving.get("version") == row["champion"]
    return is_end and is_told and is_unchanged(row)
