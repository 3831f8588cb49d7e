"""The table of a profile: a line for each column."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from airflow_mlops.stages.profile import ColumnProfile, Profile


def show_columns(profile: Profile, limit: int) -> None:
    """Print the first columns of a profile.

    Parameters
    ----------
    profile : Profile
        Of the rows.
    limit : int
        Most lines.
    """
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None)
    for heading in ("column", "type", "null", "distinct", "values"):
        is_number = heading in ("null", "distinct")
        table.add_column(heading, justify="right" if is_number else "left", no_wrap=is_number or heading == "column")
    for column in list(profile.columns.values())[:limit]:
        table.add_row(*_row(column))
    Console().print(table)
    if (left_out := len(profile.columns) - limit) > 0:
        print(f"{left_out} more columns are left out (--limit)")


def _row(column: ColumnProfile) -> list[str]:
    from rich.markup import escape

    from airflow_mlops.stages.profile.words import distinct, share, some, value_of

    head = [escape(column.name), escape(column.type), share(column.nulls, column.rows)]
    if column.is_sensitive or not column.known:
        return [*head, "", "sensitive, not shown" if column.is_sensitive else "no value"]
    if column.kind in ("number", "time"):
        values = column.minimum, column.maximum, column.quantiles([0.5])[0]
        least, most, median = (value_of(column, value) for value in values)
        return [*head, distinct(column), f"{least} to {most}, median {median}"]
    return [*head, distinct(column), escape(some(tuple(str(value) for value, _, _ in column.heads), 3))]
