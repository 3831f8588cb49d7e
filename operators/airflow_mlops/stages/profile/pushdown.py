"""The same profile made where the rows are, by SQL: in a warehouse, or in DuckDB. Only summaries come back.

The statements are of the kind that all of them understand; what differs is in `Dialect`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import pi
from typing import TYPE_CHECKING, Any

from airflow_mlops.errors import SpecError
from airflow_mlops.stages.profile.column import MOST_VALUES, ColumnProfile
from airflow_mlops.stages.profile.digest import POINTS, Digest
from airflow_mlops.stages.profile.profile import Profile
from airflow_mlops.stages.profile.texts import MOST_FREQUENT, Texts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    Ask = Callable[[str], Sequence[Sequence[Any]]]

# Columns asked about at a time: some databases limit what one statement may select.
_AT_A_TIME = 40
_FINITE = 1.7976931348623157e308


@dataclass(frozen=True, slots=True)
class Dialect:
    """How a database writes what the standard leaves open.

    Attributes
    ----------
    double : str
        Its type of 64-bit floating point numbers.
    micros : str
        Microseconds since 1970 of the moment ``{}``.
    """

    double: str
    micros: str

    @staticmethod
    def name(column: str) -> str:
        """Quote a column's name."""
        escaped = column.replace('"', '""')
        return f'"{escaped}"'


DIALECTS: Mapping[str, Dialect] = {
    "duckdb": Dialect("DOUBLE", "epoch_us({})"),
    "postgresql": Dialect("DOUBLE PRECISION", "EXTRACT(EPOCH FROM {}) * 1000000"),
    "sqlite": Dialect("REAL", "(julianday({}) - 2440587.5) * 86400000000"),
}


def profile_by_sql(
    ask: Ask,
    rows: str,
    columns: Mapping[str, tuple[str, str]],
    *,
    dialect: str,
    sensitive: Sequence[str] = (),
) -> Profile:
    """Profile the rows of a relation by SQL.

    Parameters
    ----------
    ask : callable
        Runs a statement and gives its rows.
    rows : str
        What stands after FROM: a table's name, or a query in brackets with a name.
    columns : mapping
        From each column to its type and its kind: number, boolean, text, time, or other.
    dialect : {"duckdb", "postgresql", "sqlite"}
        SQLAlchemy's name.
    sensitive : sequence of str
        Columns of which only type and nulls are asked.

    Returns
    -------
    Profile
        That of `profile_batches` within the stated errors; counts of distinct values are exact, and get lost where such
        a profile is merged with another, for the database gives no sketch of them.

    Raises
    ------
    SpecError
        There is no such dialect.
    """
    if dialect not in DIALECTS:
        raise SpecError(
            f"rows of a {dialect!r} database cannot be profiled where they are; that is known for "
            f"{', '.join(DIALECTS)}. Ingest them, and the snapshot is profiled."
        )
    known = DIALECTS[dialect]
    count = int(ask(f"SELECT COUNT(*) FROM {rows}")[0][0])
    found = {
        name: ColumnProfile(name, type_, kind, count, count, is_sensitive=name in sensitive)
        for name, (type_, kind) in columns.items()
    }
    asked = [_Asked(each, known) for each in found.values()]
    for start in range(0, len(asked), _AT_A_TIME):
        for column in _measured(ask, rows, asked[start : start + _AT_A_TIME]):
            found[column.name] = column
    return Profile(count, {name: _described(ask, rows, _Asked(column, known)) for name, column in found.items()})


@dataclass(frozen=True, slots=True)
class _Asked:
    """A column and how it is written."""

    column: ColumnProfile
    dialect: Dialect

    @property
    def is_numeric(self) -> bool:
        return self.column.kind in ("number", "time") and not self.column.is_sensitive

    @property
    def has_values(self) -> bool:
        return self.column.kind in ("number", "time", "text", "boolean") and not self.column.is_sensitive

    @property
    def written(self) -> str:
        """The column, a number in double precision or null where it is not finite."""
        name = self.dialect.name(self.column.name)
        if not self.is_numeric:
            return name
        value = self.dialect.micros.format(name) if self.column.kind == "time" else name
        value = f"CAST({value} AS {self.dialect.double})"
        # All databases sort NaN beyond infinity.
        return f"CASE WHEN {value} BETWEEN -{_FINITE} AND {_FINITE} THEN {value} END"


def _measured(ask: Ask, rows: str, asked: Sequence[_Asked]) -> Iterator[ColumnProfile]:
    """Ask what one value a column can say; the squares in a second pass, for they are taken around the mean."""
    first = ask(f"SELECT {', '.join(part for each in asked for part in _first_look(each))} FROM {rows}")[0]
    answers = iter(first)
    known = [_first_answer(each, answers) for each in asked]
    with_mean = [each for each in known if each.mean is not None]
    if with_mean:
        by_name = {each.column.name: each.written for each in asked}
        squares = [
            f"SUM(({by_name[each.name]} - ({each.mean!r})) * ({by_name[each.name]} - ({each.mean!r})))"
            for each in with_mean
        ]
        second = ask(f"SELECT {', '.join(squares)} FROM {rows}")[0]
        summed = {each.name: float(value) for each, value in zip(with_mean, second, strict=True)}
        known = [replace(each, squares=summed.get(each.name, 0.0)) for each in known]
    yield from known


def _first_look(asked: _Asked) -> list[str]:
    value = asked.written
    parts = [f"COUNT({asked.dialect.name(asked.column.name)})"]
    if asked.is_numeric:
        parts += [f"COUNT({value})", f"MIN({value})", f"MAX({value})", f"AVG({value})"]
        parts.append(f"SUM(CASE WHEN {value} = ROUND({value}) THEN 0 ELSE 1 END)")
    if asked.has_values:
        parts.append(f"COUNT(DISTINCT {value})")
    return parts


def _first_answer(asked: _Asked, answers: Iterator[Any]) -> ColumnProfile:
    column = asked.column
    known = int(next(answers))
    column = replace(column, nulls=column.rows - known)
    if asked.is_numeric:
        finite, least, most, mean, broken = (next(answers) for _ in range(5))
        column = replace(column, nans=known - int(finite))
        if finite:
            column = replace(column, minimum=float(least), maximum=float(most), mean=float(mean))
            column = replace(column, is_whole=int(broken) == column.rows - int(finite))
    return replace(column, distinct_known=int(next(answers))) if asked.has_values else column


def _described(ask: Ask, rows: str, asked: _Asked) -> ColumnProfile:
    """Count each value, or ask for points of the distribution where there are too many."""
    import numpy as np

    column, value = asked.column, asked.written
    if not asked.has_values or column.distinct_known is None:
        return column
    counted = f"SELECT {value}, COUNT(*) FROM {rows} WHERE {value} IS NOT NULL GROUP BY 1 ORDER BY 2 DESC, 1"
    if column.distinct_known <= MOST_VALUES:
        pairs = [(_plain(column, each), int(count)) for each, count in ask(counted)]
        if asked.is_numeric or column.kind == "boolean":
            pairs = sorted(pairs)
        values = [each for each, _ in pairs]
        return replace(
            column,
            values=np.asarray(values, dtype=float) if asked.is_numeric else values,
            counts=np.asarray([count for _, count in pairs], dtype=np.int64),
            distinct_known=None,
        )
    if asked.is_numeric:
        return replace(column, digest=_points(ask, rows, value, column.known))
    frequent = [(str(text), int(count)) for text, count in ask(f"{counted} LIMIT {MOST_FREQUENT}")]
    return replace(column, texts=Texts.of_frequent(frequent))


def _points(ask: Ask, rows: str, value: str, known: int) -> Digest:
    """Cut the sorted values where a digest would."""
    import numpy as np

    place = f"ASIN(2.0 * (ROW_NUMBER() OVER (ORDER BY v) - 0.5) / {known} - 1.0)"
    cut = f"FLOOR({POINTS} * ({place} / {pi!r} + 0.5))"
    answers = ask(
        f"SELECT AVG(v), COUNT(*) FROM (SELECT v, {cut} AS point FROM (SELECT {value} AS v FROM {rows}) AS numbers "
        "WHERE v IS NOT NULL) AS cuts GROUP BY point ORDER BY 1"
    )
    means, weights = zip(*answers, strict=True)
    return Digest(np.asarray(means, dtype=float), np.asarray(weights, dtype=np.int64))


def _plain(column: ColumnProfile, value: Any) -> Any:
    return bool(value) if column.kind == "boolean" else float(value) if column.kind != "text" else str(value)
