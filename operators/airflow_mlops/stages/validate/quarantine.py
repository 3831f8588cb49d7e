"""All rows that failed something critical or marked, each with its reasons."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Protocol

from airflow_mlops.stages.validate.findings import worst_first
from airflow_mlops.stages.validate.suite.predicates import NUMBERED, ROW
from airflow_mlops.stages.validate.suite.sets import quoted

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import duckdb
    import pyarrow as pa

    from airflow_mlops.stages.validate.findings import Finding

# Column of the reasons.
REASON = "_reason"
_POSITIONS = "failing_positions"
_BATCH_ROWS = 65_536


class DuckdbRows(Protocol):
    """Rows behind a name in DuckDB; they are asked for once."""

    @property
    def duckdb(self) -> duckdb.DuckDBPyConnection:
        """Return the connection."""

    @property
    def table(self) -> str:
        """Return the name."""

    @property
    def names(self) -> Sequence[str]:
        """Return the columns."""


def quarantine_table(
    table: pa.Table, findings: Iterable[Finding], *, keep: int, sensitive: Sequence[str]
) -> pa.Table | None:
    """Collect the failing rows of a table by their positions.

    Parameters
    ----------
    table : Table
    findings : iterable of Finding
    keep : int
        Most rows; those of the worst checks come first.
    sensitive : sequence of str
        Columns to leave out.

    Returns
    -------
    Table or None
        In the order of the table, with a column ``_reason``; None where no row failed.
    """
    import pyarrow as pa

    reasons = _by_position(findings, keep)
    if not reasons:
        return None
    rows = sorted(reasons)
    kept = table.select([name for name in table.column_names if name not in sensitive]).take(rows)
    return kept.append_column(REASON, pa.array(["; ".join(reasons[row]) for row in rows]))


def _by_position(findings: Iterable[Finding], keep: int) -> dict[int, list[str]]:
    reasons: dict[int, list[str]] = {}
    for finding in _judged(findings):
        for row in finding.rows:
            if row in reasons or len(reasons) < keep:
                reasons.setdefault(row, []).append(_reason(finding))
    return reasons


def _judged(findings: Iterable[Finding]) -> list[Finding]:
    return [finding for finding in worst_first(findings) if finding.severity != "info"]


def _reason(finding: Finding) -> str:
    return f"{finding.column}: {finding.check}" if finding.column else finding.check


def quarantine_stream(
    rows: DuckdbRows, findings: Iterable[Finding], *, keep: int, sensitive: Sequence[str]
) -> pa.RecordBatchReader | None:
    """Collect the failing rows of any number, in DuckDB.

    Parameters
    ----------
    rows : DuckdbRows
    findings : iterable of Finding
        By their ``condition``, or by the positions in ``rows``.
    keep : int
        Most rows; those of the worst checks come first.
    sensitive : sequence of str
        Columns to leave out.

    Returns
    -------
    RecordBatchReader or None
        As `quarantine_table`, a batch at a time; None where no row failed.
    """
    judged = _judged(findings)
    conditions = [(f"({one.condition})", _reason(one)) for one in judged if one.condition]
    positions = _by_position([one for one in judged if not one.condition], sys.maxsize)
    if not conditions and not positions:
        return None
    connection = rows.duckdb
    connection.execute(
        f"CREATE OR REPLACE TEMP VIEW {NUMBERED} AS SELECT *, row_number() OVER () - 1 AS {ROW} FROM {rows.table}"
    )
    connection.register(_POSITIONS, _positions(positions))
    columns = ", ".join(quoted(name) for name in rows.names if name not in sensitive)
    # A limit takes the rows of the worst checks; they are given in their order.
    few = f"ORDER BY _rank, {ROW} LIMIT {keep}" if keep < sys.maxsize else ""
    query = f"SELECT {columns}, {REASON} FROM ({_reasoned(conditions)} {few}) ORDER BY {ROW}"
    return connection.sql(query).to_arrow_reader(_BATCH_ROWS)


def _reasoned(conditions: Sequence[tuple[str, str]]) -> str:
    """Write the query for the rows that fail, with their reasons and the place of the first, the worst first."""
    failing = " OR ".join([*(condition for condition, _ in conditions), "reason IS NOT NULL"])
    said = ["CASE WHEN " + condition + " THEN " + _text(reason) + " END" for condition, reason in conditions]
    ranks = [f"WHEN {condition} THEN {place}" for place, (condition, _) in enumerate(conditions)]
    rank = f"CASE {' '.join(ranks)} ELSE {len(conditions)} END" if ranks else "0"
    return (
        f"SELECT *, concat_ws('; ', {', '.join([*said, 'reason'])}) AS {REASON}, {rank} AS _rank "
        f"FROM {NUMBERED} LEFT JOIN {_POSITIONS} ON {ROW} = position WHERE {failing}"
    )


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def _positions(reasons: dict[int, list[str]]) -> pa.Table:
    import pyarrow as pa

    columns = {
        "position": pa.array(list(reasons), pa.int64()),
        "reason": pa.array(["; ".join(said) for said in reasons.values()], pa.string()),
    }
    return pa.table(columns)
