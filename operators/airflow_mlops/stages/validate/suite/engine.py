"""Great Expectations' SQL engine, so that it reads DuckDB, asks once, and leaves examples to the quarantine.

Only imported inside functions: it imports Great Expectations.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from great_expectations.execution_engine.sqlalchemy_execution_engine import SqlAlchemyExecutionEngine
from great_expectations.expectations.row_conditions import Operator

if TYPE_CHECKING:
    from collections.abc import Iterable

    from great_expectations.expectations.row_conditions import ComparisonCondition
    from great_expectations.validator.metric_configuration import MetricConfiguration

# Columns with their kinds; filled in before an engine is used.
Columns = dict[str, str]


class SuiteEngine(SqlAlchemyExecutionEngine):
    """Runs expectations on an SQLAlchemy engine.

    Attributes
    ----------
    columns : dict of str to str
        Kind of each column of the rows, in order.
    conditions : dict
        What selects the rows that fail, by id of Great Expectations' metric.
    """

    def __init__(self, engine: sa.Engine, columns: Columns) -> None:
        super().__init__(engine=engine, create_temp_table=False)
        self.columns = columns
        self.conditions: dict[Any, sa.ColumnElement] = {}

    def close(self) -> None:
        """Leave the connection to whoever opened it: the base class closes it when it is collected."""

    def execute_query(self, query: Any) -> Any:
        """Read the rows before the connection goes back: DuckDB's are gone with it, and every metric fails.

        The base class returns the cursor after the block. A database whose driver buffers rows never notices.
        """
        with self.get_connection() as connection:
            result = self._execute_query_with_recovery(connection, query)
            return result.freeze()() if result.returns_rows else result

    def resolve_metrics(
        self,
        metrics_to_resolve: Iterable[MetricConfiguration],
        metrics: dict[Any, Any] | None = None,
        runtime_configuration: dict[str, Any] | None = None,
    ) -> dict[Any, Any]:
        """Resolve what needs no scan first, so that all aggregates are asked for in one.

        Examples of failing values are not asked for: each would be a scan, also where nothing fails.
        """
        wanted = list(metrics_to_resolve)
        examples: dict[Any, Any] = {one.id: [] for one in wanted if one.metric_name.endswith(".unexpected_values")}
        rest = [one for one in wanted if one.id not in examples]
        if not rest:
            return examples
        direct, bundled = self._build_direct_and_bundled_metric_computation_configurations(
            metrics_to_resolve=rest, metrics=metrics, runtime_configuration=runtime_configuration
        )
        # What is left is asked for again in the next round, and then everything it waited for is known.
        answers = self._process_direct_and_bundled_metric_computation_configurations(
            metric_fn_direct_configurations=direct, metric_fn_bundle_configurations=[] if direct else bundled
        )
        for one in rest:
            if one.metric_name.endswith(".condition") and one.id in answers:
                self.conditions[one.id] = answers[one.id][0]
        return {**answers, **examples}

    def _comparison_condition_to_filter_clause(self, condition: ComparisonCondition) -> sa.ColumnElement:
        """Let a null differ from any value, as it does in a frame."""
        clause = super()._comparison_condition_to_filter_clause(condition)
        if condition.operator in (Operator.NOT_EQUAL, Operator.NOT_IN):
            return sa.or_(clause, sa.column(condition.column.name).is_(None))
        return clause


class DuckDBEngine(SuiteEngine):
    """Runs expectations in DuckDB, with what Great Expectations' SQL has no words for there."""
