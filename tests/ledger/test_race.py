"""The race of promotions, small."""

from __future__ import annotations

from benchmarks.promotion_race.race import run_race


def test_of_promotions_and_rollbacks_that_start_together_one_wins(url):
    address = url if isinstance(url, str) else url.render_as_string(hide_password=False)

    figures = run_race(address, model="raced", processes=10, rounds=2)

    assert figures["is_right"]
    for number, found in enumerate(figures["rounds"], start=1):
        assert (found["winners"], found["promotion_events"], found["other_errors"]) == (1, 1, 0)
        assert found["conflicts"] + found["same_as_winner"] == 9
        assert found["tries"] == {"promotion": 9, "rollback": 1}
        assert found["epoch"] == 3 + number
