"""How far each version that the ledger names is, and what a model's requests are answered from."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from airflow_mlops.serving.loaded import LoadedVersion
    from airflow_mlops.serving.wanted import Wanted


@dataclass(frozen=True, slots=True)
class Slot:
    """A version the ledger names, and how far loading it is.

    ``state`` is *waiting* (others are loaded first), *loading*, *loaded*, *away* (the store did not answer; it is asked
    again) or *failed*.
    """

    wanted: Wanted
    state: str = "waiting"
    reason: str | None = None
    loaded: LoadedVersion | None = field(default=None, repr=False)
    tries: int = 0
    again_at: float | None = None

    def is_due(self, now: float) -> bool:
        """Tell whether it is to be loaded now, by the clock of `time.monotonic`."""
        return self.state == "waiting" or (self.again_at is not None and now >= self.again_at)

    def to_dict(self) -> dict[str, Any]:
        """Turn into a JSON object."""
        return {
            "version": self.wanted.version,
            "epoch": self.wanted.epoch,
            "model_id": self.wanted.model.get("id"),
            "digest": self.wanted.model.get("digest"),
            "role": self.wanted.role,
            # A store that is away is no verdict yet.
            "state": "loading" if self.state == "away" else self.state,
            "reason": self.reason,
            "memory_mb": self.loaded.memory_mb if self.loaded else None,
        }


@dataclass(frozen=True, slots=True)
class Served:
    """What a model's requests are answered from; replaced as a whole, so that a request sees one state."""

    champion: LoadedVersion | None = None
    versions: Mapping[str, LoadedVersion] = field(default_factory=dict)
    slots: tuple[Slot, ...] = ()
    since: datetime | None = None
    swapped_at: datetime | None = None
    reason: str | None = None


def kept(slot: Slot | None, wanted: Wanted) -> Slot:
    """Return what is known of a version as the ledger names it now."""
    if slot is not None and slot.wanted == wanted:
        return slot
    # What failed is tried once more where the ledger names it anew.
    if slot is None or slot.state in ("failed", "away"):
        return Slot(wanted)
    loaded = slot.loaded and slot.loaded.named(wanted.epoch, wanted.facts)
    return replace(slot, wanted=wanted, loaded=loaded)


def stand_in(before: Served, leading: Slot, slots: Sequence[Slot]) -> Slot | None:
    """Return the champion before, where nothing serves yet and the champion cannot be loaded."""
    if before.champion is not None or leading.state != "failed":
        return None
    return next((slot for slot in slots if slot.wanted.role == "previous" and slot.loaded), None)


def nothing_yet(model: str) -> str:
    """Say that nothing was promoted."""
    return f"{model} has no champion yet; it answers when the first version is promoted."


def reason(model: str, champion: LoadedVersion | None, leading: Slot | None) -> str | None:
    """Say why a model does not serve what the ledger says, or None where it does."""
    if leading is None:
        return None if champion else nothing_yet(model)
    if leading.loaded is not None:
        return None
    version, epoch = leading.wanted.version, leading.wanted.epoch
    goes_on = f"version {champion.version} of epoch {champion.epoch} goes on" if champion else "nothing serves"
    if leading.state in ("failed", "away"):
        return f"champion {version} of epoch {epoch} was not loaded, {goes_on}: {leading.reason}"
    return f"champion {version} of epoch {epoch} is being loaded, {goes_on}."
