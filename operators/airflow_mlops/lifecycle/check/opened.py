"""Rows of any number: small ones as a table, many as an even sample beside a stream of all of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from airflow_mlops.errors import SourceUnreadable
from airflow_mlops.lifecycle.check.aligned import align
from airflow_mlops.lifecycle.check.repeats import Trace
from airflow_mlops.stages.validate import facts_of, lasting_facts_of

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence

    import pyarrow as pa

    from airflow_mlops.spec import ModelSpec

Made = TypeVar("Made")
# Rows whose types are those of all others.
_HEAD = 1000


@dataclass(frozen=True, slots=True)
class Opened:
    """Rows that may be more than fit in memory, and what was made of them: a reference is asked with each batch.

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
    made: dict[Hashable, Any] = field(default_factory=dict, init=False, repr=False, compare=False)

    @property
    def rows(self) -> int:
        """About how many rows there are."""
        return self.table.num_rows * self.every

    def facts(self, judged: pa.Table, spec: ModelSpec, like: Opened, *, is_guessed: bool) -> dict[str, Any]:
        """Describe all rows, of which ``judged`` is the table with the types of the reference ``like``."""
        names = [name for name in spec.features.columns if name in judged.column_names]
        data, schema = spec.data, judged.schema.remove_metadata()
        key = (str(schema), data.time, data.target, *data.key, *data.sensitive, *names, spec.task)
        if self.stream is not None:
            return self.remembered(
                ("facts", spec.monitor_window, *key), lambda: self._streamed(judged, spec, like, is_guessed=is_guessed)
            )
        lasting = self.remembered(("lasting", *key), lambda: lasting_facts_of(judged, spec))
        return self.remembered(("facts", spec.monitor_window, *key), lambda: facts_of(judged, spec, lasting=lasting))

    def remembered(self, key: Hashable, make: Callable[[], Made]) -> Made:
        """Make something once; the key says of what it is made, beside these rows."""
        if key not in self.made:
            self.made[key] = make()
        return self.made[key]

    def trace(
        self, name: str, judged: pa.Table, spec: ModelSpec, columns: Sequence[str], like: Opened, *, is_guessed: bool
    ) -> Trace:
        """Take the trace of all rows, by which they are known again."""
        tables = self.tables(judged, spec.data.time, like, is_guessed=is_guessed)
        return self.remembered(("trace", judged.num_rows, *columns), lambda: Trace.of(name, tables, spec, columns))

    def _streamed(self, judged: pa.Table, spec: ModelSpec, like: Opened, *, is_guessed: bool) -> dict[str, Any]:
        from airflow_mlops.stages.profile import profile_batches
        from airflow_mlops.stages.validate.full_size import look

        def batches() -> Iterator[pa.RecordBatch]:
            for table in self.tables(judged, spec.data.time, like, is_guessed=is_guessed):
                yield from table.combine_chunks().to_batches()

        profile = profile_batches(batches(), judged.schema, sensitive=spec.data.sensitive)
        # Counts have to be those of the rows that are judged, of which there is one in just so many.
        return look(batches(), profile, spec, every=self.every)[1]

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
            yield pa.table([_typed(table.column(field.name), field) for field in judged.schema], schema=judged.schema)


def _typed(column: pa.ChunkedArray, field: pa.Field) -> pa.ChunkedArray:
    import pyarrow as pa

    try:
        return column.cast(field.type, safe=False)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise SourceUnreadable(
            f"column {field.name!r} holds {field.type} in an even sample of the rows, and other values beside them: "
            f"{error}."
        ) from error
