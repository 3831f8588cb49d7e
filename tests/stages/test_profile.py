"""A profile of a whole is the merge of its parts, and says of the rows what the rows say, within its stated errors."""

import dataclasses
import json
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_mlops.errors import ArtifactCorrupt, ArtifactMissing, ProfilesDiffer
from airflow_mlops.lifecycle.profiles import profile_of
from airflow_mlops.refs import SnapshotRef
from airflow_mlops.spec.data_sections import DriftSpec
from airflow_mlops.stages.drift import drift
from airflow_mlops.stages.profile import RANK_ERROR, Profile, distinct, profile_batches, profile_table
from airflow_mlops.stages.profile.page import render_profile

SHARES = [0.0001, 0.001, 0.01, 0.1, 0.25, 0.5, 0.75, 0.9, 0.99, 0.999, 0.9999]
KINDS = {
    "normal": lambda rng, rows: rng.normal(size=rows),
    "heavy tails": lambda rng, rows: rng.standard_cauchy(rows),
    "half zeros": lambda rng, rows: np.where(rng.random(rows) < 0.5, 0.0, rng.lognormal(size=rows)),
    "few values": lambda rng, rows: rng.integers(-3, 40, rows).astype(float),
    "many whole numbers": lambda rng, rows: rng.integers(0, 50_000, rows).astype(float),
}


def rank_errors(values, quantiles):
    """How far each share is outside the ranks that its quantile has; ties give a value a range of ranks."""
    ordered = np.sort(values)
    low, high = (np.searchsorted(ordered, quantiles, side) / len(ordered) for side in ("left", "right"))
    return np.maximum(np.maximum(low - SHARES, SHARES - high), 0)


@pytest.mark.parametrize("kind", KINDS)
def test_quantiles_are_within_the_stated_error_in_one_piece_and_in_parts(kind):
    rng = np.random.default_rng(7)
    values = KINDS[kind](rng, 60_000)
    whole = profile_table(pa.table({"x": values}))
    parts = [profile_table(pa.table({"x": part})) for part in np.array_split(values, [5, 4_000, 4_001, 30_000])]
    for profile in (whole, parts[0].merge(*parts[1:])):
        column = profile.columns["x"]
        # Beside the digest's error, a quantile between two values of a sample is anywhere between them.
        between = 1 / len(values)
        assert rank_errors(values, column.quantiles(SHARES)).max() <= RANK_ERROR + between
        assert (column.minimum, column.maximum) == (values.min(), values.max())
        assert column.mean == pytest.approx(values.mean(), rel=1e-9, abs=1e-12)
        assert column.deviation == pytest.approx(values.std(), rel=1e-9)
        assert column.distinct == pytest.approx(len(np.unique(values)), rel=4 * column.distinct_error)


@settings(max_examples=30, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    cuts=st.lists(st.integers(0, 3_000), max_size=6).map(sorted),
    kind=st.sampled_from(sorted(KINDS)),
)
def test_a_whole_is_the_merge_of_its_parts(seed, cuts, kind):
    rng = np.random.default_rng(seed)
    values = pa.array(KINDS[kind](rng, 3_000), mask=rng.random(3_000) < 0.1)
    texts = pa.array([f"text {number}" for number in rng.zipf(1.7, 3_000) % 900])
    table = pa.table({"x": values, "y": texts, "z": pa.array(rng.random(3_000) < 0.3)})
    edges = [0, *cuts, 3_000]
    parts = [table.slice(low, high - low) for low, high in pairwise(edges)]
    whole, first, *others = map(profile_table, [table, *parts])
    merged = first.merge(*others)
    assert merged.rows == whole.rows
    for name, column in whole.columns.items():
        other = merged.columns[name]
        assert (other.rows, other.nulls, other.nans) == (column.rows, column.nulls, column.nans)
        assert other.heads == column.heads  # fewer than 4,096 values: counted exactly
    assert merged.columns["x"].mean == pytest.approx(whole.columns["x"].mean, rel=1e-9, abs=1e-12)


def test_a_value_that_many_rows_share_takes_none_of_its_neighbours_in():
    rng = np.random.default_rng(11)
    values = np.where(rng.random(63_000) < 0.7, 0.0, rng.lognormal(size=63_000))
    first, *others = [profile_table(pa.table({"x": part})) for part in np.split(values, [30_000, 60_000])]
    points = first.merge(*others).columns["x"].points
    assert points.weights[points.means == 0].sum() == pytest.approx((values == 0).sum(), abs=RANK_ERROR * len(values))


def test_the_order_of_rows_and_the_size_of_batches_do_not_matter():
    rng = np.random.default_rng(3)
    values = rng.lognormal(size=50_000)
    one, other = (
        profile_batches(pa.table({"x": rows}).to_batches(max_chunksize=size), pa.schema({"x": pa.float64()}))
        for rows, size in ((values, 50_000), (rng.permutation(values), 777))
    )
    shares = np.abs(np.array(one.columns["x"].quantiles(SHARES)) / other.columns["x"].quantiles(SHARES) - 1)
    assert shares.max() < 0.02
    assert one.columns["x"].distinct == other.columns["x"].distinct


@pytest.fixture
def mixed(store):
    """A stored snapshot of columns of all kinds, and its rows."""
    rng = np.random.default_rng(8)
    rows = 140_000
    table = pa.table(
        {
            "number": pa.array(rng.normal(size=rows), mask=rng.random(rows) < 0.1),
            "whole": rng.poisson(9, rows),
            "text": pa.array([f"text {each}" for each in rng.integers(0, 30, rows)], mask=rng.random(rows) < 0.2),
            "ticket": [f"ticket {each}" for each in range(rows)],
            "flag": rng.random(rows) < 0.3,
            "secret": rng.normal(size=rows),
        }
    )
    ref = SnapshotRef("s", store.uri("s"), "", rows, 6, "", "")
    return dataclasses.replace(ref, digest=store.write_table(ref.table_uri, table)), table


def near(value, relative):
    """As `pytest.approx`; what is not known is not known."""
    return None if value is None else pytest.approx(value, rel=relative)


def test_a_profile_by_columns_is_that_by_batches(mixed, store):
    ref, table = mixed
    by_columns = profile_of(store, [ref], sensitive=["secret"])
    by_batches = profile_table(table, sensitive=["secret"])

    assert list(by_columns.columns) == table.column_names
    for name, column in by_batches.columns.items():
        other = by_columns.columns[name]
        assert (other.type, other.rows, other.nulls) == (column.type, column.rows, column.nulls)
        assert other.distinct == near(column.distinct, 4 * column.distinct_error)
        assert column.counts is None or other.heads == column.heads
        assert other.mean == near(column.mean, 1e-9)
        assert other.deviation == near(column.deviation, 1e-9)


@pytest.mark.parametrize("place", [50, 400_000], ids=["the beginning", "the middle"])
def test_a_changed_file_is_named_and_leaves_no_profile(mixed, store, place):
    ref, _ = mixed
    payload = bytearray(store.read_bytes(ref.table_uri))
    payload[place : place + 40] = b"x" * 40
    store.write_bytes(ref.table_uri, bytes(payload))

    with pytest.raises(ArtifactCorrupt, match="was changed or cut"):
        profile_of(store, [ref])
    assert not store.exists(f"{ref.uri}/profile.json")


def test_a_file_that_is_gone_or_cut_is_named(mixed, store):
    ref, _ = mixed
    store.write_bytes(ref.table_uri, store.read_bytes(ref.table_uri)[:5000])
    with pytest.raises(ArtifactCorrupt, match="was changed or cut"):
        profile_of(store, [ref])

    store.delete(ref.table_uri)
    with pytest.raises(ArtifactMissing, match="nothing is stored"):
        profile_of(store, [ref])


def test_a_dictionary_may_hold_a_text_twice_or_unused():
    codes = pa.array([0, 1, 2, 0, None], pa.int32())
    texts = pa.DictionaryArray.from_arrays(codes, pa.array(["a", "b", "a", "unused"]))

    column = profile_table(pa.table({"x": texts})).columns["x"]

    assert (column.type, column.nulls, column.heads) == ("string", 1, [("a", 3, 0), ("b", 1, 0)])


def test_fingerprints_are_the_smallest_also_where_fewer_than_likely_are_small():
    values = np.arange(200_000.0)
    prints = np.sort(distinct._fingerprints(values))
    late = values[distinct._fingerprints(values) > prints[150_000]]  # none of them is likely

    none = np.array([], dtype=np.uint64)
    assert np.array_equal(distinct.smallest(values, none), prints[: distinct.KEPT])
    assert np.array_equal(distinct.smallest(late, none), prints[150_001:][: distinct.KEPT])


def test_texts_beyond_what_is_counted_are_sketched_with_stated_errors():
    rng = np.random.default_rng(5)
    rare = [f"id {number}" for number in rng.integers(0, 40_000, 60_000)]
    table = pa.table({"x": [*rare, *["often"] * 9_000]}).take(rng.permutation(69_000))
    halves = [profile_table(table.slice(0, 30_000)), profile_table(table.slice(30_000))]
    for profile in (profile_table(table), halves[0].merge(halves[1])):
        column = profile.columns["x"]
        assert column.counts is None
        assert column.distinct == pytest.approx(len(set(rare)) + 1, rel=4 * column.distinct_error)
        text, count, too_high = column.heads[0]
        assert text == "often"
        assert 0 <= count - 9_000 <= too_high


def test_what_is_not_finite_is_counted_and_left_out():
    column = profile_table(pa.table({"x": [1.0, float("nan"), float("inf"), None, 3.0]})).columns["x"]
    assert (column.rows, column.nulls, column.nans, column.known) == (5, 1, 2, 2)
    assert (column.minimum, column.maximum, column.mean) == (1.0, 3.0, 2.0)


@pytest.mark.parametrize(
    "values",
    [
        pa.array([], pa.float64()),
        pa.array([None, None], pa.float64()),
        pa.array([None, None], pa.null()),
        pa.array([None], pa.string()),
        pa.array([True, None, False]),
        pa.array([[1], [2]]),
        pa.array(["a", "b", "a"]).dictionary_encode(),
        pa.array([1, 2], pa.decimal128(9, 2)),
        pa.array([b"a"]),
        pa.array([1], pa.time64("us")),
        pa.array([1, None], pa.timestamp("ns", "UTC")),
        pa.array([1], pa.date32()),
        pa.array([2**63 - 1], pa.int64()),
    ],
    ids=str,
)
def test_every_type_has_a_profile_that_merges_and_comes_back_from_json(values):
    table = pa.table({"x": values})
    profile = profile_table(table).merge(profile_table(table))
    assert profile.rows == 2 * len(values)
    again = Profile.from_dict(json.loads(json.dumps(profile.to_dict())))
    assert again.columns["x"].heads == profile.columns["x"].heads
    assert again.columns["x"].nulls == 2 * values.null_count


def test_a_column_that_a_part_lacks_is_null_there():
    merged = profile_table(pa.table({"x": [1, 2]})).merge(profile_table(pa.table({"y": ["a"]})))
    assert (merged.columns["x"].nulls, merged.columns["y"].nulls) == (1, 2)


def test_text_and_numbers_do_not_merge():
    with pytest.raises(ProfilesDiffer, match="'x' holds number in one part and text in another"):
        profile_table(pa.table({"x": [1]})).merge(profile_table(pa.table({"x": ["1"]})))


def test_a_sensitive_column_keeps_type_and_nulls_alone():
    stored = profile_table(pa.table({"name": ["Ann", None]}), sensitive=["name"]).to_dict()
    assert "Ann" not in json.dumps(stored)
    assert stored["columns"][0]["nulls"] == 1


def test_a_profile_is_made_once_and_those_of_parts_are_put_together(store):
    def part(name, values):
        uri = store.uri("m", "snapshots", "parts", name)
        digest = store.write_table(uri, pa.table({"x": values}))
        return {"uri": uri, "digest": digest, "rows": len(values), "start": "", "end": ""}

    parts = [part("a.parquet", [1.0, 2.0]), part("b.parquet", [3.0])]
    ref = SnapshotRef("s", store.uri("m", "snapshots", "s"), "d", 3, 1, "", "", parts=parts)
    assert profile_of(store, [ref]).columns["x"].heads == [(1.0, 1, 0), (2.0, 1, 0), (3.0, 1, 0)]
    for each in parts:
        store.delete(each["uri"])
    assert profile_of(store, [ref]).columns["x"].mean == 2.0  # the rows are not read again


@pytest.mark.filterwarnings("error")
def test_numbers_whose_squares_no_float_holds_have_a_mean_and_no_deviation():
    random = np.random.default_rng(2)
    table = pa.table({"x": random.normal(size=20_000) * 1e300})
    whole, parts = profile_table(table), profile_table(table.slice(0, 9_000)).merge(profile_table(table.slice(9_000)))

    for each in (whole.columns["x"], parts.columns["x"]):
        assert each.mean == pytest.approx(np.mean(table["x"].to_numpy()))
        assert each.deviation is None
        assert type(each).from_dict(each.to_dict()).quantiles([0.9]) == pytest.approx([1.28e300], rel=0.05)
    [found] = drift(whole, parts, ["x"], DriftSpec()).columns
    assert (found.method, found.score) == ("wasserstein", 0.0)
    assert "x" in render_profile(whole, title="large", facts={})
