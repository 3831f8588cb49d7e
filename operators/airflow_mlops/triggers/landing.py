"""Ring when new files have landed and are complete; runs in Airflow's triggerer as long as the DAG is not paused."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from airflow.sdk.exceptions import AirflowException, AirflowRuntimeError
from airflow.triggers.base import BaseEventTrigger, TriggerEvent

from airflow_mlops.artifacts import digest_json
from airflow_mlops.errors import SourceUnavailable, SourceUnreadable

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    # A file as a store lists it: path, bytes, mark of change.
    File = tuple[str, int, str]

EVERY_S = 60.0
# Files that go on landing look after look are rung for after so many, though more may follow.
MOST_LOOKS = 10
# Where Airflow keeps what was rung for last, beside the asset.
_KEY = "landed"


class LandingTrigger(BaseEventTrigger):
    """Look at a folder again and again, and yield an event for each set of new files that is complete.

    A file is complete when its size and its mark of change were the same in two looks. Files that land together ring
    once: there is a ring when nothing came or grew between two looks, or after ten of them. Nothing is deleted. What
    was rung for is kept in Airflow's database, beside the asset, so a triggerer that is started anew does not ring for
    it again. A ring is a bell and no fact: where a triggerer is killed between the ring and its note, it rings again.

    Parameters
    ----------
    uri : str
        Folder or glob. Files whose name, or whose folder's, starts with ``_`` or ``.`` do not count.
    asset : str
        Name of the asset that rings. Airflow makes one trigger of those with the same arguments; by the asset each has
        its own, and its own note of what was rung for.
    conn_id : str or None
        Connection of the storage; its secrets are read where the trigger runs.
    every_s : float
        Seconds between two looks.
    """

    def __init__(self, uri: str, asset: str, conn_id: str | None = None, every_s: float = EVERY_S) -> None:
        super().__init__()
        self.uri = uri
        self.asset = asset
        self.conn_id = conn_id
        self.every_s = every_s

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return what Airflow's database keeps: no secret is in it."""
        arguments = {"uri": self.uri, "asset": self.asset, "conn_id": self.conn_id, "every_s": self.every_s}
        return f"{type(self).__module__}.{type(self).__qualname__}", arguments

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Yield an event for each set of new files: how many, some of their names, and the digest of the listing."""
        landing = Landing(await self._last_digest())
        while True:
            files = await self._look()
            if files is not None and (new := landing.new_among(files)):
                self.log.info("%d new files at %s, such as %s", len(new), self.uri, new[0])
                yield TriggerEvent({"files": len(new), "such_as": new[:10], "digest": landing.digest})
            if landing.has_moved:
                # After the event: a ring too many is harmless, one too few is not.
                await self._keep(landing)
            await asyncio.sleep(self.every_s)

    async def _look(self) -> list[File] | None:
        """List the place; None where it is away, which is said and asked again."""
        try:
            # In a thread: a store that is slow would hold up every other trigger.
            return await asyncio.to_thread(self._listing)
        except (SourceUnavailable, SourceUnreadable, AirflowException, AirflowRuntimeError) as error:
            self.log.warning("%s Looking again in %.0f s.", error, self.every_s)
            return None

    def _listing(self) -> list[File]:
        from airflow_mlops.hooks.source.files import FileReader
        from airflow_mlops.spec.data_sections import FileSource

        place = FileSource(kind="file", uri=self.uri, conn_id=self.conn_id, format="parquet")
        return FileReader(place).listing()

    async def _last_digest(self) -> str | None:
        if self.asset_state_store is None:
            return None
        while True:
            try:
                kept = await self.asset_state_store.aget(_KEY)
            except (AirflowException, AirflowRuntimeError) as error:
                self.log.warning("what landed last is not known (%s); asking again in %.0f s.", error, self.every_s)
                await asyncio.sleep(self.every_s)
            else:
                return None if kept is None else str(kept)

    async def _keep(self, landing: Landing) -> None:
        if self.asset_state_store is not None and landing.digest is not None:
            try:
                await self.asset_state_store.aset(_KEY, landing.digest)
            except (AirflowException, AirflowRuntimeError) as error:
                self.log.warning("what landed could not be kept (%s); trying again after the next look.", error)
                return
        landing.has_moved = False


class Landing:
    """What was seen, and what of it is news.

    Parameters
    ----------
    digest : str or None
        Of the complete files that were rung for before; none: all that lie there are news.

    Attributes
    ----------
    digest : str or None
        Of the complete files that have been rung for.
    has_moved : bool
        Whether ``digest`` is another than the one that was kept.
    """

    def __init__(self, digest: str | None = None) -> None:
        self.digest = digest
        self.has_moved = False
        self._rung: set[File] | None = None
        self._before: set[File] | None = None
        self._looks = 0

    def new_among(self, files: list[File]) -> list[str]:
        """Take one look, and return the paths to ring for now; none while files still land."""
        now, before = set(files), self._before
        self._before = now
        if before is None:
            return []
        complete = now & before
        if self._rung is None and self.digest == _digest(complete):
            self._rung = complete
        new = complete - (self._rung or set())
        self._looks = self._looks + 1 if new else 0
        if new and now != before and self._looks < MOST_LOOKS:
            return []
        self._remember(complete)
        return sorted(path for path, _, _ in new)

    def _remember(self, complete: set[File]) -> None:
        self._looks = 0
        self._rung = complete
        digest = _digest(complete)
        self.has_moved = self.has_moved or digest != self.digest
        self.digest = digest


def _digest(files: set[File]) -> str:
    return digest_json(sorted(files))[:16]
