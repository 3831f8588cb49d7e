"""Great Expectations' metrics in SQL, where its own do not give what its pandas gives, or need more scans.

Only imported inside functions: it imports Great Expectations. Importing it registers them, for our engines alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from great_expectations.core.metric_function_types import MetricFunctionTypes
from great_expectations.expectations.metrics.column_aggregate_metric_provider import (
    ColumnAggregateMetricProvider,
    column_aggregate_partial,
)
from great_expectations.expectations.metrics.map_metric_provider.column_condition_partial import (
    column_condition_partial,
)
from great_expectations.expectations.metrics.map_metric_provider.column_map_metric_provider import (
    ColumnMapMetricProvider,
)
from great_expectations.expectations.metrics.map_metric_provider.column_pair_condition_partial import (
    column_pair_condition_partial,
)
from great_expectations.expectations.metrics.map_metric_provider.column_pair_map_metric_provider import (
    ColumnPairMapMetricProvider,
)
from great_expectations.expectations.metrics.map_metric_provider.multicolumn_condition_partial import (
    multicolumn_condition_partial,
)
from great_expectations.expectations.metrics.map_metric_provider.multicolumn_map_metric_provider import (
    MulticolumnMapMetricProvider,
)
from great_expectations.expectations.metrics.metric_provider import MetricProvider
from great_expectations.expectations.registry import _registered_metrics, register_metric
from great_expectations.validator.metric_configuration import MetricConfiguration

from airflow_mlops.stages.validate.suite.engine import DuckDBEngine, SuiteEngine
from airflow_mlops.stages.validate.suite.patterns import to_re2
from airflow_mlops.stages.validate.suite.sets import in_order, most_frequent, repeats

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_PAIR = ("batch_id", "table", "column_A", "column_B", "row_condition", "condition_parser", "ignore_row_if")
_MANY = ("batch_id", "table", "column_list", "row_condition", "condition_parser", "ignore_row_if")


# Rows one by one


def _matches(column: sa.ColumnElement, pattern: str) -> sa.ColumnElement:
    return sa.func.regexp_matches(column, to_re2(pattern))


class _MatchRegex(ColumnMapMetricProvider):
    condition_metric_name = "column_values.match_regex"
    condition_value_keys = ("regex",)

    @column_condition_partial(engine=DuckDBEngine)
    def _duckdb(cls, column: sa.ColumnElement, regex: str, **_: Any) -> sa.ColumnElement:
        return _matches(column, regex)


class _NotMatchRegex(ColumnMapMetricProvider):
    condition_metric_name = "column_values.not_match_regex"
    condition_value_keys = ("regex",)

    @column_condition_partial(engine=DuckDBEngine)
    def _duckdb(cls, column: sa.ColumnElement, regex: str, **_: Any) -> sa.ColumnElement:
        return sa.not_(_matches(column, regex))


class _MatchRegexList(ColumnMapMetricProvider):
    condition_metric_name = "column_values.match_regex_list"
    condition_value_keys = ("regex_list", "match_on")

    @column_condition_partial(engine=DuckDBEngine)
    def _duckdb(cls, column: sa.ColumnElement, regex_list: Sequence[str], match_on: str, **_: Any) -> sa.ColumnElement:
        found = [_matches(column, one) for one in regex_list]
        return sa.and_(*found) if match_on == "all" else sa.or_(*found)


class _NotMatchRegexList(ColumnMapMetricProvider):
    condition_metric_name = "column_values.not_match_regex_list"
    condition_value_keys = ("regex_list",)

    @column_condition_partial(engine=DuckDBEngine)
    def _duckdb(cls, column: sa.ColumnElement, regex_list: Sequence[str], **_: Any) -> sa.ColumnElement:
        return sa.not_(sa.or_(*(_matches(column, one) for one in regex_list)))


class _PairEqual(ColumnPairMapMetricProvider):
    condition_metric_name = "column_pair_values.equal"
    condition_domain_keys = _PAIR
    condition_value_keys = ()

    @column_pair_condition_partial(engine=SuiteEngine)
    def _sql(cls, column_A: sa.ColumnElement, column_B: sa.ColumnElement, **_: Any) -> sa.ColumnElement:  # noqa: N803
        return sa.func.coalesce(column_A == column_B, sa.false())


class _PairGreater(ColumnPairMapMetricProvider):
    condition_metric_name = "column_pair_values.a_greater_than_b"
    condition_domain_keys = _PAIR
    condition_value_keys = ("or_equal",)

    @column_pair_condition_partial(engine=SuiteEngine)
    def _sql(
        cls,
        column_A: sa.ColumnElement,  # noqa: N803
        column_B: sa.ColumnElement,  # noqa: N803
        **kwargs: Any,
    ) -> sa.ColumnElement:
        compared = column_A >= column_B if kwargs.get("or_equal") else column_A > column_B
        return sa.func.coalesce(compared, sa.false())


class _SumEqual(MulticolumnMapMetricProvider):
    condition_metric_name = "multicolumn_sum.equal"
    condition_domain_keys = _MANY
    condition_value_keys = ("sum_total",)

    @multicolumn_condition_partial(engine=SuiteEngine)
    def _sql(cls, column_list: Sequence[sa.ColumnElement], **kwargs: Any) -> sa.ColumnElement:
        total = sum(column_list[1:], column_list[0])
        return sa.func.coalesce(total == kwargs.get("sum_total"), sa.false())


class _UniqueWithinRecord(MulticolumnMapMetricProvider):
    condition_metric_name = "select_column_values.unique.within_record"
    condition_domain_keys = _MANY
    condition_value_keys = ()

    @multicolumn_condition_partial(engine=SuiteEngine)
    def _sql(cls, column_list: Sequence[sa.ColumnElement], **_: Any) -> sa.ColumnElement:
        return sa.and_(
            *(
                one.is_distinct_from(other)
                for place, one in enumerate(column_list)
                for other in column_list[place + 1 :]
            )
        )


# All rows at once


class _Deviation(ColumnAggregateMetricProvider):
    metric_name = "column.standard_deviation"

    @column_aggregate_partial(engine=DuckDBEngine)
    def _duckdb(cls, column: sa.ColumnElement, **_: Any) -> sa.ColumnElement:
        return sa.func.stddev_samp(column)


class _Median(ColumnAggregateMetricProvider):
    metric_name = "column.median"

    @column_aggregate_partial(engine=DuckDBEngine)
    def _duckdb(cls, column: sa.ColumnElement, **_: Any) -> sa.ColumnElement:
        return sa.func.median(column)


class _Sum(ColumnAggregateMetricProvider):
    metric_name = "column.sum"

    @column_aggregate_partial(engine=SuiteEngine)
    def _sql(cls, column: sa.ColumnElement, **_: Any) -> sa.ColumnElement:
        return sa.func.coalesce(sa.func.sum(column), 0)


class _Count(ColumnAggregateMetricProvider):
    """Values that are there: a quantile's place is a function of it."""

    metric_name = "column.mlops_values"

    @column_aggregate_partial(engine=DuckDBEngine)
    def _duckdb(cls, column: sa.ColumnElement, **_: Any) -> sa.ColumnElement:
        return sa.func.count(column)


class _Quantiles(ColumnAggregateMetricProvider):
    """The value nearest to a quantile's place, as pandas takes it; DuckDB takes the one above."""

    metric_name = "column.quantile_values"
    value_keys = ("quantiles", "allow_relative_error")

    @column_aggregate_partial(engine=DuckDBEngine)
    def _duckdb(cls, column: sa.ColumnElement, quantiles: Sequence[float], _metrics: Any, **_: Any) -> Any:
        import numpy as np

        count = _metrics["column.mlops_values"] or 1
        places = [int(np.rint((count - 1) * quantile)) for quantile in quantiles]
        # Halfway between two places, so that no rounding of n * q takes the neighbour.
        shares = ", ".join(repr((place + 0.5) / count) for place in places)
        return sa.func.quantile_disc(column, sa.literal_column(f"[{shares}]"))

    @classmethod
    def _get_evaluation_dependencies(
        cls,
        metric: MetricConfiguration,
        configuration: Any = None,
        execution_engine: Any = None,
        runtime_configuration: dict[Any, Any] | None = None,
    ) -> dict[str, Any]:
        needed: dict[str, Any] = super()._get_evaluation_dependencies(
            metric, configuration, execution_engine, runtime_configuration
        )
        if metric.metric_name.endswith(".aggregate_fn"):
            needed["column.mlops_values"] = MetricConfiguration("column.mlops_values", metric.metric_domain_kwargs)
        return needed


class _Direct(MetricProvider):
    """Metrics with a query of their own, which need nothing of the graph."""


def _direct(name: str, engine: type[SuiteEngine], answer: Callable[..., Any]) -> None:
    """Register a query for one engine, with the keys the metric has already."""
    known = _registered_metrics[name]
    register_metric(
        metric_name=name,
        metric_domain_keys=known["metric_domain_keys"],
        metric_value_keys=known["metric_value_keys"],
        execution_engine=engine,
        metric_class=_Direct,
        metric_provider=answer,
        metric_fn_type=MetricFunctionTypes.VALUE,
    )


def _repeated(cls: Any, execution_engine: SuiteEngine, metric_domain_kwargs: Any, **_: Any) -> int:
    query = repeats(execution_engine.get_domain_records(metric_domain_kwargs), metric_domain_kwargs)
    return int(execution_engine.execute_query(query).scalar() or 0)


def _most_common(cls: Any, execution_engine: SuiteEngine, metric_domain_kwargs: Any, **_: Any) -> list[Any]:
    """Ask for the most frequent values alone; Great Expectations reads the counts of all."""
    query = most_frequent(execution_engine.get_domain_records(metric_domain_kwargs), metric_domain_kwargs["column"])
    return sorted(value for (value,) in execution_engine.execute_query(query))


def _out_of_order(rising: bool) -> Callable[..., int]:
    def count(
        cls: Any, execution_engine: SuiteEngine, metric_domain_kwargs: Any, metric_value_kwargs: Any, **_: Any
    ) -> int:
        strictly = bool(metric_value_kwargs.get("strictly"))
        rows = execution_engine.get_domain_records(metric_domain_kwargs)
        query = in_order(rows, metric_domain_kwargs["column"], rising=rising, strictly=strictly)
        return int(execution_engine.execute_query(query).scalar() or 0)

    return count


def _column_types(cls: Any, execution_engine: SuiteEngine, **_: Any) -> list[dict[str, Any]]:
    return [{"name": name, "type": sa.types.NullType()} for name in execution_engine.columns]


def _no_examples(cls: Any, **_: Any) -> list[Any]:
    return []


_direct("table.column_types", SuiteEngine, _column_types)
_direct("column.most_common_value", SuiteEngine, _most_common)
_direct("column_values.unique.unexpected_count", SuiteEngine, _repeated)
_direct("compound_columns.unique.unexpected_count", SuiteEngine, _repeated)
_direct("column_values.increasing.unexpected_count", DuckDBEngine, _out_of_order(rising=True))
_direct("column_values.decreasing.unexpected_count", DuckDBEngine, _out_of_order(rising=False))
_direct("column_values.increasing.unexpected_values", DuckDBEngine, _no_examples)
_direct("column_values.decreasing.unexpected_values", DuckDBEngine, _no_examples)
