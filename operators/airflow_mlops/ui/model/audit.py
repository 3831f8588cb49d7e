"""The audit trail: every event of the model's ledger as a sentence, the last one first."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel

from airflow_mlops.errors import LedgerCorrupt
from airflow_mlops.loop.told import PEOPLE, tell
from airflow_mlops.ui.access import ModelDep
from airflow_mlops.ui.links import RunsDep
from airflow_mlops.ui.sources import LedgerDep

if TYPE_CHECKING:
    from airflow_mlops.events import Event

router = APIRouter()

# Letters of a hash that tell events of one model apart, and can be compared with `ledger verify`.
_HASH_LETTERS = 10
_Kind = Annotated[str, Query(pattern=r"^[a-z_]{1,64}$")]


class Entry(BaseModel):
    """One event; ``at`` is event time, ``recorded_at`` the clock's.

    ``hash`` has the first letters of the event's hash, ``dag_id`` the DAG of its run where the user may read it.
    """

    seq: int
    kind: str
    key: str
    at: datetime
    recorded_at: datetime
    who: str
    what: str
    why: str | None
    is_person: bool
    run: str | None
    dag_id: str | None
    hash: str


class Trail(BaseModel):
    """A page of the trail; ``next_before`` asks for the next one, None at the end.

    ``trouble`` says what is wrong with the end of the chain; None where it is whole.
    """

    entries: list[Entry]
    next_before: int | None
    trouble: str | None


@router.get("/audit")
def read_audit(
    model: ModelDep,
    ledger: LedgerDep,
    runs: RunsDep,
    limit: Annotated[int, Query(ge=1, le=200)] = 30,
    before: Annotated[int | None, Query(ge=1, le=2**62)] = None,
    kind: Annotated[list[_Kind], Query(max_length=40)] = [],  # noqa: B006 - FastAPI copies a default
    people: Annotated[bool, Query()] = False,
) -> Trail:
    """Return a page of events, the last one first, and whether the end of the chain is whole.

    ``kind`` may be given several times; ``people`` asks for what people did, and for that alone.
    """
    trouble = None
    try:
        ledger.expect_whole_end(model.name)
    except LedgerCorrupt as error:
        trouble = str(error)
    events = ledger.newest(model.name, kinds=PEOPLE if people else kind, before=before, limit=limit + 1)
    shown = events[:limit]
    dags = runs.dags_of(event.run for event in shown)
    return Trail(
        entries=[_entry(event, dags.get(event.run or "")) for event in shown],
        next_before=shown[-1].seq if len(events) > limit else None,
        trouble=trouble,
    )


def _entry(event: Event, dag_id: str | None) -> Entry:
    told = tell(event)
    return Entry(
        seq=event.seq,
        kind=event.kind,
        key=event.key,
        at=event.at,
        recorded_at=event.recorded_at,
        who=told.who,
        what=told.what,
        why=told.why,
        is_person=told.is_person,
        run=event.run,
        dag_id=dag_id,
        hash=event.hash[:_HASH_LETTERS],
    )
