"""When a promotion is shown to be worse than the version before, by labels and by the server's own numbers."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from airflow_mlops.loop.bake import Against, bake_at, bake_signal, is_watched, joined, losses_since, server_signal
from airflow_mlops.loop.signal import Signal
from airflow_mlops.loop.signals import Quality, Signals, VersionLoss
from airflow_mlops.spec.control_sections import Bake

SINCE = datetime(2013, 3, 1, tzinfo=UTC)
SETTINGS = Bake(window="14d", loss=0.1)


def losses(days, rise, *, seed=0, rows=80):
    """Draw losses of some days that resemble each other, and those of a version that loses more by a share."""
    random = np.random.default_rng(seed)
    day = np.repeat(np.arange(days), rows)
    before = random.gamma(2.0, 0.2, days * rows) * random.uniform(0.8, 1.2, days)[day]
    served = before * (1 + rise) * random.uniform(0.7, 1.3, days * rows)
    return served, before, day


def window(days, rise, *, epoch=2, first=0, **facts):
    served, before, day = losses(days, rise, **facts)
    start = SINCE + timedelta(days=first)
    against = Against.measured(epoch, "1", (served, before), day + first)
    end = start + timedelta(days=days)
    loss = float(served.mean())
    rows = len(served)
    return Quality(start, end, "log_loss", rows, rows, 1.0, loss, {"2": VersionLoss(loss, rows)}, against=against)


def signal(quality, earlier=(), **changes):
    return bake_signal(
        losses_since(2, [quality]),
        SETTINGS.model_copy(update=changes),
        since=SINCE,
        until=quality.end,
        earlier=earlier,
        min_labels=100,
    )


def test_a_version_that_loses_half_as_much_again_breaks_its_bake():
    found = signal(window(7, 0.5))
    assert found.verdict == "drifted"
    assert found.low > 0.1
    assert found.value == pytest.approx(0.5, abs=0.05)
    assert "10% is the limit" in found.detail


@pytest.mark.parametrize("rise", [-0.2, 0.0, 0.1])
def test_a_version_that_is_within_the_limit_holds(rise):
    assert signal(window(14, rise)).verdict in ("stable", "watch")


def test_few_days_or_rows_are_not_enough_data():
    assert signal(window(2, 3.0)).verdict == "unknown"
    found = signal(window(7, 3.0, rows=10))
    assert found.verdict == "unknown"
    assert found.detail == "not enough data: 70 labelled rows on 7 days since the promotion"


def test_all_looks_together_spend_no_more_than_one_error():
    looks, spent = [], 0.0
    for day in range(3, 15):
        known = [look.end for look in looks if look.value is not None]
        spent += 0.05 * ((SINCE + timedelta(days=day)) - max(known, default=SINCE)) / timedelta(days=14)
        looks.append(signal(window(day, 0.0), looks))
    assert spent == pytest.approx(0.05)
    assert signal(window(14, 5.0), looks).verdict == "stable", "nothing is left to spend, so nothing is tested again"


def test_what_was_shown_once_stays_shown():
    broken = signal(window(7, 0.5))
    assert signal(window(14, 0.0), [broken]).verdict == "drifted"


def test_days_that_two_windows_share_count_once():
    days = losses_since(2, [window(7, 0.2), window(7, 0.2, first=3, seed=1)])
    assert [day.day for day in days] == list(range(10))


def test_answers_of_another_epoch_are_left_out():
    assert losses_since(3, [window(7, 0.5)]) == []


def test_only_windows_whose_data_check_is_sound_are_counted():
    look = {"now": SINCE + timedelta(days=9), "epoch": 2, "champion_version": "2", "quality": window(7, 0.5)}
    sound, stopped = Signals(data_check="passed", **look), Signals(data_check="failed", **look)
    assert bake_at(sound, [], SETTINGS, since=SINCE, min_labels=100).verdict == "drifted"
    assert bake_at(stopped, [], SETTINGS, since=SINCE, min_labels=100).verdict == "unknown"


def test_losses_of_a_window_come_back_from_the_ledger_as_they_went():
    quality = window(7, 0.5)
    assert Quality.from_dict(quality.to_dict()) == quality


def test_a_look_belongs_to_the_trial_until_the_labels_of_its_window_are_due():
    wait = timedelta(days=9)
    assert is_watched(SINCE + timedelta(days=22), SINCE, SETTINGS, wait=wait)
    assert not is_watched(SINCE + timedelta(days=23), SINCE, SETTINGS, wait=wait)


def test_failed_requests_above_their_share_break_the_bake_and_few_requests_say_nothing():
    assert server_signal(SETTINGS, requests=49, failed=49).verdict == "unknown"
    assert server_signal(SETTINGS, requests=50, failed=50).verdict == "drifted"
    assert server_signal(SETTINGS, requests=1000, failed=50).verdict == "stable"
    found = server_signal(SETTINGS, requests=1000, failed=100)
    assert (found.verdict, found.rows) == ("drifted", 0)
    assert found.detail == "10.0% of 1,000 requests failed by the server's fault (5% may)"


def test_slow_requests_break_the_bake_where_a_time_is_promised():
    timed = SETTINGS.model_copy(update={"latency_ms": 50.0})
    assert server_signal(timed, requests=500, failed=0, slow=5).verdict == "stable"
    found = server_signal(timed, requests=500, failed=0, slow=50)
    assert found.detail == "10.0% of 500 requests took longer than 50 ms (1% may)"


def test_a_server_that_is_asked_after_each_request_seldom_alarms_within_its_limit():
    random, alarms = np.random.default_rng(3), 0
    for _ in range(100):
        failed = np.cumsum(random.uniform(size=600) < 0.05)
        looks = (server_signal(SETTINGS, requests=at, failed=int(failed[at - 1])) for at in range(50, 601, 10))
        alarms += any(look.verdict == "drifted" for look in looks)
    assert alarms <= 5


def test_the_worse_of_labels_and_server_counts():
    labels, calm = Signal("bake", 0.5, "drifted", rows=500), server_signal(SETTINGS, requests=100, failed=0)
    failing = server_signal(SETTINGS, requests=100, failed=100)
    assert joined(labels, calm).rows == 500
    assert joined(labels, failing) == failing
    assert joined(None, calm) == calm
