"""What the data check and a suite say about batches that are good, new, or broken."""

from __future__ import annotations

import json
import re
from datetime import timedelta

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from airflow_mlops.stages.profile import profile_table
from airflow_mlops.stages.validate import facts_of, suggest_suite, validate
from airflow_mlops.stages.validate.data_check import data_check
from airflow_mlops.stages.validate.full_size import look
from airflow_mlops.stages.validate.quarantine import quarantine_stream
from airflow_mlops.stages.validate.stretches import new_stretches
from airflow_mlops.stages.validate.suite import duckdb_rows, run_suite


@pytest.fixture(scope="module")
def spec():
    from airflow_mlops.spec import load_spec
    from tests.conftest import ROOT

    return load_spec(ROOT / "dags" / "specs" / "flights.yaml")


@pytest.fixture(scope="module")
def reference(january, spec):
    return facts_of(january, spec)


@pytest.fixture
def check(spec, reference):
    def _check(frame, *, against=reference, under=spec):
        table = frame if isinstance(frame, pa.Table) else pa.Table.from_pandas(frame, preserve_index=False)
        found = validate(table, under, current=facts_of(table, under), reference=against)
        return found.verdict, " | ".join(finding.message for finding in found.findings), found

    return _check


def some(frame, share, seed=0):
    return np.random.default_rng(seed).random(len(frame)) < share


def change(column, function):
    return lambda frame: frame.assign(**{column: function(frame[column], frame)})


# The faults a data check meets: what is done to ten days of flights, the verdict, and what is said.
FAULTS = {
    "a column dropped": (lambda f: f.drop(columns="temp"), "failed", "column 'temp' is gone"),
    "a column renamed": (
        lambda f: f.rename(columns={"humid": "humidity"}),
        "failed",
        "column 'humid' is gone; 'humidity' is new: was it renamed?",
    ),
    "an extra column": (lambda f: f.assign(gate=1), "warning", "column 'gate' is new"),
    "columns in another order": (lambda f: f[f.columns[::-1]], "passed", ""),
    "a number as text with decimal comma": (
        change("temp", lambda v, _: v.map(lambda x: f"{x:.2f}".replace(".", ","))),
        "failed",
        r"'temp' holds text \(string\), but held number",
    ),
    "times a thousand": (change("temp", lambda v, _: v * 1000), "failed", "'temp' is 1,000 times what it was"),
    "divided by a thousand": (change("distance", lambda v, _: v / 1000), "failed", "'distance' is 0.001 times"),
    "another unit where most is null": (
        change("wind_gust", lambda v, _: v * 100),
        "failed",
        "'wind_gust' is 100 times what it was",
    ),
    "a third of the rows in another unit": (
        change("distance", lambda v, f: v.where(~some(f, 0.3), v * 1000)),
        "warning",
        "divided by 1000 they fit: two units?",
    ),
    "kilometres instead of miles": (
        change("distance", lambda v, _: v * 1.609344),
        "failed",
        "100% of these are such values converted from miles to kilometres",
    ),
    "whole kilometres": (change("distance", lambda v, _: (v * 1.609).round()), "failed", "miles to kilometres"),
    "degrees Celsius": (change("temp", lambda v, _: (v - 32) / 1.8), "failed", "degrees Fahrenheit to degrees Celsius"),
    "rounded degrees Celsius": (
        change("temp", lambda v, _: ((v - 32) / 1.8).round(1)),
        "failed",
        "degrees Fahrenheit to degrees Celsius",
    ),
    "kilometres an hour": (change("wind_speed", lambda v, _: v * 1.609344), "failed", "miles to kilometres"),
    "metres a second": (change("wind_speed", lambda v, _: v * 0.44704), "failed", "to metres a second"),
    "inches of mercury": (change("pressure", lambda v, _: v * 0.02953), "failed", "hectopascals to inches of mercury"),
    "a visibility in kilometres": (change("visib", lambda v, _: v * 1.609344), "failed", "miles to kilometres"),
    "a third of the rows in kilometres": (
        change("distance", lambda v, f: v.where(~some(f, 0.3), v * 1.609344)),
        "warning",
        "30% of 'distance' are no values seen at training",
    ),
    "-999 where nothing is known": (
        change("temp", lambda v, f: v.where(~some(f, 0.03), -999.0)),
        "failed",
        r"'temp' is -999 in \d+ of",
    ),
    "-999 beside a wide range": (
        change("distance", lambda v, f: v.where(~some(f, 0.01), -999)),
        "failed",
        r"'distance' is -999 in \d+ of",
    ),
    "-1 in a count": (
        change("wind_dir", lambda v, f: v.where(~some(f, 0.02), -1)),
        "failed",
        r"'wind_dir' is -1 in \d+ of",
    ),
    "half of a column null": (change("temp", lambda v, f: v.where(~some(f, 0.5))), "failed", "50% of 'temp' is null"),
    "a whole column null": (change("wind_gust", lambda v, _: v * np.nan), "failed", "100% of 'wind_gust' is null"),
    "a column null by nature": (lambda f: f, "passed", ""),
    "ids instead of names": (
        change("dest", lambda v, f: pd.Series(np.arange(len(f)).astype(str))),
        "failed",
        "ids instead of names",
    ),
    "trailing spaces": (change("carrier", lambda v, f: v.where(~some(f, 0.1), v + " ")), "failed", "another spelling"),
    "another case": (change("origin", lambda v, _: v.str.lower()), "failed", "such as '(ewr|jfk|lga)'"),
    "one new airport": (
        change("dest", lambda v, f: v.where(~some(f, 0.01), "NEW")),
        "passed",
        "1 new values of 'dest'",
    ),
    "one airport filtered away": (
        lambda f: f[f.origin != "JFK"],
        "warning",
        "'origin' has no 'JFK' any more, each more than 10% at training",
    ),
    "the whole batch twice": (lambda f: pd.concat([f, f]), "failed", "50% of rows repeat an earlier row in the key"),
    "30 % of rows twice": (lambda f: pd.concat([f, f[some(f, 0.3)]]), "warning", "23% of rows repeat"),
    "seven rows": (lambda f: f.head(7), "failed", "only 7 rows, fewer than validate.min_rows = 50"),
    "a tenth of the rows": (lambda f: f.iloc[::10], "warning", "0.1 times as many"),
    "rows in another order": (lambda f: f.sample(frac=1, random_state=0), "passed", ""),
    "the coding turned round": (change("late", lambda v, _: 1 - v), "failed", "'late' looks turned round"),
    "another coding": (change("late", lambda v, _: v + 1), "failed", "new classes '2'"),
    "one class only": (change("late", lambda v, _: v * 0), "failed", "'late' is 0 in every row"),
    "labels that are not there yet": (
        change("late", lambda v, f: v.where(~some(f, 0.6))),
        "warning",
        "60% of 'late' is null|61% of 'late' is null",
    ),
    "a column equal to the target plus noise": (
        change("temp", lambda v, f: f.late + np.random.default_rng(0).normal(0, 0.1, len(f))),
        "failed",
        "'temp' alone tells 'late' almost exactly",
    ),
    "a text that gives the target away": (
        change("origin", lambda v, f: np.where(f.late == 1, "JFK", np.where(f.late == 0, "EWR", "LGA"))),
        "failed",
        "'origin' alone tells 'late' almost exactly",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_gets_its_verdict_and_its_sentence(fault, check, january):
    broken, verdict, sentence = FAULTS[fault]

    found, said, _ = check(broken(january.to_pandas()))

    assert found == verdict, said
    if sentence:
        assert re.search(sentence, said)


def test_another_season_is_not_a_fault(check, january, july, spec):
    assert check(july)[0] != "failed", check(july)[1]
    assert check(january, against=facts_of(july, spec))[0] != "failed"


def test_a_unit_without_steps_shows_in_the_distribution(check, january, spec):
    frame, noise = january.to_pandas(), np.random.default_rng(0)
    fine = frame.assign(temp=frame.temp + noise.normal(0, 3, len(frame)))
    against = facts_of(pa.Table.from_pandas(fine, preserve_index=False), spec)

    assert against["columns"]["temp"]["steps"] == []
    assert check(fine, against=against)[0] == "passed"
    verdict, said, _ = check(fine.assign(temp=(fine.temp - 32) / 1.8 + 273.15), against=against)
    assert (verdict, "it fits when converted" in said or "far outside" in said) == ("failed", True)


def test_a_count_that_grows_by_the_factor_of_a_unit_is_no_unit(check, january, spec):
    frame = january.to_pandas()
    count = np.random.default_rng(0).poisson(40, len(frame))
    against = facts_of(pa.Table.from_pandas(frame.assign(bookings=count), preserve_index=False), spec)

    assert (
        check(frame.assign(bookings=np.random.default_rng(1).poisson(40 * 1.609, len(frame))), against=against)[0]
        == "passed"
    )


def test_a_facts_of_an_older_form_shows_no_unit_and_does_no_harm(check, january, reference):
    old = json.loads(json.dumps(reference))
    for column in old["columns"].values():
        column.pop("steps", None)
        column.pop("medians", None)

    assert check(january, against=old)[0] == "passed"
    assert check(january.to_pandas().assign(distance=lambda f: f.distance * 1000), against=old)[0] == "failed"


def test_parts_of_a_good_batch_are_good(check, january):
    frame = january.to_pandas()

    verdicts = {check(part)[:2] for _, part in frame.groupby(frame.scheduled.dt.day // 3)}

    assert not [said for verdict, said in verdicts if verdict == "failed"]


def test_without_a_reference_only_what_is_wrong_in_itself_blocks(check, january):
    frame = january.to_pandas()

    assert check(frame.assign(temp=frame.temp * 1000), against=None)[0] == "passed"
    assert check(frame.assign(temp=frame.late + 0.0), against=None)[0] == "failed"
    assert check(pd.concat([frame, frame]), against=None)[0] == "failed"
    assert check(frame.assign(temp=np.nan), against=None)[0] == "failed"


def test_a_coding_turned_round_shows_where_both_classes_are_even(check, january, spec):
    frame = january.to_pandas().dropna(subset=["late"])
    late, on_time = frame[frame.late == 1], frame[frame.late == 0]
    even = pd.concat([late, on_time.iloc[: len(late)]]).sort_values("scheduled")
    against = facts_of(pa.Table.from_pandas(even, preserve_index=False), spec)

    assert check(even, against=against)[0] == "passed"
    assert "'late' looks turned round" in check(even.assign(late=1 - even.late), against=against)[1]


def test_a_column_the_model_does_not_see_cannot_leak(check, january):
    frame = january.to_pandas()

    assert check(frame.assign(arr_delay=frame.late * 60.0), against=None)[0] == "passed"


def test_failing_rows_are_pointed_at(check, january):
    frame = january.to_pandas()
    frame.loc[[3, 700, 5000], "distance"] = [-9999, -9999, -9999]
    frame.loc[list(range(100, 120)), "distance"] = -9999

    _, _, found = check(frame)

    assert found.quarantine["distance"].to_pylist() == [-9999] * 23
    assert set(found.quarantine["_reason"].to_pylist()) == {"distance: no code for unknown"}


def test_a_target_that_is_a_number_is_checked_for_leakage(january, spec):
    section = spec.data.model_copy(update={"target": "temp"})
    features = spec.features.model_copy(update={"columns": ["dewp", "humid"]})
    regression = spec.model_copy(update={"task": "regression", "data": section, "features": features})
    frame = january.to_pandas()
    noise = np.random.default_rng(0).normal(0, 0.5, len(frame))
    leaked = pa.Table.from_pandas(frame.assign(humid=frame.temp + noise), preserve_index=False)

    found = validate(leaked, regression, current=facts_of(leaked, regression))

    assert "'humid' alone tells 'temp'" in found.findings[0].message


# Stretches of the newest rows


@pytest.fixture(scope="module")
def weeks():
    """Forty days, of which the reference covers the first ten."""
    from airflow_mlops.demo.flights import read_flights
    from tests.conftest import utc

    return read_flights(utc("2013-01-01T05:00:00"), utc("2013-02-10T05:00:00"))


def from_day(table, day, column, function):
    """Change a column from a day on."""
    frame = table.to_pandas()
    is_late = frame.scheduled >= pd.Timestamp(day, tz="UTC")
    return frame.assign(**{column: frame[column].where(~is_late, function(frame[column]))})


def newest_days(table, count):
    frame = table.to_pandas()
    return frame[frame.scheduled > frame.scheduled.max() - pd.Timedelta(days=count)]


def test_good_rows_are_good_stretch_by_stretch(check, weeks):
    _, said, found = check(weeks)

    assert found.verdict != "failed"
    assert "from 2013" not in said


def test_a_unit_of_the_last_week_alone_stops_a_long_snapshot(check, weeks):
    verdict, said, _ = check(from_day(weeks, "2013-02-03T05:00", "temp", lambda v: (v - 32) / 1.8))

    assert verdict == "failed"
    assert re.search("from 2013-02-03 to 2013-02-10: .*degrees Fahrenheit to degrees Celsius", said)


def test_the_last_four_of_nine_days_in_kilometres_are_most_of_a_week(check, weeks):
    broken = from_day(weeks, "2013-02-06T05:00", "distance", lambda v: v * 1.609344)

    _, _, found = check(newest_days(pa.Table.from_pandas(broken, preserve_index=False), 9))

    stretch, whole = [item for item in found.findings if item.column == "distance"]
    assert (stretch.severity, whole.severity) == ("critical", "warning")
    assert re.search(
        "from 2013-02-03 to 2013-02-10: 5.% of 'distance' are no values seen .* kilometres", stretch.message
    )
    assert re.match("4.% of 'distance' are no values seen", whole.message)


def test_of_a_snapshot_no_longer_than_a_stretch_only_the_whole_is_judged(check, weeks):
    broken = from_day(weeks, "2013-02-07T05:00", "distance", lambda v: v * 1.609344)

    verdict, said, _ = check(newest_days(pa.Table.from_pandas(broken, preserve_index=False), 6.9))

    assert (verdict, "from 2013" in said) == ("warning", False)


def test_rows_that_the_champion_was_trained_on_are_not_judged_again(check, weeks, spec):
    def of_those_before(day):
        frame = weeks.to_pandas()
        known = frame[frame.scheduled < pd.Timestamp(day, tz="UTC")]
        return facts_of(pa.Table.from_pandas(known, preserve_index=False), spec)

    frame = weeks.to_pandas()
    is_nulled = (frame.scheduled >= "2013-01-20T05:00Z") & (frame.scheduled < "2013-01-28T05:00Z")
    broken = frame.assign(temp=frame.temp.where(~is_nulled))

    assert check(broken, against=of_those_before("2013-01-28T05:00"))[0] != "failed"
    verdict, said, _ = check(broken, against=of_those_before("2013-01-20T05:00"))
    assert (verdict, len(re.findall("from 2013", said))) == ("failed", 1)
    assert re.search(r"from 2013-01-20 to 2013-01-2\d: .* of 'temp' is null, 0% at training", said)


def test_a_column_that_stops_as_a_whole_stops_once(check, weeks):
    said = check(weeks.to_pandas().assign(temp=lambda f: f.temp * 1000))[1]

    assert "times what it was" in said
    assert "from 2013" not in said


def test_the_newest_faulty_stretch_is_named_and_its_rows_are_kept(check, weeks):
    frame = weeks.to_pandas().sample(frac=1, random_state=0).reset_index(drop=True)
    days = [np.flatnonzero(frame.scheduled.dt.strftime("%Y-%m-%d") == day)[:10] for day in ("2013-01-23", "2013-01-30")]
    frame.loc[np.concatenate(days), "distance"] = 99999

    _, said, found = check(frame)

    assert "from 2013-01-27 to 2013-02-03: 'distance' is 99999 in 10 of" in said
    assert said.count("99999") == 1
    assert found.quarantine["distance"].to_pylist() == [99999] * 10
    assert {moment.day for moment in found.quarantine["scheduled"].to_pylist()} == {30}


def test_a_stretch_reaches_back_until_it_has_enough_rows(weeks, spec, reference):
    def starts(fewest):
        rules = spec.validate_.model_copy(update={"min_rows": fewest})
        cut = new_stretches(weeks, spec.model_copy(update={"validate_": rules}), reference)
        return [(stretch.facts["start"][:10], stretch.rows.num_rows >= fewest) for stretch in cut]

    # What is left over, two days after the reference, is judged with the five days that follow.
    assert [start for start, _ in starts(50)] == [
        *("2013-02-03", "2013-01-27", "2013-01-20", "2013-01-13", "2013-01-11")
    ]
    assert [start for start, _ in starts(10_000)] != [start for start, _ in starts(50)]
    assert all(is_enough for _, is_enough in starts(10_000))
    assert starts(40_000) == []


# The suite


def suite(*expectations):
    return {"name": "flights", "expectations": list(expectations)}


RANGE = {"type": "expect_column_values_to_be_between", "kwargs": {"column": "x", "min_value": 0, "max_value": 3}}


@pytest.fixture
def frame():
    return pd.DataFrame({"x": [1, 2, 3, 4, 5], "t": list("aabbc")})


def test_results_come_in_the_order_of_the_suite(frame):
    expectations = [
        {"type": "expect_column_values_to_be_in_set", "kwargs": {"column": "t", "value_set": ["a", "b"]}},
        {"type": "expect_table_row_count_to_be_between", "kwargs": {"min_value": 1}},
        {**RANGE, "severity": "warning"},
        {"type": "expect_column_mean_to_be_between", "kwargs": {"column": "x", "min_value": 2.5}, "severity": "info"},
    ]

    found = run_suite(frame, suite(*expectations))

    assert [(item.check, item.severity, item.passed) for item in found] == [
        ("expect_column_values_to_be_in_set", "critical", False),
        ("expect_table_row_count_to_be_between", "critical", True),
        ("expect_column_values_to_be_between", "warning", False),
        ("expect_column_mean_to_be_between", "info", True),
    ]
    assert [item.rows for item in found] == [(4,), (), (3, 4), ()]
    assert found[3].observed == 3.0


def test_two_expectations_of_one_kind_do_not_mix_up(frame):
    wide = {**RANGE, "kwargs": {**RANGE["kwargs"], "max_value": 9}}

    assert [item.passed for item in run_suite(frame, suite(RANGE, wide))] == [False, True]


def test_a_quantile_is_plain_json(frame):
    ranges = {"quantiles": [0.5], "value_ranges": [[4, 5]]}
    expectation = {
        "type": "expect_column_quantile_values_to_be_between",
        "kwargs": {"column": "x", "quantile_ranges": ranges},
    }

    found = run_suite(frame, suite(expectation))[0]

    assert found.passed is False
    assert json.dumps(found.to_dict())


def test_an_expectation_on_a_missing_column_fails_with_its_name(frame):
    lost = {**RANGE, "kwargs": {**RANGE["kwargs"], "column": "y"}}

    assert run_suite(frame, suite(lost))[0].message.startswith("column 'y' is not there; expected: column values to be")


def test_an_expectation_that_cannot_be_computed_fails_with_the_reason(frame):
    text = {**RANGE, "kwargs": {**RANGE["kwargs"], "column": "t"}}

    found = run_suite(frame, suite(text))[0]

    assert not found.passed
    assert "could not be checked (" in found.message


def test_a_sensitive_columns_values_are_not_repeated(frame):
    mean = {"type": "expect_column_mean_to_be_between", "kwargs": {"column": "x", "min_value": 77}}

    found = run_suite(frame, suite(mean), sensitive=["x"])[0]

    assert found.observed is None
    assert "77" not in found.message


@pytest.mark.parametrize(("severity", "verdict"), [("critical", "failed"), ("warning", "warning"), ("info", "passed")])
def test_the_severity_decides_the_verdict(severity, verdict, january, spec, reference):
    failing = {"type": "expect_column_max_to_be_between", "kwargs": {"column": "distance", "max_value": 1}}

    found = validate(january, spec, current=reference, suite=suite({**failing, "severity": severity}))

    assert found.verdict == verdict


# A drafted suite


def test_a_drafted_suite_passes_on_its_own_rows_and_on_the_next_season(january, july, spec, reference):
    drafted = suggest_suite(reference, "flights")

    for rows in (january, july):
        found = run_suite(rows.to_pandas(), drafted)
        assert not [item.message for item in found if not item.passed and item.severity == "critical"]
    assert all(item.passed for item in run_suite(january.to_pandas(), drafted))


def test_a_suite_drafted_from_months_lets_a_week_pass(reference):
    rows = reference["rows"]

    [fewest] = [
        item["kwargs"]["min_value"]
        for item in suggest_suite(reference, "flights", share=7 / 120)["expectations"]
        if item["type"] == "expect_table_row_count_to_be_between"
    ]

    assert fewest == int(rows * 7 / 120) // 10


def test_a_drafted_suite_notices_a_broken_batch(january, reference):
    broken = january.to_pandas().drop(columns="temp").assign(origin="XXX", late=None)

    found = {item.column for item in run_suite(broken, suggest_suite(reference, "flights")) if not item.passed}

    assert {None, "temp", "origin"} <= found


def test_a_drafted_suite_repeats_no_value_of_a_sensitive_column(january, spec):
    secret = spec.model_copy(update={"data": spec.data.model_copy(update={"sensitive": ["origin", "distance"]})})

    drafted = suggest_suite(facts_of(january, secret), "flights")

    types = {item["type"] for item in drafted["expectations"] if item["kwargs"].get("column") in ("origin", "distance")}
    assert types == {"expect_column_values_to_not_be_null"}


def test_a_steady_column_that_is_multiplied_as_a_whole_changed_its_unit(check, january, spec):
    frame, random = january.to_pandas(), np.random.default_rng(0)
    fine = frame.assign(distance=random.lognormal(6, 0.8, len(frame)).round())
    against = facts_of(pa.Table.from_pandas(fine, preserve_index=False), spec)

    verdict, said, _ = check(fine.assign(distance=(fine.distance * 1.609).round()), against=against)

    assert (verdict, "converted from miles to kilometres?" in said) == ("failed", True)


def test_a_rate_that_falls_is_no_unit(check, january, spec):
    frame = january.to_pandas()
    rate = frame.assign(rate=4.857 + 0.001 * (np.arange(len(frame)) % 5))
    against = facts_of(pa.Table.from_pandas(rate, preserve_index=False), spec)

    assert "unit" not in {
        finding.check for finding in check(rate.assign(rate=rate.rate - 3.508), against=against)[2].findings
    }


def test_a_calm_day_that_one_number_orders_by_itself_is_no_leak(ordered):
    good, reference, spec = ordered
    day = good.tail(48)

    found = data_check(as_rows(day), facts_of(as_rows(day), spec), spec, reference=reference)

    assert not [finding for finding in found if finding.check == "no leakage"]


def test_what_was_made_from_the_answer_leaks_on_a_calm_day_too(ordered):
    good, reference, spec = ordered
    day = good.tail(48)
    day = day.assign(other=day.y + np.random.default_rng(1).normal(0, 0.05, len(day)))

    found = data_check(as_rows(day), facts_of(as_rows(day), spec), spec, reference=reference)

    assert [finding.column for finding in found if finding.check == "no leakage"] == ["other"]


def as_rows(frame):
    return pa.Table.from_pandas(frame, preserve_index=False)


@pytest.fixture(scope="module")
def ordered(spec):
    """Half-hours, of which each day's dearer half is known by the price, dear and cheap days by nothing."""
    random, rows = np.random.default_rng(0), 60 * 48
    price = np.tile(np.arange(48) / 48, 60) + np.repeat(random.normal(0, 1, 60), 48)
    ts = pd.date_range("2013-01-01", periods=rows, freq="30min", tz="UTC")
    frame = pd.DataFrame(
        {"ts": ts, "price": price, "other": random.normal(0, 1, rows), "y": np.tile(np.arange(48) > 24, 60).astype(int)}
    )
    data = spec.data.model_copy(update={"time": "ts", "target": "y", "key": []})
    features = spec.features.model_copy(update={"columns": ["price", "other"]})
    ingest = spec.ingest.model_copy(update={"window": timedelta(days=1)})
    monitor = spec.monitor.model_copy(update={"window": timedelta(days=1)})
    own = spec.model_copy(update={"data": data, "features": features, "ingest": ingest, "monitor": monitor})
    return frame, facts_of(as_rows(frame.head(50 * 48)), own), own


def test_a_rare_class_that_stays_rare_is_not_turned_round(ordered):
    good, _, spec = ordered
    rare = good.assign(y=((good.other > 1.5) | (good.index % 97 == 0)).astype(int))
    reference, now = facts_of(as_rows(rare.head(2000)), spec), rare.tail(800)

    def found(frame):
        checked = data_check(as_rows(frame), facts_of(as_rows(frame), spec), spec, reference=reference)
        return [finding.check for finding in checked if finding.severity == "critical"]

    assert found(now.assign(other=-now.other)) == []
    assert found(now.assign(y=1 - now.y)) == ["coding"]


def test_two_slips_in_a_small_batch_are_no_range(check, january):
    few = january.to_pandas().sample(120, random_state=0).reset_index(drop=True)

    assert "far outside" not in check(few.assign(temp=few.temp.mask(few.index < 2, 700.5)))[1]
    assert "far outside" in check(few.assign(temp=few.temp.mask(few.index < 3, few.index + 700.5)))[1]


def test_rows_that_fail_in_a_sample_are_kept_by_their_place_among_all(january, spec, reference, tmp_path):
    """Of every three runs of 100 rows one is looked at; DuckDB has all rows, and finds those outside the sample."""
    table = january.slice(0, 3_000)
    wrong = [*range(620, 650), 905, 2_450]
    temp = table["temp"].to_numpy().copy()
    temp[[105, *wrong]] = -9999
    table = table.set_column(table.column_names.index("temp"), "temp", pa.array(temp))
    small = spec.model_copy(update={"validate_": spec.validate_.model_copy(update={"check_rows": 1_000})})
    sample, facts = look(table.to_batches(max_chunksize=250), profile_table(table), small)
    pq.write_table(table, tmp_path / "rows.parquet")

    with duckdb_rows([str(tmp_path / "rows.parquet")]) as rows:
        for everything in (None, table, rows):
            found = validate(sample, small, current=facts, reference=reference, rows=everything)
            kept, places = found.quarantine, wrong
            if kept is None:
                kept, places = quarantine_stream(rows, found.findings, keep=100, sensitive=[]).read_all(), [105, *wrong]
            marked = kept.filter(pc.match_substring(kept["_reason"], "temp: no code"))
            assert marked["scheduled"].to_pylist() == table["scheduled"].take(places).to_pylist()
            assert set(marked["temp"].to_pylist()) == {-9999}
