"""The matrix of models and cells: what it says is what the stages would have said then."""

from __future__ import annotations

import subprocess
import sys
from datetime import timedelta

import numpy as np
import pandas as pd
import pytest

from airflow_mlops.errors import EmptyHoldout, HistoryUnusable, MissingColumns
from airflow_mlops.replay import ground
from airflow_mlops.replay.build import build_matrix
from airflow_mlops.replay.matrix import Matrix
from airflow_mlops.replay.streams import looks_of
from airflow_mlops.spec import ModelSpec, load_spec
from airflow_mlops.stages.evaluate.predictions import Predictions, predict, row_losses
from airflow_mlops.stages.features import WEIGHT, build_features
from airflow_mlops.stages.links import losses_of
from airflow_mlops.stages.train import train
from airflow_mlops.stages.training_set import assemble
from tests.conftest import ROOT, at_once, utc

DAY = timedelta(days=1)
FIRST = utc("2013-01-05T05:00:00")
KEY = ["flight", "origin", "scheduled"]
ARRAYS = ("losses", "outputs", "target", "times", "arrived", "rows", "unseen", "baseline")


@pytest.fixture(scope="module")
def rows(january):
    frame = january.to_pandas().iloc[::4]
    return frame.assign(scheduled=pd.to_datetime(frame["scheduled"], utc=True))


@pytest.fixture(scope="module")
def shipped():
    return at_once(load_spec(ROOT / "dags" / "specs" / "flights.yaml"))


@pytest.fixture(scope="module")
def spec(shipped):
    return changed(shipped)


@pytest.fixture(scope="module")
def with_labels(shipped):
    return changed(shipped, labels={"source": {"kind": "callable", "path": "x.y"}, "key": KEY, "arrived": "told"})


@pytest.fixture(scope="module")
def matrix(rows, spec):
    return built(rows, spec)


def changed(spec, **data):
    """Return the flights for days in place of months: labels a day late, two days held out, a small model."""
    plain = spec.model_dump(mode="json", by_alias=True)
    plain["data"] |= {"label_delay": "1d", **data}
    plain["evaluate"]["holdout"], plain["monitor"]["window"], plain["train"]["recent"] = "2d", "1d", "1d"
    plain["train"]["params"] = {"max_iter": 3, "max_leaf_nodes": 8}
    small = ModelSpec.model_validate(plain)
    small._base_dir = spec.base_dir
    return small


def built(rows, spec, labels=(), *, looks=None, **options):
    options = {"jobs": 1, "sample_rows": 40} | options
    return build_matrix(rows, labels, spec, looks=looks or looks_of(rows, spec, first=FIRST), **options)


def by_hand(rows, spec, now, window):
    """Train as operators do."""
    chosen = assemble([rows], spec=spec, now=now, window=window)
    matrix = build_features(chosen.training, spec=spec)
    frame = matrix.frame.assign(late=chosen.training["late"].to_numpy())
    if chosen.weights is not None:
        frame[WEIGHT] = chosen.weights
    return train(frame, transformer=matrix.transformer, spec=spec, categorical=matrix.categorical)


def in_cell(rows, cell):
    inside = (rows["scheduled"] >= cell.start) & (rows["scheduled"] < cell.end)
    return rows[inside & rows["late"].notna()].sort_values("scheduled", kind="stable")


def same(one, other, names=ARRAYS):
    for name in names:
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name), err_msg=name)


# What it says


@pytest.mark.parametrize("window", ["all", "recent", "mix"])
def test_a_loss_is_that_of_a_model_trained_by_hand_at_that_moment(rows, spec, window):
    matrix = built(rows, spec, windows=(window,), sample_rows=100_000)
    look = matrix.looks[2]
    model = by_hand(rows, spec, look.now, window).model
    for number in (matrix.unseen[2], look.serves, len(matrix.cells) - 1):
        held = in_cell(rows, matrix.cells[number])
        target = held["late"].astype(int).to_numpy()
        expected = row_losses("log_loss", target, predict(model, held, classes=(0, 1))).mean()
        assert matrix.losses[0, 2, number] == pytest.approx(expected, abs=1e-6)
        assert matrix.rows[number] == len(held)


def test_outputs_give_the_losses_again(matrix):
    found = losses_of("binary", matrix.target, matrix.outputs, matrix.metric)
    with np.errstate(invalid="ignore"):
        means = np.nansum(found, axis=-1) / np.isfinite(found).sum(axis=-1)
    np.testing.assert_allclose(means, matrix.losses, atol=1e-6)


def test_a_model_says_nothing_of_cells_it_has_trained_on(matrix, spec):
    for look, first in enumerate(matrix.unseen):
        assert matrix.cells[first].start >= matrix.looks[look].now - spec.evaluate.holdout
        assert np.isnan(matrix.losses[:, look, :first]).all()
        assert np.isfinite(matrix.losses[:, look, first:]).all()


def test_the_baseline_is_the_share_of_late_flights_at_that_moment(matrix, rows, spec):
    chosen = assemble([rows], spec=spec, now=matrix.looks[0].now, window="all").training["late"].mean()
    assert 1 / (1 + np.exp(-matrix.baseline[0, 0])) == pytest.approx(chosen, abs=1e-9)


def test_cells_part_time_and_looks_name_their_windows(matrix, rows):
    assert [cell.end for cell in matrix.cells[:-1]] == [cell.start for cell in matrix.cells[1:]]
    for look in matrix.looks:
        first, after = look.judged
        assert matrix.cells[first].start == look.now - 2 * DAY
        assert matrix.cells[after - 1].end == look.now - DAY
        assert matrix.cells[look.serves].start == look.now
    for cell, times in zip(matrix.cells, matrix.times, strict=True):
        known = pd.DatetimeIndex(times[~np.isnat(times)], tz="UTC")
        assert len(known)
        assert ((known >= cell.start) & (known < cell.end)).all()
    counted = rows[rows["scheduled"] >= matrix.cells[0].start]
    assert sum(cell.rows for cell in matrix.cells) == len(counted)


def test_cells_are_cut_where_a_window_ends_between_looks(rows, shipped):
    matrix = built(rows, changed(shipped, label_delay="6h"))
    starts = {cell.start for cell in matrix.cells}
    assert {look.now - timedelta(hours=6) for look in matrix.looks} <= starts
    assert {look.now for look in matrix.looks} <= starts


# What was known


def test_nothing_after_a_look_is_used(matrix, rows, spec):
    now = FIRST + 2 * DAY
    later = (rows["scheduled"] >= now - spec.data.label_delay) & rows["late"].notna()
    other = rows.assign(late=rows["late"].mask(later, 1 - rows["late"]))
    after, until = built(other, spec), slice(0, 3)
    np.testing.assert_array_equal(matrix.outputs[:, until], after.outputs[:, until])
    np.testing.assert_array_equal(matrix.baseline[:, until], after.baseline[:, until])
    assert not np.array_equal(matrix.outputs[:, -1], after.outputs[:, -1], equal_nan=True)


def test_more_history_does_not_change_earlier_looks(rows, spec):
    looks = looks_of(rows, spec, first=FIRST)
    short = built(rows[rows["scheduled"] < looks[3]], spec, looks=looks[:3], max_train_rows=500)
    long = built(rows, spec, looks=looks, max_train_rows=500)
    # The short history ends inside the last of its cells.
    shared = slice(0, short.looks[-1].serves)
    np.testing.assert_array_equal(short.outputs[:, :3, shared], long.outputs[:, :3, shared])


def told(rows, after):
    """Give labels a source of their own, each told so long after its flight."""
    known = rows[rows["late"].notna()]
    return known[[*KEY, "late"]].assign(told=known["scheduled"] + after)


def test_labels_of_their_own_source_count_from_their_arrival(matrix, rows, spec, with_labels):
    bare, hours = rows.drop(columns="late"), timedelta(hours=20)
    prompt = told(rows, hours)
    found = built(bare, with_labels, [prompt])
    same(found, matrix, ("losses", "target", "baseline"))
    assert np.nanmin(matrix.arrived - found.arrived) == np.timedelta64(4, "h")
    corrected = pd.concat([prompt, prompt.assign(late=1 - prompt["late"], told=prompt["told"] + 30 * DAY)])
    again = built(bare, with_labels, [corrected])
    same(again, found, ("outputs", "arrived"))
    np.testing.assert_array_equal(again.target, 1 - found.target)


def test_labels_that_have_not_arrived_are_not_learned_from(rows, with_labels):
    labels = told(rows, timedelta(hours=20))
    slow = labels.assign(told=labels["told"].mask(labels["late"] == 1, labels["told"] + 30 * DAY))
    # No late flight is told in time, so there is one class and nothing to learn.
    with pytest.raises(HistoryUnusable, match="have 1 in 'late': 0"):
        built(rows.drop(columns="late"), with_labels, [slow], windows=("all",))


# Samples


def test_a_mix_draws_half_of_its_rows_from_recent_ones(rows, spec):
    now = FIRST + 3 * DAY
    drawn = assemble([rows], spec=spec, now=now, window="mix", max_rows=300, seed=(1,))
    recent = drawn.training["scheduled"] >= now - 3 * DAY
    assert (len(drawn.training), recent.sum()) == (300, 150)
    assert drawn.weights[recent].sum() == pytest.approx(150)


def test_a_sample_that_takes_more_memory_than_allowed_is_made_smaller(rows, spec, monkeypatch):
    monkeypatch.setattr(ground, "MOST_BYTES", 10_000)
    matrix = built(rows, spec)
    assert matrix.rows.max() < 40
    assert f"{matrix.rows.max()} rows of each cell were sampled" in matrix.notes[0]


def test_too_many_looks_for_the_memory_are_refused(rows, spec, monkeypatch):
    monkeypatch.setattr(ground, "MOST_BYTES", 1_000)
    with pytest.raises(HistoryUnusable, match="replay fewer looks"):
        built(rows, spec)


# Kept on disk


def test_a_build_that_was_killed_goes_on_where_it_was(matrix, rows, spec, tmp_path):
    rows.to_parquet(tmp_path / "rows.parquet")
    (tmp_path / "spec.json").write_text(spec.model_dump_json(by_alias=True))
    killed = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path)], cwd=ROOT, capture_output=True, text=True)
    assert killed.returncode == -9, killed.stderr
    seen = []
    stored = built(rows, spec, folder=tmp_path / "matrices", progress=lambda *counts: seen.append(counts))
    assert seen == [(done, 12) for done in range(5, 13)]
    same(stored, matrix)


KILLED = """
import os, pathlib, signal, sys
import pandas as pd
sys.path[:0] = [".", "operators"]
from airflow_mlops.replay.build import build_matrix
from airflow_mlops.replay.streams import looks_of
from airflow_mlops.spec import ModelSpec, load_spec
from tests.conftest import utc

def die(done, total):
    if done == 4:
        os.kill(os.getpid(), signal.SIGKILL)

place = pathlib.Path(sys.argv[1])
rows, spec = pd.read_parquet(place / "rows.parquet"), ModelSpec.model_validate_json((place / "spec.json").read_text())
looks = looks_of(rows, spec, first=utc("2013-01-05T05:00:00"))
build_matrix(rows, (), spec, looks=looks, jobs=1, sample_rows=40, folder=place / "matrices", progress=die)
"""


def test_processes_make_the_same_matrix_and_a_second_build_only_opens_it(matrix, rows, spec, tmp_path):
    alone, together = matrix, built(rows, spec, jobs=2, folder=tmp_path)
    same(alone, together)
    seen = []
    again = built(rows, spec, folder=tmp_path, progress=lambda *counts: seen.append(counts))
    assert seen == []
    same(alone, again)
    assert isinstance(again.outputs, np.memmap)


def test_other_labels_make_another_matrix(matrix, rows, spec, tmp_path):
    other = built(rows.assign(late=1 - rows["late"]), spec, folder=tmp_path, windows=("all",))
    assert matrix.digest != other.digest
    assert [place.name for place in tmp_path.iterdir()] == [other.digest[:16]]


def test_a_matrix_is_the_same_after_saving(matrix, tmp_path):
    matrix.save(tmp_path / "kept")
    loaded = Matrix.load(tmp_path / "kept")
    same(matrix, loaded, (*ARRAYS, "seconds"))
    assert (loaded.cells, loaded.looks, loaded.classes) == (matrix.cells, matrix.looks, matrix.classes)
    assert (loaded.notes, loaded.digest) == (matrix.notes, matrix.digest)


def test_half_a_matrix_is_not_opened(tmp_path):
    with pytest.raises(HistoryUnusable, match="holds no complete matrix"):
        Matrix.load(tmp_path)


# What cannot be trained, or not at all


def test_a_look_without_two_classes_has_no_model_and_a_note(rows, spec):
    start = rows["scheduled"] < FIRST - 2 * DAY
    matrix = built(rows.assign(late=rows["late"].mask(start, 0)), spec, windows=("all",))
    assert matrix.trained[0].tolist() == [False, True, True, True, True, True]
    assert "2013-01-05 05:00: a binary target needs exactly two classes" in matrix.notes[0]
    assert matrix.fault_of((0, 0)).startswith("a binary target needs exactly two classes")
    assert np.isnan(matrix.losses[0, 0]).all()


def test_a_history_that_cannot_be_replayed_is_refused(rows, spec):
    looks = looks_of(rows, spec, first=FIRST)
    with pytest.raises(HistoryUnusable, match="none of 0 rows has a time"):
        built(rows.head(0), spec, looks=looks)
    with pytest.raises(HistoryUnusable, match="no row of the history has a known 'late'"):
        built(rows.assign(late=None), spec)
    with pytest.raises(HistoryUnusable, match="replayed with 1 classes"):
        built(rows.assign(late=rows["late"].mask(rows["late"].notna(), 1)), spec)
    with pytest.raises(MissingColumns, match="'carrier'"):
        built(rows.drop(columns="carrier"), spec)
    with pytest.raises(HistoryUnusable, match="looks have to rise"):
        built(rows, spec, looks=looks[::-1])
    with pytest.raises(HistoryUnusable, match="no time zone"):
        built(rows, spec, looks=[looks[0].replace(tzinfo=None)])
    with pytest.raises(HistoryUnusable, match="comes from the first look"):
        looks_of(rows, spec, first=utc("2014-01-01T00:00:00"))


def test_a_history_without_any_possible_training_says_why(rows, spec):
    with pytest.raises(HistoryUnusable, match=r"none of 2 trainings is possible\. The last: nothing to train on"):
        built(rows, spec, looks=[utc("2013-01-01T12:00:00")])


def test_an_empty_holdout_is_an_error_of_a_run_only(rows, spec):
    early = rows[rows["scheduled"] < FIRST - 2 * DAY]
    with pytest.raises(EmptyHoldout):
        assemble([early], spec=spec, now=FIRST)
    assert assemble([early], spec=spec, now=FIRST, holdout=timedelta(0)).holdout.empty


# Losses from the link scale


@pytest.mark.parametrize("metric", ["log_loss", "brier", "zero_one"])
def test_losses_from_links_are_those_from_probabilities(metric):
    rng = np.random.default_rng(1)
    for classes in (2, 4):
        probabilities = rng.dirichlet(np.ones(classes), 200)
        target = rng.integers(0, classes, 200)
        said = Predictions(probabilities.argmax(axis=1), tuple(range(classes)), probabilities)
        links = np.log(probabilities)
        if classes == 2:
            links = links[:, 1] - links[:, 0]
        task = "binary" if classes == 2 else "multiclass"
        found = losses_of(task, target.astype(float), links, metric)
        np.testing.assert_allclose(found, row_losses(metric, target, said), atol=1e-6)


def test_losses_of_a_regression_and_of_rows_that_are_not_there():
    target, outputs = np.array([1.0, 2.0, np.nan]), np.array([[1.5, np.nan, 1.0], [0.0, 4.0, 1.0]])
    found = losses_of("regression", target, outputs, "mean_absolute_error")
    np.testing.assert_array_equal(found, [[0.5, np.nan, np.nan], [1.0, 2.0, np.nan]])
    for metric in ("log_loss", "brier", "zero_one"):
        assert np.isnan(losses_of("binary", np.array([np.nan, 1.0]), np.array([0.3, np.nan]), metric)).all()
        gaps = losses_of("multiclass", np.array([np.nan, 1.0]), np.array([[0.3, 0.1], [np.nan, np.nan]]), metric)
        assert np.isnan(gaps).all()


def test_a_probability_of_zero_is_clipped():
    assert losses_of("binary", np.array([1.0]), np.array([-50.0]), "log_loss", clip=0.001)[0] == pytest.approx(
        -np.log(0.001)
    )
