"""The one number that is added to what is served."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import expit, log_softmax, logsumexp

from airflow_mlops.loop.correction import correction


def binary(rows=600, shift=0.8, seed=1):
    random = np.random.default_rng(seed)
    logits = random.normal(-1, 1.5, rows)
    return logits, (random.random(rows) < expit(logits + shift)).astype("float64")


def classes(rows=900, shift=(0.6, 0.0, -0.6), seed=2):
    random = np.random.default_rng(seed)
    output = log_softmax(random.normal(0, 1, (rows, len(shift))), axis=1)
    happened = (output + np.array(shift) + random.gumbel(size=output.shape)).argmax(axis=1)
    return output, happened


@pytest.mark.parametrize("rows", [1, 250, 5000])
def test_a_logit_is_shifted_to_where_the_ridged_likelihood_is_largest(rows):
    logits, target = binary()

    def loss(shift):
        moved = logits + shift[0]
        return np.sum(np.logaddexp(0, moved) - target * moved) + rows / 2 * shift[0] ** 2 / 2

    assert correction("binary", logits, target, rows=rows) == pytest.approx(minimize(loss, [0.0]).x[0], abs=1e-4)


@pytest.mark.parametrize("rows", [10, 250, 5000])
def test_classes_are_shifted_to_where_the_ridged_likelihood_is_largest(rows):
    output, target = classes()

    def loss(shift):
        moved = output + shift
        likelihood = moved[np.arange(len(target)), target] - logsumexp(moved, axis=1)
        return -np.sum(likelihood) + rows / 2 * np.sum(shift**2) / 2

    best = minimize(loss, np.zeros(3)).x

    assert correction("multiclass", output, target, rows=rows) == pytest.approx(best - best.mean(), abs=1e-3)


def test_shifts_of_classes_have_mean_zero_and_the_right_order():
    found = correction("multiclass", *classes(), rows=50)

    assert sum(found) == pytest.approx(0, abs=1e-9)
    assert found[0] > found[1] > found[2]


def test_a_class_that_never_happened_gets_a_finite_shift():
    output, target = classes()

    assert np.isfinite(correction("multiclass", output, np.minimum(target, 1), rows=250)).all()


def test_a_regression_is_shifted_by_the_median_drawn_to_none():
    target = np.array([3.0, 4.0, 100.0])

    assert correction("regression", np.ones(3), target, rows=1) == pytest.approx(3.0 * 3 / 4)


@pytest.mark.parametrize("task", ["binary", "regression"])
def test_more_labels_move_a_correction_farther(task):
    logits, target = binary(4000)
    found = [correction(task, logits[:rows], target[:rows], rows=250) for rows in (50, 500, 4000)]

    assert 0 < found[0] < found[2]
    assert abs(found[1]) < abs(found[2])


def test_without_rows_nothing_is_corrected():
    assert correction("binary", np.empty(0), np.empty(0), rows=250) == 0.0
    assert correction("regression", np.empty(0), np.empty(0), rows=250) == 0.0
    assert correction("multiclass", np.empty((0, 4)), np.empty(0), rows=250) == (0.0,) * 4


def test_probabilities_that_are_right_are_hardly_moved():
    logits, target = binary(5000, shift=0.0)

    assert abs(correction("binary", logits, target, rows=250)) < 0.1


def test_certain_answers_that_were_wrong_leave_a_finite_correction():
    found = correction("binary", np.full(100, -30.0), np.ones(100), rows=250)

    assert 0 < found < 1, "a hundred labels against a ridge of 125"
