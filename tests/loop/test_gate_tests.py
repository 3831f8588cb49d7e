"""The paired tests agree with statsmodels, scikit-learn and scipy, and each serves both goals."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn.metrics import roc_auc_score
from statsmodels.stats.contingency_tables import mcnemar as of_statsmodels

from airflow_mlops.errors import GateMisuse
from airflow_mlops.loop.gate import Ranking, judge
from airflow_mlops.loop.gate.delong import auc_losses, delong
from airflow_mlops.loop.gate.diebold_mariano import cosines, series_error
from airflow_mlops.loop.gate.mcnemar import mcnemar, mid_p, ratio_p


def errors(both, mine, theirs, neither):
    """Return the errors of challenger and opponent with this table."""
    table = np.repeat([[1, 1], [1, 0], [0, 1], [0, 0]], [both, mine, theirs, neither], axis=0).astype(float)
    return table[:, 0], table[:, 1]


def scores(n=600, seed=0, apart=1.0):
    """Return classes, and scores of two models of which the first ranks better."""
    rng = np.random.default_rng(seed)
    positive = rng.random(n) < 0.3
    common = rng.normal(size=n)
    return positive, common + apart * 1.6 * positive, common + rng.normal(0, 0.3, n) + apart * positive


@pytest.mark.parametrize(("mine", "theirs"), [(3, 14), (10, 10), (25, 12), (0, 4)])
def test_mid_p_is_half_way_between_the_exact_tests_of_statsmodels(mine, theirs):
    exact = of_statsmodels([[100, mine], [theirs, 200]], exact=True).pvalue
    point = stats.binom.pmf(min(mine, theirs), mine + theirs, 0.5)

    two_sided = 2 * min(mid_p(mine, theirs), mid_p(theirs, mine))

    # statsmodels is two-sided and cuts off at one.
    assert two_sided == pytest.approx(exact - point if mine != theirs else 1.0)


def test_the_score_test_of_a_ratio_is_mcnemars_without_a_margin():
    statistic = of_statsmodels([[100, 12], [25, 200]], exact=False, correction=False).statistic

    assert stats.norm.ppf(ratio_p(100, 12, 25, 200, 1.0)) == pytest.approx(-np.sqrt(statistic), rel=1e-4)


@settings(max_examples=60, deadline=None)
@given(*[st.integers(0, 60)] * 3, st.integers(1, 400), st.floats(0.7, 1.3))
def test_the_score_test_of_a_ratio_is_a_probability_and_falls_as_the_margin_grows(both, mine, theirs, neither, factor):
    strict, wide = (ratio_p(both, mine, theirs, neither, each) for each in (factor, factor * 1.1))

    assert 0 <= strict <= 1
    assert wide <= strict + 1e-9


def test_two_models_that_never_differed_on_few_errors_are_not_shown_to_be_alike():
    few, many = (mcnemar(*_paired(errors(both, 0, 0, 1000)), is_block=False, confidence=0.95)[0] for both in (50, 400))

    assert few.excess_bound > 0 > many.excess_bound
    # Nothing seen of what is expected three times has a probability of 5 %.
    assert mcnemar(*_paired(errors(300, 0, 0, 1000)), is_block=False, confidence=0.95)[0].p < 0.05


def _paired(pair):
    mine, theirs = pair
    return mine, [(theirs, 1.01)], np.arange(len(mine))


def test_areas_are_those_of_scikit_learn_and_their_variance_that_of_the_formula():
    positive, score, _ = scores()
    rounded = score.round(1)

    loss, influence = auc_losses(positive, rounded)
    above = rounded[positive][:, None] - rounded[~positive]
    wins = (above > 0) + 0.5 * (above == 0)

    assert loss == pytest.approx(1 - roc_auc_score(positive, rounded))
    assert influence[positive] * positive.sum() == pytest.approx(1 - wins.mean(axis=1) - loss)
    assert influence[~positive] * (~positive).sum() == pytest.approx(1 - wins.mean(axis=0) - loss)


def test_the_interval_of_two_areas_is_that_of_many_resamples():
    positive, first, second = scores()
    rng = np.random.default_rng(1)
    drawn = [rng.integers(0, len(positive), len(positive)) for _ in range(400)]
    spread = np.std([auc_losses(positive[d], first[d])[0] - auc_losses(positive[d], second[d])[0] for d in drawn])

    found = delong(positive, first, [(second, 1.0)], np.arange(len(positive)), is_block=False, confidence=0.95)[0]

    assert (found.high - found.low) / 2 / 1.645 == pytest.approx(spread, rel=0.15)


def test_the_variance_of_independent_losses_is_that_of_their_mean():
    losses = np.random.default_rng(0).normal(size=(2000, 300))

    _, error = series_error(losses, cosines(2000, None))

    assert np.mean(error**2) == pytest.approx(1 / 2000, rel=0.05)


def test_losses_like_the_one_before_widen_the_interval_of_diebold_and_mariano():
    rng = np.random.default_rng(0)
    shocks, series = rng.normal(0, 0.1, 2000), np.zeros(2000)
    for place in range(1, 2000):
        series[place] = 0.8 * series[place - 1] + shocks[place]
    champion = rng.exponential(0.5, 2000)

    in_order, by_row = (
        judge(champion + series - 0.2, baseline=champion, test=test).comparisons[0]
        for test in ("diebold_mariano", "bootstrap")
    )

    assert in_order.high - in_order.low > 2 * (by_row.high - by_row.low)


def test_better_demands_what_not_worse_allows():
    rng = np.random.default_rng(0)
    champion = rng.exponential(0.5, 2000)
    challenger = champion * rng.normal(0.99, 0.05, 2000)

    shown, demanded = (
        judge(challenger, baseline=champion + 1, champion=champion, margin=0.02, goal=goal)
        for goal in ("not_worse", "better")
    )

    assert (shown.verdict, demanded.verdict) == ("pass", "fail")
    assert demanded.reasons[0].startswith("it is not shown that the challenger is better than the champion by more")
    assert demanded.checks[1].limit == pytest.approx(-0.02 * champion.mean())


def test_error_rates_are_judged_by_mcnemar_and_others_refused():
    mine, theirs = errors(200, 10, 60, 800)

    found = judge(mine, baseline=1 - theirs, champion=theirs, test="mcnemar", goal="better", margin=0)

    assert found.verdict == "pass"
    assert found.comparisons[1].p == pytest.approx(mid_p(10, 60))
    with pytest.raises(GateMisuse, match="give it losses of 0 and 1"):
        judge(mine, baseline=theirs + 0.5, test="mcnemar")


def test_rankings_are_judged_by_delong():
    positive, first, second = scores()
    ranking = Ranking(positive, first, np.zeros(len(first)), second)
    unused = np.zeros(len(first))

    found = judge(unused, baseline=unused, champion=unused, test="delong", ranking=ranking)

    assert (found.verdict, found.metric) == ("pass", "1 - AUC")
    assert found.comparisons[0].opponent_loss == 0.5
    with pytest.raises(GateMisuse, match="give it the scores of every model"):
        judge(unused, baseline=unused, test="delong")


def test_too_few_rows_of_a_class_are_not_enough_labels():
    positive, first, second = scores()
    positive[np.flatnonzero(positive)[12:]] = False
    unused = np.zeros(len(first))

    found = judge(unused, baseline=unused, test="delong", ranking=Ranking(positive, first, second))

    assert found.verdict == "not enough labels"
    assert found.reasons[0].startswith("12 of 600 held-out rows are of the rarer class, and fewer than 20")


@pytest.mark.parametrize("test", ["bootstrap", "diebold_mariano", "mcnemar", "delong"])
def test_blocks_that_differ_widen_the_interval_of_each_test(test):
    rng = np.random.default_rng(3)
    blocks = np.repeat(np.arange(10), 200)
    shift = rng.choice([-0.1, 0.1], 10)[blocks]
    positive = rng.random(2000) < 0.5
    mine, theirs = ((rng.random(2000) < 0.3 + by).astype(float) for by in (shift, -shift))
    ranking = Ranking(positive, positive * (1 - mine) + shift, positive * (1 - theirs) - shift)

    alone, together = (
        judge(mine, baseline=theirs, blocks=each, test=test, ranking=ranking).comparisons[0] for each in (None, blocks)
    )

    assert together.high - together.low > 1.5 * (alone.high - alone.low)
