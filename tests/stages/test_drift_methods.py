"""Scores from profiles beside Evidently's own tests on the rows, over generated columns of many shapes."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from airflow_mlops.spec.data_sections import DriftSpec
from airflow_mlops.stages.drift import drift
from airflow_mlops.stages.drift.methods import CATEGORICAL_ONLY, DEFAULT_THRESHOLDS, NUMERICAL_ONLY
from airflow_mlops.stages.profile import profile_batches, profile_table

# Rows of reference and of now: a distance of digests, a test of digests, and both small.
SIZES = [(21_000, 13_000), (800, 13_000), (1000, 30), (30, 30)]


def of_rows(rows, random, shift):
    """Make a column of every shape; ``shift`` moves some of them."""
    few = random.integers(0, 4, rows) * (random.random(rows) < 0.9 - shift)
    return {
        "normal": random.normal(shift, 1, rows),
        "lognormal": random.lognormal(shift, 1.5, rows),
        "heavy tails": random.standard_cauchy(rows) * (1 + shift),
        "heavier tails": random.pareto(0.7, rows),
        "mostly zero": random.lognormal(0, 1, rows) * (random.random(rows) < 0.4 + shift),
        "an atom inside": np.where(random.random(rows) < 0.5 - shift, 0.3, random.normal(size=rows)),
        "tiny": random.normal(size=rows) * 1e-9,
        "huge": random.normal(1e8, 1, rows),
        "infinite": np.where(random.random(rows) < 0.05, np.inf, random.normal(size=rows)),
        "gaps": np.where(random.random(rows) < 0.3, np.nan, random.normal(shift, 1, rows)),
        "whole": random.integers(0, 10**6, rows),
        "counts": random.poisson(30 + 10 * shift, rows),
        "few whole": few,
        "few with gaps": pd.array(np.where(random.random(rows) < 0.1, -1, few), dtype="Int64").astype(object),
        "few": few / 2,
        "constant": np.ones(rows),
        "constant that moved": np.full(rows, 5.0 + shift),
        "yes or no": random.random(rows) < 0.4 + shift,
        "word": np.array(list("abcdefgh"))[np.minimum(random.geometric(0.4 + shift, rows), 8) - 1],
        "two words": np.where(random.random(rows) < 0.3 + shift, "x", "y"),
        "many words": np.array([f"w{each}" for each in random.integers(0, max(rows // 40, 2), rows)]),
    }


def table_of(columns):
    return pa.table({name: pa.array(values, from_pandas=True) for name, values in columns.items()})


def profiled(table):
    """Profile in batches, so that digests are merged ones."""
    return profile_batches(table.to_batches(max_chunksize=5000), table.schema)


def by_evidently(reference, current, method=None):
    """Run Evidently's test of each column, typed and cleaned as it does; what it raises on has no score."""
    from evidently.core.datasets import infer_column_type
    from evidently.legacy.calculations.stattests import get_stattest
    from evidently.legacy.core import ColumnType

    found = {}
    for name in reference:
        kind = infer_column_type(current[name])
        wrong = CATEGORICAL_ONLY if kind == ColumnType.Numerical else NUMERICAL_ONLY
        sides = [side[name].replace([-np.inf, np.inf], np.nan).dropna() for side in (reference, current)]
        if kind not in (ColumnType.Numerical, ColumnType.Categorical) or method in wrong or not all(map(len, sides)):
            continue
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            test = get_stattest(*sides, kind, method)
            result = test(*sides, kind, None)
        found[name] = (test.name, float(result.drift_score), bool(result.drifted))
    return found


def is_near(method, ours, theirs, *, is_exact):
    """The stated tolerances: see docs/stages/drift.md."""
    if method == "TVD":
        return ours == pytest.approx(theirs, abs=0.07)
    if is_exact:
        return ours == pytest.approx(theirs, rel=1e-6, abs=1e-9)
    if method == "ks":
        return ours == pytest.approx(theirs, abs=0.05)
    return ours == pytest.approx(theirs, rel=0.01, abs=0.001)


@pytest.fixture(scope="module", params=SIZES, ids=lambda sizes: f"{sizes[0]} against {sizes[1]}")
def sides(request):
    random = np.random.default_rng(sum(request.param))
    rows, shifts = request.param, (0.0, 0.15)
    return [table_of(of_rows(size, random, shift)) for size, shift in zip(rows, shifts, strict=True)]


@pytest.fixture(scope="module")
def profiles(sides):
    return [profiled(side) for side in sides]


@pytest.fixture(scope="module")
def frames(sides):
    return [side.to_pandas() for side in sides]


@pytest.mark.parametrize(
    "method", [None, "jensenshannon", "psi", "kl_div", "hellinger", "wasserstein", "ks", "chisquare", "z"]
)
def test_scores_and_verdicts_are_evidentlys(profiles, frames, method):
    expected = by_evidently(*frames, method)
    methods = dict.fromkeys(expected, method) if method else {}

    report = drift(*profiles, list(expected), DriftSpec(methods=methods))

    found = {each.column: each for each in report.columns}
    assert {name: each.method for name, each in found.items()} == {name: each[0] for name, each in expected.items()}
    far = [
        (name, each.method, each.score, expected[name][1])
        for name, each in found.items()
        if not is_near(each.method, each.score, expected[name][1], is_exact=each.is_exact)
    ]
    assert far == []
    # A score that lies on the threshold within the tolerance may fall on either side.
    assert [
        name
        for name, each in found.items()
        if each.exceeds_evidently_default != expected[name][2]
        and not is_near(each.method, DEFAULT_THRESHOLDS[each.method], expected[name][1], is_exact=False)
    ] == []


@pytest.mark.parametrize("method", ["g_test", "TVD"])
def test_tests_of_equally_many_rows_are_evidentlys(method):
    random = np.random.default_rng(3)
    columns = ("word", "two words")
    tables = [table_of(of_rows(60, random, shift)).select(columns) for shift in (0.0, 0.05)]
    expected = by_evidently(*(table.to_pandas() for table in tables), method)

    report = drift(*map(profiled, tables), columns, DriftSpec(methods=dict.fromkeys(columns, method)))

    assert set(expected) == set(columns)
    for each in report.columns:
        assert is_near(method, each.score, expected[each.column][1], is_exact=True), each


def test_a_g_test_of_sides_of_different_size_takes_shares():
    then, now = ["x"] * 60 + ["y"] * 40, ["x"] * 300 + ["y"] * 200

    report = drift(
        *(profiled(pa.table({"c": side})) for side in (then, now)), ["c"], DriftSpec(methods={"c": "g_test"})
    )

    assert report.columns[0].score == pytest.approx(1.0)


@pytest.mark.parametrize("then", [[None, None], [1.0, 2.0]])
def test_a_column_without_values_is_not_enough_data(then):
    tables = (
        pa.table({"x": pa.array(then, pa.float64())}),
        pa.table({"x": pa.array([None, float("nan")], pa.float64())}),
    )

    [found] = drift(*map(profiled, tables), ["x"], DriftSpec()).columns

    assert (found.verdict, found.score, found.exceeds_evidently_default) == ("not enough data", None, False)


def test_a_method_that_evidently_has_not_for_a_column_is_a_finding():
    table = pa.table({"word": ["a", "b", "b", "b"]})

    report = drift(profiled(table), profiled(table), ["word"], DriftSpec(methods={"word": "ks"}))

    assert report.findings == ("word is categorical, and Evidently has no ks for that; see drift.methods",)
    assert (report.columns[0].verdict, report.verdict) == ("not compared", "not enough data")


def test_categories_beyond_what_a_profile_counts_are_scored_by_the_frequent_ones_and_it_says_so():
    random = np.random.default_rng(5)
    rare = [random.integers(0, 6000, 30_000) for _ in range(2)]
    common = [random.random(30_000) < share for share in (0.2, 0.5)]
    sides = [np.where(is_common, -1, codes) for is_common, codes in zip(common, rare, strict=True)]
    tables = [pa.table({"tail": [f"N{code}" for code in side]}) for side in sides]
    expected = by_evidently(*(table.to_pandas() for table in tables))

    report = drift(*map(profile_table, tables), ["tail"], DriftSpec())
    [found] = report.columns

    assert found.exceeds_evidently_default == expected["tail"][2]
    assert 0.2 < found.score <= expected["tail"][1]
    assert not found.is_exact
    assert report.findings[0].startswith("tail has about 5,")


def test_a_profile_read_back_gives_the_same_scores(profiles):
    stored = [type(each).from_dict(each.to_dict()) for each in profiles]
    columns = list(profiles[0].columns)

    assert drift(*stored, columns, DriftSpec()) == drift(*profiles, columns, DriftSpec())
