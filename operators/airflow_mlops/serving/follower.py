"""Follow the ledger: load what it names aside, and swap when the champion moves."""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from airflow_mlops.errors import LedgerUnavailable, MLOpsError, Transient
from airflow_mlops.serving.loaded import LoadedVersion, load
from airflow_mlops.serving.wanted import Wanted, wanted_versions

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from airflow_mlops.artifacts import ArtifactStore
    from airflow_mlops.ledger import Ledger
    from airflow_mlops.serving.metrics import Metrics

log = logging.getLogger(__name__)

# A store that is away is asked again after one poll, then after twice as long each time, up to this.
_LONGEST_WAIT_S = 60.0


@dataclass(frozen=True, slots=True)
class Slot:
    """A version the ledger names, and how far loading it is."""

    wanted: Wanted
    state: str = "loading"
    reason: str | None = None
    loaded: LoadedVersion | None = field(default=None, repr=False)
    tries: int = 0
    again_at: float | None = None

    def to_dict(self) -> dict[str, Any]:
        """Turn into a JSON object."""
        return {
            "version": self.wanted.version,
            "epoch": self.wanted.epoch,
            "model_id": self.wanted.model.get("id"),
            "digest": self.wanted.model.get("digest"),
            "role": self.wanted.role,
            # A failure that is tried again is no verdict yet.
            "state": "loading" if self.again_at is not None else self.state,
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


class Follower:
    """Keep what is served in line with the ledger, in a thread of its own.

    Parameters
    ----------
    ledger : Ledger
        Says who serves.
    store : ArtifactStore
        Holds the models.
    models : sequence of str
        Which ones to follow.
    poll_s : float
        Seconds between two looks.
    metrics : Metrics
        Counts swaps and failures.
    """

    def __init__(
        self, ledger: Ledger, store: ArtifactStore, models: Sequence[str], *, poll_s: float, metrics: Metrics
    ) -> None:
        self.served: dict[str, Served] = {model: Served(reason=_nothing_yet(model)) for model in models}
        self.ledger_says = "ok"
        self._ledger, self._store, self._poll_s, self._metrics = ledger, store, poll_s, metrics
        self._positions: dict[str, int] = {}
        self._wanted: dict[str, list[Wanted]] = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="follower", daemon=True)

    @property
    def is_alive(self) -> bool:
        """Whether the ledger is being followed."""
        return self._thread.is_alive()

    def start(self) -> None:
        """Begin to follow."""
        self._thread.start()

    def close(self) -> None:
        """Stop; a load that is under way is not waited for long."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(timeout=5)

    def _run(self) -> None:
        while not self._stop.is_set():
            self.poll()
            self._stop.wait(self._poll_s)

    def poll(self) -> None:
        """Look at the ledger once, and do what it asks for."""
        problems = []
        for model in self.served:
            try:
                self._look(model)
                self._align(model)
            except MLOpsError as error:
                problems.append(str(error))
            except Exception as error:
                # Whatever the ledger's database or a model does, the versions in memory go on answering.
                log.exception("Following %s failed", model)
                problems.append(f"following {model} failed ({type(error).__name__}: {error}).")
        self._say(problems[0] if problems else "ok")

    def _say(self, sentence: str) -> None:
        if sentence != self.ledger_says:
            log.log(logging.INFO if sentence == "ok" else logging.WARNING, "The ledger: %s", sentence)
        self.ledger_says = sentence
        self._metrics.ledger_up.set(sentence == "ok")

    # What the ledger says

    def _look(self, model: str) -> None:
        """Read what is wanted, where something was recorded since the last look."""
        if self._ledger.is_missing:
            raise LedgerUnavailable(f"there is no ledger at {self._ledger!r} yet, or any more; the server goes on.")
        position = self._ledger.position(model)
        if position == self._positions.get(model):
            return
        wanted = wanted_versions(self._ledger, model)
        champion = next((each for each in wanted if each.role == "champion"), None)
        served = self.served[model].champion
        epoch = (champion.epoch if champion else 0) or 0
        if served is not None and epoch < (served.epoch or 0):
            raise LedgerUnavailable(
                f"the ledger is at epoch {epoch} of {model}, and version {served.version} serves since epoch "
                f"{served.epoch}: was an older copy restored? The server goes on; start it anew to follow that copy."
            )
        self._wanted[model], self._positions[model] = wanted, position

    # What is in memory

    def _align(self, model: str) -> None:
        """Load what is missing, one after the other; what is loaded can be used while the next one loads."""
        wanted = self._wanted.get(model, [])
        known = {slot.wanted.id: slot for slot in self.served[model].slots}
        slots = [self._kept(known.get(each.id), each) for each in wanted]
        if slots != list(self.served[model].slots):
            self._publish(model, slots)
        for place, slot in enumerate(slots):
            if slot.state == "loading" or (slot.again_at is not None and time.monotonic() >= slot.again_at):
                slots[place] = self._load(model, slot)
                self._publish(model, slots)

    def _kept(self, slot: Slot | None, wanted: Wanted) -> Slot:
        if slot is not None and slot.wanted == wanted:
            return slot
        # What failed is tried once more where the ledger names it anew.
        if slot is None or slot.state == "failed":
            return Slot(wanted)
        loaded = slot.loaded
        if loaded is not None and wanted.epoch is not None:
            loaded = loaded.promoted(wanted.epoch, wanted.facts)
        return replace(slot, wanted=wanted, loaded=loaded)

    def _load(self, model: str, slot: Slot) -> Slot:
        wanted = slot.wanted
        log.info("Loading version %s of %s (%s)", wanted.version, model, wanted.role)
        try:
            loaded = load(
                self._store, model, version=wanted.version, epoch=wanted.epoch, ref=wanted.model, facts=wanted.facts
            )
        except MLOpsError as error:
            return self._failed(model, slot, error)
        return replace(slot, state="loaded", reason=None, loaded=loaded, again_at=None)

    def _failed(self, model: str, slot: Slot, error: MLOpsError) -> Slot:
        self._metrics.load_failures.labels(model).inc()
        log.error("Version %s of %s was not loaded: %s", slot.wanted.version, model, error)
        wait = min(self._poll_s * 2**slot.tries, _LONGEST_WAIT_S)
        again_at = time.monotonic() + wait if isinstance(error, Transient) else None
        return replace(slot, state="failed", reason=str(error), tries=slot.tries + 1, again_at=again_at)

    def _publish(self, model: str, slots: Sequence[Slot]) -> None:
        before = self.served[model]
        leading = next((slot for slot in slots if slot.wanted.role == "champion"), None)
        champion, since, swapped_at = before.champion, before.since, before.swapped_at
        if leading is not None and leading.loaded is not None and leading.loaded is not champion:
            champion, since = leading.loaded, leading.wanted.since
            swapped_at = datetime.now(UTC)
        versions = {slot.loaded.version: slot.loaded for slot in reversed(slots) if slot.loaded}
        if champion is not None:
            # By its number it answers as the champion it is, also while its successor cannot be loaded.
            versions[champion.version] = champion
        self.served[model] = Served(
            champion, versions, tuple(slots), since, swapped_at, _reason(model, champion, leading)
        )
        if champion is not before.champion and champion is not None:
            self._metrics.swapped(model, before.champion, champion)
            log.info("Version %s of %s serves since epoch %s", champion.version, model, champion.epoch)


def _nothing_yet(model: str) -> str:
    return f"{model} has no champion yet; it answers when the first version is promoted."


def _reason(model: str, champion: LoadedVersion | None, leading: Slot | None) -> str | None:
    """Say why a model does not serve what the ledger says, or None where it does."""
    if leading is None:
        return None if champion else _nothing_yet(model)
    if leading.loaded is not None:
        return None
    version, epoch = leading.wanted.version, leading.wanted.epoch
    goes_on = f"version {champion.version} of epoch {champion.epoch} goes on" if champion else "nothing serves"
    if leading.state == "failed":
        return f"champion {version} of epoch {epoch} was not loaded, {goes_on}: {leading.reason}"
    return f"champion {version} of epoch {epoch} is being loaded, {goes_on}."
