"""A snapshot in some kilobytes a column: what two snapshots are compared by, and what people look at."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from airflow_mlops.stages.profile.column import ColumnProfile
from airflow_mlops.stages.profile.measure import measure, merged

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from contextlib import AbstractContextManager

    import pyarrow as pa

# Of profiles that are stored: one of another form is made again.
FORM = 1
# Profiles of batches that wait to be put together: fewer merges, and no more memory than a batch.
_WAITING = 16


@dataclass(frozen=True, slots=True)
class Profile:
    """All columns of some rows.

    Attributes
    ----------
    rows : int
    columns : dict of str to ColumnProfile
        In the order of the rows' schema.
    """

    rows: int
    columns: dict[str, ColumnProfile]

    def merge(self, *others: Profile) -> Profile:
        """Put profiles of different rows together; a column that one of them lacks is null there.

        Raises
        ------
        ProfilesDiffer
            A column holds text in one and numbers in another.
        """
        several = [self, *others]
        names = dict.fromkeys(name for each in several for name in each.columns)
        columns = {
            name: merged([each.columns.get(name) or _absent(name, each.rows) for each in several]) for name in names
        }
        return Profile(sum(each.rows for each in several), columns)

    def to_dict(self) -> dict[str, Any]:
        """Turn into JSON."""
        columns = [column.to_dict() for column in self.columns.values()]
        return {"form": FORM, "rows": self.rows, "columns": columns}

    @classmethod
    def from_dict(cls, stored: dict[str, Any]) -> Self:
        """Read back what `to_dict` gave."""
        columns = [ColumnProfile.from_dict(each) for each in stored["columns"]]
        return cls(stored["rows"], {column.name: column for column in columns})


def profile_batches(
    batches: Iterable[pa.RecordBatch],
    schema: pa.Schema,
    *,
    columns: Sequence[str] | None = None,
    sensitive: Sequence[str] = (),
    threads: int = 2,
    progress: Callable[[int], None] | None = None,
) -> Profile:
    """Profile rows of any number in one pass, in the memory of some batches.

    Parameters
    ----------
    batches : iterable of RecordBatch
        The rows; at least the columns asked for.
    schema : Schema
        Of the rows, for when there is none.
    columns : sequence of str, optional
        Which; default all of the schema.
    sensitive : sequence of str
        Columns of which only type and nulls are kept.
    threads : int, default=2
        Columns measured at a time.
    progress : callable, optional
        Called with the number of rows so far, after each batch.

    Returns
    -------
    Profile
        The same for the same rows, however they are cut into batches, within the stated errors.
    """
    import pyarrow as pa

    names = list(columns) if columns is not None else schema.names
    waiting: dict[str, list[ColumnProfile]] = {
        name: [measure(name, pa.nulls(0, schema.field(name).type), is_sensitive=name in sensitive)] for name in names
    }
    rows = 0
    measured: list[Future[None]] = []

    def add(batch: pa.RecordBatch, name: str) -> None:
        several = waiting[name]
        several.append(measure(name, batch.column(name), is_sensitive=name in sensitive))
        if len(several) >= _WAITING:
            waiting[name] = [merged(several)]

    with ThreadPoolExecutor(threads) as pool:
        for batch in batches:  # which is read while the one before is measured
            _wait_for(measured)
            measured = [pool.submit(add, batch, name) for name in names]
            rows += batch.num_rows
            if progress is not None:
                progress(rows)
        _wait_for(measured)
    return Profile(rows, {name: merged(waiting[name]) for name in names})


def profile_columns(
    opened: Callable[[], AbstractContextManager[Callable[[str], Iterable[pa.Array]]]],
    schema: pa.Schema,
    rows: int,
    *,
    sensitive: Sequence[str] = (),
    threads: int = 2,
    beside: Callable[[], None] | None = None,
    progress: Callable[[int], None] | None = None,
) -> Profile:
    """Profile rows whose columns can be read one by one: each thread reads what it measures, and holds one column.

    Parameters
    ----------
    opened : callable
        Opens the rows for one thread: what that gives takes the name of a column and gives its values, some at a time.
    schema : Schema
        Of the rows.
    rows : int
        How many.
    sensitive, threads
        As for `profile_batches`, whose answer this one's is within the stated errors.
    beside : callable, optional
        What one of the threads does first, such as a check of the same rows. What it raises comes before all else.
    progress : callable, optional
        Called with the number of columns so far, after each column.
    """
    names = iter(schema.names)  # the threads take turns
    measured: dict[str, ColumnProfile] = {}

    def measure_some() -> None:
        with opened() as values:
            for name in names:
                kind = schema.field(name).type
                measured[name] = _column(name, kind, values(name), is_sensitive=name in sensitive)
                if progress is not None:
                    progress(len(measured))

    with ThreadPoolExecutor(threads) as pool:
        first = [pool.submit(beside)] if beside is not None else []
        _wait_for([*first, *[pool.submit(measure_some) for _ in range(threads)]])
    return Profile(rows, {name: measured[name] for name in schema.names})


def _column(name: str, kind: pa.DataType, values: Iterable[pa.Array], *, is_sensitive: bool) -> ColumnProfile:
    import pyarrow as pa

    several = [measure(name, pa.nulls(0, kind), is_sensitive=is_sensitive)]
    for some in values:
        several.append(measure(name, some, is_sensitive=is_sensitive))
        if len(several) >= _WAITING:
            several = [merged(several)]
    return merged(several)


def profile_table(table: pa.Table, *, sensitive: Sequence[str] = (), threads: int = 2) -> Profile:
    """Profile rows that are in memory; see `profile_batches`."""
    return profile_batches(table.to_batches(), table.schema, sensitive=sensitive, threads=threads)


def _wait_for(measured: Iterable[Future[None]]) -> None:
    """Wait for some columns, and raise what one of them raised."""
    for column in measured:
        column.result()


def _absent(name: str, rows: int) -> ColumnProfile:
    return ColumnProfile(name, "null", "nothing", rows, rows)
