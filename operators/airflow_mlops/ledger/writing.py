"""Put one event behind the last, in a transaction that keeps other writers of the model out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_mlops.errors import ClockBack, PromotionFrozen
from airflow_mlops.events import BACK, CLOCK, FREEZE, Event, chain_hash, encode_payload, utc_text
from airflow_mlops.ledger import overviews, verification
from airflow_mlops.ledger.reading import of_kinds
from airflow_mlops.ledger.tables import events_table, state_table, to_event
from airflow_mlops.ledger.verification import CLOCK_TOLERANCE

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from sqlalchemy import Connection


def lock(connection: Connection, model: str) -> dict[str, Any]:
    """Keep other writers of this model out until the transaction ends; return where its chain ends.

    Raises
    ------
    LedgerCorrupt
        The end of the chain is not where the model's state says.
    """
    state = verification.locked_state(connection, model)
    return {**state, "recorded_at": verification.check_tail(connection, model, state)}


def insert(
    connection: Connection,
    tail: Mapping[str, Any],
    *,
    model: str,
    kind: str,
    key: str,
    payload: Mapping[str, Any],
    at: datetime,
    now: datetime,
    run: str | None = None,
    epoch: int | None = None,
) -> Event:
    """Write an event, and move the model's state and overview to it.

    Raises
    ------
    ClockBack
        The clock is behind the last event by more than the tolerance, and this is no event that accepts it.
    """
    stored = {
        "model": model,
        "seq": tail["seq"] + 1,
        "kind": kind,
        "key": key,
        "at": utc_text(at),
        "recorded_at": utc_text(now if kind == CLOCK else _time_of_writing(now, tail, model=model)),
        "run": run,
        "epoch": epoch,
        "payload": encode_payload(payload),
        "previous_hash": tail["hash"],
    }
    stored["hash"] = chain_hash(**stored)
    event = to_event(stored)
    connection.execute(events_table.insert().values(stored))
    moved = {} if event.epoch is None else {"epoch": event.epoch, "champion": event.payload["version"]}
    connection.execute(
        state_table.update().where(state_table.c.model == model).values(seq=event.seq, hash=event.hash, **moved)
    )
    overviews.follow(connection, event)
    return event


def _time_of_writing(now: datetime, tail: Mapping[str, Any], *, model: str) -> datetime:
    last = tail["recorded_at"]
    if last is None or now >= last:
        return now
    if last - now > CLOCK_TOLERANCE:
        raise ClockBack(model=model, seq=tail["seq"], recorded_at=last, now=now)
    return last


def refuse_frozen(connection: Connection, model: str, version: str, *, cause: str | None) -> None:
    """Refuse in the transaction of the promotion, so that no freeze comes between.

    Raises
    ------
    PromotionFrozen
        The version is frozen; or every promotion is, and this one does not go back.
    """
    held: dict[str, Event] = {}
    for event in of_kinds(connection, model, (FREEZE,)):
        subject = f"version {event.payload['version']}" if event.payload["scope"] == "version" else "promotions"
        if event.payload["scope"] != "loop":
            held[subject] = event
    for subject in (f"version {version}", *(() if cause in BACK else ("promotions",))):
        found = held.get(subject)
        if found is not None and found.payload["frozen"]:
            raise PromotionFrozen(
                model=model,
                version=version,
                subject=subject,
                by=found.payload["by"],
                reason=found.payload["reason"],
                since=found.at,
            )
