"""The writer of the prediction log: what an answer waits for, and what happens behind it.

An answer waits for one ``write``: from then on the lines are the operating system's, and a process that is killed loses
none of them. Two threads do the rest. One has the disk hold what was written, every ``fsync_s``; the other compacts
segments that are full or old.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from typing import TYPE_CHECKING, Any

from airflow_mlops.errors import PredictionLogUnwritable
from airflow_mlops.extras import require
from airflow_mlops.serving.prediction_log.compaction import compact, compact_left_behind
from airflow_mlops.serving.prediction_log.places import segments_folder, segments_root
from airflow_mlops.serving.prediction_log.record import line_encoder
from airflow_mlops.serving.prediction_log.segment import Segment

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from airflow_mlops.artifacts import ArtifactStore
    from airflow_mlops.serving.prediction_log.record import Record

log = logging.getLogger(__name__)

# What a machine that loses power may lose of answered predictions, in seconds. A killed process loses none.
POWER_LOSS_S = 1.0

# A segment is held in memory while it is compacted, so both its rows and its bytes are bounded.
ROLL_ROWS = 50_000
ROLL_BYTES = 32 * 2**20
# Readers of a local store see open segments, so files may be few and large; those of a bucket wait for a file, and what
# is in none is lost with the machine's disk.
ROLL_S = 900.0
BUCKET_ROLL_S = 60.0

# A store that was away may be back, and another server on it may have died.
_RETRY_S = 60.0

# Segments that wait for compaction with their file open. Of more than these the locks are given back, so that a store
# that is away for long costs no file descriptors; they are then compacted like those that a dead process left behind.
_MOST_HELD = 4


class PredictionLog:
    """Append predictions; thread-safe.

    Parameters
    ----------
    store : ArtifactStore
        Where compacted files go.
    folder : str or Path, optional
        Local folder for open segments; default: the store's own, where that is on a local disk.
    fsync_s : float, default=POWER_LOSS_S
        Seconds between two calls of fsync.
    roll_rows : int, default=ROLL_ROWS
        Rows after which a segment is compacted.
    roll_s : float, optional
        Age in seconds after which a segment is compacted; default: `ROLL_S` on a local store, else `BUCKET_ROLL_S`.

    Raises
    ------
    PredictionLogMisuse
        The store is not on a local disk and no folder was given.
    MissingExtra
        msgspec is not installed.
    """

    def __init__(
        self,
        store: ArtifactStore,
        *,
        folder: str | Path | None = None,
        fsync_s: float = POWER_LOSS_S,
        roll_rows: int = ROLL_ROWS,
        roll_s: float | None = None,
    ) -> None:
        require("msgspec", extra="serving", needed_by="the prediction log")
        self._store, self._root = store, segments_root(store, folder)
        self._fsync_s, self._roll_rows = fsync_s, roll_rows
        self._roll_s = roll_s if roll_s is not None else ROLL_S if store.protocol == "file" else BUCKET_ROLL_S
        self._line = line_encoder()
        self._lock = threading.Lock()
        self._open: dict[str, Segment] = {}
        self._rolled: list[tuple[str, Segment]] = []
        self._written: Counter[str] = Counter()
        self._lost: Counter[str] = Counter()
        self._skipped = 0
        self._last_error: str | None = None
        # What goes wrong at present, by the work that it keeps from being done.
        self._troubles: dict[str, str] = {}
        self._let_go: set[Path] = set()
        self._closing, self._wake = threading.Event(), threading.Event()
        self._threads: list[threading.Thread] = []

    def start(self) -> PredictionLog:
        """Start the two threads; what dead processes left behind is compacted by the second one."""
        for work in (self._keep_synced, self._keep_compacted):
            thread = threading.Thread(target=work, name=f"prediction-log-{work.__name__.lstrip('_')}", daemon=True)
            thread.start()
            self._threads.append(thread)
        return self

    def append(self, model: str, records: Sequence[Record]) -> None:
        """Hand the records of one request to the operating system, before this returns.

        Raises
        ------
        PredictionLogUnwritable
            The disk is full or the folder cannot be written; none of the records is in the log.
        """
        payload = b"".join(map(self._line, records))
        try:
            with self._lock:
                self._segment(model).append(payload, len(records))
                self._written[model] += len(records)
                self._roll_if_full(model)
        except OSError as error:
            with self._lock:
                self._lost[model] += len(records)
            self._last_error = str(error)
            raise PredictionLogUnwritable(model=model, rows=len(records), cause=error) from error

    def _segment(self, model: str) -> Segment:
        if model not in self._open:
            self._open[model] = Segment(segments_folder(self._root, model))
        return self._open[model]

    def _roll_if_full(self, model: str) -> None:
        segment = self._open[model]
        if segment.rows >= self._roll_rows or segment.size >= ROLL_BYTES:
            self._roll(model)

    def _roll(self, model: str) -> None:
        self._rolled.append((model, self._open.pop(model)))
        self._wake.set()

    def status(self) -> dict[str, Any]:
        """Say what was written and lost since the start, what waits, what goes wrong, and what went wrong last.

        ``waiting`` counts closed segments that are not compacted yet; ``trouble`` is None where all works.
        """
        with self._lock:
            waiting = [*self._open.items(), *self._rolled]
            models = sorted({*self._written, *self._lost})
            return {
                "models": {
                    model: {
                        "written": self._written[model],
                        "lost": self._lost[model],
                        "segments": sum(name == model for name, _ in waiting),
                        "segment_bytes": sum(segment.size for name, segment in waiting if name == model),
                    }
                    for model in models
                },
                "skipped_lines": self._skipped,
                "waiting": len(self._rolled) + len(self._let_go),
                "trouble": next(iter(self._troubles.values()), None),
                "last_error": self._last_error,
            }

    def close(self) -> None:
        """Sync and compact everything, and give the locks back; what cannot be compacted waits for the next start."""
        self._closing.set()
        self._wake.set()
        for thread in self._threads:
            thread.join()
        self._sync()
        with self._lock:
            for model in list(self._open):
                self._roll(model)
        self._compact_rolled()
        if self._let_go:
            self._compact_left_behind()
        with self._lock:
            for _, segment in self._rolled:
                segment.close()
            self._rolled.clear()

    # The threads

    def _keep_synced(self) -> None:
        while not self._closing.wait(self._fsync_s):
            self._sync()
            with self._lock:
                now = time.monotonic()
                for model in [name for name, segment in self._open.items() if now - segment.opened >= self._roll_s]:
                    self._roll(model)

    def _sync(self) -> None:
        with self._lock:
            segments = [*self._open.values(), *(segment for _, segment in self._rolled)]
        works = True
        for segment in segments:
            try:
                segment.sync()
            except OSError as error:
                works = False
                self._failed("sync", "a segment of the prediction log is not on the disk", error)
        if works:
            self._worked("sync")

    def _keep_compacted(self) -> None:
        while not self._closing.is_set():
            self._wake.clear()
            self._compact_left_behind()
            if not self._compact_rolled():
                self._let_go_of_most()
            self._wake.wait(_RETRY_S)

    def _compact_left_behind(self) -> None:
        try:
            self._skipped += compact_left_behind(self._store, self._root)
        except Exception as error:  # noqa: BLE001 - any filesystem's error; the server goes on and the segments stay
            self._failed("left behind", "segments left behind are not compacted", error)
        else:
            self._worked("left behind")
        with self._lock:
            self._let_go = {path for path in self._let_go if path.exists()}

    def _compact_rolled(self) -> bool:
        """Compact what was closed, and tell whether all of it is."""
        with self._lock:
            rolled = list(self._rolled)
        for model, segment in rolled:
            is_compacted = self._is_compacted(model, segment)
            with self._lock:
                self._rolled.remove((model, segment))
                if not is_compacted:
                    # The next one would meet the same fault now; if it would not, it is first the next time.
                    self._rolled.append((model, segment))
                    return False
            segment.close()
        self._worked("rolled")
        return True

    def _let_go_of_most(self) -> None:
        """Give back the locks of all but a few segments that wait, once the disk has what is in them."""
        with self._lock:
            surplus = self._rolled[_MOST_HELD:]
        for model, segment in surplus:
            try:
                segment.sync()
            except OSError as error:
                self._failed("sync", "a segment of the prediction log is not on the disk", error)
                return
            with self._lock:
                self._rolled.remove((model, segment))
                self._let_go.add(segment.path)
            segment.close()

    def _is_compacted(self, model: str, segment: Segment) -> bool:
        try:
            self._skipped += compact(self._store, model, segment.path)
        except FileNotFoundError as error:
            self._last_error = (
                f"a segment of {model} was deleted by somebody else, and its predictions are lost: {error}"
            )
            log.warning("%s", self._last_error)
        except Exception as error:  # noqa: BLE001 - any filesystem's error; the server goes on and the segment stays
            self._failed("rolled", f"a segment of {model} is not compacted", error)
            return False
        return True

    def _failed(self, work: str, what: str, error: Exception) -> None:
        self._last_error = f"{what}: {error}"
        with self._lock:
            self._troubles[work] = self._last_error
        log.warning("%s: %s", what, error)

    def _worked(self, work: str) -> None:
        with self._lock:
            self._troubles.pop(work, None)
