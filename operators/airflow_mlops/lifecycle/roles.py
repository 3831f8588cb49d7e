"""Which version has which of MLflow's aliases: read off the state of the ledger, which alone gives roles."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from airflow_mlops.events import Event, ModelState, Version
    from airflow_mlops.spec.control_sections import AliasesSpec

CHAMPION = "champion"
ROLE, FROZEN = "mlops.role", "mlops.frozen"


def wanted_aliases(state: ModelState, promotions: Iterable[Event], aliases: AliasesSpec) -> dict[str, str | None]:
    """Say of each alias of the spec which version it belongs to; None: to no version.

    Parameters
    ----------
    state : ModelState
        Of the model.
    promotions : iterable of Event
        All of them, in the order of epochs.
    aliases : AliasesSpec
        Their names, by role.
    """
    found = {
        aliases.champion: state.champion.version if state.champion else None,
        aliases.candidate: _newest_candidate(state),
        aliases.shadow: next((each.version for each in state.versions.values() if each.role == "shadow"), None),
        aliases.retired: _last_retired(state, promotions),
    }
    return {name: version for name, version in found.items() if name is not None}


def _newest_candidate(state: ModelState) -> str | None:
    """Return the newest registered version that has not served and may."""
    candidates = [each.version for each in state.versions.values() if each.role == "candidate" and not each.served]
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
