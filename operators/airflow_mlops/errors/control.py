"""Errors about who serves: ledger, promotion, approval, rollback."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_mlops.errors.base import Permanent, Transient

if TYPE_CHECKING:
    from datetime import datetime


class LedgerUnavailable(Transient):
    """The ledger's database did not answer."""


class LedgerCorrupt(Permanent):
    """The chain of events of a model is cut or changed."""


class LedgerMisuse(Permanent):
    """The ledger was asked for something it cannot do, or its connection cannot be used."""


class ClockBack(Transient):
    """The clock is behind the last event on record by more than clocks differ.

    Parameters
    ----------
    model : str
        Whose event was to be recorded.
    seq : int
        The last good event.
    recorded_at, now : datetime
        When that was written, and what the clock says now.
    """

    def __init__(self, *, model: str, seq: int, recorded_at: datetime, now: datetime) -> None:
        self.model, self.seq, self.recorded_at, self.now = model, seq, recorded_at, now
        super().__init__(
            f"the clock says {now.isoformat(timespec='seconds')}, but event {seq} of {model} was "
            f"recorded at {recorded_at.isoformat(timespec='seconds')}: it went back by {recorded_at - now}. Nothing "
            f"was recorded. Last good event: {seq}. Set the clock right; where the earlier time was the wrong one, run "
            f"airflow-mlops ledger accept-clock {model} --reason WHY."
        )


class RestoreRefused(Permanent):
    """A backup is not whole, or putting it back would lose events."""


class PromotionConflict(Permanent):
    """The champion moved between evaluation and promotion."""

    def __init__(self, *, model: str, version: str, expected_epoch: int, epoch: int) -> None:
        self.model, self.version, self.expected_epoch, self.epoch = model, version, expected_epoch, epoch
        super().__init__(
            f"version {version} of {model} was judged against epoch {expected_epoch}, but the ledger is at epoch "
            f"{epoch}: somebody promoted in between. The champion stays; run retrain again to judge it afresh."
        )


class RollbackConflict(PromotionConflict):
    """What was to be rolled back does not serve any more."""

    def __init__(self, *, model: str, version: str, expected_epoch: int, epoch: int, serving: str) -> None:
        super().__init__(model=model, version=version, expected_epoch=expected_epoch, epoch=epoch)
        self.serving = serving
        self.args = (
            f"version {version} of {model} was to be rolled back, but version {serving} serves, at epoch {epoch}. "
            f"Nothing was done; look whether that is well, and roll back version {serving} if it is not.",
        )


class DrillFailed(Permanent):
    """A rehearsed rollback took longer than the spec allows."""


class NothingToRehearse(Permanent):
    """No other version could serve, so that a rollback cannot be rehearsed; or it would be in the way just now."""


class DeploymentMisuse(Permanent):
    """A version may not be deployed with what it came with."""


class NoChampion(Permanent):
    """Something is asked of the champion, and nothing was promoted yet."""


class PromotionFrozen(Permanent):
    """A version, or every promotion of a model, is frozen.

    Parameters
    ----------
    model, version : str
        What was to be promoted.
    subject : str
        What is frozen: "version 3", or "promotions".
    by, reason : str
        Who froze it, and why.
    since : datetime
        Since when, event time.
    """

    def __init__(self, *, model: str, version: str, subject: str, by: str, reason: str, since: datetime) -> None:
        self.model, self.version, self.subject, self.by, self.reason, self.since = (
            *(model, version, subject),
            *(by, reason, since),
        )
        verb = "are" if subject == "promotions" else "is"
        super().__init__(
            f"version {version} of {model} was not promoted: {subject} of {model} {verb} frozen since "
            f"{since.isoformat()} by {by} ({reason}). The champion stays; unfreeze it first if that is over: "
            f"airflow-mlops unfreeze {model}."
        )


class RollbackImpossible(Permanent):
    """There is nothing to go back to, or what was named may not serve."""


class ApprovalMissing(Permanent):
    """A person had to approve and did not, or did in a way that does not count."""
