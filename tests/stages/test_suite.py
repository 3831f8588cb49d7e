"""A suite says the same in DuckDB as in pandas: success, observed value, count and rows that fail."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from airflow_mlops.errors import SpecError
from airflow_mlops.stages.validate.quarantine import quarantine_stream, quarantine_table
from airflow_mlops.stages.validate.suite import at_moment, duckdb_rows, run_suite, run_suite_on
from airflow_mlops.stages.validate.suite.patterns import Untranslatable, like_to_regex, to_re2
from airflow_mlops.stages.validate.suite.predicates import NUMBERED

COLUMN, VALUES = "expect_column_", "expect_column_values_to_"
ROWS = 240


def rows_with_everything():
    """Nulls, NaN, empty texts, Unicode, line feeds, ties, negative numbers, zones, and columns of nulls only."""
    random = np.random.default_rng(1)
    x = random.normal(0, 50, ROWS).round(2)
    x[::17] = np.nan
    whole = random.integers(0, 100, ROWS)
    texts = ["", "a", "ä", "Zürich", "日本", "abc 12", "a\nb", "٣٣", "x_1"]
    start = datetime(2024, 1, 1)
    return pa.table(
        {
            "x": x,
            "i": random.integers(-5, 20, ROWS),
            "iv": pa.array([None if k % 23 == 0 else int(v) for k, v in enumerate(whole)], pa.int64()),
            "s": [None if k % 11 == 0 else texts[k % 9] for k in range(ROWS)],
            "t": pa.array(
                [None if k % 31 == 0 else start.replace(tzinfo=UTC) + timedelta(hours=k) for k in range(ROWS)],
                pa.timestamp("us", "UTC"),
            ),
            "tn": pa.array([start + timedelta(hours=abs(k - 100)) for k in range(ROWS)], pa.timestamp("us")),
            "b": [None if k % 13 == 0 else k % 3 == 0 for k in range(ROWS)],
            "e": pa.array([None] * ROWS, pa.float64()),
            "es": pa.array([None] * ROWS, pa.string()),
            "k": range(ROWS),
            "g": [f"g{k % 7}" for k in range(ROWS)],
            "y": np.where(np.arange(ROWS) % 5 == 0, x, x + 1),
            "js": ['{"a": 1}' if k % 3 else "{" for k in range(ROWS)],
            "d": [f"2024-01-{k % 35 + 1:02d}" for k in range(ROWS)],
        }
    )


def case(kind, **kwargs):
    return {"type": kind, "kwargs": kwargs}


def _cases():
    yield case("expect_table_row_count_to_be_between", min_value=1, max_value=ROWS - 1)
    yield case("expect_table_row_count_to_equal", value=ROWS)
    yield case("expect_table_column_count_to_equal", value=14)
    yield case("expect_table_column_count_to_be_between", min_value=15)
    yield case("expect_table_columns_to_match_set", column_set=["x", "i"], exact_match=False)
    yield case("expect_table_columns_to_match_ordered_list", column_list=["x", "i"])
    yield case("expect_column_to_exist", column="x")
    yield case("expect_column_to_exist", column="zz")
    for name in ("x", "iv", "s", "t", "b", "e", "k", "g"):
        yield case(VALUES + "be_null", column=name)
        yield case(VALUES + "not_be_null", column=name, mostly=0.95)
        yield case(VALUES + "be_unique", column=name)
        yield case(COLUMN + "unique_value_count_to_be_between", column=name, max_value=20)
        yield case(COLUMN + "proportion_of_unique_values_to_be_between", column=name, min_value=0.5)
        yield case(COLUMN + "proportion_of_non_null_values_to_be_between", column=name, min_value=0.95)
    for name in ("x", "i", "iv", "e"):
        yield from _of_numbers(name)
    for name in ("s", "g", "es"):
        yield from _of_texts(name)
    for pattern in (
        r"^a$",
        r"\d+",
        r"\w$",
        r"[^a-z]",
        r"\s",
        "a.b",
        "(?i)ZÜ",
        "^(?=a)a",
        r"\bab",
        "^.*$",
        r"\Aa\Z",
        "",
    ):
        yield case(VALUES + "match_regex", column="s", regex=pattern)
    yield from _of_times()
    yield from _of_several()
    yield case(VALUES + "match_strftime_format", column="d", strftime_format="%Y-%m-%d")
    yield case(VALUES + "be_json_parseable", column="js")
    yield case(VALUES + "be_dateutil_parseable", column="d")
    yield from _under_conditions()


def _of_numbers(name):
    yield case(VALUES + "be_between", column=name, min_value=0, max_value=50, mostly=0.3)
    yield case(VALUES + "be_between", column=name, min_value=0, strict_min=True)
    for statistic in ("mean", "median", "stdev", "sum", "min", "max"):
        yield case(f"{COLUMN}{statistic}_to_be_between", column=name, min_value=0, max_value=19, strict_max=True)
    ranges = {"quantiles": [0, 0.05, 0.5, 0.9, 1], "value_ranges": [[None, 0], [-90, 10], [0, 50], [0, 60], [0, None]]}
    yield case(COLUMN + "quantile_values_to_be_between", column=name, quantile_ranges=ranges)
    yield case(VALUES + "be_increasing", column=name)
    yield case(VALUES + "be_decreasing", column=name, strictly=True)
    yield case(COLUMN + "value_z_scores_to_be_less_than", column=name, threshold=1.5, double_sided=True, mostly=0.8)
    yield case(VALUES + "be_in_set", column=name, value_set=[1, 2, 3.0])
    yield case(VALUES + "not_be_in_set", column=name, value_set=[1, 2, -3])
    yield case(VALUES + "be_in_set", column=name, value_set=["1"])
    if name != "e":
        yield case(COLUMN + "distinct_values_to_be_in_set", column=name, value_set=list(range(-5, 20)))
        yield case(COLUMN + "distinct_values_to_contain_set", column=name, value_set=[1, 2])
        yield case(COLUMN + "most_common_value_to_be_in_set", column=name, value_set=[1, 2, 3, 4])


def _of_texts(name):
    yield case(COLUMN + "distinct_values_to_be_in_set", column=name, value_set=["a", "b"])
    yield case(COLUMN + "distinct_values_to_contain_set", column=name, value_set=["a"])
    yield case(COLUMN + "distinct_values_to_equal_set", column=name, value_set=[f"g{k}" for k in range(7)])
    yield case(COLUMN + "most_common_value_to_be_in_set", column=name, value_set=["g0"])
    yield case(VALUES + "be_in_set", column=name, value_set=["a", "ä", "g1"])
    yield case(VALUES + "not_be_in_set", column=name, value_set=["a", ""])
    yield case(COLUMN + "value_lengths_to_be_between", column=name, min_value=1, max_value=3)
    yield case(COLUMN + "value_lengths_to_equal", column=name, value=2)
    yield case(VALUES + "match_regex", column=name, regex="^a")
    yield case(VALUES + "not_match_regex", column=name, regex="^a")
    yield case(VALUES + "match_regex_list", column=name, regex_list=["^a", "b"], match_on="all")
    yield case(VALUES + "not_match_regex_list", column=name, regex_list=["^a", "ü"])
    yield case(VALUES + "match_like_pattern", column=name, like_pattern="a%")
    yield case(VALUES + "not_match_like_pattern", column=name, like_pattern="_")
    yield case(VALUES + "match_like_pattern_list", column=name, like_pattern_list=["a%", "g_"])
    yield case(VALUES + "not_match_like_pattern_list", column=name, like_pattern_list=["a%"])


def _of_times():
    yield case(VALUES + "be_between", column="t", min_value="2024-01-02", max_value="2024-01-10T00:00:00+00:00")
    yield case(VALUES + "be_between", column="tn", min_value="2024-01-02", max_value="2024-01-10T00:00:00+00:00")
    yield case(COLUMN + "max_to_be_between", column="t", min_value="2024-01-17")
    yield case(COLUMN + "min_to_be_between", column="tn", min_value="2024-01-01")
    yield case(VALUES + "be_increasing", column="t", strictly=True)
    yield case(VALUES + "be_increasing", column="tn")
    yield case(VALUES + "be_decreasing", column="tn")
    for kind, name in (
        ("int64", "i"),
        ("int64", "iv"),
        ("VARCHAR", "s"),
        ("string", "g"),
        ("double", "x"),
        ("bool", "b"),
    ):
        yield case(VALUES + "be_of_type", column=name, type_=kind)
    yield case(VALUES + "be_of_type", column="t", type_="timestamp")
    yield case(VALUES + "be_in_type_list", column="s", type_list=["int64", "text"])


def _of_several():
    equal, greater = "expect_column_pair_values_to_be_equal", "expect_column_pair_values_a_to_be_greater_than_b"
    yield case(equal, column_A="x", column_B="y")
    yield case(equal, column_A="s", column_B="g")
    for ignored in ("both_values_are_missing", "either_value_is_missing", "neither"):
        yield case(equal, column_A="x", column_B="iv", ignore_row_if=ignored)
        yield case(greater, column_A="x", column_B="iv", or_equal=True, ignore_row_if=ignored)
    yield case(greater, column_A="y", column_B="x")
    yield case("expect_column_pair_values_to_be_in_set", column_A="i", column_B="k", value_pairs_set=[[1, 2]])
    for ignored in ("all_values_are_missing", "any_value_is_missing", "never"):
        yield case("expect_multicolumn_sum_to_equal", column_list=["i", "iv"], sum_total=20, ignore_row_if=ignored)
        yield case("expect_compound_columns_to_be_unique", column_list=["s", "b"], ignore_row_if=ignored)
        within = "expect_select_column_values_to_be_unique_within_record"
        yield case(within, column_list=["x", "iv", "i"], ignore_row_if=ignored)
    yield case("expect_compound_columns_to_be_unique", column_list=["k", "s"])


def _under_conditions():
    ranges = {"quantiles": [0.5], "value_ranges": [[0, 1]]}
    for condition in (
        "i > 5 and g == 'g1'", 'col("s").notNull()', "iv != 5", "iv not in [1,2,3]", "i > k", "x.isnull()",
        "i>5 or i<0", "`g` == 'g1'",
    ):  # fmt: skip
        under = {
            "row_condition": condition,
            "condition_parser": "great_expectations" if "col(" in condition else "pandas",
        }
        yield case(VALUES + "be_between", column="x", min_value=0, **under)
        yield case(VALUES + "be_unique", column="i", **under)
        yield case("expect_compound_columns_to_be_unique", column_list=["g", "i"], **under)
        yield case(VALUES + "be_increasing", column="x", **under)
        yield case(VALUES + "match_regex", column="s", regex="^a", **under)
        yield case(COLUMN + "quantile_values_to_be_between", column="x", quantile_ranges=ranges, **under)
    yield case("expect_table_row_count_to_be_between", min_value=100, row_condition="i > 5", condition_parser="pandas")


CASES = list(_cases())
KINDS = sorted({item["type"] for item in CASES})


@pytest.fixture(scope="module")
def table():
    return rows_with_everything()


@pytest.fixture(scope="module")
def opened(table, tmp_path_factory):
    path = tmp_path_factory.mktemp("suite") / "rows.parquet"
    pq.write_table(table, path)
    with duckdb_rows([str(path)]) as rows:
        yield rows


@pytest.fixture(scope="module")
def answers(table, opened):
    """What both engines say of each case; the failing rows of DuckDB by their numbers."""
    suite = {"name": "all", "expectations": CASES}
    in_pandas = run_suite(table.to_pandas(), suite, keep_rows=ROWS)
    in_duckdb = run_suite_on(opened, suite)
    opened.duckdb.execute(f"CREATE VIEW {NUMBERED} AS SELECT *, row_number() OVER () - 1 AS _row FROM {opened.table}")
    failing = [_numbers(opened, finding) for finding in in_duckdb]
    opened.duckdb.execute(f"DROP VIEW {NUMBERED}")
    return list(zip(CASES, in_pandas, in_duckdb, failing, strict=True))


def _numbers(rows, finding):
    if finding.condition is None:
        return sorted(finding.rows)
    query = f"SELECT _row FROM {NUMBERED} WHERE {finding.condition} ORDER BY 1"
    return [row for (row,) in rows.duckdb.execute(query).fetchall()]


@pytest.mark.parametrize("kind", KINDS)
def test_duckdb_answers_as_pandas_does(kind, answers):
    for item, left, right, failing in answers:
        if item["type"] == kind:
            by_types = "type" in kind  # pandas is shown a few rows there
            assert (right.passed, right.severity, right.column) == (left.passed, left.severity, left.column), item
            assert by_types or right.failing == left.failing, item
            assert by_types or failing == sorted(left.rows), item
            numeric = isinstance(left.observed, float | int)
            expected = pytest.approx(left.observed, rel=1e-9) if numeric else left.observed
            assert by_types or right.observed == expected, item


def test_more_than_thirty_kinds_run_in_duckdb_itself(answers):
    assert len({item["type"] for item, _, right, _ in answers if right.engine == "duckdb"}) >= 40


def test_a_kind_that_sql_has_no_words_for_says_that_pandas_ran_it(answers):
    engines = {item["type"]: right.engine for item, _, right, _ in answers}
    assert engines["expect_column_values_to_be_json_parseable"] == "pandas"
    assert engines["expect_column_values_to_match_strftime_format"] == "pandas"


# The remedy


def test_great_expectations_alone_still_loses_the_rows_of_duckdb(opened):
    """Where this fails, a new release reads the rows in time, and `SuiteEngine.execute_query` can go."""
    import sqlalchemy as sa
    from great_expectations.execution_engine import SqlAlchemyExecutionEngine

    from airflow_mlops.stages.validate.suite.engine import DuckDBEngine

    query = sa.select(sa.func.count()).select_from(opened.selectable)
    plain = SqlAlchemyExecutionEngine(engine=opened.engine, create_temp_table=False)
    plain.close = lambda: None

    assert plain.execute_query(query).fetchall() == []
    assert DuckDBEngine(opened.engine, opened.kinds).execute_query(query).fetchall() == [(ROWS,)]


def test_a_suite_is_asked_in_few_queries(opened, monkeypatch):
    from airflow_mlops.stages.validate.suite.engine import SuiteEngine

    asked, ask = [], SuiteEngine.execute_query
    monkeypatch.setattr(SuiteEngine, "execute_query", lambda self, query: asked.append(query) or ask(self, query))
    whole = [item for item in CASES if item["type"].endswith("_to_be_between") and item["kwargs"].get("column") == "x"]

    run_suite_on(opened, {"name": "x", "expectations": [one for one in whole if "row_condition" not in one["kwargs"]]})

    # The number of rows, all aggregates at once, and the quantiles, whose places are a function of a count.
    assert len(asked) == 3


def test_one_expectation_that_sql_refuses_takes_no_other_with_it(tmp_path):
    pq.write_table(pa.table({"x": [1, 2**63 - 1], "y": [1, 2]}), tmp_path / "rows.parquet")
    suite = {
        "name": "overflow",
        "expectations": [
            case("expect_multicolumn_sum_to_equal", column_list=["x", "y"], sum_total=2),
            case(COLUMN + "max_to_be_between", column="y", max_value=3),
        ],
    }
    with duckdb_rows([str(tmp_path / "rows.parquet")]) as rows:
        found = run_suite_on(rows, suite)

    assert [(one.passed, one.engine) for one in found] == [(False, "pandas"), (True, "duckdb")]


def test_an_unknown_kind_is_a_fault_of_the_spec_in_duckdb_too(opened):
    with pytest.raises(SpecError, match="expectation 1 of suite 's' is 'expect_my_own'"):
        run_suite_on(opened, {"name": "s", "expectations": [case("expect_my_own")]})


def test_a_column_that_is_not_there_fails_with_its_name(opened):
    [found] = run_suite_on(opened, {"name": "s", "expectations": [case(VALUES + "be_unique", column="gone")]})
    assert found.message == "column 'gone' is not there; expected: column values to be unique"


def test_sensitive_values_are_not_repeated_from_duckdb(opened):
    item = case(COLUMN + "mean_to_be_between", column="x", min_value=7777)
    [found] = run_suite_on(opened, {"name": "s", "expectations": [item]}, sensitive=["x"])
    assert (found.observed, "7777" in found.message) == (None, False)


# Words


@pytest.mark.parametrize("pattern", ["(?=a)", r"(a)\1", r"\bword", "a$b", "a*+"])
def test_a_pattern_that_re2_has_no_words_for_stays_in_python(pattern):
    with pytest.raises(Untranslatable):
        to_re2(pattern)


def test_like_is_translated_to_a_regular_expression():
    assert like_to_regex("a.%_") == r"\Aa\.(?:.|\n)*(?:.|\n)\Z"


NOW = datetime(2024, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(("age", "passed"), [("1d", False), ("2d", True)])
def test_freshness_is_the_newest_time_against_the_run(opened, table, age, passed):
    item = case(COLUMN + "max_to_be_between", column="t", min_value=f"{{now - {age}}}", max_value="{now}")
    suite = at_moment({"name": "s", "expectations": [item]}, NOW)

    assert suite["expectations"][0]["kwargs"]["max_value"] == "2024-01-12T00:00:00+00:00"
    assert run_suite_on(opened, suite)[0].passed is passed
    assert run_suite(table.to_pandas(), suite)[0].passed is passed


def test_a_length_of_time_that_is_none_is_a_fault_of_the_spec():
    item = case(COLUMN + "max_to_be_between", column="t", min_value="{now - soon}")
    with pytest.raises(SpecError, match=r"the suite says '\{now - soon\}', but"):
        at_moment({"name": "s", "expectations": [item]}, NOW)


# The quarantine

FAILING = [
    case(VALUES + "be_unique", column="g"),
    case(VALUES + "be_increasing", column="k"),
    {**case(VALUES + "be_between", column="i", min_value=0), "severity": "warning"},
    {**case(VALUES + "be_json_parseable", column="js"), "severity": "warning"},
    {**case(VALUES + "not_be_null", column="e"), "severity": "info"},
]


def _quarantines(table, opened, expectations, keep):
    suite = {"name": "s", "expectations": expectations}
    left = quarantine_table(table, run_suite(table.to_pandas(), suite, keep_rows=ROWS), keep=keep, sensitive=["x", "y"])
    right = quarantine_stream(opened, run_suite_on(opened, suite), keep=keep, sensitive=["x", "y"])
    return left, right.read_all() if right is not None else None


@pytest.mark.parametrize("expectations", [FAILING, FAILING[1:], FAILING[2:3], FAILING[3:4]], ids=str)
def test_duckdb_keeps_the_rows_that_pandas_keeps_with_their_reasons(table, opened, expectations):
    left, right = _quarantines(table, opened, expectations, ROWS)
    assert right.to_pylist() == left.to_pylist()
    assert not {"x", "y"} & set(right.column_names)


def test_a_limit_keeps_rows_of_the_worst_checks(table, opened):
    left, right = _quarantines(table, opened, FAILING[2:], 5)
    assert right.num_rows == left.num_rows == 5


def test_there_is_no_quarantine_where_no_row_fails(table, opened):
    assert _quarantines(table, opened, [FAILING[1], FAILING[4]], ROWS) == (None, None)


# Where the rows come from


def test_a_database_answers_without_a_copy_and_the_others_see_their_columns_only(table):
    import sqlalchemy as sa

    from airflow_mlops.stages.validate.suite import source_rows

    engine = sa.create_engine("sqlite://", poolclass=sa.pool.StaticPool)
    frame = table.select(["x", "i", "iv", "s", "k", "g"]).to_pandas()
    frame.to_sql("flights", engine, index=False)
    wanted = [
        item
        for item in CASES
        if item["kwargs"].get("column") in frame.columns and "_type" not in item["type"] and "iv" not in str(item)
    ]
    rows = source_rows(engine, "SELECT * FROM flights WHERE k >= :start", {"start": 0, "end": 1})
    suite = {"name": "s", "expectations": wanted}

    left, right = run_suite(frame, suite), run_suite_on(rows, suite)

    same = [(one.passed, one.failing) for one in left] == [(one.passed, one.failing) for one in right]
    assert same, [(a.message, b.message) for a, b in zip(left, right, strict=True) if a.passed != b.passed]
    assert {one.engine for one in right} == {"source", "pandas"}
    assert len({one.check for one in right if one.engine == "source"}) >= 15


def test_an_arrow_dataset_is_read_by_duckdb_like_files(table, tmp_path):
    import pyarrow.dataset as ds

    for part in range(2):
        pq.write_table(table.slice(part * 120, 120), tmp_path / f"{part}.parquet")
    files = [str(tmp_path / f"{part}.parquet") for part in range(2)]
    suite = {"name": "s", "expectations": FAILING[:3]}
    kept = []
    for rows in (files, ds.dataset(files)):
        with duckdb_rows(rows) as opened:
            failing = quarantine_stream(opened, run_suite_on(opened, suite), keep=ROWS, sensitive=[])
            kept.append(failing.read_all().to_pylist())

    assert kept[0] == kept[1]
    assert len(kept[0]) == ROWS


def test_odd_rows_are_answered_as_in_pandas(tmp_path):
    """No row at all, dates, numbers that are not finite, and a set that names a value twice."""
    day = pa.array([date(2024, 2, 28), None, date(2024, 2, 29)], pa.date32())
    odd = pa.table({"x": [1.0, float("inf"), None], "d": day, "s": ["a", "a", None]})
    cases = [
        case(VALUES + "be_of_type", column="x", type_="float64"),
        case(COLUMN + "value_z_scores_to_be_less_than", column="x", threshold=1, double_sided=True),
        case(VALUES + "be_in_set", column="d", value_set=["2024-02-28"]),
        case(VALUES + "be_unique", column="d"),
        case(COLUMN + "max_to_be_between", column="d", min_value="2024-02-28"),
        case(COLUMN + "distinct_values_to_contain_set", column="s", value_set=["a", "a"]),
        case(COLUMN + "most_common_value_to_be_in_set", column="s", value_set=["a"]),
    ]
    suite = {"name": "odd", "expectations": cases}
    for table in (odd, odd.slice(0, 0)):
        pq.write_table(table, tmp_path / "rows.parquet")
        left = run_suite(table.to_pandas(), suite)
        with duckdb_rows([str(tmp_path / "rows.parquet")]) as rows:
            right = run_suite_on(rows, suite)
            kept = quarantine_stream(rows, right, keep=10, sensitive=[])
            expected = quarantine_table(table, left, keep=10, sensitive=[])
            assert (kept and kept.read_all().num_rows) == (expected and expected.num_rows)
        assert [(one.passed, one.failing) for one in right] == [(one.passed, one.failing) for one in left]
