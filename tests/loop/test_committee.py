"""Which versions serve, and with what weights."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from airflow_mlops.loop.committee import committee, elect, scores

untimed = settings(deadline=None)
NAN = float("nan")
found_scores = st.integers(1, 20).flatmap(
    lambda count: arrays("float64", count, elements=st.integers(-20, 20).map(lambda tenths: tenths / 10))
)


def scored(losses, served, *, memory=0.8, prior=0.0001, trust=0.0):
    return scores(np.array(losses, dtype="float64"), np.array(served), memory=memory, prior=prior, trust=trust)


@untimed
@given(found_scores, st.floats(0.1, 50), st.integers(1, 8))
def test_weights_add_up_to_one_and_no_more_members_have_one_than_allowed(found, sharpness, members):
    weights = committee(found, sharpness=sharpness, members=members)

    assert weights.sum() == pytest.approx(1)
    assert (weights >= 0).all()
    assert np.count_nonzero(weights) <= members
    assert weights[found == found.min()].any()


@untimed
@given(found_scores, st.floats(0.1, 20), st.integers(1, 8))
def test_a_better_version_has_no_less_weight(found, sharpness, members):
    weights = committee(found, sharpness=sharpness, members=members)

    better = found[:, None] < found[None, :]

    assert (weights[:, None] >= weights[None, :])[better].all()


def test_a_loss_that_is_higher_by_one_over_sharpness_has_a_part_in_e():
    weights = committee(np.array([0.0, 0.1]), sharpness=10, members=3)

    assert weights[0] / weights[1] == pytest.approx(np.e)


def test_of_versions_that_are_as_good_the_newer_ones_serve():
    assert np.flatnonzero(committee(np.zeros(5), sharpness=12, members=2)).tolist() == [3, 4]
    assert elect([0.0, 0.0, 0.0], None, margin=0.0) == 2


def test_huge_losses_leave_finite_weights():
    assert committee(np.array([0.0, 1e6]), sharpness=50, members=3).tolist() == [1.0, 0.0]


def test_scores_are_losses_beyond_what_was_served_relative_to_it():
    assert scored([[0.6, 0.6], [0.5, 0.5], [0.4, 0.4]], [0.5, 0.5]) == pytest.approx([0.2, 0.0, -0.2], abs=1e-3)


def test_a_later_window_counts_more():
    earlier, later = scored([[0.7, 0.5], [0.5, 0.7]], [0.5, 0.5], memory=0.5)

    assert later == pytest.approx(2 * earlier, rel=1e-3)
    assert np.diff(scored([[0.7, 0.5], [0.5, 0.7]], [0.5, 0.5], memory=0.9999)) == pytest.approx(0, abs=1e-3)


def test_windows_that_a_version_was_trained_on_are_no_witnesses():
    assert scored([[NAN, 0.6], [0.1, 0.6]], [0.5, 0.5])[0] == pytest.approx(0.2, abs=1e-3)
    assert np.isfinite(scored([[NAN, NAN], [0.5, NAN]], [0.5, 0.5])).all()


def test_a_version_is_trusted_until_its_windows_outweigh_that():
    new, few, many = scored([[NAN] * 9, [NAN] * 8 + [0.6], [0.6] * 9], [0.5] * 9, memory=0.99, prior=2.0, trust=0.15)

    assert new == pytest.approx(-0.15)
    assert new < few < many < 0.2
    assert few < 0 < many


def test_before_any_window_all_are_trusted_alike():
    assert scored(np.empty((3, 0)), [], trust=0.02).tolist() == [-0.02] * 3


def test_a_served_loss_of_zero_divides_nothing():
    assert np.isfinite(scored([[0.1, 0.2]], [0.0, 0.0])).all()


@pytest.mark.parametrize(
    ("found", "serving", "margin", "elected"),
    [
        ([0.00, -0.02, 0.1], 0, 0.01, 1),
        ([0.00, -0.005, 0.1], 0, 0.01, 0),
        ([0.00, -0.02, 0.1], None, 0.5, 1),
        ([0.00, -0.02, -0.3], 2, 0.01, 2),
    ],
)
def test_what_serves_stays_unless_another_is_better_by_the_margin(found, serving, margin, elected):
    assert elect(found, serving, margin=margin) == elected
