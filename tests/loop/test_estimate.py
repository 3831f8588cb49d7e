"""A loss without labels is what calibrated probabilities promise, and says how sure it is."""

from __future__ import annotations

import numpy as np
import pytest

from airflow_mlops.errors import SignalsUnusable
from airflow_mlops.loop.estimate import UNCALIBRATED, Answered, estimate_loss
from airflow_mlops.loop.verdicts import Level, estimated_quality
from airflow_mlops.stages.evaluate.predictions import Predictions, row_losses

LOSSES = ["log_loss", "zero_one", "brier"]


def answered(rows, *, seed=0, overconfident=1.0, spread=2.0, classes=2):
    """Draw scores, what they say, and what happens; an over-confident model says it too surely."""
    rng = np.random.default_rng(seed)
    scores = np.column_stack([np.zeros(rows), spread * rng.standard_normal((rows, classes - 1))])
    truth = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    said = np.exp(overconfident * scores) / np.exp(overconfident * scores).sum(axis=1, keepdims=True)
    happened = (rng.random((rows, 1)) > truth.cumsum(axis=1)).sum(axis=1)
    return Answered(said, np.arange(rows) // 50, happened)


def measured(metric, found):
    classes = tuple(range(found.said.shape[1]))
    return row_losses(metric, found.happened, Predictions(found.said.argmax(axis=1), classes, found.said)).mean()


@pytest.mark.parametrize("metric", LOSSES)
@pytest.mark.parametrize("classes", [2, 4])
def test_the_estimate_holds_what_is_measured_later_though_the_model_is_over_confident(metric, classes):
    past = answered(4000, overconfident=2.5, classes=classes)
    now = answered(2000, seed=1, overconfident=2.5, spread=1.0, classes=classes)

    found = estimate_loss(metric, Answered(now.said, now.days), past)

    assert found.low <= measured(metric, now) <= found.high
    assert found.high - found.low < 0.35 * found.loss
    assert (found.rows, found.past_rows, found.method) == (2000, 4000, "calibrated probabilities")


def test_the_expected_log_loss_of_the_past_is_the_one_that_was_measured():
    past = answered(3000, overconfident=2.0)

    assert estimate_loss("log_loss", past, past).loss == pytest.approx(measured("log_loss", past), rel=1e-4)


def test_without_labels_probabilities_are_taken_at_their_word_and_that_is_said():
    now = answered(500, overconfident=2.0)

    found = estimate_loss("zero_one", now, None)

    assert found.loss == pytest.approx(1 - now.said.max(axis=1).mean())
    assert (found.method, found.past_rows) == (UNCALIBRATED, 0)
    assert estimate_loss("zero_one", now, answered(199)).method == UNCALIBRATED


def test_a_model_that_was_never_wrong_is_calibrated_too():
    happened = np.arange(400) % 2
    past = Answered(np.column_stack([1 - happened, happened]) * 0.98 + 0.01, None, happened)

    found = estimate_loss("log_loss", past, past)

    assert 0 <= found.loss < 0.02
    assert np.isfinite(found.high)


@pytest.mark.parametrize("metric", ["mean_absolute_error", "mean_squared_error"])
def test_numbers_are_as_wrong_as_answers_of_their_size_were(metric):
    rng = np.random.default_rng(0)
    past, now = rng.uniform(1, 10, 5000), rng.uniform(6, 10, 1000)
    happened, later = (said * (1 + 0.2 * rng.standard_normal(len(said))) for said in (past, now))
    power = 1 if metric == "mean_absolute_error" else 2

    found = estimate_loss(metric, Answered(now), Answered(past, None, happened))

    assert found.low <= (np.abs(now - later) ** power).mean() <= found.high
    assert found.loss > 1.2 * (np.abs(past - happened) ** power).mean()


def test_a_regression_without_labels_has_no_estimate():
    assert estimate_loss("mean_absolute_error", Answered(np.ones(9)), None) is None
    found = estimated_quality(None, Level(0.5, 5, 0.01, 12))
    assert (found.verdict, found.detail) == ("unknown", "no loss could be estimated")


def test_days_that_resemble_each_other_widen_the_interval():
    rng = np.random.default_rng(0)
    days = np.arange(3000) // 100
    said = rng.uniform(1, 10, 3000)
    alike = Answered(said, days, said + np.exp(rng.standard_normal(30))[days])
    loose = Answered(said, days, said + rng.permutation(np.exp(rng.standard_normal(30))[days]))
    now = Answered(said[:500], days[:500])

    wide, narrow = (estimate_loss("mean_absolute_error", now, past) for past in (alike, loose))

    assert wide.error > 3 * narrow.error


def test_harder_rows_are_beyond_and_a_changed_world_is_not_seen():
    past, level = answered(3000), Level(0.44, 10, 0.005, 12)
    harder = answered(2000, seed=1, spread=0.5)
    changed = answered(2000, seed=1)
    turned = Answered(changed.said, changed.days, 1 - changed.happened)

    assert estimated_quality(estimate_loss("log_loss", harder, past), level).verdict == "watch"
    assert measured("log_loss", turned) > 1
    assert estimated_quality(estimate_loss("log_loss", turned, past), level).verdict == "stable"


@pytest.mark.parametrize(
    ("now", "past", "sentence"),
    [
        (np.empty((0, 2)), None, "of 0 answers"),
        (np.array([[np.nan, 0.5]]), None, "of 1 answers of which 1 values are no finite numbers"),
        (np.full((9, 2), 0.5), Answered(np.full((300, 2), 0.5)), "answers of the past have no labels"),
        (np.ones(9), Answered(np.ones(300)), "answers of the past have no labels"),
    ],
)
def test_what_cannot_be_estimated_says_why(now, past, sentence):
    with pytest.raises(SignalsUnusable, match=sentence):
        estimate_loss("log_loss", Answered(now), past)
