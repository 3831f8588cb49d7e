"""What selects the rows that fail an expectation, as a condition of DuckDB's SQL."""

from __future__ import annotations

from math import isfinite
from typing import TYPE_CHECKING, Any

from airflow_mlops.stages.validate.suite.sets import order_predicate, quoted, repeats_predicate

if TYPE_CHECKING:
    from great_expectations.expectations.expectation import Expectation

    from airflow_mlops.stages.validate.suite.engine import SuiteEngine

# The rows with their numbers, and the column of these; the quarantine defines both.
NUMBERED = "numbered_rows"
ROW = '"_row"'


def predicate_of(expectation: Expectation, engine: SuiteEngine) -> str | None:
    """Return the condition; None for an expectation that is not about single rows."""
    kwargs, where = expectation.configuration.kwargs, _where(expectation, engine)
    kind = expectation.configuration.type
    if kind == "expect_column_values_to_be_unique":
        name = quoted(kwargs["column"])
        groups = f"SELECT {name} FROM {NUMBERED} WHERE {where} GROUP BY {name} HAVING count(*) > 1"
        return f"({where}) AND {name} IN ({groups})"
    if kind == "expect_compound_columns_to_be_unique":
        return repeats_predicate(NUMBERED, ROW, kwargs["column_list"], where, nulls=True)
    if kind in ("expect_column_values_to_be_increasing", "expect_column_values_to_be_decreasing"):
        strictly = bool(kwargs.get("strictly"))
        return order_predicate(
            NUMBERED, ROW, kwargs["column"], where, rising=kind.endswith("increasing"), strictly=strictly
        )
    condition = _condition(expectation, engine)
    return None if condition is None else f"({where}) AND ({condition})"


def _condition(expectation: Expectation, engine: SuiteEngine) -> str | None:
    """Find the condition Great Expectations counted by."""
    from great_expectations.expectations.registry import get_metric_kwargs
    from great_expectations.validator.metric_configuration import MetricConfiguration

    metric = getattr(expectation, "map_metric", None)
    if metric is None:
        return None
    kwargs = get_metric_kwargs(f"{metric}.unexpected_count", configuration=expectation.configuration)
    domain = {**kwargs["metric_domain_kwargs"]}
    values = {name: value for name, value in kwargs["metric_value_kwargs"].items() if name != "result_format"}
    batch = engine.batch_manager.active_batch_data_id
    for given in (domain, {**domain, "batch_id": batch}):
        found = engine.conditions.get(MetricConfiguration(f"{metric}.condition", given, values).id)
        if found is not None:
            return _text(found, engine)
    return None


def _where(expectation: Expectation, engine: SuiteEngine) -> str:
    """Return what selects the rows an expectation looks at: its row condition, and rows that are not all null."""
    kwargs, clauses = expectation.configuration.kwargs, []
    condition = getattr(expectation, "row_condition", None)
    if condition is not None:
        clauses.append(_text(engine.condition_to_filter_clause(condition), engine))
    names = [kwargs[name] for name in ("column_A", "column_B") if name in kwargs] or list(
        kwargs.get("column_list") or []
    )
    ignored = str(getattr(expectation, "ignore_row_if", ""))
    if names and ignored.startswith(("both", "all")):
        clauses.append("(" + " OR ".join(f"{quoted(name)} IS NOT NULL" for name in names) + ")")
    if names and ignored.startswith(("either", "any")):
        clauses.append("(" + " AND ".join(f"{quoted(name)} IS NOT NULL" for name in names) + ")")
    return " AND ".join(f"({clause})" for clause in clauses) or "TRUE"


def _text(clause: Any, engine: SuiteEngine) -> str:
    from sqlalchemy import BindParameter, literal_column
    from sqlalchemy.sql.visitors import replacement_traverse

    def written(part: Any, **_: Any) -> Any:
        """Write what is no finite number as SQL does: a bare inf would be a column's name."""
        value = part.value if isinstance(part, BindParameter) else None
        is_odd = isinstance(value, float) and not isfinite(value)
        return literal_column(f"CAST('{value}' AS DOUBLE)") if is_odd else None

    replaced: Any = replacement_traverse  # its types know no way to leave a part as it is
    clause = replaced(clause, {}, written)
    return str(clause.compile(dialect=engine.engine.dialect, compile_kwargs={"literal_binds": True}))
