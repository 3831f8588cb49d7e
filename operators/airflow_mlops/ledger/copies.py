"""A backup, read into a ledger of its own and checked there whole before anything is restored from it."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from itertools import islice
from typing import TYPE_CHECKING, Any

from sqlalchemy.exc import IntegrityError

from airflow_mlops.errors import LedgerCorrupt, RestoreRefused
from airflow_mlops.events import Event, encode_payload
from airflow_mlops.ledger import overviews, verification
from airflow_mlops.ledger.database import Database
from airflow_mlops.ledger.reading import models
from airflow_mlops.ledger.tables import events_table, is_unchanged, schema_table, state_table

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

_SQLITE = b"SQLite format 3\x00"
# Rows written at once.
CHUNK = 1000


def stage(path: Path, folder: Path) -> Database:
    """Read a backup of either form into a SQLite ledger in ``folder``, and check every chain.

    Raises
    ------
    RestoreRefused
        The file holds no ledger, was cut or changed, or is damaged; the sentence names the last good event.
    LedgerMisuse
        It is a ledger of a newer release.
    """
    staged = Database(f"sqlite:///{folder}/copy.db")
    with path.open("rb") as file:
        is_sqlite = file.read(len(_SQLITE)) == _SQLITE
    try:
        if is_sqlite:
            _copy_file(path, folder / "copy.db")
        else:
            _read_lines(path, staged)
        _expect_whole(path, staged)
    except LedgerCorrupt as error:
        raise RestoreRefused(f"{path} is not whole, and nothing was restored: {error} Name another backup.") from error
    return staged


def _copy_file(path: Path, target: Path) -> None:
    try:
        # A copy, for opening it brings its tables up, and a backup stays as it was made.
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as source:
            with closing(sqlite3.connect(target)) as copy:
                source.backup(copy)
            tables = source.execute("SELECT name FROM sqlite_master").fetchall()
    except sqlite3.Error as error:
        raise LedgerCorrupt(f"SQLite says {error}. Last good event: unknown, for no page can be trusted.") from error
    if (schema_table.name,) not in tables:
        raise RestoreRefused(f"{path} is a SQLite file but no ledger; name a file that ledger backup wrote.")


def _read_lines(path: Path, staged: Database) -> None:
    lines = _Lines(path)
    with staged.write() as connection:
        try:
            for rows in batches(lines.rows()):
                connection.execute(events_table.insert(), rows)
        except IntegrityError as error:
            raise LedgerCorrupt(f"an event stands in it twice. {lines.last_good}") from error
        for model, end in lines.ends.items():
            connection.execute(state_table.insert().values(model=model, **{**end, "epoch": 0, "champion": None}))
        for model in models(connection):
            found = verification.end_of_chain(connection, model)
            shown = {name: found[name] for name in ("epoch", "champion")}
            connection.execute(state_table.update().where(state_table.c.model == model).values(**shown))


def batches(rows: Iterable[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    """Cut rows into lists that are written at once."""
    left = iter(rows)
    while batch := list(islice(left, CHUNK)):
        yield batch


class _Lines:
    """The events of a file of JSON lines; ``ends`` is known once all are read."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.ends: dict[str, dict[str, Any]] = {}
        self._last = "none"

    def rows(self) -> Iterator[dict[str, Any]]:
        """Yield the rows.

        Raises
        ------
        LedgerCorrupt
            A line is no event, or the last line is not the one that closes the file.
        """
        is_closed = False
        with self._path.open(encoding="utf-8", errors="surrogateescape") as lines:
            for number, line in enumerate(lines, start=1):
                found = self._parsed(number, line)
                if is_closed:
                    raise LedgerCorrupt(f"line {number} follows the line that closes it. {self.last_good}")
                if "models" in found:
                    self.ends, is_closed = _ends(found), True
                    continue
                yield self._row(number, found)
        if not is_closed:
            raise LedgerCorrupt(f"its last line does not close it, so it was cut. {self.last_good}")

    @property
    def last_good(self) -> str:
        """The sentence that names it."""
        return f"Last good event: {self._last}."

    def _parsed(self, number: int, line: str) -> dict[str, Any]:
        try:
            found = json.loads(line)
        except ValueError as error:
            raise LedgerCorrupt(f"line {number} is cut or changed ({error}). {self.last_good}") from error
        if not isinstance(found, dict):
            raise LedgerCorrupt(f"line {number} is no event. {self.last_good}")
        return found

    def _row(self, number: int, found: dict[str, Any]) -> dict[str, Any]:
        fields = set(Event.__dataclass_fields__)
        if set(found) != fields or not isinstance(found["payload"], dict):
            raise LedgerCorrupt(f"line {number} is no event. {self.last_good}")
        row = {**found, "payload": encode_payload(found["payload"])}
        if not is_unchanged(row):
            raise LedgerCorrupt(f"line {number} was changed: its hash does not match. {self.last_good}")
        self._last = f"{row['seq']} of {row['model']}"
        return row


def _ends(found: dict[str, Any]) -> dict[str, dict[str, Any]]:
    try:
        return {
            str(model): {"seq": int(end["seq"]), "hash": str(end["hash"])} for model, end in found["models"].items()
        }
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise LedgerCorrupt("the line that closes it was changed. Last good event: unknown.") from error


def _expect_whole(path: Path, staged: Database) -> None:
    with staged.read() as connection:
        known = models(connection)
        for model in known:
            verification.verify(connection, model)
    if not known:
        raise RestoreRefused(f"{path} holds no event; name a file that ledger backup wrote.")
    with staged.write() as connection:
        # JSON lines hold no overviews, nor does a copy of an earlier release.
        for model in overviews.behind(connection, known):
            overviews.rebuild(connection, model)
