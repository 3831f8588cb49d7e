"""Run a suite: in pandas on a frame, or in SQL where the rows are."""

from __future__ import annotations

import logging
from functools import cache
from typing import TYPE_CHECKING, Any

from airflow_mlops.extras import require
from airflow_mlops.stages.validate.suite.build import PLACE, build, written_out
from airflow_mlops.stages.validate.suite.predicates import predicate_of
from airflow_mlops.stages.validate.suite.push import named_columns, needed_columns, way_of
from airflow_mlops.stages.validate.suite.result import finding_of, missing, raised_by

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    import pandas as pd
    from great_expectations.core.expectation_validation_result import ExpectationValidationResult
    from great_expectations.data_context.data_context.abstract_data_context import AbstractDataContext
    from great_expectations.validator.validator import Validator

    from airflow_mlops.stages.validate.findings import Finding
    from airflow_mlops.stages.validate.suite.engine import SuiteEngine
    from airflow_mlops.stages.validate.suite.rows import SqlRows

log = logging.getLogger(__name__)

Results = dict[int, "ExpectationValidationResult"]
# Rows that show pandas the type of a column: one that has a value would do.
_TYPE_ROWS = 100


def run_suite(
    frame: pd.DataFrame, suite: Mapping[str, Any], *, keep_rows: int = 1000, sensitive: Sequence[str] = ()
) -> list[Finding]:
    """Check a frame against a suite, in pandas.

    Parameters
    ----------
    frame : DataFrame
        The rows, numbered from 0. Not modified.
    suite : mapping
        ``name`` and ``expectations``, each with ``type``, ``kwargs`` and ``severity`` (default critical).
    keep_rows : int, default=1000
        Most positions of failing rows kept for each expectation.
    sensitive : sequence of str
        Columns whose values and bounds are not repeated in messages.

    Returns
    -------
    list of Finding
        One an expectation, passed or not, in the order of the suite.

    Raises
    ------
    SpecError
        An expectation is unknown or its arguments are wrong.
    MissingExtra
        Great Expectations is not installed.
    """
    items = _items(suite)
    if not items:
        return []
    zoned, times = _times(frame)
    written = written_out(items, zoned=zoned, times=times)
    build(suite["name"], items, range(len(items)), written=written)
    found = _missing(items, list(frame.columns), sensitive, "pandas")
    places = [place for place in range(len(items)) if place not in found]
    validator = _validator_of(frame)
    results = _ask(validator, suite["name"], items, written, places, {"result_format": "BASIC"})
    failed = [place for place in places if not results[place].success and not raised_by(results[place])]
    # Row numbers cost time and memory, so they are asked for only where something failed.
    complete = {"result_format": "COMPLETE", "return_unexpected_index_query": False}
    again = _ask(validator, suite["name"], items, written, failed, complete) if failed and keep_rows else {}
    for place in places:
        rows = ((again[place].result.get("unexpected_index_list") or []) if place in again else [])[:keep_rows]
        found[place] = finding_of(
            items[place],
            results[place],
            is_sensitive=_is_sensitive(items[place], sensitive),
            rows=tuple(int(row) for row in rows),
            engine="pandas",
        )
    return [found[place] for place in range(len(items))]


def run_suite_on(rows: SqlRows, suite: Mapping[str, Any], *, sensitive: Sequence[str] = ()) -> list[Finding]:
    """Check rows against a suite where they are.

    What SQL answers as pandas does is asked there, in as few scans as can be. Any other expectation is run in pandas on
    the columns it names, and its finding says so in ``engine``.

    Parameters
    ----------
    rows : SqlRows
        From `duckdb_rows` or `source_rows`.
    suite : mapping
        As for `run_suite`.
    sensitive : sequence of str
        Columns whose values and bounds are not repeated in messages.

    Returns
    -------
    list of Finding
        As of `run_suite`. In DuckDB ``condition`` selects the failing rows.

    Raises
    ------
    SpecError
        An expectation is unknown or its arguments are wrong.
    MissingExtra
        Great Expectations or DuckDB's dialect is not installed.
    """
    items = _items(suite)
    if not items:
        return []
    times = [name for name, kind in rows.kinds.items() if kind == "time"]
    written = written_out(items, zoned=rows.zoned, times=times)
    build(suite["name"], items, range(len(items)), written=written)
    found = _missing(items, list(rows.kinds), sensitive, rows.place)
    ways = {place: way_of(written[place], rows) for place in range(len(items)) if place not in found}
    asked = _asked_in_sql(rows, suite["name"], items, written, [place for place, way in ways.items() if way == "sql"])
    for place, way in ways.items():
        secret = _is_sensitive(items[place], sensitive)
        if place in asked:
            result, condition = asked[place]
            found[place] = finding_of(items[place], result, is_sensitive=secret, condition=condition, engine=rows.place)
        else:
            found[place] = _in_pandas(rows, suite["name"], items[place], written[place], sensitive, way == "types")
    return [found[place] for place in range(len(items))]


def _items(suite: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    require("great_expectations", extra="validate", needed_by="the suite", library="Great Expectations")
    return list(suite.get("expectations") or [])


def _missing(
    items: Sequence[Mapping[str, Any]], names: Sequence[str], sensitive: Sequence[str], engine: str
) -> dict[int, Finding]:
    lost = {
        place: missing(item, names, is_sensitive=_is_sensitive(item, sensitive), engine=engine)
        for place, item in enumerate(items)
    }
    return {place: finding for place, finding in lost.items() if finding is not None}


def _is_sensitive(item: Mapping[str, Any], sensitive: Sequence[str]) -> bool:
    return any(name in sensitive for name in named_columns(item))


def _times(frame: pd.DataFrame) -> tuple[list[str], list[str]]:
    """Return the names of columns of times that have a zone, and of all of them."""
    import pandas as pd

    times = [name for name in frame.columns if pd.api.types.is_datetime64_any_dtype(frame[name].dtype)]
    return [name for name in times if isinstance(frame[name].dtype, pd.DatetimeTZDtype)], times


# Asking Great Expectations


def _ask(
    validator: Validator,
    name: str,
    items: Sequence[Mapping[str, Any]],
    written: Sequence[Mapping[str, Any]],
    places: Iterable[int],
    result_format: Mapping[str, Any],
) -> Results:
    expectations = build(name, items, list(places), written=written)
    results = validator.graph_validate(
        configurations=[one.configuration for one in expectations],
        runtime_configuration={"result_format": dict(result_format)},
    )
    return {(one.expectation_config.meta or {})[PLACE]: one for one in results if one.expectation_config}


def _validator_of(frame: pd.DataFrame) -> Validator:
    from great_expectations.execution_engine.pandas_execution_engine import PandasExecutionEngine

    return _validator(PandasExecutionEngine(), frame)


def _validator(engine: Any, rows: Any) -> Validator:
    from great_expectations.core.batch import Batch
    from great_expectations.validator.validator import Validator

    return Validator(execution_engine=engine, batches=[Batch(data=rows)], data_context=_context())


@cache
def _context() -> AbstractDataContext:
    """Make Great Expectations' context once a process: it holds settings and none of the rows."""
    import great_expectations as gx
    from great_expectations.data_context.types.base import ProgressBarsConfig

    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = ProgressBarsConfig(globally=False)
    return context


def _engine_of(rows: SqlRows) -> SuiteEngine:
    from airflow_mlops.stages.validate.suite import metrics  # noqa: F401  (registers what the engines lack)
    from airflow_mlops.stages.validate.suite.engine import DuckDBEngine, SuiteEngine

    return (DuckDBEngine if rows.place == "duckdb" else SuiteEngine)(rows.engine, rows.kinds)


def _asked_in_sql(
    rows: SqlRows,
    name: str,
    items: Sequence[Mapping[str, Any]],
    written: Sequence[Mapping[str, Any]],
    places: Sequence[int],
) -> dict[int, tuple[ExpectationValidationResult, str | None]]:
    """Ask all at once; where that fails, one by one, for one that fails takes the others with it."""
    if not places:
        return {}
    import sqlalchemy as sa
    from great_expectations.execution_engine.sqlalchemy_batch_data import SqlAlchemyBatchData

    engine = _engine_of(rows)
    everything: Any = sa.select(*(sa.column(column) for column in rows.kinds)).select_from(rows.selectable)
    data = SqlAlchemyBatchData(execution_engine=engine, selectable=everything, create_temp_table=False)
    validator, basic = _validator(engine, data), {"result_format": "BASIC"}
    results = _ask(validator, name, items, written, places, basic)
    for place in places:
        if raised_by(results[place]):
            results |= _ask(validator, name, items, written, [place], basic)
    answered = {}
    for place in places:
        reason = raised_by(results[place])
        if reason:
            log.warning("%s is read into pandas: in SQL it fails with %s", items[place]["type"], reason)
            continue
        failed = rows.place == "duckdb" and not results[place].success
        [expectation] = build(name, items, [place], written=written)
        answered[place] = (results[place], predicate_of(expectation, engine) if failed else None)
    return answered


def _in_pandas(
    rows: SqlRows,
    name: str,
    item: Mapping[str, Any],
    written: Mapping[str, Any],
    sensitive: Sequence[str],
    by_types: bool,
) -> Finding:
    """Run one expectation in pandas; one about types sees a few rows of its column, which show them."""
    import sys
    from dataclasses import replace

    columns = needed_columns(written, list(rows.kinds))
    log.info("%s is run in pandas on %s", item["type"], ", ".join(columns))
    frame = rows.type_frame(columns[0], _TYPE_ROWS) if by_types else rows.frame(columns)
    one = {"name": name, "expectations": [item]}
    [finding] = run_suite(frame, one, keep_rows=0 if by_types else sys.maxsize, sensitive=sensitive)
    return replace(finding, engine=rows.place) if by_types else finding
