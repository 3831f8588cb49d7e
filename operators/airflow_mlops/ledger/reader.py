"""Read the ledger: events, the state they give, what served when."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from airflow_mlops.errors import LedgerCorrupt, LedgerUnavailable
from airflow_mlops.events import Event, ModelState, fold
from airflow_mlops.ledger import overviews, verification
from airflow_mlops.ledger.faults import faults
from airflow_mlops.ledger.history import ModelHistory, Stretch, history_of
from airflow_mlops.ledger.outline import Outline, abridged, outline
from airflow_mlops.ledger.overviews import Overviews
from airflow_mlops.ledger.reading import (
    FOLDED,
    TOLD,
    expect_every_epoch,
    find,
    keyed,
    last_of_each_kind,
    models,
    moments,
    newest,
    next_of,
    not_after,
    numbered,
    of_kinds,
    promotion_at,
    select_events,
    told_beside,
)
from airflow_mlops.ledger.tables import events_table, state_table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow_mlops.ledger.database import Database


# Events that one reading of overviews makes good, where they are behind: about a quarter of a second.
_STEP = 5000


class LedgerReader:
    """What may be asked of a ledger; `Ledger` writes it.

    Parameters
    ----------
    database : Database
        Where the events are.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def __repr__(self) -> str:
        """Name the place without password."""
        return f"Ledger({self.place!r})"

    @property
    def place(self) -> str:
        """Where it is, without password."""
        return self._database.place

    @property
    def is_missing(self) -> bool:
        """Whether this is a SQLite file that is not there yet; the first use makes it."""
        return self._database.is_missing

    def find(self, model: str, kind: str, key: str) -> Event | None:
        """Return the event of a fact, or None."""
        with self._database.read() as connection:
            return find(connection, model, kind, key)

    def events(self, model: str, *, kind: str | None = None, as_of: datetime | None = None) -> list[Event]:
        """List a model's events in the order they were recorded.

        Parameters
        ----------
        model : str
            Whose events.
        kind : str, optional
            Only this kind.
        as_of : datetime, optional
            Only events whose event time is not later.
        """
        wanted = [events_table.c.model == model, *not_after(as_of)]
        if kind is not None:
            wanted.append(events_table.c.kind == kind)
        with self._database.read() as connection:
            return select_events(connection, *wanted)

    def newest(
        self, model: str, *, kinds: Sequence[str] = (), before: int | None = None, limit: int = 100
    ) -> list[Event]:
        """List a model's last events, the last one first, a page at a time.

        Parameters
        ----------
        model : str
            Whose events.
        kinds : sequence of str, default=()
            Only these kinds; none named means all.
        before : int, optional
            Only events with a smaller number: that of the last event of the page before.
        limit : int, default=100
            Most events of the page.

        Raises
        ------
        LedgerCorrupt
            One of them was changed.
        """
        with self._database.read() as connection:
            return newest(connection, model, kinds=kinds, before=before, limit=limit)

    def moments(
        self, model: str, kind: str, *, start: datetime | None = None, end: datetime | None = None
    ) -> list[tuple[datetime, int]]:
        """List event time and number of a model's events of a kind in the order of time, without reading them.

        Parameters
        ----------
        model, kind : str
            Whose events, and of which kind.
        start, end : datetime, optional
            Event time; both belong to it.
        """
        with self._database.read() as connection:
            return moments(connection, model, kind, start=start, end=end)

    def numbered(self, model: str, numbers: Sequence[int]) -> list[Event]:
        """List a model's events of some numbers, such as `moments` gives, in the order they were recorded.

        Raises
        ------
        LedgerCorrupt
            One of them was changed.
        """
        with self._database.read() as connection:
            return numbered(connection, model, numbers)

    def keyed(self, model: str, kind: str, prefix: str) -> list[Event]:
        """List the events of a kind whose keys begin alike, in the order they were recorded.

        Raises
        ------
        LedgerCorrupt
            One of them was changed.
        """
        with self._database.read() as connection:
            return keyed(connection, model, kind, prefix)

    def next_of(self, model: str, kind: str, *, after: int) -> Event | None:
        """Return the first event of a kind that was recorded after the one of a number, or None.

        Raises
        ------
        LedgerCorrupt
            It was changed.
        """
        with self._database.read() as connection:
            return next_of(connection, model, kind, after=after)

    def expect_whole_end(self, model: str) -> None:
        """Check that the chain of a model ends where its state says; the whole chain is walked by ``ledger verify``.

        Raises
        ------
        LedgerCorrupt
            It was cut, or the state was lost or changed.
        """
        with self._database.read() as connection:
            verification.expect_whole_end(connection, model)

    def state(self, model: str, *, as_of: datetime | None = None) -> ModelState:
        """Give where a model stands, or stood at a moment of event time.

        Only the events that matter are read: registrations, promotions, freezes, roles, and the last one of each kind;
        of the past that is the one with the latest event time.

        Raises
        ------
        LedgerCorrupt
            An event that matters was changed, a promotion is missing, or the end of the chain is not where the state
            row says.
        """
        with self._database.read() as connection:
            verification.expect_whole_end(connection, model)
            folded = of_kinds(connection, model, FOLDED, *not_after(as_of))
            if as_of is None:
                expect_every_epoch(folded, model)
            return fold([*folded, *last_of_each_kind(connection, model, as_of)], model=model)

    def outline(self, model: str) -> Outline:
        """Give where a model stands, for those who show it: as `state`, with little of each version but what serves.

        Raises
        ------
        LedgerCorrupt
            A promotion is missing, the end of the chain is not where the state row says, or a freeze, a role or the
            last event of a kind was changed.
        """
        with self._database.read() as connection:
            verification.expect_whole_end(connection, model)
            return outline(connection, model)

    def abridged(self, model: str, kind: str, places: Sequence[tuple[str, ...]]) -> list[Event]:
        """List a model's events of a kind, of whose payloads only some places are read; see `ledger.outline`."""
        with self._database.read() as connection:
            return abridged(connection, model, kind, places)

    def serving(self, model: str, *, at: datetime | None = None, recorded: bool = False) -> Event | None:
        """Return the promotion whose version serves, or served at a moment; None before the first.

        Parameters
        ----------
        model : str
            Whose champion.
        at : datetime, optional
            The moment; default: after all that is on record.
        recorded : bool, default=False
            Whether the moment is one of the clock's time of writing rather than of event time: what the ledger said
            then.

        Raises
        ------
        LedgerCorrupt
            The promotion was changed, one is missing, or the end of the chain is not where the state row says.
        """
        with self._database.read() as connection:
            verification.expect_whole_end(connection, model)
            return promotion_at(connection, model, at, recorded=recorded)

    def history(self, model: str) -> ModelHistory:
        """Tell what served when, why, by whose word and on which evidence.

        Raises
        ------
        LedgerCorrupt
            An event that is told of was changed, a promotion is missing, or the end of the chain is not where the
            state row says.
        """
        with self._database.read() as connection:
            verification.expect_whole_end(connection, model)
            told = of_kinds(connection, model, TOLD)
        expect_every_epoch(told, model)
        return history_of(told, model=model)

    def stretch(self, model: str, at: datetime | None = None, *, recorded: bool = False) -> Stretch | None:
        """Tell of what serves, or served at a moment, as `history` does; None before the first. The rest is not read.

        Parameters
        ----------
        model : str
            Whose champion.
        at, recorded
            As for `serving`.

        Raises
        ------
        LedgerCorrupt
            As for `serving`; or an event that is told of was changed.
        """
        with self._database.read() as connection:
            verification.expect_whole_end(connection, model)
            promotion = promotion_at(connection, model, at, recorded=recorded)
            told = [] if promotion is None else [promotion, *told_beside(connection, promotion)]
        return next(iter(history_of(told, model=model).stretches), None)

    def position(self, model: str) -> int:
        """Return the number of a model's last event, 0 before the first; who follows a ledger looks here first."""
        with self._database.read() as connection:
            seq = connection.execute(select(state_table.c.seq).where(state_table.c.model == model)).scalar()
        return seq or 0

    def ends(self) -> dict[str, tuple[int, datetime]]:
        """Return number and time of writing of each model's last event, by model, in one question."""
        events, states = events_table.c, state_table.c
        # Not a join: SQLite would walk over all events for it.
        written = select(events.recorded_at).where(events.model == states.model, events.seq == states.seq)
        last = select(states.model, states.seq, written.scalar_subquery()).where(states.seq > 0)
        with self._database.read() as connection:
            return {model: (seq, datetime.fromisoformat(at)) for model, seq, at in connection.execute(last) if at}

    def overviews(self, names: Sequence[str]) -> Overviews:
        """Tell where these models stand, so quickly that a thousand of them fit in a page.

        What one keeps of a model is moved on with each event. A ledger of an earlier release has none of it yet; it is
        made good here too, in steps, where the ledger may be written.
        """
        with self._database.read() as connection:
            left = overviews.behind(connection, names)
        broken = self._catch_up(left) if left else {}
        with self._database.read() as connection:
            told = overviews.heads(connection, names)
            wrong = broken | faults(connection, names, told)
            return Overviews(told, overviews.behind(connection, list(left)), wrong)

    def _catch_up(self, left: dict[str, int]) -> dict[str, str]:
        broken: dict[str, str] = {}
        most = _STEP
        with suppress(LedgerUnavailable), self._database.write() as connection:
            for model in sorted(left, key=lambda name: left[name]):
                try:
                    most -= overviews.catch_up(connection, model, most=most)
                except LedgerCorrupt as error:
                    broken[model] = str(error)
                if most <= 0:
                    break
        return broken

    def curves(self, names: Sequence[str]) -> dict[str, dict[str, Any]]:
        """Return the last windows of quality and drift of these models, and their trainings."""
        with self._database.read() as connection:
            return overviews.curves(connection, names)

    def models(self) -> list[str]:
        """List the models with at least one event, by name."""
        with self._database.read() as connection:
            return models(connection)
