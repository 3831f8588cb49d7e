"""Guards must be shown, slices are searched without crying wolf."""

from __future__ import annotations

import numpy as np
import pytest

from airflow_mlops.loop.gate import guard_check, worst_slice_check
from airflow_mlops.loop.gate.simultaneous import level_of_each


def losses(n=2000, seed=0):
    """Return losses of a champion, and of a challenger that is as good."""
    rng = np.random.default_rng(seed)
    champion = rng.exponential(0.5, n)
    return champion + rng.normal(0, 0.1, n), champion


def halves(n=2000):
    """Return four slices of a quarter each."""
    return {f"hour = {value}": np.arange(n) % 4 == value for value in range(4)}


def test_a_guard_on_a_slice_fails_though_all_rows_are_fine():
    challenger, champion = losses()
    mask = halves()["hour = 1"]
    worse = np.where(mask, challenger + 0.1, challenger - 0.1)

    everywhere, there = (
        guard_check(name, worse, champion, mask=rows) for name, rows in (("guard", None), ("guard: hour = 1", mask))
    )

    assert (everywhere.verdict, there.verdict) == ("pass", "fail")
    assert there.sentence.startswith("guard: hour = 1 is not shown to be no worse than the champion by more than 5.0%")
    assert (there.rows, there.value) == (500, pytest.approx(0.1, abs=0.02))


def test_a_guard_without_rows_has_not_enough_labels():
    challenger, champion = losses()

    found = guard_check("guard: hour = 9", challenger, champion, mask=np.zeros(2000, bool))

    assert found.verdict == "not enough labels"
    assert "it has 0 held-out rows, and needs 200" in found.sentence


def test_a_slice_that_is_shown_worse_fails_and_is_named():
    challenger, champion = losses()
    slices = halves()
    worse = np.where(slices["hour = 2"], challenger + 0.2, challenger)

    found = worst_slice_check(worse, champion, slices)

    assert found.verdict == "fail"
    assert "more than 10% on a slice, by loss: hour = 2 (500 rows)" in found.sentence
    assert found.detail["worst"][0]["low"] > 0


def test_a_slice_that_only_looks_worse_passes_with_a_risk():
    challenger, champion = losses(600)
    rare = np.arange(600) % 6 == 0
    noise = np.random.default_rng(1).normal(0, 1.0, 600)
    worse = challenger + np.where(rare, 0.1 + noise - noise[rare].mean(), 0)

    found = worst_slice_check(worse, champion, {"rare": rare, "others": ~rare})

    assert (found.verdict, found.risk) == ("pass", "slice_drop")
    assert "it looks it; more held-out rows would tell" in found.sentence


def test_slices_below_the_least_support_are_not_looked_at():
    challenger, champion = losses()

    found = worst_slice_check(challenger + 1, champion, {"small": np.arange(2000) < 99})

    assert found.verdict == "pass"
    assert found.sentence == "no slice was searched: none of 1 has 100 held-out rows"


def test_a_slice_of_too_few_blocks_is_not_looked_at():
    challenger, champion = losses()

    found = worst_slice_check(challenger + 1, champion, halves(), blocks=np.arange(2000) // 600)

    assert found.detail["slices"] == 0


def test_slices_that_share_all_rows_count_as_one_and_others_by_their_number():
    noise = np.random.default_rng(0).normal(size=(1000, 20))
    noise -= noise.mean(axis=0)

    assert level_of_each(np.repeat(noise[:, :1], 20, axis=1), 0.05) == pytest.approx(0.05, abs=0.01)
    assert level_of_each(noise, 0.05) == pytest.approx(0.05 / 20, abs=0.001)


def test_a_search_among_many_slices_seldom_cries_wolf():
    rng = np.random.default_rng(0)
    alarms = 0
    for seed in range(100):
        challenger, champion = losses(1000, seed)
        slices = {f"{place}": rows for place, rows in enumerate(rng.random((30, 1000)) < 0.3)}
        alarms += worst_slice_check(challenger + 0.1 * 0.5, champion, slices, seed=seed).verdict == "fail"

    assert alarms <= 12
