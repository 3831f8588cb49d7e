"""Roles of versions: which of MLflow's aliases they mean, and how somebody gives one. The ledger alone knows them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Literal

from airflow_mlops.errors import LedgerMisuse
from airflow_mlops.events import ROLE as KIND

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable
    from datetime import datetime

    from airflow_mlops.events import Event, ModelState, Version
    from airflow_mlops.ledger import Ledger
    from airflow_mlops.spec.control_sections import AliasesSpec

CHAMPION = "champion"
ROLE, FROZEN = "mlops.role", "mlops.frozen"

# Roles that a person gives; the others come with a promotion or a freeze.
Given = Literal["shadow", "candidate", "retired"]


def wanted_aliases(
    state: ModelState, promotions: Iterable[Event], aliases: AliasesSpec, *, deleted: Collection[str] = ()
) -> dict[str, str | None]:
    """Say of each alias of the spec which version it belongs to; None: to no version.

    Parameters
    ----------
    state : ModelState
        Of the model.
    promotions : iterable of Event
        All of them, in the order of epochs.
    aliases : AliasesSpec
        Their names, by role.
    deleted : collection of str
        Versions that retention deleted in MLflow: candidates, which nothing can be put on any more.
    """
    found = {
        aliases.champion: state.champion.version if state.champion else None,
        aliases.candidate: _newest_candidate(state, deleted),
        aliases.shadow: next((each.version for each in state.versions.values() if each.role == "shadow"), None),
        aliases.retired: _last_retired(state, promotions),
    }
    return {name: version for name, version in found.items() if name is not None}


def _newest_candidate(state: ModelState, deleted: Collection[str]) -> str | None:
    """Return the newest registered version that has not served and may."""
    unserved = [each.version for each in state.versions.values() if each.role == "candidate" and not each.served]
    candidates = [version for version in unserved if version not in deleted]
    return candidates[-1] if candidates else None


def _last_retired(state: ModelState, promotions: Iterable[Event]) -> str | None:
    """Return the version that served last before the champion; a frozen one is nothing to go back to."""
    served = [str(event.payload["version"]) for event in promotions]
    retired = [name for name in served if name in state.versions and state.versions[name].role == "retired"]
    return retired[-1] if retired else None


def version_tags(version: Version) -> dict[str, str | None]:
    """Return the tags that show a version's role, and who froze it; None: no such tag."""
    frozen = version.frozen
    held = {"by": frozen.by, "reason": frozen.reason, "since": frozen.since.isoformat()} if frozen else None
    return {ROLE: version.role, FROZEN: json.dumps(held) if held else None}


def give_role(ledger: Ledger, model: str, version: str, role: Given, *, by: str, reason: str, at: datetime) -> bool:
    """Record that a version has a role from now on; False where it has it already.

    Raises
    ------
    LedgerMisuse
        The ledger does not know the version, or it serves, or it is frozen.
    """
    state = ledger.state(model)
    known = state.versions.get(version)
    if known is None:
        raise LedgerMisuse(
            f"the ledger knows no version {version} of {model}; it knows {', '.join(state.versions) or 'none'}."
        )
    if known.role in ("champion", "frozen"):
        way = "promote another one first" if known.role == "champion" else f"airflow-mlops unfreeze {model} first"
        raise LedgerMisuse(f"version {version} of {model} is {known.role} and keeps that role; {way}.")
    if known.role == role:
        return False
    payload = {"version": version, "role": role, "by": by, "reason": reason}
    at = max(at, state.champion.since) if state.champion else at
    # A role may be given again later: where the ledger stands makes it another fact.
    ledger.append(model, KIND, f"{version}:{role}@{state.seq}", payload, at=at)
    return True
