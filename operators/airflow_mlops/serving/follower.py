"""Follow the ledger: load what it names aside, and swap when the champion moves."""

from __future__ import annotations

import logging
import queue
import threading
import time
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from airflow_mlops.errors import LedgerUnavailable, MLOpsError, Transient
from airflow_mlops.serving.loaded import load
from airflow_mlops.serving.slots import Served, Slot, kept, nothing_yet, reason, stand_in
from airflow_mlops.serving.wanted import wanted_versions

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow_mlops.artifacts import ArtifactStore
    from airflow_mlops.ledger import Ledger
    from airflow_mlops.serving.metrics import Metrics
    from airflow_mlops.serving.wanted import Wanted

log = logging.getLogger(__name__)

# A store that is away is asked again after one poll, then after twice as long each time, up to this. A champion that
# cannot be loaded for another reason is tried again this slowly, for somebody may mend it.
_LONGEST_WAIT_S = 60.0

# A look that has not come to its end for this many polls, or for this long, says nothing of the ledger any more.
_STALE_POLLS, _STALE_S = 10, 10.0

_URGENCY = ("champion", "prepared", "previous")


class Follower:
    """Keep what is served in line with the ledger, in a thread of its own.

    Versions are loaded in a second thread, one at a time, while the first goes on to look. Only the first changes what
    is served.

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
        self.served: dict[str, Served] = {model: Served(reason=nothing_yet(model)) for model in models}
        self._ledger, self._store, self._poll_s, self._metrics = ledger, store, poll_s, metrics
        self._positions: dict[str, int] = {}
        self._wanted: dict[str, list[Wanted]] = {}
        self._problem: str | None = "not read yet"
        self._looked_at = time.monotonic()
        self._loading: tuple[str, Slot] | None = None
        # What a load came to; None wakes the follower to stop.
        self._ended: queue.SimpleQueue[Slot | None] = queue.SimpleQueue()
        metrics.ledger_up.set_function(lambda: float(self.ledger_says == "ok"))
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="follower", daemon=True)

    @property
    def is_alive(self) -> bool:
        """Whether the ledger is being followed."""
        return self._thread.is_alive()

    @property
    def ledger_says(self) -> str:
        """``ok``, or why the ledger cannot be followed just now."""
        if self._problem is not None:
            return self._problem
        age = time.monotonic() - self._looked_at
        if age > max(_STALE_POLLS * self._poll_s, _STALE_S):
            return f"the ledger was read {age:.0f} s ago, and does not answer since; the server goes on."
        return "ok"

    def start(self) -> None:
        """Begin to follow."""
        self._thread.start()

    def close(self) -> None:
        """Stop; a load that is under way is not waited for."""
        self._stop.set()
        self._ended.put(None)
        if self._thread.is_alive():
            self._thread.join(timeout=5)

    def _run(self) -> None:
        while not self._stop.is_set():
            self._look_at_all()
            self._begin_load()
            try:
                self._take(self._ended.get(timeout=self._poll_s))
            except queue.Empty:
                continue

    def poll(self) -> None:
        """Look at the ledger once, and do all it asks for before this returns."""
        self._look_at_all()
        while self._begin_load():
            self._take(self._ended.get())

    # What the ledger says

    def _look_at_all(self) -> None:
        """Look at every model before anything is loaded."""
        problems = []
        for model in self.served:
            try:
                self._look(model)
                self._align(model)
            except MLOpsError as error:
                problems.append(str(error))
            except Exception as error:
                # Whatever the ledger's database does, the versions in memory go on answering.
                log.exception("Following %s failed", model)
                problems.append(f"following {model} failed ({type(error).__name__}: {error}).")
        self._say(problems[0] if problems else None)

    def _say(self, problem: str | None) -> None:
        if problem is None:
            self._looked_at = time.monotonic()
        if problem != self._problem:
            log.log(logging.WARNING if problem else logging.INFO, "The ledger: %s", problem or "ok")
        self._problem = problem

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
        """Bring the slots in line with what is wanted."""
        known = {slot.wanted.id: slot for slot in self.served[model].slots}
        slots = [kept(known.get(each.id), each) for each in self._wanted.get(model, [])]
        if slots != list(self.served[model].slots):
            self._publish(model, slots)

    def _begin_load(self) -> bool:
        """Load the most urgent of what is due in another thread, and tell whether one is under way."""
        if self._loading is not None:
            return True
        now = time.monotonic()
        due = [(model, slot) for model, served in self.served.items() for slot in served.slots if slot.is_due(now)]
        if not due:
            return False
        model, slot = min(due, key=lambda each: _URGENCY.index(each[1].wanted.role))
        if slot.state == "waiting":
            slot = replace(slot, state="loading")
            self._publish_slot(model, slot)
        self._loading = model, slot
        threading.Thread(target=self._load, args=(model, slot), name="loader", daemon=True).start()
        return True

    def _load(self, model: str, slot: Slot) -> None:
        wanted = slot.wanted
        log.info("Loading version %s of %s (%s)", wanted.version, model, wanted.role)
        try:
            loaded = load(
                self._store, model, version=wanted.version, epoch=wanted.epoch, ref=wanted.model, facts=wanted.facts
            )
        except BaseException as error:  # noqa: BLE001 - a model may raise even SystemExit, and the next one still loads
            self._ended.put(self._failed(model, slot, error))
        else:
            self._ended.put(replace(slot, state="loaded", reason=None, loaded=loaded, again_at=None))

    def _failed(self, model: str, slot: Slot, error: BaseException) -> Slot:
        self._metrics.load_failures.labels(model).inc()
        why = str(error) if isinstance(error, MLOpsError) else f"{type(error).__name__}: {error}"
        log.error("Version %s of %s was not loaded: %s", slot.wanted.version, model, why)
        is_away = isinstance(error, Transient)
        wait = None
        if is_away:
            wait = min(self._poll_s * 2**slot.tries, _LONGEST_WAIT_S)
        elif slot.wanted.role == "champion":
            wait = _LONGEST_WAIT_S
        return replace(
            slot,
            state="away" if is_away else "failed",
            reason=why,
            tries=slot.tries + 1,
            again_at=None if wait is None else time.monotonic() + wait,
        )

    def _take(self, ended: Slot | None) -> None:
        """Put in its place what a load came to, unless the ledger has let go of it meanwhile."""
        if ended is None or self._loading is None:
            return
        model, _ = self._loading
        self._loading = None
        self._publish_slot(model, ended)

    def _publish_slot(self, model: str, changed: Slot) -> None:
        slots = self.served[model].slots
        self._publish(
            model, [kept(changed, slot.wanted) if slot.wanted.id == changed.wanted.id else slot for slot in slots]
        )

    def _publish(self, model: str, slots: Sequence[Slot]) -> None:
        before = self.served[model]
        leading = next((slot for slot in slots if slot.wanted.role == "champion"), None)
        champion, since, swapped_at = before.champion, before.since, before.swapped_at
        chosen = leading if leading is None or leading.loaded else stand_in(before, leading, slots)
        if chosen is not None and chosen.loaded is not None and chosen.loaded is not champion:
            champion, since = chosen.loaded, chosen.wanted.since
            swapped_at = datetime.now(UTC)
        versions = {slot.loaded.version: slot.loaded for slot in reversed(slots) if slot.loaded}
        if champion is not None:
            # By its number it answers as the champion it is, also while its successor cannot be loaded; but where a
            # deploy has prepared it anew, as the ledger names it.
            versions.setdefault(champion.version, champion)
        self.served[model] = Served(
            champion, versions, tuple(slots), since, swapped_at, reason(model, champion, leading)
        )
        if champion is not before.champion and champion is not None:
            self._metrics.swapped(model, before.champion, champion)
            log.info("Version %s of %s serves since epoch %s", champion.version, model, champion.epoch)
