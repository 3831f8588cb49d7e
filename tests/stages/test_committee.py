"""Trained versions that answer as one estimator: their weighted mean on the link scale, plus a correction."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from scipy.special import expit, log_softmax, logit, softmax
from sklearn.base import clone, is_classifier, is_regressor
from sklearn.linear_model import RidgeClassifier
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted

from airflow_mlops.artifacts import digest_bytes
from airflow_mlops.errors import CommitteeUnusable
from airflow_mlops.stages.committee import assemble_committee, estimator, link_of
from airflow_mlops.stages.golden import predict_method
from airflow_mlops.stages.model_file import dump_model, load_model
from tests.conftest import ROOT
from tests.stages.members import CORRECTIONS, TASKS, WEIGHTS, asked, committee_of, members, spec_of
from tests.stages.test_model_file import predicted_elsewhere
from tests.stages.test_train import fit, rows_of

EVERY_TASK = pytest.mark.parametrize("task", TASKS)


def small(task="binary", *, estimator="linear", **section):
    """Train in milliseconds on made rows of a number and a text."""
    return fit(rows_of(task), task, estimator=estimator, **section).model


# What it answers


def test_a_binary_committee_means_log_odds_and_shifts_them():
    models, rows = members("binary"), asked("binary")
    odds = [logit(models[version].predict_proba(rows)[:, 1]) for version in WEIGHTS]
    expected = expit(np.average(odds, axis=0, weights=list(WEIGHTS.values())) + CORRECTIONS["binary"])

    committee = committee_of("binary")

    np.testing.assert_allclose(committee.predict_proba(rows)[:, 1], expected, rtol=1e-9)
    assert (committee.predict(rows) == (expected > 0.5)).all()


def test_a_multiclass_committee_means_log_probabilities_and_shifts_them():
    models, rows = members("multiclass"), asked("multiclass")
    logs = [np.log(models[version].predict_proba(rows)) for version in WEIGHTS]
    link = np.average(logs, axis=0, weights=list(WEIGHTS.values())) + CORRECTIONS["multiclass"]

    committee = committee_of("multiclass")

    np.testing.assert_allclose(committee.predict_proba(rows), softmax(link, axis=1), rtol=1e-9)
    assert (committee.predict(rows) == committee.classes_[link.argmax(axis=1)]).all()


def test_a_committee_of_regressions_means_predictions_and_shifts_them():
    models, rows = members("regression"), asked("regression")
    mean = np.average([models[version].predict(rows) for version in WEIGHTS], axis=0, weights=list(WEIGHTS.values()))

    np.testing.assert_allclose(committee_of("regression").predict(rows), mean - 4.5, rtol=1e-9)


@EVERY_TASK
def test_one_member_alone_answers_as_itself(task):
    alone, rows = members(task)["5"], asked(task)

    committee = assemble_committee({"5": alone}, task=task, weights={"5": 1.0})

    ask = predict_method(alone)
    np.testing.assert_allclose(getattr(committee, ask)(rows), getattr(alone, ask)(rows), rtol=1e-9)
    assert (committee.predict(rows) == alone.predict(rows)).all()


def test_a_member_that_is_not_boosted_is_heard_within_the_clip():
    forest = small(estimator="random_forest", params={"n_estimators": 3})
    rows = rows_of("binary")
    sure = forest.predict_proba(rows)[:, 1]
    assert {0.0, 1.0} <= set(sure)

    committee = assemble_committee({"1": forest}, task="binary", weights={"1": 1.0})

    np.testing.assert_allclose(committee.predict_proba(rows)[:, 1], np.clip(sure, 0.001, 0.999), rtol=1e-9)


def test_a_class_that_a_member_never_saw_gets_the_clip_from_it():
    rows = rows_of("multiclass")
    every, two = small("multiclass"), fit(rows[rows["y"] > 0], "multiclass", estimator="linear").model

    committee = assemble_committee({"1": every, "2": two}, task="multiclass", weights={"1": 0.5, "2": 0.5})

    assert committee.classes_.tolist() == [0, 1, 2]
    of_two = link_of(two, rows, "multiclass", [0, 1, 2])
    assert of_two[:, 0] == pytest.approx(np.log(0.001))
    logs = 0.5 * np.log(np.clip(every.predict_proba(rows), 0.001, 0.999)) + 0.5 * of_two
    np.testing.assert_allclose(committee.predict_proba(rows), softmax(logs, axis=1), rtol=1e-9)


def test_the_link_of_two_classes_in_a_multiclass_task_has_a_column_each():
    rows = rows_of("multiclass")
    two = fit(rows[rows["y"] > 0], "multiclass").model

    link = link_of(two, rows, "multiclass", [1, 2])

    np.testing.assert_allclose(link, np.log(two.predict_proba(rows)), rtol=1e-9)


def test_the_link_of_a_class_order_that_is_not_the_models_follows_the_order():
    rows, model = rows_of("binary"), small()

    np.testing.assert_allclose(link_of(model, rows, "binary", [1, 0]), -link_of(model, rows, "binary", [0, 1]))


@EVERY_TASK
def test_the_link_of_a_committee_is_its_own(task):
    committee, rows = committee_of(task), asked(task)
    link = committee.link(rows)
    classes = () if task == "regression" else committee.classes_.tolist()

    expected = log_softmax(link, axis=1) if task == "multiclass" else link
    np.testing.assert_allclose(link_of(committee, rows, task, classes), expected, atol=1e-12)


# What scikit-learn asks


@EVERY_TASK
def test_a_committee_is_a_fitted_estimator_of_its_kind(task):
    committee = committee_of(task)

    check_is_fitted(committee)
    assert (is_classifier(committee), is_regressor(committee)) == (task != "regression", task == "regression")
    assert predict_method(committee) == ("predict" if task == "regression" else "predict_proba")
    assert committee.feature_names_in_.tolist() == spec_of(task).features.columns
    assert committee.get_params(deep=False)["versions"] == list(WEIGHTS)
    assert clone(committee) is committee
    assert committee.fit(None) is committee


def test_members_stand_by_falling_weight_and_none_of_weight_zero():
    models = dict.fromkeys("abc", small())

    committee = assemble_committee(models, task="binary", weights={"a": 0.25, "b": 0.0, "c": 0.75})

    assert (committee.versions, committee.weights) == (["c", "a"], [0.75, 0.25])


# What is refused


@pytest.mark.parametrize(
    ("weights", "sentence"),
    [
        ({}, r"models are a, b, weights none"),
        ({"a": 1.0}, r"models are a, b, weights a\."),
        ({"a": 1.5, "b": -0.5}, "version b has weight -0.5"),
        ({"a": float("nan"), "b": 1.0}, "version a has weight nan"),
        ({"a": 0.5, "b": 0.4}, "committee of 2 sum to 0.9, not to 1"),
    ],
    ids=["none", "too few", "below zero", "no number", "another sum"],
)
def test_weights_that_do_not_weigh_are_refused(weights, sentence):
    with pytest.raises(CommitteeUnusable, match=sentence):
        assemble_committee(dict.fromkeys("ab", small()), task="binary", weights=weights)


@pytest.mark.parametrize(
    ("task", "correction", "sentence"),
    [
        ("binary", float("inf"), "no finite number"),
        ("binary", 0.7, r"0\.7 from zero, beyond its bound 0\.5"),
        ("binary", [0.1, -0.1], "binary committee takes one correction, not 2"),
        ("multiclass", [0.1, -0.1], "correction of 3 classes has 2 numbers"),
        ("multiclass", [0.1, 0.1, 0.1], r"3 numbers of mean 0\.1"),
    ],
    ids=["infinite", "beyond the bound", "several for one", "too few", "of another mean"],
)
def test_a_correction_that_does_not_correct_is_refused(task, correction, sentence):
    with pytest.raises(CommitteeUnusable, match=sentence):
        assemble_committee({"1": small(task)}, task=task, weights={"1": 1.0}, correction=correction, bound=0.5)


def test_a_member_without_probabilities_is_refused_by_its_version():
    rows = rows_of("binary")
    labels = Pipeline([("ridge", RidgeClassifier())]).fit(rows[["x"]], rows["y"])

    with pytest.raises(CommitteeUnusable, match="version 7 gives labels without probabilities"):
        assemble_committee({"7": labels, "8": small()}, task="binary", weights={"7": 0.5, "8": 0.5})


def test_members_of_other_classes_are_refused():
    rows = rows_of("binary")
    named = fit(rows.assign(y=np.where(rows["y"] == 1, "late", "on time")), estimator="linear").model

    with pytest.raises(CommitteeUnusable, match="version 1: 0, 1; version 2: late, on time"):
        assemble_committee({"1": small(), "2": named}, task="binary", weights={"1": 0.5, "2": 0.5})


# As bytes


@EVERY_TASK
def test_a_stored_committee_comes_back(task):
    committee, rows = committee_of(task), asked(task)

    payload, form = dump_model(committee)

    assert form == "cloudpickle"
    np.testing.assert_array_equal(load_model(payload, form).link(rows), committee.link(rows))


def test_a_committee_needs_neither_this_package_nor_airflow(tmp_path):
    committee, rows = committee_of("binary"), asked("binary").head(20)

    form, printed = predicted_elsewhere(tmp_path, committee, rows)

    assert form == "cloudpickle"
    assert printed == str([round(value, 9) for value in committee.predict_proba(rows)[:, 1]])


def digest_of_small_committee():
    models = {name: small(seed=int(name)) for name in ("1", "2")}
    return digest_bytes(dump_model(assemble_committee(models, task="binary", weights={"1": 0.6, "2": 0.4}))[0])


def test_the_same_committee_has_the_same_bytes_in_another_process():
    program = "from tests.stages.test_committee import digest_of_small_committee as made; print(made())"
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "operators")}
    other = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT, env=environment
    )

    assert other.stdout.strip() == digest_of_small_committee()


def test_another_committee_has_other_bytes_and_a_class_of_its_own():
    models = {"1": small()}
    one, other = (
        dump_model(assemble_committee(models, task="binary", weights={"1": 1.0}, correction=correction))
        for correction in (0.1, 0.2)
    )

    assert one != other
    assert type(load_model(*one)) is type(load_model(*one))
    assert type(load_model(*one)) is not type(load_model(*other))


def test_the_code_that_travels_imports_numpy_and_scikit_learn_alone():
    tree = ast.parse(Path(estimator.__file__).read_text())
    only_for_types = [node for node in tree.body if isinstance(node, ast.If)]
    left_out = {id(node) for block in only_for_types for node in ast.walk(block)}
    imported = [node for node in ast.walk(tree) if id(node) not in left_out]
    roots = {node.module.partition(".")[0] for node in imported if isinstance(node, ast.ImportFrom)}
    roots |= {name.name.partition(".")[0] for node in imported if isinstance(node, ast.Import) for name in node.names}

    assert roots == {"__future__", "typing", "numpy", "sklearn"}
