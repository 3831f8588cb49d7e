"""How labels arrive after a window's end, and which windows wait for more."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pandas as pd
import pytest

from airflow_mlops.loop.history import Window
from airflow_mlops.loop.labels import label_arrivals
from airflow_mlops.loop.maturity import (
    Maturity,
    MaturityAt,
    describe,
    expected_maturity,
    maturity_curve,
    open_windows,
    window_name,
)
from airflow_mlops.spec.sections import DataSpec, LabelsSpec

DAY, WEEK = timedelta(days=1), timedelta(weeks=1)
START = datetime(2013, 4, 29, tzinfo=UTC)
END = START + WEEK


def curve(*days_of_arrival, now=END + 10 * DAY, steps=10):
    """Rows of the window's last hour, with the days after its end on which their labels arrived; None: not at all."""
    times = pd.Series([END - timedelta(hours=1)] * len(days_of_arrival))
    arrived = pd.Series([pd.NaT if day is None else END + day * DAY for day in days_of_arrival])
    return maturity_curve(times, pd.to_datetime(arrived, utc=True), start=START, end=END, now=now, steps=steps)


def test_a_curve_grows_with_each_label_that_arrives():
    grown = curve(0, 2, 5, None)
    assert [point.share for point in grown] == [0.25, 0.25, 0.5, 0.5, 0.5, 0.75, 0.75, 0.75, 0.75, 0.75, 0.75]
    assert (grown[0].age, grown[-1].age) == (timedelta(0), 10 * DAY)


def test_a_curve_never_falls_and_knows_nothing_from_after_now():
    grown = curve(1, 3, 9, 20, now=END + 4 * DAY, steps=7)
    assert grown[-1] == MaturityAt(4 * DAY, 0.5)
    assert all(later.share >= earlier.share for earlier, later in pairwise(grown))


def test_rows_outside_of_the_window_are_not_waited_for():
    times = pd.Series([START - DAY, START, END])
    arrived = pd.to_datetime(pd.Series([pd.NaT, END, pd.NaT]), utc=True)
    assert maturity_curve(times, arrived, start=START, end=END, now=END + DAY)[-1].share == 1.0


@pytest.mark.parametrize("now", [END - DAY, END])
def test_a_window_that_has_not_ended_or_has_no_rows_has_no_curve(now):
    assert curve(now=now) == ()
    assert curve(0, now=END - DAY) == ()


def test_a_window_that_just_ended_is_one_point():
    assert curve(0, 3, now=END) == (MaturityAt(timedelta(0), 0.5),)


def test_what_is_usual_is_the_median_of_windows_as_old():
    curves = [curve(0, 0, 1, 1), curve(0, 1, 5, None), curve(3, 3, 3, 3), curve(0, 0, 0, 0, now=END + DAY)]
    assert expected_maturity(curves, 2 * DAY) == 0.5
    assert expected_maturity(curves, 12 * DAY) is None
    assert expected_maturity([()], DAY) is None


def test_the_sentence_says_how_much_of_which_window_and_what_is_usual():
    week = Maturity(START, END, rows=2000, labelled=1440)
    assert describe(week, now=END + 3 * DAY, expected=0.85) == (
        "72 % of week 18 of 2013 has arrived (1,440 of 2,000 labels, 3 days after its end; 85 % is usual by then)"
    )


def test_what_is_not_complete_is_never_said_to_be():
    assert describe(Maturity(START, END, 1000, 999), now=END + timedelta(hours=5)).startswith("99 % of")
    assert describe(Maturity(START, END, 0, 0), now=END) == "week 18 of 2013 has no rows, so no label is waited for"


@pytest.mark.parametrize(
    ("start", "length", "name"),
    [
        (START, WEEK, "week 18 of 2013"),
        (START + DAY, WEEK, "2013-04-30 to 2013-05-07"),
        (datetime(2013, 5, 1, tzinfo=UTC), 31 * DAY, "May 2013"),
        (datetime(2013, 2, 1, tzinfo=UTC), 28 * DAY, "February 2013"),
        (START, DAY, "2013-04-29"),
        (START, timedelta(hours=6), "2013-04-29 00:00 to 2013-04-29 06:00"),
    ],
)
def test_a_window_goes_by_the_name_people_give_it(start, length, name):
    assert window_name(start, start + length) == name


def window(number, maturity, *, end=END, length=WEEK):
    return Window(
        start=end - number * WEEK - length,
        end=end - number * WEEK,
        measured_at=end,
        metric="log_loss",
        labelled=200,
        loss=0.5,
        by_version={},
        is_sound=True,
        maturity=maturity,
    )


def ends(found):
    return [int((END - end) / WEEK) for _, end in found]


def test_windows_that_wait_for_labels_are_measured_again_the_oldest_first():
    windows = [window(5, 0.5), window(3, 0.9), window(2, 1.0), window(1, 0.4)]
    assert ends(open_windows(windows, now=END, limit=4 * WEEK)) == [3, 1]


def test_a_window_closes_when_nothing_more_is_waited_for():
    assert ends(open_windows([window(4, 0.5)], now=END, limit=4 * WEEK)) == [4]
    assert ends(open_windows([window(4, 0.5)], now=END + timedelta(seconds=1), limit=4 * WEEK)) == []


def test_of_a_window_measured_twice_the_last_counts():
    assert open_windows([window(1, 0.5), window(1, 1.0)], now=END, limit=4 * WEEK) == []


def test_no_more_than_so_many_windows_are_measured_again():
    windows = [window(number, 0.5) for number in range(20, 0, -1)]
    assert ends(open_windows(windows, now=END, limit=50 * WEEK, most=3)) == [3, 2, 1]


def test_windows_of_looks_that_overlap_are_measured_once():
    daily = [window(day / 7, 0.5) for day in range(14, -1, -1)]
    assert ends(open_windows(daily, now=END, limit=4 * WEEK)) == [2, 1, 0]
    assert ends(open_windows(daily, now=END, limit=4 * WEEK, before=END - WEEK)) == [2, 1]


@pytest.mark.parametrize(
    ("maturity", "ended_by", "is_counted"),
    [
        (0.95, None, True),
        (0.9, None, True),
        (0.89, None, False),
        (0.89, END, True),
        (0.89, END - DAY, False),
    ],
)
def test_a_window_counts_when_it_is_mature_or_closed(maturity, ended_by, is_counted):
    assert window(0, maturity).counts(0.9, ended_by=ended_by) is is_counted


DATA = DataSpec.model_validate(
    {
        "source": {"kind": "file", "uri": "rows.csv", "format": "csv"},
        "time": "at",
        "key": ["id"],
        "target": "y",
        "label_delay": "2d",
    }
)
ROWS = pd.DataFrame({"id": ["a", "b", "c"], "at": [START, START + DAY, START + 6 * DAY], "y": [1, None, 0]})


def test_labels_of_the_rows_themselves_arrive_when_they_are_due():
    arrived = label_arrivals(ROWS, data=DATA, now=START + 5 * DAY)
    assert arrived.tolist() == [START + 2 * DAY, pd.NaT, pd.NaT]


def test_a_label_that_comes_again_arrived_when_it_came_first():
    own = DATA.model_copy(update={"labels": LabelsSpec(source=DATA.source, key=["id"], arrived="arrived")})
    labels = pd.DataFrame({"id": ["a", "a", "b"], "y": [0, 1, None], "arrived": [START + DAY, START + 3 * DAY, END]})
    arrived = label_arrivals(ROWS, [labels], data=own, now=END)
    assert arrived.tolist() == [START + DAY, pd.NaT, pd.NaT]
