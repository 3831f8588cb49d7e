"""Look at the ends of many chains at once, so that a list of models tells which ledger cannot be trusted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import func, select

from airflow_mlops.errors import LedgerCorrupt
from airflow_mlops.ledger import verification
from airflow_mlops.ledger.overviews import in_parts
from airflow_mlops.ledger.tables import events_table, overview_table, state_table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection, ScalarSelect

_EVENTS, _STATES, _KEPT = events_table.c, state_table.c, overview_table.c


def faults(connection: Connection, names: Sequence[str]) -> dict[str, str]:
    """Say by model what is wrong with the end of its chain; models with nothing wrong are left out.

    The numbers and hashes of all ends are compared in one question, and an end that looks strange is checked as
    `verification.expect_whole_end` does. Events before the end are left to `verification.verify`.
    """
    found = {}
    for model in _strange(connection, names):
        try:
            verification.expect_whole_end(connection, model)
        except LedgerCorrupt as error:
            found[model] = str(error)
    return found


def _strange(connection: Connection, names: Sequence[str]) -> list[str]:
    query = select(
        state_table,
        _of_model(func.max(_EVENTS.seq)).label("last_seq"),
        _of_model(func.max(_EVENTS.epoch)).label("last_epoch"),
        select(_EVENTS.hash)
        .where(_EVENTS.model == _STATES.model, _EVENTS.seq == _STATES.seq)
        .scalar_subquery()
        .label("last_hash"),
    )
    known, strange = set(), []
    for row in in_parts(connection, query, _STATES.model, names):
        known.add(row.model)
        end = (row.last_seq or 0, row.last_epoch or 0)
        if end != (row.seq, row.epoch) or (row.seq and row.last_hash != row.hash):
            strange.append(row.model)
    # Their state row is lost; of a model that has no event yet there is neither.
    unknown = [name for name in names if name not in known]
    with_events = select(_EVENTS.model).where(_EVENTS.seq > 0).distinct()
    return strange + [row.model for row in in_parts(connection, with_events, _EVENTS.model, unknown)]


def _of_model(column: object) -> ScalarSelect[int]:
    return select(column).where(_EVENTS.model == _STATES.model).scalar_subquery()  # type: ignore[call-overload]
