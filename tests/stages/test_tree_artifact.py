"""A committee of boosted trees is one model that holds all their trees."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import logit
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.pipeline import FeatureUnion, Pipeline
from sklearn.preprocessing import FunctionTransformer

from airflow_mlops.stages.committee import assemble_committee
from airflow_mlops.stages.model_file import dump_model, load_model
from airflow_mlops.stages.tree_artifact import as_one_model
from tests.stages.members import TASKS, asked, committee_of, members
from tests.stages.test_model_file import predicted_elsewhere
from tests.stages.test_train import fit as fit_small
from tests.stages.test_train import rows_of

EVERY_TASK = pytest.mark.parametrize("task", TASKS)


def said(model, rows):
    return model.predict_proba(rows) if hasattr(model, "predict_proba") else model.predict(rows)


def small(task="binary", *, rows=None, **section):
    """Train in milliseconds on made rows of a number and a text."""
    return fit_small(rows_of(task) if rows is None else rows, task, **section).model


def joined(task="binary", correction=0.0, **models):
    """Join models of equal weight."""
    weights = dict.fromkeys(models, 1 / len(models))
    return as_one_model(assemble_committee(models, task=task, weights=weights, correction=correction))


@EVERY_TASK
def test_one_model_of_all_trees_answers_as_the_committee_does(task):
    committee, rows = committee_of(task), asked(task)

    model = as_one_model(committee)

    np.testing.assert_allclose(said(model, rows), said(committee, rows), rtol=1e-9, atol=1e-9)
    assert model[-1].n_iter_ == sum(member[-1].n_iter_ for member in committee.members)


def test_categories_that_only_one_member_knows_are_asked_of_it_alone():
    committee, rows = committee_of("binary"), asked("binary")
    model = as_one_model(committee)
    known = [set(member[0][-1].named_transformers_["categories"].categories_[2]) for member in committee.members]
    some = set.union(*known) - set.intersection(*known)
    assert some
    assert model[-1].is_categorical_.sum() == 9

    told = rows.assign(dest=np.resize(sorted(some), len(rows)))

    np.testing.assert_allclose(said(model, told), said(committee, told), rtol=1e-9, atol=1e-9)


def test_values_that_nobody_has_seen_and_nulls_are_answered_as_by_the_committee():
    committee, rows = committee_of("binary"), asked("binary").head(50)
    model = as_one_model(committee)

    for changed in (rows.assign(carrier="??", flight="none"), rows.assign(temp=None, origin=None)):
        np.testing.assert_allclose(said(model, changed), said(committee, changed), rtol=1e-9, atol=1e-9)


@EVERY_TASK
def test_it_is_stored_with_skops_and_comes_back(task):
    model, rows = as_one_model(committee_of(task)), asked(task)

    payload, form = dump_model(model)

    assert form == "skops"
    np.testing.assert_array_equal(said(load_model(payload, form), rows), said(model, rows))


def test_the_same_committee_gives_the_same_bytes():
    first, second = (dump_model(as_one_model(committee_of("binary"))) for _ in range(2))

    assert first == second


def test_it_loads_where_neither_this_package_nor_airflow_is(tmp_path):
    committee, rows = committee_of("binary"), asked("binary").head(20)

    form, printed = predicted_elsewhere(tmp_path, as_one_model(committee), rows)

    assert form == "skops"
    assert printed == str([round(value, 9) for value in committee.predict_proba(rows)[:, 1]])


def test_casts_and_derivations_that_members_share_are_done_once():
    model = as_one_model(committee_of("binary"))

    assert [name for name, _ in model[0].steps] == ["columns", "nulls", "types", "derive", "members"]


def test_a_corrected_version_is_its_own_pipeline_with_another_baseline():
    alone, rows = members("binary")["5"], asked("binary")

    model = as_one_model(assemble_committee({"5": alone}, task="binary", weights={"5": 1.0}, correction=0.3))

    assert not any(isinstance(step, FeatureUnion) for _, step in model[0].steps)
    np.testing.assert_allclose(logit(said(model, rows)[:, 1]), logit(said(alone, rows)[:, 1]) + 0.3, rtol=1e-6)


def test_the_members_are_left_as_they_were():
    models, rows = members("regression"), asked("regression")
    before = {version: model.predict(rows) for version, model in models.items()}

    as_one_model(committee_of("regression"))

    for version, model in models.items():
        np.testing.assert_array_equal(model.predict(rows), before[version])


def test_scores_beyond_the_clip_are_joined_as_they_are():
    far = rows_of("binary", 400)
    sure = {"params": {"max_iter": 200, "learning_rate": 0.5}}
    committee = assemble_committee(
        {"1": small(rows=far, **sure), "2": small(rows=far.head(300), **sure)},
        task="binary", weights={"1": 0.5, "2": 0.5},
    )  # fmt: skip
    assert said(committee, far).max() > 0.999

    np.testing.assert_allclose(said(as_one_model(committee), far), said(committee, far), rtol=1e-9)


def test_two_classes_of_a_multiclass_task_keep_their_two_corrections():
    rows = rows_of("multiclass")
    two = {name: small("multiclass", rows=rows[rows["y"] > 0].head(n)) for name, n in {"a": 60, "b": 90}.items()}
    committee = assemble_committee(two, task="multiclass", weights={"a": 0.4, "b": 0.6}, correction=[0.2, -0.2])

    np.testing.assert_allclose(said(as_one_model(committee), rows), said(committee, rows), rtol=1e-9)


@pytest.mark.parametrize("loss", ["absolute_error", "squared_error"])
def test_losses_whose_trees_add_up_to_the_prediction_are_joined(loss):
    rows, model = rows_of("regression"), small("regression", params={"loss": loss})

    np.testing.assert_allclose(joined("regression", 2.0, a=model).predict(rows), model.predict(rows) + 2, rtol=1e-9)


def test_trees_without_categories_are_joined():
    rows = rows_of("binary")
    models = {name: small(rows=rows.head(n).assign(city=None)) for name, n in {"a": 100, "b": 200}.items()}
    committee = assemble_committee(models, task="binary", weights={"a": 0.5, "b": 0.5})

    model = as_one_model(committee)

    assert all(member[-1]._preprocessor is None for member in models.values())
    np.testing.assert_allclose(said(model, rows), said(committee, rows), rtol=1e-9)


# Members that cannot be joined


def test_another_estimator_among_the_members_leaves_a_committee():
    assert joined(a=small(), b=small(estimator="linear")) is None


def test_trees_that_add_up_to_a_logarithm_leave_a_committee():
    rows = rows_of("regression")

    assert (
        joined("regression", a=small("regression", rows=rows.assign(y=rows["y"].abs()), params={"loss": "poisson"}))
        is None
    )


def test_members_of_different_classes_leave_a_committee():
    rows = rows_of("multiclass")

    assert joined("multiclass", a=small("multiclass"), b=small("multiclass", rows=rows[rows["y"] > 0])) is None


def test_boosting_outside_a_pipeline_leaves_a_committee():
    rows = rows_of("regression")

    assert joined("regression", a=HistGradientBoostingRegressor(max_iter=2).fit(rows[["x"]], rows["y"])) is None


class Doubled(HistGradientBoostingRegressor):
    def predict(self, X):  # noqa: N803
        return 2 * super().predict(X)


def test_boosting_that_does_more_with_its_trees_leaves_a_committee():
    rows = rows_of("regression")
    double = Pipeline([("x", FunctionTransformer()), ("trees", Doubled(max_iter=2))]).fit(rows[["x"]], rows["y"])

    assert joined("regression", a=double) is None


def test_a_scikit_learn_that_keeps_trees_elsewhere_leaves_a_committee():
    model = small("regression")
    del model[-1]._bin_mapper

    assert joined("regression", a=model) is None


def test_a_model_that_answers_otherwise_on_the_rows_given_is_none():
    rows, lots = rows_of("regression"), np.random.default_rng(1)
    drawn = FunctionTransformer(lambda frame: frame + lots.normal(size=frame.shape))
    unsteady = Pipeline([("draw", drawn), ("trees", HistGradientBoostingRegressor())]).fit(rows[["x"]], rows["y"])
    committees = [
        (assemble_committee({"1": model}, task="regression", weights={"1": 1.0}), columns)
        for model, columns in ((unsteady, ["x"]), (small("regression"), ["x", "city"]))
    ]

    assert [as_one_model(committee, rows[columns]) is None for committee, columns in committees] == [True, False]
