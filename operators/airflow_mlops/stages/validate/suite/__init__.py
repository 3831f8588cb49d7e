"""A suite of expectations, run by Great Expectations where the rows are: in a frame, in DuckDB, in a database."""

from airflow_mlops.stages.validate.suite.build import at_moment
from airflow_mlops.stages.validate.suite.rows import SqlRows, duckdb_rows, source_rows
from airflow_mlops.stages.validate.suite.run import run_suite, run_suite_on

__all__ = ["SqlRows", "at_moment", "duckdb_rows", "run_suite", "run_suite_on", "source_rows"]
