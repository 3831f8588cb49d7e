"""Error budgets: what counts, what is left, and when a burn rate is an alert."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from airflow_mlops.events import Event
from airflow_mlops.loop import slo
from airflow_mlops.loop.facts import Window
from airflow_mlops.loop.signal import Signal
from airflow_mlops.loop.signals import Quality, Signals
from airflow_mlops.loop.slo import Count, Requests

NOW = datetime(2013, 6, 1, tzinfo=UTC)
MONTH = timedelta(days=30)
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


def budget(counts, *, target=0.99, period=MONTH):
    return slo.budget_of("latency", counts, target=target, period=period, now=NOW)


def minutes(bad_share, *, last, before=0.0):
    """Count 100 requests a minute for three days, of which so many were bad in the last stretch, and before it."""
    found = []
    for ago in range(int(3 * DAY / MINUTE), -1, -1):
        bad = round(100 * (bad_share if ago * MINUTE < last else before))
        found.append(Count(NOW - ago * MINUTE, 100 - bad, bad))
    return found


def test_a_kept_objective_is_ok_and_says_what_is_left():
    found = budget([Count(NOW - DAY, 9_950, 50)])
    assert (found.state, found.sli, found.left) == ("ok", 0.995, pytest.approx(0.5))
    assert found.sentence.startswith(
        "latency: 99.50% good of 10,000 (99.0% is promised), 50% of the error budget is left"
    )


def test_a_budget_that_is_used_up_is_spent():
    found = budget([Count(NOW - DAY, 9_890, 110)])
    assert found.state == "spent"
    assert "the error budget is spent" in found.sentence


def test_few_counts_are_not_enough_data_however_bad():
    found = budget([Count(NOW - DAY, 0, 9)])
    assert (found.state, found.burn) == ("unknown", None)
    assert found.sentence == "latency: not enough data (9 counted, 10 are needed)"


def test_counts_older_than_the_period_are_forgotten():
    assert budget([Count(NOW - MONTH, 0, 1000), Count(NOW, 1000, 0)]).sli == 1.0


@pytest.mark.parametrize(
    ("share", "last", "state"),
    [(0.20, HOUR, "page"), (0.10, 6 * HOUR, "page"), (0.02, 6 * HOUR, "ok"), (0.005, 3 * DAY, "ok")],
)
def test_a_page_needs_a_fast_burn_in_both_windows(share, last, state):
    assert budget(minutes(share, last=last)).state == state


def test_a_slow_burn_that_goes_on_is_a_ticket():
    long_ago = [Count(NOW - 20 * DAY, 2_000_000, 0)]
    assert budget([*long_ago, *minutes(0.02, last=3 * DAY)]).state == "ticket"


def test_an_alert_ends_soon_after_the_cause_has():
    burst = [
        Count(count.at, 100, 0) if NOW - count.at < 10 * MINUTE else count for count in minutes(0.2, last=70 * MINUTE)
    ]
    assert budget(minutes(0.2, last=70 * MINUTE)).state == "page"
    assert budget(burst).state == "ok"


def test_windows_hold_the_newest_count_where_looks_are_a_week_apart():
    weeks = [Count(NOW - number * 7 * DAY, 500, 0) for number in (3, 2, 1)]
    found = budget([*weeks, Count(NOW, 0, 500)], target=0.5, period=timedelta(days=28))
    assert all(burn.rate == pytest.approx(2.0) for burn in found.burns)
    assert (found.state, found.left) == ("ticket", pytest.approx(0.5))


def test_a_budget_comes_back_from_the_ledger_as_it_went():
    found = budget(minutes(0.2, last=HOUR))
    assert slo.Budget.from_dict(found.to_dict()) == found


def test_the_signal_is_the_fastest_burn_and_the_worst_state():
    calm, fast = budget([Count(NOW, 1000, 0)]), budget(minutes(0.2, last=HOUR))
    found = slo.slo_signal([calm, fast])
    assert (found.verdict, found.value) == ("drifted", pytest.approx(20.0))
    assert slo.slo_signal([calm]).verdict == "stable"
    assert slo.slo_signal([]).verdict == "unknown"


# What counts


def test_all_rows_of_a_bad_window_are_bad():
    windows = [
        Window(NOW - DAY, NOW, NOW, "log_loss", 200, loss, {}, sound) for loss, sound in ((0.4, True), (0.6, True))
    ]
    stopped = Window(NOW - DAY, NOW, NOW, "log_loss", 200, 9.0, {}, False)
    counts = slo.quality([*windows, stopped], 0.5)
    assert (sum(count.good for count in counts), sum(count.bad for count in counts)) == (200, 200)


def look(**facts):
    return Signals(**({"now": NOW, "epoch": 1, "champion_version": "1", "data_check": "passed"} | facts))


def test_a_look_without_fresh_rows_is_bad():
    ages = [0.5, 3.0, None]
    looks = [look(measured={"freshness": Signal("freshness", age)}) for age in ages]
    assert [count.good for count in slo.freshness(looks, 2 * DAY)] == [1, 0, 0]


def test_a_window_whose_labels_are_missing_is_bad():
    def window(maturity):
        return Quality(NOW - DAY, NOW, "log_loss", 100, int(100 * maturity), maturity, 0.1, {})

    looks = [look(quality=window(0.95)), look(quality=window(0.5)), look(data_check="missing"), look()]
    assert [count.good for count in slo.completeness(looks, 0.9)] == [1, 0, 0]


def test_requests_are_counted_once_also_where_the_server_started_anew():
    readings = [Requests(NOW, "a", 100, 10), Requests(NOW + HOUR, "a", 300, 20), Requests(NOW + DAY, "b", 50, 5)]
    assert [(count.good, count.bad) for count in slo.latency(readings)] == [(90, 10), (190, 10), (45, 5)]


def event(seq, kind, *, run, minute, **payload):
    at = NOW + minute * MINUTE
    return Event("m", seq, kind, str(payload.pop("key", seq)), NOW, at, run, None, payload, "", "")


def test_the_loop_is_timed_from_the_decision_to_its_end_by_the_clock():
    quick = [
        event(1, "decision", run="look", minute=0, key="d1"),
        event(2, "request", run="a", minute=5, cause="decision", decision="d1"),
        event(3, "promotion", run="a", minute=50),
    ]
    slow = [
        event(4, "request", run="b", minute=60, cause="person", decision=None),
        event(5, "evaluate", run="b", minute=130, verdict="fail"),
    ]
    quiet = [event(6, "request", run="c", minute=131, cause=None)]
    lost = [event(7, "request", run="d", minute=132, cause="schedule")]
    counts = slo.loop_time([*quick, *slow, *quiet, *lost], HOUR)
    assert [(count.good, count.bad) for count in counts] == [(1, 0), (0, 1)]
    late = event(8, "signals", run="look", minute=200)
    assert len(slo.loop_time([*quick, *slow, *lost, late], HOUR)) == 3
