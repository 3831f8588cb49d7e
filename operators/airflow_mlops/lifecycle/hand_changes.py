"""What people changed in MLflow, as it is recorded."""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import datetime

    from airflow_mlops.events import ModelState
    from airflow_mlops.ledger import Ledger

log = logging.getLogger(__name__)

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


def epoch_shown(tag: str | None) -> int:
    """Return the epoch that MLflow was shown last; 0 where there is no tag, or one that a person wrote."""
    if tag is not None and not tag.isdecimal():
        log.warning(
            "MLflow's tag with the epoch says %r, which is none: it was changed by hand and is written anew", tag
        )
        return 0
    return int(tag or 0)


def aliases_shown(tag: str | None, *, deleted: Collection[str] = ()) -> dict[str, list[str | None]]:
    """Return what each alias may be found on; of a tag that a person wrote nothing is believed.

    Parameters
    ----------
    tag : str or None
        Written when aliases moved.
    deleted : collection of str
        Versions that retention deleted: MLflow removed their aliases with them.
    """
    try:
        found = json.loads(tag or "{}")
    except ValueError:
        found = None
    if isinstance(found, dict) and all(isinstance(each, list) for each in found.values()):
        return {alias: [*on, None] if set(on) & set(deleted) else on for alias, on in found.items()}
    log.warning("MLflow's tag with the aliases says %r: it was changed by hand and is written anew", tag)
    return {}
