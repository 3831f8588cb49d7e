"""Append, promote, verify, back up."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from airflow_mlops.errors import LedgerMisuse, PromotionConflict
from airflow_mlops.events import CLOCK, PROMOTION, Event, ModelState, fold
from airflow_mlops.ledger import verification
from airflow_mlops.ledger.backup import write_backup
from airflow_mlops.ledger.database import Database
from airflow_mlops.ledger.reader import LedgerReader
from airflow_mlops.ledger.reading import find, select_events
from airflow_mlops.ledger.restore import Restored, restore
from airflow_mlops.ledger.tables import events_table
from airflow_mlops.ledger.writing import insert, lock, refuse_frozen

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from sqlalchemy import URL, Connection


def _utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Fact:
    """An event still to be recorded."""

    kind: str
    key: str
    payload: Mapping[str, Any]


class Ledger(LedgerReader):
    """The events of all models in one database.

    Safe for any number of processes at once: writers of one model queue up, and none sees half of another's work.

    Parameters
    ----------
    url : str or URL
        ``sqlite:////path/ledger.db``, or a Postgres URL. Tables are made on first use.
    clock : callable, default=now in UTC
        Gives the time an event is recorded at.
    patience_s : float, optional
        Longest wait for a lock or a connection; default: half a minute for a lock, ten seconds for a connection.

    Raises
    ------
    LedgerMisuse
        The URL is not one of a SQLite file or of Postgres, or the database's driver is not installed.
    """

    def __init__(
        self, url: str | URL, *, clock: Callable[[], datetime] = _utc_now, patience_s: float | None = None
    ) -> None:
        super().__init__(Database(url, patience_s=patience_s))
        self._clock = clock

    # Writing

    def append(
        self, model: str, kind: str, key: str, payload: Mapping[str, Any], *, at: datetime, run: str | None = None
    ) -> Event:
        """Record a fact once.

        Parameters
        ----------
        model, kind, key : str
            Together they name the fact: where it is on record already, that first event comes back unchanged.
        payload : mapping
            JSON facts, never a password.
        at : datetime
            Event time, with a zone.
        run : str, optional
            Who records it.

        Raises
        ------
        LedgerMisuse
            A promotion is appended by hand, ``at`` has no zone, or the payload is not JSON.
        LedgerUnavailable
            The database did not answer; nothing was recorded.
        LedgerCorrupt
            The model's last event is gone or changed; nothing was recorded.
        ClockBack
            The clock is behind the last event by more than five minutes; nothing was recorded.
        """
        if kind == PROMOTION:
            raise LedgerMisuse("a promotion is not appended, it is compared and swapped; call Ledger.promote.")
        with self._database.write() as connection:
            tail = lock(connection, model)
            if first := find(connection, model, kind, key):
                return first
            return self._insert(connection, tail, Fact(kind, key, payload), model=model, at=at, run=run)

    def promote(
        self,
        model: str,
        version: str,
        *,
        expected_epoch: int,
        payload: Mapping[str, Any],
        at: datetime,
        run: str | None = None,
        beside: Sequence[Fact] = (),
    ) -> Event:
        """Make a version champion if nobody has moved the champion since it was judged.

        Parameters
        ----------
        model, version : str
            Which version shall serve.
        expected_epoch : int
            Epoch it was judged against; 0 before the first promotion.
        payload : mapping
            What the promotion is based on: ``model``, ``evaluation``.
        at : datetime
            Event time, with a zone.
        run : str, optional
            Who promotes.
        beside : sequence of Fact
            Recorded right after it, in the same transaction: that what it replaces is frozen, for instance.

        Returns
        -------
        Event
            The promotion, with its epoch. The same version promoted from the same epoch before gives that first event,
            also when the champion has moved on since: a run retried late must not promote again.

        Raises
        ------
        PromotionConflict
            The ledger is at another epoch.
        PromotionFrozen
            The version is frozen, or every promotion of the model is and this one does not go back.
        LedgerUnavailable
            The database did not answer; nothing was promoted.
        LedgerCorrupt
            The model's last event is gone or changed; nothing was promoted.
        ClockBack
            The clock is behind the last event by more than five minutes; nothing was promoted.
        """
        key = f"{version}@{expected_epoch}"
        with self._database.write() as connection:
            tail = lock(connection, model)
            if first := find(connection, model, PROMOTION, key):
                return first
            if tail["epoch"] != expected_epoch:
                raise PromotionConflict(
                    model=model, version=version, expected_epoch=expected_epoch, epoch=tail["epoch"]
                )
            refuse_frozen(connection, model, version, cause=payload.get("cause"))
            promotion = Fact(PROMOTION, key, {**payload, "version": version})
            written = self._insert(connection, tail, promotion, model=model, at=at, run=run, epoch=expected_epoch + 1)
            last = written
            for fact in beside:
                if find(connection, model, fact.kind, fact.key) is None:
                    last = self._insert(connection, asdict(last), fact, model=model, at=at, run=run)
            return written

    def accept_clock(self, model: str, *, reason: str, by: str) -> Event:
        """Record that the clock is right though the last event was written later than it says.

        From then on events are recorded by the clock again. The event's own time is the clock's.

        Parameters
        ----------
        model : str
            Whose chain goes on.
        reason, by : str
            Why the earlier time was the wrong one, and who says so.

        Raises
        ------
        LedgerMisuse
            The clock is not behind the last event: there is nothing to accept.
        LedgerCorrupt
            The model's last event is gone or changed.
        """
        now = self._clock()
        with self._database.write() as connection:
            tail = lock(connection, model)
            last = tail["recorded_at"]
            if last is None or now >= last:
                raise LedgerMisuse(
                    f"the clock is not behind the last event of {model}: it says {now.isoformat(timespec='seconds')}, "
                    f"event {tail['seq']} was recorded at {last}. There is nothing to accept."
                )
            payload = {"reason": reason, "by": by, "behind_s": (last - now).total_seconds()}
            return self._insert(connection, tail, Fact(CLOCK, str(tail["seq"] + 1), payload), model=model, at=now)

    def _insert(
        self,
        connection: Connection,
        tail: Mapping[str, Any],
        fact: Fact,
        *,
        model: str,
        at: datetime,
        run: str | None = None,
        epoch: int | None = None,
    ) -> Event:
        return insert(
            connection,
            tail,
            model=model,
            kind=fact.kind,
            key=fact.key,
            payload=fact.payload,
            at=at,
            now=self._clock(),
            run=run,
            epoch=epoch,
        )

    # Care

    def verify(self, model: str) -> int:
        """Check the whole chain of a model's events and its end; return how many events are good.

        Raises
        ------
        LedgerCorrupt
            An event was changed, one is missing in the middle or at the end, the time of writing goes back without an
            accepted clock, the state row does not agree, or SQLite's file is damaged; the sentence names the last
            good event.
        """
        with self._database.read() as connection:
            return verification.verify(connection, model)

    def rebuild(self, model: str) -> ModelState:
        """Write a model's state row anew from its events, and return the state.

        Raises
        ------
        LedgerCorrupt
            The chain of events is broken; the row is left as it is.
        """
        with self._database.write() as connection:
            verification.rebuild(connection, model)
            return fold(select_events(connection, events_table.c.model == model), model=model)

    def backup(self, path: str | Path) -> Path:
        """Copy the ledger while it is in use; an existing file is replaced as a whole.

        SQLite gives a SQLite file that is a ledger itself, Postgres JSON lines: one event a line in order, and a last
        one that says where each chain ends. `restore` takes either.
        """
        return write_backup(self._database, path)

    def restore(self, path: str | Path, *, replace: bool = False) -> Restored:
        """Put a backup back, into a ledger that is empty or holds a beginning of it; whole or not at all.

        Parameters
        ----------
        path : path
            A file of either form, whatever the database is. It is checked whole first.
        replace : bool, default=False
            Whether events that the backup does not hold may go. They are kept: SQLite's beside its file, those of
            Postgres as JSON lines beside ``path``.

        Raises
        ------
        RestoreRefused
            The backup is not whole; or the ledger holds events that it does not, or cannot be read, and ``replace`` is
            not said.
        LedgerMisuse
            The backup is of a newer release.
        """
        return restore(self._database, path, replace=replace, now=self._clock())
