"""Queries about rows among others: repeats and order."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import sqlalchemy as sa


def repeats(rows: Any, domain: Mapping[str, Any]) -> sa.Select:
    """Count the rows whose key another row has too; a null is a value in a compound key, and none in a column's."""
    import sqlalchemy as sa

    names = [domain["column"]] if "column" in domain else list(domain["column_list"])
    columns: list[Any] = [sa.column(name) for name in names]
    grouped = sa.select(sa.func.count().label("n")).select_from(_from(rows)).group_by(*columns)
    if "column" in domain:
        grouped = grouped.where(columns[0].is_not(None))
    groups = grouped.having(sa.func.count() > 1).subquery()
    return sa.select(sa.func.sum(groups.c.n))


def most_frequent(rows: Any, name: str) -> sa.Select:
    """Select the values that are there most often: one, or those that are there equally often."""
    import sqlalchemy as sa

    column: Any = sa.column(name)
    counts = (
        sa.select(column.label("value"), sa.func.count().label("n"))
        .select_from(_from(rows))
        .where(column.is_not(None))
        .group_by(column)
        .cte("counts")
    )
    return sa.select(counts.c.value).where(counts.c.n == sa.select(sa.func.max(counts.c.n)).scalar_subquery())


def in_order(rows: Any, name: str, *, rising: bool, strictly: bool) -> sa.Select:
    """Count the rows that come before the one they follow; nulls are left out, and so is the first row."""
    import sqlalchemy as sa

    column: Any = sa.column(name)
    pairs = (
        sa.select(column.label("x"), sa.func.lag(column).over().label("former"))
        .select_from(_from(rows))
        .where(column.is_not(None))
        .subquery()
    )
    return sa.select(sa.func.count()).select_from(pairs).where(_breaks(pairs.c.x, pairs.c.former, rising, strictly))


def _breaks(x: Any, former: Any, rising: bool, strictly: bool) -> Any:
    if rising:
        return x <= former if strictly else x < former
    return x >= former if strictly else x > former


def _from(rows: Any) -> Any:
    return rows.subquery() if hasattr(rows, "subquery") else rows


def repeats_predicate(table: str, row: str, names: Sequence[str], where: str, *, nulls: bool) -> str:
    """Write what selects the rows that `repeats` counts; ``row`` names the column with their numbers."""
    keys = ", ".join(quoted(name) for name in names)
    present = where if nulls else f"({where}) AND {quoted(names[0])} IS NOT NULL"
    counted = f"SELECT {row}, count(*) OVER (PARTITION BY {keys}) AS n FROM {table} WHERE {present}"
    return f"{row} IN (SELECT {row} FROM ({counted}) WHERE n > 1)"


def order_predicate(table: str, row: str, name: str, where: str, *, rising: bool, strictly: bool) -> str:
    """Write what selects the rows that `in_order` counts."""
    x = quoted(name)
    pairs = (
        f"SELECT {row}, {x} AS x, lag({x}) OVER (ORDER BY {row}) AS former FROM {table} "
        f"WHERE ({where}) AND {x} IS NOT NULL"
    )
    return f"{row} IN (SELECT {row} FROM ({pairs}) WHERE {_sign(rising, strictly)})"


def _sign(rising: bool, strictly: bool) -> str:
    return f"x {'<' if rising else '>'}{'=' if strictly else ''} former"


def quoted(name: str) -> str:
    """Write a name for SQL."""
    return '"' + name.replace('"', '""') + '"'
