"""The table of a profile: a line for each column; and the options of whoever prints one, or a page instead."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from airflow_mlops.cli.data.listing import count

if TYPE_CHECKING:
    from argparse import ArgumentParser

    from airflow_mlops.stages.profile import ColumnProfile, Profile


def add_forms(parser: ArgumentParser, *, page: str) -> None:
    """Add the options that say in what form columns are shown; ``page`` is what the HTML has."""
    parser.add_argument("--html", type=Path, metavar="FILE", help=f"write {page} instead")
    parser.add_argument("--force", action="store_true", help="write over a file that is there already")
    parser.add_argument(
        "--limit", type=count, default=100, metavar="N", help="the first N columns; default %(default)s"
    )
    parser.add_argument("--json", action="store_true", help="print as JSON, all of it")


def write_page(file: Path, page: str) -> None:
    """Write the HTML, and say so."""
    file.write_text(page, "utf-8")
    print(f"wrote {file}")


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
