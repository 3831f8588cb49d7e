"""The gate lets better and equal challengers pass, refuses worse ones, and says why with numbers."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_mlops.errors import GateMisuse
from airflow_mlops.loop.gate import judge


def losses(n=2000, seed=0):
    """Return losses of a champion, and of a baseline that is clearly worse."""
    champion = np.random.default_rng(seed).exponential(0.5, n)
    return champion, champion + 0.2


def test_a_better_challenger_passes():
    champion, baseline = losses()

    found = judge(champion * 0.95, baseline=baseline, champion=champion)

    assert found.verdict == "pass"
    assert found.reasons[1].startswith("the challenger is not worse than the champion by more than 1.0%: loss 0.4")


def test_an_equal_challenger_passes_within_the_margin():
    champion, baseline = losses()

    assert judge(champion, baseline=baseline, champion=champion).verdict == "pass"
    assert judge(champion, baseline=baseline, champion=champion, margin=0).verdict == "pass"


def test_a_challenger_worse_than_the_margin_is_refused():
    champion, baseline = losses()

    found = judge(champion * 1.05, baseline=baseline, champion=champion)

    assert found.verdict == "fail"
    assert [comparison.passed for comparison in found.comparisons] == [True, False]
    assert "it is not shown that the challenger is no worse than the champion" in found.reasons[0]


def test_a_first_version_is_judged_against_the_baseline_alone():
    champion, baseline = losses()

    found = judge(champion, baseline=baseline)

    assert found.verdict == "pass"
    assert [comparison.opponent for comparison in found.comparisons] == ["baseline"]


def test_to_equal_the_baseline_is_not_to_beat_it():
    champion, _ = losses()

    assert judge(champion, baseline=champion).verdict == "fail"


def test_few_rows_refuse_without_a_comparison():
    champion, baseline = losses(150)

    found = judge(champion, baseline=baseline)

    assert found.verdict == "not enough labels"
    assert found.reasons == ("150 held-out rows are fewer than the 200 the gate needs (evaluate.gate.min_rows)",)


def test_predictions_that_are_not_numbers_refuse():
    champion, baseline = losses()
    broken = champion.copy()
    broken[:3] = np.nan

    assert judge(broken, baseline=baseline).reasons == ("the challenger's loss is not finite on 3 of 2000 rows",)


def test_the_interval_holds_the_difference():
    champion, baseline = losses()

    comparison = judge(champion * 0.9, baseline=baseline, champion=champion).comparisons[0]

    assert comparison.low < comparison.difference < comparison.high
    assert comparison.difference == pytest.approx(champion.mean() * -0.1 - 0.2)


def test_days_that_go_their_own_way_widen_the_interval():
    rng = np.random.default_rng(0)
    days = np.repeat(np.arange(14), 200)
    baseline = rng.exponential(0.5, 2800)
    challenger = baseline - 0.02 + rng.normal(0, 0.1, 14)[days] + rng.normal(0, 0.1, 2800)

    rows = judge(challenger, baseline=baseline).comparisons[0]
    blocks = judge(challenger, baseline=baseline, blocks=days).comparisons[0]

    assert blocks.high - blocks.low > 3 * (rows.high - rows.low)


def test_fewer_than_five_blocks_refuse_and_the_verdict_says_what_to_do():
    champion, baseline = losses()

    found = judge(champion * 0.5, baseline=baseline, blocks=np.arange(2000) // 500)

    assert (found.verdict, found.units) == ("not enough labels", 4)
    assert found.reasons == (
        "the held-out rows lie in 4 blocks of time, and fewer than 5 say nothing of how much blocks differ; lengthen "
        "evaluate.holdout, or shorten evaluate.gate.block",
    )


def test_other_rows_cannot_be_compared():
    champion, baseline = losses()

    with pytest.raises(GateMisuse, match="losses of 1999, 2000 rows"):
        judge(champion[1:], baseline=baseline)
    with pytest.raises(GateMisuse, match="an opponent's loss is not finite"):
        judge(champion, baseline=baseline * np.inf)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.integers(200, 1500), st.floats(0.5, 1.5), st.booleans())
def test_the_verdict_is_the_same_each_time_and_does_not_depend_on_the_unit_of_loss(seed, n, factor, blocked):
    champion, baseline = losses(n, seed)
    blocks = np.arange(n) // 40 if blocked else None

    first, again = (
        judge(champion * factor, baseline=baseline, champion=champion, blocks=blocks, seed=seed) for _ in range(2)
    )
    scaled = judge(
        champion * factor * 1024, baseline=baseline * 1024, champion=champion * 1024, blocks=blocks, seed=seed
    )

    assert first == again
    assert scaled.verdict == first.verdict
    assert scaled.comparisons[0].high == pytest.approx(first.comparisons[0].high * 1024)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.floats(0.0, 0.3))
def test_a_lower_loss_on_every_row_is_never_judged_worse(seed, gain):
    champion, baseline = losses(400, seed)
    challenger = champion * np.random.default_rng(seed + 1).normal(1.0, 0.05, 400)

    bounds = [
        judge(challenger - less, baseline=baseline, champion=champion, seed=seed).comparisons[1].excess_bound
        for less in (0.0, gain)
    ]

    assert bounds[1] <= bounds[0] + 1e-12


def test_the_bounds_agree_with_students_t_where_it_is_exact():
    from scipy import stats

    difference = np.random.default_rng(3).normal(0.1, 1.0, 3000)

    found = judge(difference + 5, baseline=np.full(3000, 5.0), resamples=4000).comparisons[0]
    error = difference.std(ddof=1) / np.sqrt(3000)

    assert found.high == pytest.approx(difference.mean() + stats.t.ppf(0.95, 2999) * error, abs=0.1 * error)


def test_many_rows_are_resampled_in_pieces_and_give_one_answer():
    champion, baseline = losses(30_000)

    found = judge(champion, baseline=baseline, resamples=300)

    assert found.units == 30_000
    assert found.verdict == "pass"
