"""Hold versions, promotions or the whole loop, and let them go; each is one event with who and why."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_mlops.errors import LedgerMisuse
from airflow_mlops.events import FREEZE, REPLACED
from airflow_mlops.ledger import Fact

if TYPE_CHECKING:
    from datetime import datetime

    from airflow_mlops.events import Event, Freeze, ModelState, Scope
    from airflow_mlops.ledger import Ledger


def freeze(
    ledger: Ledger,
    model: str,
    scope: Scope,
    *,
    frozen: bool,
    reason: str,
    by: str,
    at: datetime,
    version: str | None = None,
    run: str | None = None,
) -> Event | None:
    """Freeze or unfreeze, where that is not so already.

    Parameters
    ----------
    ledger : Ledger
        Where it is recorded.
    model : str
        Whose.
    scope : {"version", "promotions", "loop"}
        What; a frozen loop is paused.
    frozen : bool
        False lets go.
    reason, by : str
        Why, and who.
    at : datetime
        Event time; never earlier than the champion's promotion, so that the order of the record is that of time.
    version : str, optional
        Which one, for scope "version".
    run : str, optional
        Who records it.

    Returns
    -------
    Event or None
        None where it was so already; then the first freeze keeps its reason.

    Raises
    ------
    LedgerMisuse
        No reason is given, or the model has no such version.
    """
    expect_reason(reason)
    state = ledger.state(model)
    if scope == "version" and version not in state.versions:
        known = ", ".join(state.versions) or "none"
        raise LedgerMisuse(f"{model} has no version {version or '(none was named)'}; the ledger knows {known}.")
    if (held(state, scope, version) is not None) is frozen:
        return None
    payload = {"scope": scope, "version": version, "frozen": frozen, "reason": reason, "by": by}
    subject = f"version {version}" if scope == "version" else scope
    times = sum(
        (event.payload["scope"], event.payload.get("version"), event.payload["frozen"])
        == (scope, payload["version"], frozen)
        for event in ledger.events(model, kind=FREEZE)
    )
    key = f"{subject}:{'frozen' if frozen else 'free'}#{times + 1}"
    return ledger.append(model, FREEZE, key, payload, at=not_before_champion(state, at), run=run)


def expect_reason(reason: str) -> None:
    """Refuse an act of which nobody could say later why it was done.

    Raises
    ------
    LedgerMisuse
        No reason is given.
    """
    if not reason.strip():
        raise LedgerMisuse("say why: whoever finds it frozen, free again or rolled back has to know the reason.")


def held(state: ModelState, scope: Scope, version: str | None = None) -> Freeze | None:
    """Return what holds a version, the promotions or the loop; None where nothing does."""
    if scope == "version":
        known = state.versions.get(str(version))
        return known.frozen if known else None
    return state.promotions_frozen if scope == "promotions" else state.paused


def freeze_beside(state: ModelState, version: str, *, reason: str, by: str) -> list[Fact]:
    """Return what freezes a version in the transaction that replaces it; nothing where it is frozen already."""
    if held(state, "version", version) is not None:
        return []
    payload = {"scope": "version", "version": version, "frozen": True, "reason": reason, "by": by}
    return [Fact(FREEZE, f"version {version}{REPLACED}{state.epoch}", payload)]


def not_before_champion(state: ModelState, at: datetime) -> datetime:
    """Return a moment, or that of the champion's promotion where it is later."""
    return max(at, state.champion.since) if state.champion else at
