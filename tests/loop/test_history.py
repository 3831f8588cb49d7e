"""What the ledger's events tell of a model's past."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from airflow_mlops.loop.history import History
from tests.loop.past import START, WEEK, event, first_champion, measured, numbered, promotion, signals, training


def losses(history):
    return [window.loss for window in history.windows]


def test_promotions_trainings_and_windows_are_read():
    history = History.of(
        numbered(*first_champion(0.48), measured(1, 0.5), training(2, verdict="fail", epoch=1), event(0, "drift", {}))
    )
    assert [(each.version, each.epoch, each.at) for each in history.promotions] == [("1", 1, START)]
    assert history.promotions[0].metrics == {"log_loss": 0.48}
    assert [(each.verdict, each.at) for each in history.trainings] == [("pass", START), ("fail", START + 2 * WEEK)]
    assert losses(history) == [0.5]


def test_order_and_repetition_of_events_do_not_matter():
    events = numbered(*first_champion(), measured(1, 0.5), measured(2, 0.6))
    assert History.of([*reversed(events), events[2]]) == History.of(events)


def test_of_one_window_the_last_measurement_counts():
    again = replace(signals(1, 0.7), now=START + 3 * WEEK)
    history = History.of(numbered(measured(1, 0.5), event(0, "signals", again.to_dict(), week=3)))
    assert losses(history) == [0.7]


def test_windows_that_overlap_are_not_counted_twice():
    days = [event(0, "signals", signals(1 + day / 7, 0.5 + day / 100).to_dict()) for day in range(15)]
    history = History.of(numbered(*days))
    assert losses(history) == pytest.approx([0.5, 0.57, 0.64])
    assert all(a.end <= b.start for a, b in zip(history.windows, history.windows[1:], strict=False))


def test_a_look_by_hand_in_between_does_not_disturb_the_weeks():
    weeks = [measured(week, 0.5 + week / 10) for week in (1, 2, 3)]
    assert losses(History.of(numbered(*weeks, measured(1.5, 0.9)))) == [0.6, 0.7, 0.8]


def test_windows_without_labels_and_events_of_another_form_are_passed_over():
    history = History.of(
        numbered(
            event(0, "signals", signals(1).to_dict()),
            event(0, "signals", {"form": "of tomorrow"}),
            event(0, "evaluate", {}),
            event(0, "promotion", {"version": "7"}, epoch=1),
        )
    )
    assert (history.windows, history.trainings) == ((), ())
    assert history.promotions[0].metrics == {}


def test_a_window_whose_rows_the_data_check_stopped_is_marked():
    history = History.of(
        numbered(measured(1, 0.5), measured(2, 0.5, data_check="failed"), measured(3, 0.5, data_check="missing"))
    )
    assert [window.is_sound for window in history.windows] == [True, False, False]


def test_signals_see_only_what_was_there_when_they_were_measured():
    events = numbered(
        *first_champion(),
        measured(1, 0.5),
        measured(2, 0.6),
        training(2.5, epoch=1),
        promotion(2.5, "2", epoch=2),
        measured(3, 0.4),
    )
    seen = History.of(events).seen_by(signals(2, 0.6))
    assert (len(seen.promotions), len(seen.trainings), losses(seen)) == (1, 1, [0.5, 0.6])


def test_the_newest_signals_need_not_be_in_the_ledger_yet():
    seen = History.of(numbered(measured(1, 0.5))).seen_by(signals(2, 0.6, length=WEEK + timedelta(days=3)))
    assert losses(seen) == [0.6], "the newest window counts, and the one it overlaps does not"
