"""What can still be read of a damaged SQLite file."""

from __future__ import annotations

import sqlite3
from contextlib import closing, suppress
from pathlib import Path

from sqlalchemy import select

from airflow_mlops.events import GENESIS
from airflow_mlops.ledger.tables import events_table, is_unchanged


def last_good_events(path: str) -> str:
    """Name the last good event of each model, as far as the file can be read: a sentence for an error."""
    good: dict[str, tuple[int, str]] = {}
    # Where the file cannot be read on, it ends for all that can be told.
    with (
        suppress(sqlite3.Error),
        closing(sqlite3.connect(f"{Path(path).absolute().as_uri()}?mode=ro", uri=True)) as file,
    ):
        file.row_factory = sqlite3.Row
        for row in file.execute(str(select(events_table).order_by(events_table.c.model, events_table.c.seq))):
            seq, before = good.get(row["model"], (0, GENESIS))
            if (row["seq"], row["previous_hash"]) == (seq + 1, before) and is_unchanged(row):
                good[row["model"]] = row["seq"], row["hash"]
    found = ", ".join(f"{seq} of {model}" for model, (seq, _) in good.items())
    return f"Last good event: {found or 'none that can be read'}."
