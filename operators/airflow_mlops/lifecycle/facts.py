"""The facts of a snapshot: what the data check compares, made once and stored beside the rows."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Any

from airflow_mlops.artifacts import digest_json
from airflow_mlops.lifecycle.profiles import profile_of
from airflow_mlops.snapshots import open_rows, read_rows
from airflow_mlops.stages.validate.facts import FORM
from airflow_mlops.stages.validate.full_size import look
from airflow_mlops.stages.validate.validate import facts_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pyarrow as pa

    from airflow_mlops.artifacts import ArtifactStore
    from airflow_mlops.refs import SnapshotRef
    from airflow_mlops.spec import ModelSpec


def facts_at(store: ArtifactStore, snapshots: Sequence[SnapshotRef], spec: ModelSpec) -> dict[str, Any]:
    """Read the facts of some snapshots, or make and store them; several are described as one.

    Parameters
    ----------
    store : ArtifactStore
        Where snapshots are.
    snapshots : sequence of SnapshotRef
        One or several.
    spec : ModelSpec
        Names of columns, the length of a window, and ``validate.check_rows``.

    Raises
    ------
    ArtifactMissing, ArtifactCorrupt
        Rows are gone or changed, and their facts were never made.
    """
    place = _place(store, snapshots, spec)
    if store.exists(place):
        facts = store.read_json(place)
        if facts.get("made_for") == _made_for(spec):
            return facts
    return _make(store, snapshots, spec)[1]


def look_at(store: ArtifactStore, snapshot: SnapshotRef, spec: ModelSpec) -> tuple[pa.Table, dict[str, Any]]:
    """Read the rows of a snapshot, an even sample where there are too many to be looked at, and its facts.

    Parameters
    ----------
    store, spec
        As for `facts_at`.
    snapshot : SnapshotRef
        Of any size.

    Returns
    -------
    table : Table
        All rows where they are no more than ``validate.check_rows``, else about so many.
    facts : dict
        Of all rows; ``every`` says that the table has one in so many.
    """
    return _make(store, [snapshot], spec)


def _make(store: ArtifactStore, snapshots: Sequence[SnapshotRef], spec: ModelSpec) -> tuple[pa.Table, dict[str, Any]]:
    import pyarrow as pa

    if sum(each.rows for each in snapshots) <= spec.validate_.check_rows:
        tables = [read_rows(store, each) for each in snapshots]
        table = pa.concat_tables(tables, promote_options="permissive")
        facts = facts_of(table, spec)
    else:
        profile = profile_of(store, snapshots, sensitive=spec.data.sensitive)
        batches = chain.from_iterable(open_rows(store, each).batches() for each in snapshots)
        table, facts = look(batches, profile, spec)
    facts["made_for"] = _made_for(spec)
    store.write_json(_place(store, snapshots, spec), facts)
    return table, facts


def _made_for(spec: ModelSpec) -> str:
    """Name what facts depend on beside the rows: the section data is part of a snapshot's id, these are not."""
    settings = (FORM, spec.task, spec.features.columns, spec.monitor_window.total_seconds())
    return digest_json([*settings, spec.validate_.check_rows, spec.data.model_dump(mode="json")])


def _place(store: ArtifactStore, snapshots: Sequence[SnapshotRef], spec: ModelSpec) -> str:
    if len(snapshots) == 1:
        return f"{snapshots[0].uri}/facts.json"
    together = digest_json([each.id for each in snapshots])[:16]
    return store.uri(spec.name, "snapshots", "facts", f"{together}.json")
