"""One side of a comparison: some snapshots as one set of rows, of which as little is read as will do."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from airflow_mlops.errors import MissingColumns
from airflow_mlops.lifecycle.profiles import profile_of
from airflow_mlops.snapshots import open_rows

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd
    import pyarrow as pa

    from airflow_mlops.artifacts import ArtifactStore
    from airflow_mlops.refs import SnapshotRef
    from airflow_mlops.snapshots import Rows
    from airflow_mlops.stages.profile import Profile

# Counts of different texts that wait to be added up.
_WAITING = 2_000_000


@dataclass(frozen=True)
class ComparedRows:
    """Rows of then, or of now.

    Parameters
    ----------
    store : ArtifactStore
        Where they are.
    snapshots : sequence of SnapshotRef
        In order of time.
    """

    store: ArtifactStore
    snapshots: Sequence[SnapshotRef]

    @cached_property
    def _opened(self) -> list[Rows]:
        return [open_rows(self.store, one) for one in self.snapshots]

    def profile(self, columns: Sequence[str], *, sensitive: Sequence[str] = ()) -> Profile:
        """Read the profile of all rows, or make it.

        Raises
        ------
        MissingColumns
            A snapshot lacks one of the columns.
        """
        found = []
        for one in self.snapshots:
            profile = profile_of(self.store, [one], sensitive=sensitive)
            if missing := [column for column in columns if column not in profile.columns]:
                raise MissingColumns(missing, present=list(profile.columns), where=f"snapshot {one.id}")
            found.append(profile)
        return found[0].merge(*found[1:]) if len(found) > 1 else found[0]

    def sample(self, columns: Sequence[str], *, rows: int) -> pd.DataFrame:
        """Read at most so many rows: all of them, or every so many in the order they are stored, which is that of time.

        So each day keeps its share of the rows.
        """
        import numpy as np
        import pyarrow as pa

        total = sum(one.rows for one in self._opened)
        if total <= rows:
            tables = [one.table(columns) for one in self._opened]
        else:
            wanted, begin, tables = np.arange(rows) * total // rows, 0, []
            for batch in (batch for one in self._opened for batch in one.batches(columns)):
                first, last = np.searchsorted(wanted, [begin, begin + batch.num_rows])
                tables.append(pa.Table.from_batches([batch.take(pa.array(wanted[first:last] - begin))]))
                begin += batch.num_rows
        return pa.concat_tables(tables, promote_options="permissive").to_pandas()

    def counts(self, column: str) -> tuple[pa.Array, pa.Array]:
        """Count the rows of each text of a column: the texts, and how many rows each has."""
        import pyarrow as pa

        waiting: list[pa.Table] = []
        for batch in (batch for one in self._opened for batch in one.batches([column])):
            texts = batch.column(0).cast(pa.string()).drop_null()
            waiting.append(pa.Table.from_struct_array(texts.value_counts()))
            if sum(table.num_rows for table in waiting) > _WAITING:
                waiting = [_added_up(waiting)]
        added = _added_up(waiting)
        return added.column("values").combine_chunks(), added.column("counts_sum").combine_chunks()


def _added_up(tables: list[pa.Table]) -> pa.Table:
    import pyarrow as pa

    named = [table.rename_columns(["values", "counts"]) for table in tables]
    added = pa.concat_tables(named).group_by("values").aggregate([("counts", "sum")])
    return added.select(["values", "counts_sum"])
