"""Rows of any number: small ones as a table, many as an even sample beside a stream of all of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow_mlops.lifecycle.check.aligned import align
from airflow_mlops.stages.validate import facts_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    import pyarrow as pa

    from airflow_mlops.spec import ModelSpec

# Rows whose types are those of all others.
_HEAD = 1000


@dataclass(frozen=True, slots=True)
class Opened:
    """Rows that may be more than fit in memory.

    Attributes
    ----------
    table : Table
        All rows, or runs of them that lie evenly.
    every : int
        One of so many rows is in the table.
    stream : callable, optional
        Gives all rows in batches, each time it is called; None where the table holds them all.
    """

    table: pa.Table
    every: int = 1
    stream: Callable[[], Iterable[pa.RecordBatch]] | None = None

    @property
    def rows(self) -> int:
        """About how many rows there are."""
        return self.table.num_rows * self.every

    def facts(self, judged: pa.Table, spec: ModelSpec, like: Opened, *, is_guessed: bool) -> dict[str, Any]:
        """Describe all rows, of which ``judged`` is the table with the types of the reference ``like``."""
        if self.stream is None:
            return facts_of(judged, spec)
        from airflow_mlops.stages.profile import profile_batches
        from airflow_mlops.stages.validate.full_size import look

        def batches() -> Iterator[pa.RecordBatch]:
            for table in self.tables(judged, spec.data.time, like, is_guessed=is_guessed):
                yield from table.combine_chunks().to_batches()

        profile = profile_batches(batches(), judged.schema, sensitive=spec.data.sensitive)
        return look(batches(), profile, spec)[1]

    def tables(self, judged: pa.Table, time: str, like: Opened, *, is_guessed: bool) -> Iterator[pa.Table]:
        """Give all rows in the types and columns of those that are judged, a batch at a time."""
        import pyarrow as pa

        if self.stream is None:
            yield judged
            return
        head = like.table.slice(0, _HEAD)
        named = time if time in judged.column_names else None
        for batch in self.stream():
            _, table, _ = align(pa.Table.from_batches([batch]), head, named, is_guessed=is_guessed)
            yield table.select(judged.column_names).cast(judged.schema, safe=False)
