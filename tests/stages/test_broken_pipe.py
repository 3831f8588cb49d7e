"""A pipe that broke is told from a world that changed, and the column is named."""

from __future__ import annotations

import json
from datetime import timedelta

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from airflow_mlops.demo.flights import read_flights
from airflow_mlops.spec import load_spec
from airflow_mlops.stages.validate import Former, facts_of, validate
from airflow_mlops.stages.validate.rows_facts import fingerprints, rows_facts, share_among
from tests.conftest import ROOT, utc

WEEK = pd.Timedelta(weeks=1)


@pytest.fixture(scope="module")
def spec():
    return load_spec(ROOT / "dags" / "specs" / "flights.yaml")


@pytest.fixture(scope="module")
def years_start():
    """Six weeks."""
    table = read_flights(utc("2013-01-01T05:00:00"), utc("2013-02-12T05:00:00"))
    return table.to_pandas()


def weeks(frame, first, last):
    start = pd.Timestamp("2013-01-01T05:00", tz="UTC")
    return frame[(frame.scheduled >= start + first * WEEK) & (frame.scheduled < start + last * WEEK)]


def as_table(frame):
    return pa.Table.from_pandas(frame, preserve_index=False)


@pytest.fixture(scope="module")
def reference(years_start, spec):
    return facts_of(as_table(weeks(years_start, 0, 4)), spec)


@pytest.fixture(scope="module")
def former(years_start, spec):
    """The look at the fifth week."""
    return Former("former", facts_of(as_table(weeks(years_start, 4, 5)), spec), timedelta(weeks=1))


@pytest.fixture(scope="module")
def week(years_start):
    """The sixth."""
    return weeks(years_start, 5, 6)


@pytest.fixture
def check(spec, reference, former):
    def _check(frame, *, under=spec, against=reference, after=former):
        table = as_table(frame)
        # As facts come back from where they are stored.
        against, after = json.loads(json.dumps(against)), Former(after.id, dict(after.facts), after.elapsed)
        found = validate(table, under, current=facts_of(table, under), reference=against, former=after)
        return found.verdict, [
            (finding.column, finding.message) for finding in found.findings if finding.severity == "critical"
        ]

    return _check


def with_validate(spec, **settings):
    return spec.model_copy(update={"validate_": spec.validate_.model_copy(update=settings)})


def test_a_good_week_is_not_stopped(check, week):
    assert check(week)[1] == []


# Renamed


def test_a_category_under_another_name_is_named_with_both(check, week):
    _, ((column, message),) = check(week.assign(origin=week.origin.replace({"JFK": "KJFK"})))
    assert column == "origin"
    assert message.startswith("a value of 'origin' seems renamed: 'JFK' (34% at training) is gone, and 'KJFK' is new")


def test_a_column_whose_every_value_has_another_name_is_stopped(check, week):
    _, ((column, message),) = check(week.assign(origin="K" + week.origin))
    assert (column, message.endswith("; and 2 more")) == ("origin", True)


def test_a_new_value_that_replaces_none_passes(check, week):
    few = np.random.default_rng(0).random(len(week)) < 0.05
    assert check(week.assign(carrier=week.carrier.mask(few, "ZZ")))[1] == []


def test_a_value_that_goes_while_another_of_another_size_comes_passes(check, week):
    few = np.random.default_rng(0).random(len(week)) < 0.05
    gone = week.assign(origin=week.origin.replace({"JFK": "EWR"}).mask(few, "NEW"))
    assert check(gone)[1] == []


def test_months_that_follow_each_other_are_not_renamed(check, week, years_start, spec):
    """Each was there in a part of the reference only."""
    month = lambda frame: frame.assign(carrier=((frame.scheduled.dt.dayofyear // 9).astype(str)))  # noqa: E731
    against = facts_of(as_table(month(weeks(years_start, 0, 4))), spec)
    _, found = check(month(week), against=against)
    assert not [message for _, message in found if "renamed" in message]


def test_a_rename_in_the_last_week_of_a_long_snapshot_is_found(check, years_start):
    is_late = years_start.scheduled >= pd.Timestamp("2013-02-05T05:00", tz="UTC")
    late = years_start.assign(origin=years_start.origin.mask(is_late, years_start.origin.replace({"JFK": "KJFK"})))
    _, found = check(late)
    assert [column for column, message in found if "seems renamed" in message] == ["origin"]
    assert "from 2013-02-05 to 2013-02-12: a value of 'origin'" in found[0][1]


# Batches that are old, twice, too few or too many


def test_the_batch_before_with_new_times_is_an_old_one(check, week, years_start):
    before = weeks(years_start, 4, 5).sample(frac=0.9, random_state=0)
    again = before.assign(scheduled=before.scheduled + WEEK)
    _, ((column, message),) = check(again)
    assert column == "scheduled"
    assert message.startswith("100% of the 5") or message.startswith("100% of the 4")
    assert "have the features of older ones, those of snapshot former" in message


def test_an_old_batch_behind_rows_that_were_seen_is_found(check, years_start):
    """The monitor's rows reach back by the label delay, so those of two looks overlap."""
    before = weeks(years_start, 4, 5)
    _, found = check(pd.concat([before, before.assign(scheduled=before.scheduled + WEEK)]))
    assert [column for column, message in found if "an old batch came again" in message] == ["scheduled"]


def test_rows_the_champion_was_trained_on_are_old_too(check, years_start):
    trained_on = weeks(years_start, 1, 2)
    _, ((_, message),) = check(trained_on.assign(scheduled=trained_on.scheduled + 4 * WEEK))
    assert "those the champion was trained on" in message


def test_where_rows_usually_come_again_nothing_is_old(check, years_start, spec, former):
    """A timetable repeats itself every week."""
    timetable = spec.model_copy(update={"features": spec.features.model_copy(update={"columns": ["origin", "dest"]})})
    against = facts_of(as_table(weeks(years_start, 0, 4)), timetable)
    before = Former("former", facts_of(as_table(weeks(years_start, 4, 5)), timetable), timedelta(weeks=1))
    assert against["repeats"] > 0.9
    assert check(weeks(years_start, 5, 6), under=timetable, against=against, after=before)[1] == []


def test_a_source_that_fell_silent_is_found(check, years_start):
    _, ((column, message),) = check(weeks(years_start, 4, 5))
    assert column == "scheduled"
    assert message.startswith("no row is newer than at the look 7d before: the newest 'scheduled' is 2013-02-05 0")


def test_a_look_within_the_usual_silence_is_none(check, years_start, former):
    """No flight leaves at night."""
    soon = Former(former.id, former.facts, timedelta(hours=2))
    assert check(weeks(years_start, 4, 5), after=soon)[1] == []


def test_a_week_that_comes_twice_at_the_end_of_a_long_snapshot_is_found(check, years_start, week):
    _, found = check(pd.concat([years_start, week]))
    assert len(found) == 1
    assert found[0][1].startswith("from 2013-02-05 to 2013-02-12: 50% of rows repeat an earlier row in the key")


@pytest.mark.parametrize(("share", "is_stopped"), [(0.5, False), (0.1, True)])
def test_rows_far_below_every_window_of_training_are_stopped(share, is_stopped, check, week):
    _, found = check(week.sample(frac=share, random_state=0))
    assert [column for column, message in found if "rows a window of 7d" in message] == ["scheduled"] * is_stopped


def test_rows_far_above_every_window_of_training_are_stopped(check, week):
    more = [week.assign(flight=week.flight + str(copy), temp=week.temp + copy / 100) for copy in range(5)]
    _, found = check(pd.concat(more))
    assert "rows a window of 7d by 'scheduled', and never fewer than" in " ".join(message for _, message in found)


def test_a_window_with_a_tenth_of_the_rows_at_the_end_of_a_long_snapshot_is_found(check, years_start, week):
    thinned = pd.concat([weeks(years_start, 0, 5), week.iloc[::10], week.tail(1)])
    _, found = check(thinned)
    assert found[0][0] == "scheduled"
    assert "rows a window of 7d" in found[0][1]


def test_a_short_reference_says_nothing_of_counts(check, week, years_start, spec):
    against = facts_of(as_table(weeks(years_start, 3, 5)), spec)
    assert check(week.sample(frac=0.1, random_state=0), against=against)[1] == []


# A world that changed


def test_a_market_that_opens_passes(check, week, years_start, spec, former):
    """A price that was one value all through training begins to move, as in New South Wales in May 1997."""
    before = weeks(years_start, 0, 4).assign(temp=0.00347)
    against = facts_of(as_table(before), spec)
    assert check(week.assign(temp=week.temp / 100), against=against)[1] == []


def test_a_column_that_was_looked_at_only_marks(check, week, spec):
    renamed = week.assign(origin=week.origin.replace({"JFK": "KJFK"}))
    assert check(renamed, under=with_validate(spec, accept=["origin"])) == ("warning", [])


# Fingerprints


def test_a_sketch_tells_the_share_of_rows_that_are_among_others():
    rng = np.random.default_rng(0)
    many = pd.DataFrame(
        {"ts": pd.date_range("2024-01-01", periods=20_000, freq="min", tz="UTC"), "x": rng.random(20_000)}
    )
    half = pd.concat([many.head(1500), pd.DataFrame({"x": rng.random(1500)})])
    sketch = rows_facts(as_table(many), time="ts", columns=["x"])["sketch"]
    share, looked_up = share_among(fingerprints(as_table(half), ["x"]), sketch)
    assert not sketch["is_all"]
    assert looked_up > 200
    assert share == pytest.approx(0.5, abs=0.1)


def test_a_row_has_one_fingerprint_whatever_the_width_and_order_of_its_columns():
    narrow = pa.table({"a": pa.array([1, 2], pa.int16()), "b": ["x", None]})
    wide = pa.table({"b": pa.array(["x", None], pa.large_string()), "a": pa.array([1.0, 2.0])})
    assert fingerprints(narrow, ["a", "b"]).tolist() == fingerprints(wide, ["b", "a"]).tolist()


def test_sensitive_columns_leave_no_fingerprint():
    table = pa.table({"ts": pa.array([0, 1], pa.timestamp("us", "UTC")), "name": ["x", "y"]})
    told = rows_facts(table, time="ts", columns=["name"], sensitive=["name"])
    assert told["sketch"]["kept"] == ""
