"""Write the loop's decisions beside the runs that took them, where people look first.

A task cannot write the note of its run, and a listener in the scheduler would hold the scheduler up; the API server may
write, and follows the ledger. See ``docs/decisions/0014-run-notes.md``.
"""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from airflow.configuration import conf
from airflow.models.dagrun import DagRun, DagRunNote
from airflow.sdk.exceptions import AirflowException
from airflow.utils.session import create_session
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError, SQLAlchemyError

from airflow_mlops.errors import MLOpsError
from airflow_mlops.hooks.ledger import LedgerHook
from airflow_mlops.loop.notes import NOTED, Note, note_of
from airflow_mlops.ui.dag_models import DagModels

if TYPE_CHECKING:
    from threading import Event as Stop

    from sqlalchemy.orm import Session

    from airflow_mlops.ledger.reader import LedgerReader

log = logging.getLogger(__name__)

INTERVAL_S = 15.0
# What a server that starts looks back on: another one may have been down as long.
_LOOK_BACK = timedelta(days=1)
# Of one look, so that a server with a thousand models starts up quietly.
_MODELS, _EVENTS = 20, 20


def write_until(stop: Stop) -> None:
    """Look at the ledger again and again, and write notes, until told to stop.

    A failure is logged once, not at each look, and does no harm: what was not written is written at a later look.
    """
    if not conf.getboolean("mlops", "run_notes", fallback=True):
        return
    writer, said = RunNotes(), ""
    while not stop.wait(INTERVAL_S):
        try:
            writer.look()
            said = ""
        except (MLOpsError, SQLAlchemyError, AirflowException, OSError) as error:
            if str(error) != said:
                log.warning("Run notes are not written for now: %s", error)
            said = str(error)


class RunNotes:
    """Where this process has read to in each model's chain."""

    def __init__(self) -> None:
        self._read: dict[str, int] = {}
        self._dags = DagModels()

    def look(self) -> int:
        """Write a note for each run that has come to something since the last look; return how many were written."""
        ledger = LedgerHook().ledger
        if ledger.is_missing:
            return 0
        moved = self._moved(ledger)
        written = 0
        for model, seq in moved[:_MODELS]:
            written += sum(self._write(model, notes) for notes in self._news(ledger, model))
            self._read[model] = seq
        return written

    def _moved(self, ledger: LedgerReader) -> list[tuple[str, int]]:
        """List the models in which something was recorded since the last look, with the number of the last event.

        Models known already come first, and of the others the newest, so that news do not wait for what is past.
        """
        earliest = datetime.now(UTC) - _LOOK_BACK
        moved = []
        for name, (seq, recorded_at) in ledger.ends().items():
            if name not in self._read and recorded_at < earliest:
                # Nothing there is news, and nothing of it need be read.
                self._read[name] = seq
            elif self._read.get(name) != seq:
                moved.append((name not in self._read, earliest - recorded_at, name, seq))
        return [(name, seq) for *_, name, seq in sorted(moved)]

    def _news(self, ledger: LedgerReader, model: str) -> list[list[Note]]:
        """List the notes of each run that has come to something since the last look, the last one first."""
        read = self._read.get(model)
        earliest = datetime.now(UTC) - _LOOK_BACK
        runs: dict[str, list[Note]] = {}
        for event in ledger.newest(model, kinds=NOTED, limit=_EVENTS):
            note = note_of(event)
            is_new = event.recorded_at >= earliest if read is None else event.seq > read
            if note is not None and (is_new or note.run_id in runs):
                runs.setdefault(note.run_id, []).append(note)
        return list(runs.values())

    def _write(self, model: str, notes: list[Note]) -> bool:
        """Write the last note of a run, where there is none or one that it came to before; people's words stay."""
        last, *earlier = notes
        try:
            with create_session() as session:
                run = self._find(session, model, last)
                there = session.get(DagRunNote, run) if run is not None else None
                if run is None or (there is not None and there.content not in [note.text for note in earlier]):
                    return False
                if there is None:
                    there = DagRunNote(content=last.text)
                    there.dag_run_id = run
                    session.add(there)
                there.content = last.text
            return True
        except IntegrityError:
            # Another process of the server was first.
            return False

    def _find(self, session: Session, model: str, note: Note) -> int | None:
        """Return the number of the run in Airflow; runs by schedule of two DAGs may have the same id."""
        kinds = (*note.kinds, None)
        likely = {dag.dag_id: dag.kind for dag in self._dags.by_model(session).get(model, ()) if dag.kind in kinds}
        query = select(DagRun.dag_id, DagRun.id).where(DagRun.run_id == note.run_id, DagRun.dag_id.in_(likely))
        found = sorted(session.execute(query), key=lambda row: (kinds.index(likely[row.dag_id]), row.dag_id))
        return found[0].id if found else None
