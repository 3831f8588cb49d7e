"""Snapshots and labels become one training set, as it was known at a moment."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_mlops.errors import EmptyHoldout, EmptyTrainingSet, MissingColumns, TrainingSetUnusable
from airflow_mlops.spec import ModelSpec
from airflow_mlops.stages.training_set import assemble, training_set_digest
from tests.conftest import utc

NOW = utc("2024-01-11")


def make_spec(**changes):
    """Return the spec of a table with one feature; ``changes`` replace keys of its sections."""
    source = {"kind": "callable", "path": "builtins.print"}
    spec = {
        "name": "tiny",
        "owner": "tests",
        "task": "binary",
        "data": {"source": source, "time": "t", "key": ["id"], "target": "y", **changes.get("data", {})},
        "ingest": {"window": "10d"},
        "features": {"columns": ["x"], **changes.get("features", {})},
        "train": {"estimator": "linear", **changes.get("train", {})},
        "evaluate": {"holdout": "3d", **changes.get("evaluate", {})},
    }
    return ModelSpec.model_validate(spec)


def ten_rows():
    """Return one row a day before `NOW`, labelled in turn."""
    days = pd.date_range("2024-01-01", periods=10, tz="UTC")
    return pd.DataFrame({"t": days, "id": range(10), "x": np.arange(10.0), "y": [0, 1] * 5})


LABELS = {"source": {"kind": "callable", "path": "builtins.print"}, "key": ["id"], "arrived": "seen"}


def test_the_last_days_are_held_out_and_never_trained_on():
    made = assemble([ten_rows()], spec=make_spec(), now=NOW)

    assert made.training["id"].tolist() == [0, 1, 2, 3, 4, 5, 6]
    assert made.holdout["id"].tolist() == [7, 8, 9]
    assert made.holdout_start == utc("2024-01-08")


def test_rows_at_or_after_now_do_not_exist_yet():
    made = assemble([ten_rows()], spec=make_spec(), now=utc("2024-01-10"))

    assert made.holdout["id"].tolist() == [6, 7, 8]


def test_a_label_that_could_not_be_known_yet_is_not_used():
    made = assemble([ten_rows()], spec=make_spec(data={"label_delay": "2d"}), now=NOW)

    assert made.holdout["id"].tolist() == [7, 8]
    assert made.unlabelled == 1


def test_the_last_label_that_arrived_by_now_wins():
    labels = pd.DataFrame(
        {
            "id": [0, 0, 0, *range(1, 10)],
            "y": [0, 1, 0, *[0, 1] * 4, 1],
            "seen": pd.to_datetime(["2024-01-03", "2024-01-05", "2024-02-01", *["2024-01-10"] * 9], utc=True),
        }
    )

    made = assemble([ten_rows().drop(columns="y")], [labels], spec=make_spec(data={"labels": LABELS}), now=NOW)

    assert made.training.loc[made.training["id"] == 0, "y"].tolist() == [1]
    assert len(made.training) + len(made.holdout) == 10


def test_labels_replace_a_target_that_the_rows_bring_themselves():
    labels = pd.DataFrame({"id": range(10), "y": [1, 0] * 5, "seen": utc("2024-01-10")})

    made = assemble([ten_rows()], [labels], spec=make_spec(data={"labels": LABELS}), now=NOW)

    assert made.training["y"].tolist() == [1, 0, 1, 0, 1, 0, 1]


def test_a_row_in_two_snapshots_counts_once_as_in_the_later_one():
    later = ten_rows().iloc[4:].assign(x=100.0)

    made = assemble([ten_rows(), later], spec=make_spec(), now=NOW)

    assert made.training["x"].tolist() == [0, 1, 2, 3, 100, 100, 100]


def test_recent_trains_on_what_lies_just_before_the_holdout():
    made = assemble([ten_rows()], spec=make_spec(train={"recent": "2d"}), now=NOW, window="recent")

    assert made.training["id"].tolist() == [5, 6]


def test_a_mix_gives_recent_rows_half_of_the_weight():
    made = assemble([ten_rows()], spec=make_spec(train={"recent": "2d"}), now=NOW, window="mix")

    assert made.weights[-2:].sum() == pytest.approx(made.weights.sum() / 2)
    assert made.weights.mean() == pytest.approx(1.0)


def test_inputs_are_not_changed():
    rows = ten_rows()

    assemble([rows], spec=make_spec(data={"label_delay": "5d"}, evaluate={"holdout": "7d"}), now=NOW)

    pd.testing.assert_frame_equal(rows, ten_rows())


def test_nothing_labelled_before_the_holdout_says_how_many_rows_there_were():
    rows = ten_rows().assign(y=[None] * 7 + [0, 1, 0])

    with pytest.raises(EmptyTrainingSet, match=r"7 rows came in and 7 had no usable 'y'"):
        assemble([rows], spec=make_spec(), now=NOW)


def test_nothing_labelled_in_the_holdout_says_where_to_look():
    with pytest.raises(EmptyHoldout, match=r"3 rows lie between 2024-01-08T.* none has a known 'y'.*label_delay"):
        assemble([ten_rows()], spec=make_spec(data={"label_delay": "4d"}), now=NOW)


def test_a_missing_target_column_is_named():
    with pytest.raises(MissingColumns, match="a snapshot has no column 'y'; it has 't', 'id', 'x'"):
        assemble([ten_rows().drop(columns="y")], spec=make_spec(), now=NOW)


def test_labels_that_were_not_given_are_asked_for():
    with pytest.raises(TrainingSetUnusable, match=r"part='labels'"):
        assemble([ten_rows()], spec=make_spec(data={"labels": LABELS}), now=NOW)


def test_keys_of_different_types_are_named():
    labels = pd.DataFrame({"id": list("abcdefghij"), "y": 0, "seen": utc("2024-01-02")})

    with pytest.raises(TrainingSetUnusable, match="'id' is int64 and object"):
        assemble([ten_rows()], [labels], spec=make_spec(data={"labels": LABELS}), now=NOW)


@given(st.permutations(range(10)), st.integers(1, 8))
def test_the_split_depends_on_times_and_not_on_the_order_of_rows(order, days):
    spec = make_spec().model_copy(
        update={"evaluate": make_spec().evaluate.model_copy(update={"holdout": timedelta(days)})}
    )

    made = assemble([ten_rows().iloc[list(order)]], spec=spec, now=NOW)

    assert made.training["id"].tolist() == list(range(10 - days))
    assert made.holdout["id"].tolist() == list(range(10 - days, 10))


def test_the_digest_follows_order_labels_moment_and_window():
    spec = make_spec()
    digests = [
        training_set_digest(snapshots, labels, spec=spec, now=now, window=window)
        for snapshots, labels, now, window in [
            (["a", "b"], [], NOW, "all"),
            (["b", "a"], [], NOW, "all"),
            (["a", "b"], ["c"], NOW, "all"),
            (["a", "b"], [], NOW + timedelta(days=1), "all"),
            (["a", "b"], [], NOW, "recent"),
        ]
    ]

    assert len(set(digests)) == 5
    assert digests[0] == training_set_digest(["a", "b"], [], spec=spec, now=NOW, window="all")
