"""The trial of a promotion: what the looks and the server say of it, and the policy asked again."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from airflow_mlops.errors import ServerRefused, ServerUnavailable
from airflow_mlops.events import BACK, PROMOTION
from airflow_mlops.lifecycle.budgets import answered_of
from airflow_mlops.lifecycle.holds import control_of
from airflow_mlops.loop.bake import BAKE, joined, server_signal
from airflow_mlops.loop.control import BROKEN_BAKE, DATA_CHECK, settle
from airflow_mlops.loop.history import DECISION, SIGNALS, History
from airflow_mlops.loop.policy import Decision
from airflow_mlops.loop.signals import Signals
from airflow_mlops.spec.control_sections import Bake

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from airflow_mlops.events import Event
    from airflow_mlops.ledger import Ledger
    from airflow_mlops.lifecycle.budgets import AsksServer
    from airflow_mlops.loop.signal import Signal
    from airflow_mlops.spec import ModelSpec

log = logging.getLogger(__name__)

Verdict = Literal["held", "broken", "over"]


@dataclass(frozen=True)
class Baked:
    """What a trial came to.

    ``verdict`` is *held*, *broken*, or *over* where what serves was gone back to: then nothing is judged. ``decision``
    is the key of the policy's decision, ``goes_back`` whether it asks for a rollback. ``now`` is where the trial stands
    in event time.
    """

    epoch: int
    version: str | None
    verdict: Verdict
    now: datetime | None = None
    reason: str = ""
    decision: str | None = None
    goes_back: bool = False


@dataclass(frozen=True)
class BakeTrial:
    """The trial of what was promoted last.

    Parameters
    ----------
    spec : ModelSpec
        With a section ``deploy.bake``.
    ledger : Ledger
        Of the model.
    server : callable or None
        Gives a client of the model server; None where the spec names none.
    """

    spec: ModelSpec
    ledger: Ledger
    server: Callable[[], AsksServer] | None = None

    def promotion(self) -> Event | None:
        """Return the promotion on trial; None where nothing serves, or what serves was gone back to."""
        promotions = self.ledger.events(self.spec.name, kind=PROMOTION)
        last = promotions[-1] if promotions else None
        return None if last is None or last.payload.get("cause") in BACK else last

    def ended(self, epoch: int) -> str | None:
        """Say why watching is over before its time: another version serves, or a guard is broken; else None.

        Parameters
        ----------
        epoch : int
            Of the promotion that is watched.
        """
        promotion = self.promotion()
        if promotion is None or promotion.epoch != epoch:
            return "another version serves"
        return "a guard is broken" if self.signal(promotion).verdict == "drifted" else None

    def ends_at(self, promotion: Event) -> datetime:
        """Return when the server is no longer watched, by the clock."""
        bake = self.spec.deploy.bake
        return promotion.recorded_at + bake.watch if bake else promotion.recorded_at

    def signal(self, promotion: Event) -> Signal:
        """Put together what the last look at this promotion found and what the server has counted since.

        A server that does not answer says nothing: a rollback would not reach it either.
        """
        look = self._look(promotion)
        return joined(look.measured.get(BAKE) if look else None, self._of_server(promotion))

    def _of_server(self, promotion: Event) -> Signal:
        bake, answered = self.spec.deploy.bake or Bake(), None
        if self.server is not None:
            try:
                answered = answered_of(self.server().status(), self.spec.name, epoch=promotion.epoch)
            except (ServerUnavailable, ServerRefused) as error:
                log.warning("The server was not asked about the bake: %s", error)
        if answered is None:
            return server_signal(bake, requests=0, failed=0)
        slow = None if bake.latency_ms is None else answered.slower_than(bake.latency_ms / 1000)
        return server_signal(bake, requests=answered.requests, failed=answered.failed, slow=slow)

    def judge(self, *, run: str | None) -> Baked:
        """Measure, put the verdict on record, and let the policy decide where it is *broken*.

        Made again, it finds what is on record.

        Raises
        ------
        LedgerUnavailable
            The ledger's database did not answer.
        """
        promotion = self.promotion()
        if promotion is None:
            return Baked(self.ledger.state(self.spec.name).epoch, None, "over", reason="nothing is on trial")
        signal, version = self.signal(promotion), str(promotion.payload["version"])
        now, epoch = self._moment(promotion), promotion.epoch or 0
        verdict: Verdict = "broken" if signal.verdict == "drifted" else "held"
        found = Baked(epoch, version, verdict, now, signal.detail)
        if verdict == "broken":
            found = self._decided(found, signal, promotion, run)
        payload = {
            "epoch": epoch,
            "version": version,
            "verdict": verdict,
            "signal": signal.to_dict(),
            "decision": found.decision,
        }
        self.ledger.append(self.spec.name, BAKE, f"{epoch}:{verdict}", payload, at=now, run=run)
        return found

    def _decided(self, found: Baked, signal: Signal, promotion: Event, run: str | None) -> Baked:
        """Ask the policy again, on what the last look measured and on the bake."""
        epoch, version = promotion.epoch or 0, str(promotion.payload["version"])
        look = self._look(promotion)
        signals = look or Signals(self._moment(promotion), epoch, version, "missing")
        signals = replace(signals, measured={**signals.measured, BAKE: signal})
        control = control_of(self.ledger, self.spec, clock=None)
        history = History.of(self._events()).seen_by(signals)
        decision = settle(_calm(look), history, signals, control)
        # A pause that has ended since makes another decision of the same bake.
        key = f"{BAKE}:{epoch}:{version}:{decision.action}"
        facts: dict[str, Any] = {
            **decision.to_dict(),
            "signals": None,
            "now": signals.now.isoformat(),
            "champion_version": version,
            "epoch": epoch,
        }
        self.ledger.append(self.spec.name, DECISION, key, facts, at=signals.now, run=run)
        goes_back = decision.action == "roll back" and decision.cause == BROKEN_BAKE
        return replace(found, decision=key, goes_back=goes_back, reason="; ".join(decision.reasons))

    def _moment(self, promotion: Event) -> datetime:
        """Return where the trial stands in event time: at the last look since, never by the clock."""
        look = self._look(promotion)
        return max(promotion.at, look.now) if look else promotion.at

    def _look(self, promotion: Event) -> Signals | None:
        looks = [
            event
            for event in self.ledger.events(self.spec.name, kind=SIGNALS)
            if event.payload.get("epoch") == promotion.epoch
        ]
        last = max(looks, key=lambda event: (event.at, event.seq), default=None)
        return Signals.from_dict(last.payload) if last else None

    def _events(self) -> list[Event]:
        kinds = (PROMOTION, "freeze", "register", SIGNALS)
        found = [event for kind in kinds for event in self.ledger.events(self.spec.name, kind=kind)]
        return sorted(found, key=lambda event: event.seq)


def _calm(look: Signals | None) -> Decision:
    """Give the wish that a broken bake takes the place of: a trial asks for nothing else."""
    if look is not None and look.data_check in ("failed", "missing"):
        return Decision("warn", ("the data check stopped the rows of the last look",), "", held_by=DATA_CHECK)
    return Decision("nothing", ("the bake asks for nothing else",), "")
