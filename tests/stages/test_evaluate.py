"""What the evaluate stage finds out about a challenger."""

from __future__ import annotations

from datetime import timedelta
from operator import methodcaller

import numpy as np
import pandas as pd
import pytest
from sklearn.dummy import DummyRegressor
from sklearn.metrics import average_precision_score, f1_score, log_loss, roc_auc_score
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer

from airflow_mlops.errors import GateMisuse
from airflow_mlops.stages.evaluate.evaluation import evaluate
from airflow_mlops.stages.evaluate.metrics import by_slice, score
from airflow_mlops.stages.evaluate.page import render
from airflow_mlops.stages.evaluate.plots import draw
from airflow_mlops.stages.evaluate.predictions import Predictions, predict, row_losses
from tests.conftest import utc
from tests.stages.test_train import fit, rows_of
from tests.stages.test_training_set import make_spec

START = utc("2024-01-01")


def holdout_of(task, n=600):
    rows = rows_of(task, n)
    if task == "regression":  # without noise one column would be a copy of the target
        rows["y"] += np.random.default_rng(2).normal(0, 0.5, n)
    return rows.assign(t=[START + timedelta(minutes=24 * index) for index in range(n)])


def judged(task, *, champion=None, rows=None, model=None, **section):
    trained = model or fit(rows_of(task), task)
    spec = make_spec(
        features={"columns": ["x", "city"]}, evaluate={"holdout": "10d", "gate": {"block": "1d"}, **section}
    )
    spec = spec.model_copy(update={"task": task})
    return evaluate(
        holdout_of(task) if rows is None else rows,
        challenger=trained.model,
        baseline=trained.baseline,
        champion=champion,
        spec=spec,
        holdout_start=START,
    )


@pytest.mark.parametrize(
    ("task", "metrics", "plots"),
    [
        (
            "binary",
            {"log_loss", "brier", "roc_auc", "average_precision", "accuracy", "f1"},
            ["evidence", "calibration", "importance", "slices"],
        ),
        (
            "multiclass",
            {"log_loss", "accuracy", "f1_macro"},
            ["evidence", "reliability", "confusion", "importance", "slices"],
        ),
        (
            "regression",
            {"mae", "rmse", "median_absolute_error", "r2"},
            ["evidence", "residuals", "importance", "slices"],
        ),
    ],
)
def test_every_task_has_its_metrics_plots_and_a_page(task, metrics, plots):
    found = judged(task, slices=["city"])
    drawn = draw(found, task)
    page = render(found, drawn, title="tiny", facts=["600 rows"])

    assert set(found.scores["challenger"]) == metrics
    assert list(drawn) == plots
    assert found.gate.verdict == "pass"
    assert page.count("data:image/svg+xml;base64,") == len(plots)
    assert "http" not in page.replace("http://www.w3.org", "")


def test_the_metrics_are_those_of_scikit_learn():
    rows = holdout_of("binary")
    model = fit(rows_of("binary")).model
    noisy = rows.assign(y=np.where(np.random.default_rng(0).random(600) < 0.3, 1 - rows["y"], rows["y"]).astype(int))
    target, said = noisy["y"].to_numpy(), predict(model, noisy, classes=(0, 1))

    found = score("binary", target, said)

    probability = model.predict_proba(rows)[:, 1]
    assert found["roc_auc"] == pytest.approx(roc_auc_score(target, probability))
    assert found["average_precision"] == pytest.approx(average_precision_score(target, probability))
    assert found["f1"] == pytest.approx(f1_score(target, model.predict(rows)))
    assert found["log_loss"] == pytest.approx(log_loss(target, np.clip(probability, 1e-6, 1 - 1e-6)))
    assert found["brier"] == pytest.approx(((probability - target) ** 2).mean())


def test_what_is_not_defined_on_one_class_is_left_out():
    rows = holdout_of("binary")

    found = judged("binary", rows=rows[rows["y"] == 1].reset_index(drop=True))

    assert "roc_auc" not in found.scores["challenger"]
    assert "accuracy" in found.scores["challenger"]


def test_champion_and_challenger_answer_for_the_same_rows():
    weak = fit(rows_of("binary"), params={"max_iter": 1}).model

    found = judged("binary", champion=weak)

    assert found.gate.verdict == "pass"
    assert [comparison.opponent for comparison in found.gate.comparisons] == ["baseline", "champion"]
    assert found.metrics()["champion_log_loss"] > found.metrics()["log_loss"]


def test_a_challenger_worse_than_the_champion_is_refused():
    weak = fit(rows_of("binary"), params={"max_iter": 1})

    found = judged("binary", champion=fit(rows_of("binary")).model, model=weak)

    assert found.gate.verdict == "fail"


def test_a_challenger_trained_on_shuffled_labels_is_refused():
    rows = rows_of("binary")
    shuffled = rows.assign(y=rows["y"].sample(frac=1, random_state=0).to_numpy())

    assert judged("binary", model=fit(shuffled)).gate.verdict == "fail"


def test_a_champion_that_cannot_predict_these_rows_is_left_out_and_named():
    needs_more = Pipeline([("z", FunctionTransformer(methodcaller("eval", "w = z + 1"))), ("mean", DummyRegressor())])

    found = judged("regression", champion=needs_more)

    assert found.gate.verdict == "pass"
    assert "the champion was not compared, because it cannot predict these rows" in found.gate.reasons[-1]
    assert "champion" not in found.scores


def test_a_class_that_a_model_never_saw_costs_it_a_clipped_loss():
    model = fit(rows_of("binary")).model
    rows = holdout_of("binary").head(2)

    said = predict(model, rows, classes=(0, 1, 2))

    assert said.probabilities[:, 2].tolist() == [0, 0]
    assert row_losses("log_loss", np.array([2, 2]), said).tolist() == pytest.approx([-np.log(1e-6)] * 2)


def test_a_classifier_of_labels_is_judged_on_its_errors():
    model = fit(rows_of("binary").assign(city="a"), estimator="sklearn.svm.LinearSVC")

    found = judged("binary", model=model, rows=holdout_of("binary").assign(city="a"))

    assert found.gate.metric == "zero_one"
    assert found.gate.verdict == "pass"
    assert set(found.scores["challenger"]) == {"accuracy", "f1"}


def test_the_column_that_decides_is_the_most_important():
    found = judged("binary")

    assert list(found.importance) == ["x", "city"]
    assert found.importance["x"] > 10 * abs(found.importance["city"])


def test_days_are_resampled_unless_the_spec_says_otherwise():
    assert (judged("binary").gate.units, judged("binary", gate={"block": None}).gate.units) == (10, 600)


def test_slices_average_the_loss_of_their_rows():
    rows = pd.DataFrame({"c": ["a", "a", "b", None] * 25, "n": np.arange(100.0)})

    found = by_slice(rows, {"challenger": np.arange(100.0)}, ["c", "n"], min_rows=20)

    assert [(each["value"], each["rows"]) for each in found[:3]] == [("a", 50), ("(null)", 25), ("b", 25)]
    assert found[2]["challenger"] == pytest.approx(50.0)
    assert len(found) == 3 + 4


def test_small_slices_are_left_out():
    rows = pd.DataFrame({"c": ["a"] * 95 + ["b"] * 5})

    assert [each["value"] for each in by_slice(rows, {"challenger": np.zeros(100)}, ["c"], min_rows=10)] == ["a"]


def test_further_metrics_come_by_scikit_learns_names():
    assert "balanced_accuracy" in judged("binary", metrics=["balanced_accuracy"]).scores["challenger"]


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ({"gate": {"metric": "logloss"}}, r"'logloss' is no loss of a classification.*did you mean 'log_loss'"),
        ({"metrics": ["roc_aucc"]}, "no scorer of scikit-learn; did you mean 'roc_auc'"),
    ],
    ids=["a loss", "a scorer"],
)
def test_a_metric_that_does_not_exist_is_named_with_its_neighbour(section, message):
    with pytest.raises(GateMisuse, match=message):
        judged("binary", **section)


def test_the_same_evaluation_gives_the_same_page():
    first, again = (judged("binary", slices=["city"]) for _ in range(2))

    assert first.to_dict() == again.to_dict()
    assert draw(first, "binary") == draw(again, "binary")


def test_the_report_names_values_but_never_shows_rows():
    found = judged("binary")

    assert set(found.to_dict()) == {"gate", "scores", "slices", "importance", "rows", "seen", "costs", "notes"}


def test_names_in_the_page_are_escaped():
    found = judged("binary")

    page = render(found, {}, title="<script>alert(1)</script>", facts=["a & b"])

    assert "<script>" not in page


def test_a_broken_model_is_refused_and_not_an_error():
    class Broken:
        def predict(self, rows):
            return np.full(len(rows), np.nan)

    said = Predictions(np.full(3, np.nan))
    model = fit(rows_of("regression"), "regression")
    spec = make_spec(features={"columns": ["x", "city"]}).model_copy(update={"task": "regression"})

    found = evaluate(
        holdout_of("regression"), challenger=Broken(), baseline=model.baseline, spec=spec, holdout_start=START
    )

    assert found.gate.verdict == "fail"
    assert "the challenger's loss is not finite on 600 of 600 rows" in found.gate.reasons[0]
    assert "0 of 600 held-out rows get a finite answer" in found.gate.reasons[1]
    assert score("regression", np.zeros(3), said) == {}
