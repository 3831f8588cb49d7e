"""Let the policy in shadow decide, and the spec's own again; it holds until the retrain section of the spec changes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Self

from airflow_mlops.artifacts import digest_json
from airflow_mlops.errors import LedgerMisuse
from airflow_mlops.events import OVERRIDE
from airflow_mlops.lifecycle.freeze import expect_reason, not_before_champion

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_mlops.events import Event, ModelState
    from airflow_mlops.ledger import Ledger
    from airflow_mlops.spec import ModelSpec

OWN, SHADOW = "own", "shadow"


@dataclass(frozen=True, slots=True)
class Override:
    """The policy in shadow decides, and the spec's own only records: who wanted that, since when, and why."""

    by: str
    reason: str
    since: datetime

    def to_dict(self) -> dict[str, Any]:
        """Turn into JSON."""
        return {"by": self.by, "reason": self.reason, "since": self.since.isoformat()}

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> Self:
        """Read back what `to_dict` wrote."""
        return cls(value["by"], value["reason"], datetime.fromisoformat(value["since"]))


def use_policy(
    ledger: Ledger,
    spec: ModelSpec,
    policy: str,
    *,
    reason: str,
    by: str,
    at: datetime,
    run: str | None = None,
) -> Event | None:
    """Say which policy of a spec decides, where that is not so already.

    Parameters
    ----------
    ledger : Ledger
        Where it is recorded.
    spec : ModelSpec
        Whose policies; the override holds until its retrain section changes.
    policy : {"shadow", "own"}
        The one of ``retrain.shadow``, or the one of ``retrain.policy`` again.
    reason, by : str
        Why, and who.
    at : datetime
        Event time; never earlier than the champion's promotion.
    run : str, optional
        Who records it.

    Returns
    -------
    Event or None
        None where it was so already; then the first override keeps its reason.

    Raises
    ------
    LedgerMisuse
        No reason is given, the policy is neither of the two, or the spec has none in shadow.
    """
    expect_reason(reason)
    if policy not in (OWN, SHADOW):
        raise LedgerMisuse(f"{policy!r} is no policy of {spec.name}: say 'shadow' or 'own'.")
    if policy == SHADOW and spec.retrain.shadow is None:
        raise LedgerMisuse(
            f"{spec.name} has no policy in shadow that could decide: its spec gives no retrain.shadow. Give it one, "
            "and compare a while what it would have decided."
        )
    state = ledger.state(spec.name)
    if (override_of(state, spec) is not None) is (policy == SHADOW):
        return None
    payload = {
        "policy": policy,
        "kinds": {OWN: spec.retrain.policy.kind, SHADOW: spec.retrain.shadow.kind if spec.retrain.shadow else None},
        "retrain": section_digest(spec),
        "reason": reason,
        "by": by,
    }
    times = len(ledger.events(spec.name, kind=OVERRIDE))
    key = f"{policy}#{times + 1}"
    return ledger.append(spec.name, OVERRIDE, key, payload, at=not_before_champion(state, at), run=run)


def override_of(state: ModelState, spec: ModelSpec) -> Override | None:
    """Return what has the policy in shadow decide; None where the spec's own does.

    That is where nobody asked for anything else, or the retrain section of the spec has changed since.
    """
    last = state.last.get(OVERRIDE)
    if last is None or spec.retrain.shadow is None or last.payload.get("retrain") != section_digest(spec):
        return None
    return overridden_by(last)


def overridden_by(event: Event) -> Override | None:
    """Read an event of this kind; None where it gives the spec's own policy its place back."""
    if event.payload["policy"] != SHADOW:
        return None
    return Override(event.payload["by"], event.payload["reason"], event.at)


def in_force(spec: ModelSpec, override: Override | None) -> ModelSpec:
    """Give the spec as it is acted upon: under an override its two policies stand in each other's place."""
    if override is None:
        return spec
    retrain = spec.retrain
    swapped = retrain.model_copy(update={"policy": retrain.shadow, "shadow": retrain.policy})
    return spec.model_copy(update={"retrain": swapped})


def told_of(policy: Any, override: Override | None, *, is_live: bool) -> Mapping[str, Any]:
    """Give what a decision says of its policy: which section of the spec it is, its kind, and who overrode that."""
    section = "shadow" if (override is None) is not is_live else "policy"
    return {"section": section, "kind": policy.kind, "override": override.to_dict() if override else None}


def section_digest(spec: ModelSpec) -> str:
    """Name what the retrain section of a spec says: an override holds for it alone."""
    return digest_json(spec.retrain.model_dump(mode="json"))
