"""The profile of a snapshot: made once, stored beside its rows, and put together from those of its parts."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING

from airflow_mlops.snapshots import BATCH_ROWS, check_files, open_rows
from airflow_mlops.snapshots.rows import FileRows
from airflow_mlops.stages.profile.profile import FORM, Profile, profile_batches, profile_columns

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow_mlops.artifacts import ArtifactStore
    from airflow_mlops.refs import SnapshotRef

log = logging.getLogger(__name__)

# A snapshot of so many rows takes seconds; until then nobody wants to read how far it is.
_PROGRESS_ROWS = 5_000_000


def profile_of(store: ArtifactStore, snapshots: Sequence[SnapshotRef], *, sensitive: Sequence[str] = ()) -> Profile:
    """Read the profile of some snapshots, or make and store what is missing; the rows are read a batch at a time.

    Parameters
    ----------
    store : ArtifactStore
        Where snapshots and profiles are.
    snapshots : sequence of SnapshotRef
        One or several; several are put together.
    sensitive : sequence of str
        Columns of which only type and nulls are kept.

    Raises
    ------
    ArtifactMissing, ArtifactCorrupt
        Rows are gone or changed, and their profile was never made.
    ProfilesDiffer
        A column holds text in one snapshot and numbers in another.
    """
    first, *others = [
        _stored(store, place, part, sensitive) for snapshot in snapshots for place, part in _parts(snapshot)
    ]
    return first.merge(*others) if others else first


def _parts(snapshot: SnapshotRef) -> list[tuple[str, SnapshotRef]]:
    """Give each part of a snapshot with the place of its profile: beside the rows, for snapshots share parts."""
    if not snapshot.parts:
        return [(f"{snapshot.uri}/profile.json", snapshot)]
    return [
        (f"{part['uri']}.profile.json", replace(snapshot, parts=[part], rows=part["rows"])) for part in snapshot.parts
    ]


def _stored(store: ArtifactStore, place: str, rows: SnapshotRef, sensitive: Sequence[str]) -> Profile:
    if store.exists(place):
        stored = store.read_json(place)
        if stored.get("form") == FORM and stored.get("sensitive") == sorted(sensitive):
            return Profile.from_dict(stored)
    profile = _profiled(store, rows, sensitive)
    store.write_json(place, {**profile.to_dict(), "sensitive": sorted(sensitive)})
    return profile


def _profiled(store: ArtifactStore, snapshot: SnapshotRef, sensitive: Sequence[str]) -> Profile:
    opened = open_rows(store, snapshot, is_checked=False)

    def check() -> None:
        check_files(store, snapshot)

    def tell_columns(done: int) -> None:
        if opened.rows >= _PROGRESS_ROWS:
            log.info("profiled %d of %d columns", done, len(opened.schema))

    def tell_rows(done: int) -> None:
        if done % _PROGRESS_ROWS < BATCH_ROWS and done >= _PROGRESS_ROWS:
            log.info("profiled %d of %d rows", done, opened.rows)

    if isinstance(opened, FileRows):
        return profile_columns(
            opened.columns, opened.schema, opened.rows, sensitive=sensitive, beside=check, progress=tell_columns
        )
    return profile_batches(opened.batches(), opened.schema, sensitive=sensitive, progress=tell_rows)
