"""A feature matrix becomes one model that takes raw columns, and a baseline."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from airflow_mlops.errors import EmptyTrainingSet, EstimatorUnusable, ModelUnusable, TrainingSetUnusable
from airflow_mlops.stages.features import WEIGHT, build_features
from airflow_mlops.stages.golden import answers, pick_golden, predict_method
from airflow_mlops.stages.train import train, usable_target
from tests.stages.test_training_set import make_spec


def rows_of(task, n=200):
    """Return rows whose target follows x, with a text column and nulls."""
    rng = np.random.default_rng(1)
    x = rng.normal(size=n)
    target = {"regression": 3 * x + 1, "binary": (x > 0).astype(float), "multiclass": np.digitize(x, [-0.5, 0.5])}
    city = pd.Series(rng.choice(["a", "b"], n)).where(rng.random(n) > 0.1)
    return pd.DataFrame({"x": x, "city": city, "y": target[task]})


def fit(rows, task="binary", weights=None, **section):
    spec = make_spec(features={"columns": ["x", "city"]}, train={"estimator": "hist_gradient_boosting", **section})
    spec = spec.model_copy(update={"task": task})
    matrix = build_features(rows, spec=spec)
    features = matrix.frame.assign(y=rows["y"])
    if weights is not None:
        features[WEIGHT] = weights
    return train(features, transformer=matrix.transformer, spec=spec, categorical=matrix.categorical)


@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
@pytest.mark.parametrize("estimator", ["hist_gradient_boosting", "random_forest", "linear"])
def test_every_short_name_learns_every_task_from_raw_columns(estimator, task):
    rows = rows_of(task)
    params = {"n_estimators": 20} if estimator == "random_forest" else {}

    made = fit(rows, task, estimator=estimator, params=params)

    predicted = made.model.predict(rows[["x", "city"]])
    if task == "regression":
        assert np.corrcoef(predicted, rows["y"])[0, 1] > 0.9
    else:
        assert (predicted == rows["y"]).mean() > 0.85


def test_the_transformer_is_packed_as_it_was_fitted():
    rows = rows_of("binary")
    spec = make_spec(features={"columns": ["x", "city"]}, train={"estimator": "hist_gradient_boosting"})
    matrix = build_features(rows, spec=spec)

    made = train(matrix.frame.assign(y=rows["y"]), transformer=matrix.transformer, spec=spec)

    assert made.model.named_steps["features"] is matrix.transformer


def test_codes_of_categories_are_told_to_an_estimator_that_knows_them():
    made = fit(rows_of("binary"))

    assert made.model[-1].is_categorical_.tolist() == [True, False]


def test_the_seed_decides_what_is_random():
    rows = rows_of("binary")
    settings = {"estimator": "random_forest", "params": {"n_estimators": 5}}

    one, same, other = (fit(rows, seed=seed, **settings).model.predict_proba(rows) for seed in (1, 1, 2))

    assert (one == same).all()
    assert (one != other).any()


def test_the_baselines_are_the_best_constants():
    binary = fit(rows_of("binary"), weights=None).baseline.predict_proba(np.zeros((1, 1)))[0, 1]
    median = fit(rows_of("regression"), "regression").baseline.predict(np.zeros((1, 1)))[0]

    assert binary == pytest.approx(rows_of("binary")["y"].mean())
    assert median == pytest.approx(rows_of("regression")["y"].median())


def test_weights_reach_the_estimator_and_the_baseline():
    rows = rows_of("binary")
    heavy = np.where(rows["y"] == 1, 9.0, 1.0)

    plain, weighted = (fit(rows, weights=weights, estimator="linear") for weights in (None, heavy))

    assert weighted.baseline.predict_proba(rows)[0, 1] > plain.baseline.predict_proba(rows)[0, 1]
    assert weighted.model.predict_proba(rows)[:, 1].mean() > plain.model.predict_proba(rows)[:, 1].mean()
    assert weighted.report.weighted


def test_the_environment_is_recorded():
    found = fit(rows_of("binary")).report.environment

    assert {"python", "platform", "scikit-learn", "numpy", "pandas", "skops"} <= set(found)


def test_whole_numbers_that_nulls_made_floats_are_labels_again():
    assert usable_target(pd.Series([1.0, 0.0]), task="binary").dtype == "int64"
    assert usable_target(pd.Series([True, False], dtype="object"), task="binary").tolist() == [1, 0]
    assert usable_target(pd.Series(["no", "yes"]), task="binary").tolist() == ["no", "yes"]


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ({"estimator": "hist_gradient_bosting"}, r"no short name .* did you mean 'hist_gradient_boosting'"),
        ({"estimator": "sklearn.linear_model.LogisticRegresion"}, "did you mean 'LogisticRegression'"),
        ({"params": {"max_iters": 3}}, r"cannot be made of .*max_iters"),
        ({"params": {"max_iter": -3}}, r"HistGradientBoostingClassifier refuses 200 rows of 2 features"),
        ({"estimator": "collections.Counter"}, "gives a Counter, which has no fit and predict"),
        ({"estimator": "sklearn.neighbors.KNeighborsClassifier"}, r"refuses 200 rows .*NaN"),
    ],
    ids=["near a short name", "near a path", "unknown parameter", "bad value", "no estimator", "refuses nulls"],
)
def test_an_estimator_that_cannot_be_used_says_why(section, message):
    with pytest.raises(EstimatorUnusable, match=message):
        fit(rows_of("binary"), **section)


def test_a_mix_needs_an_estimator_that_takes_weights():
    rows = rows_of("binary").assign(city="a")
    settings = {"estimator": "sklearn.neighbors.KNeighborsClassifier"}

    with pytest.raises(EstimatorUnusable, match=r"window is 'mix'.*KNeighborsClassifier takes no sample_weight"):
        fit(rows, weights=np.ones(len(rows)), **settings)


def test_one_class_is_nothing_to_learn_from():
    with pytest.raises(
        TrainingSetUnusable, match=r"needs exactly two classes, but the 200 training rows have 1 in 'y': 1"
    ):
        fit(rows_of("binary").assign(y=1))


def test_three_classes_are_not_binary():
    with pytest.raises(TrainingSetUnusable, match=r"have 3 in 'y': 0, 1, 2.*mend task"):
        fit(rows_of("multiclass"))


def test_a_regression_of_words_is_refused():
    with pytest.raises(TrainingSetUnusable, match="the target 'y' of a regression has to be a number"):
        fit(rows_of("binary").assign(y=["no", "yes"] * 100), "regression")


def test_rows_without_a_target_teach_nothing():
    with pytest.raises(EmptyTrainingSet, match="200 rows came in and 200 had no usable 'y'"):
        fit(rows_of("binary").assign(y=None))


def test_golden_rows_are_spread_over_time_and_the_same_each_time(january):
    picked = [pick_golden(january, columns=["carrier", "distance"], sensitive=[], count=10, seed=3) for _ in range(2)]
    places = pick_golden(january, columns=["scheduled"], sensitive=[], count=10, seed=3)["scheduled"].to_pylist()

    assert picked[0].equals(picked[1])
    assert places == sorted(places)
    assert (places[-1] - places[0]).days >= 7


def test_sensitive_columns_are_golden_as_nulls(january):
    picked = pick_golden(january, columns=["carrier", "distance"], sensitive=["carrier"], count=5, seed=0)

    assert picked["carrier"].null_count == 5
    assert picked["distance"].null_count == 0
    assert picked.schema.field("carrier").type == january.schema.field("carrier").type


def test_answers_are_probabilities_where_there_are_any():
    rows = rows_of("binary")
    gives_labels = fit(rows.assign(city="a"), estimator="sklearn.svm.LinearSVC").model

    with pytest.raises(ModelUnusable, match=r"refuses its own golden rows .*data\.sensitive are null"):
        answers(gives_labels, rows.head(3).assign(city=None))

    assert predict_method(fit(rows).model) == "predict_proba"
    assert answers(gives_labels, rows.head(3).assign(city="a")) == rows["y"].head(3).tolist()
