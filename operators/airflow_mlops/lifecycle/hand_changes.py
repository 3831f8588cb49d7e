"""What people changed in MLflow, as it is recorded."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

    from airflow_mlops.events import ModelState
    from airflow_mlops.ledger import Ledger

KIND = "hand_change"

# What is done about it, by how it is settled.
WORDS = {
    "restore": "it is set back (register.by_hand: restore)",
    "adopt": "that version is tried, and promoted if it may serve (register.by_hand: adopt)",
    "ask": "it is left as it is (register.by_hand: ask), and what serves stays",
}


@dataclass(frozen=True, slots=True)
class HandChange:
    """An alias that somebody moved or removed, or whose version was deleted.

    ``shown`` is what MLflow said, ``ledger`` what it should have said; None: no version. ``settled`` is what was done
    about it: "restore", "adopt" or "ask".
    """

    alias: str
    shown: str | None
    ledger: str | None
    settled: str


def record(
    ledger: Ledger,
    state: ModelState,
    change: HandChange,
    *,
    at: datetime,
    run: str | None,
    deleted: str | None = None,
) -> None:
    """Append the event of a change, once for each epoch.

    Parameters
    ----------
    ledger : Ledger
        Where to.
    state : ModelState
        Of the model, when it was noticed.
    change : HandChange
        What was noticed.
    at : datetime
        Event time.
    run : str or None
        Who noticed it.
    deleted : str, optional
        What is gone: "version 3".
    """
    key = f"{change.alias}:{change.shown or 'none'}@{state.epoch}:{change.settled}"
    payload = {
        "alias": change.alias,
        "shown": change.shown,
        "ledger": change.ledger,
        "settled": change.settled,
        "epoch": state.epoch,
        **({"deleted": deleted} if deleted else {}),
    }
    ledger.append(state.model, KIND, key, payload, at=at, run=run)
