"""Every fault on real flights and on two generated streams: what must be blocked is, and what must not is not."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from airflow_mlops.lifecycle.check import Terms, check
from airflow_mlops.stages.validate.leakage import leakage
from benchmarks.data_faults import is_met, remembering
from tests.faults import FAULTS, Setting, as_table, plain

# Beyond the table of faults: these rows cannot show them, or only sometimes.
SOMETIMES = {"sign flipped", "a value renamed", "rows of one hour of the day only"}


def flights(january):
    """Every sixth flight: six days, and the five after in two parts."""
    frame = plain(january).sort_values("scheduled", kind="stable")[::6]
    frame = frame.rename(columns={"scheduled": "ts"}).drop(columns=["flight", "wind_gust"], errors="ignore")
    frame = frame.assign(y=(frame.distance * 7 % 10 < 3).astype(int) if "y" not in frame else frame.y)
    return split(frame, *(pd.Timestamp(day, tz="UTC") for day in ("2013-01-07", "2013-01-09", "2013-01-12")))


def sensors():
    """Eight weeks of three machines: heat that follows the day, a counter, a heavy tail, nulls by nature, weekdays."""
    random, hours = np.random.default_rng(1), 12 * 60
    ts = pd.date_range("2024-01-01", periods=hours, freq="2h").repeat(3)
    heat = 60 + 8 * np.sin(ts.hour / 24 * 2 * np.pi) + random.normal(0, 2, len(ts))
    frame = pd.DataFrame(
        {
            "ts": ts,
            "machine": np.tile(["north", "south", "west"], hours),
            "heat": heat.round(1),
            "pressure": random.normal(101_300, 900, len(ts)).round(),
            "parts": random.poisson(40, len(ts)),
            "outage": random.lognormal(1, 1, len(ts)).round(2),
            "sparse": np.where(random.random(len(ts)) < 0.5, random.normal(10, 2, len(ts)), np.nan),
            "holiday": (ts.dayofweek == 6).astype(int),
            "weekday": ts.dayofweek,
        }
    )
    frame["y"] = (random.random(len(ts)) < 1 / (1 + np.exp(-(heat - 66) / 2))).astype(int)
    return split(frame, *(pd.Timestamp(day) for day in ("2024-02-12", "2024-02-19", "2024-02-26")))


def sales():
    """Prices with a trend, many customers, and a sum to predict."""
    random, rows = np.random.default_rng(2), 3000
    ts = pd.Timestamp("2023-01-01") + pd.to_timedelta(np.sort(random.random(rows)) * 90, unit="D")
    price = np.exp(4 + np.arange(rows) / rows + random.normal(0, 0.3, rows))
    frame = pd.DataFrame(
        {
            "ts": ts,
            "customer": [f"K{number:05d}" for number in random.zipf(1.3, rows) % 3000],
            "country": random.choice(["Österreich", "Italia", "France", "España"], rows, p=[0.4, 0.3, 0.2, 0.1]),
            "price": price.round(2),
            "pieces": random.integers(1, 9, rows),
            "constant": 5.0,
            "empty": np.nan,
        }
    )
    frame["y"] = price * frame.pieces * random.lognormal(0, 0.3, rows)
    frame["coupon"] = random.choice(["SPRING", "VIP", None], rows)
    return split(frame, *(pd.Timestamp(day) for day in ("2023-03-01", "2023-03-08", "2023-03-15")))


def split(frame, first, second, last):
    parts = [frame[frame.ts < first], frame[(frame.ts >= first) & (frame.ts < second)]]
    batch = frame[(frame.ts >= second) & (frame.ts < last)]
    return Setting(*(part.reset_index(drop=True) for part in (*parts, batch)))


@pytest.fixture(scope="module")
def streams(january):
    settings = {"flights": flights(january), "sensors": sensors(), "sales": sales()}
    return {
        name: (setting, remembering(as_table(setting.reference)), as_table(setting.before))
        for name, setting in settings.items()
    }


@pytest.mark.parametrize("stream", ["flights", "sensors", "sales"])
def test_a_good_batch_is_not_blocked(streams, stream):
    setting, judged, before = streams[stream]

    found = judged(as_table(setting.batch), (("before", before),))

    assert found.verdict != "block", found.reasons


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_a_fault_is_judged_as_it_must_be(streams, fault):
    """On the next of the streams that can express it, in the first column it can be put into."""
    first = FAULTS.index(fault) % len(streams)
    order = [*list(streams.values())[first:], *list(streams.values())[:first]]
    made = ((each, case, case.make()) for each in order for case in fault.cases(each[0], 0))
    (_, judged, before), case, frame = next(each for each in made if each[2] is not None)

    found = judged(as_table(frame), (("before", before),) if fault.group == "time" else ())

    assert fault.name in SOMETIMES or is_met(fault.expected, found.verdict), (case, found.reasons)


# Few rows that prove a fault, and what looks like one


@pytest.fixture(scope="module")
def readings():
    """Twelve weeks of hours: 2,000 rows to compare with, and 24 of the next day."""
    random, rows = np.random.default_rng(0), 2400
    frame = pd.DataFrame(
        {
            "ts": pd.date_range("2024-01-01", periods=rows, freq="h"),
            "heat": random.normal(20, 5, rows),
            "calls": random.poisson(2, rows),
            "battery": np.linspace(100, 60, rows) + random.normal(0, 0.1, rows),
            "site": random.choice(list("abcdef"), rows),
        }
    )
    return frame.assign(y=10 + 3 * frame.heat + random.normal(0, 2, rows))


def judged(batch, reference):
    found = check(as_table(batch), as_table(reference), Terms())
    return found.verdict, {reason.column: reason for reason in found.reasons if reason.severity == found.verdict}


@pytest.mark.parametrize(("column", "code"), [("heat", -999), ("calls", -1)])
def test_one_row_with_a_code_for_unknown_blocks_with_its_time(readings, column, code):
    batch = readings[2000:2024].reset_index(drop=True)
    batch.loc[5, column] = code

    verdict, reasons = judged(batch, readings[:2000])

    assert verdict == "block"
    assert reasons[column].message.startswith(f"'{column}' is {code} in 1 of 24 rows")
    assert reasons[column].since == batch.ts[5].tz_localize("UTC").isoformat()


def test_a_number_to_predict_that_froze_blocks(readings):
    verdict, reasons = judged(readings[2000:2200].assign(y=12.5), readings[:2000])

    assert verdict == "block"
    assert reasons["y"].message.startswith("'y' is 12.5 in all 200 rows that have one, and was")


def test_two_units_of_a_column_that_moved_on_are_marked(readings):
    batch = readings[1400:1600].reset_index(drop=True)
    batch["battery"] = batch.battery.mask(batch.index % 3 == 0, batch.battery * 1000)

    verdict, reasons = judged(batch, readings[:1200])

    assert verdict == "warn"
    assert "divided by 1000 they fit: two units?" in reasons["battery"].message


def test_few_rows_are_marked_where_a_filter_shows_and_block_where_none_does(readings):
    batch = readings[2000:2400]
    one_site = batch[batch.site == "a"]

    assert judged(one_site, readings[:2000])[0] == "warn"
    assert judged(batch.sample(len(one_site), random_state=1), readings[:2000])[0] == "block"


def test_a_day_written_as_a_large_whole_number_that_goes_on_is_no_unit(readings):
    days = readings.assign(day=736_000 + readings.index // 4)

    assert judged(days[2000:2060], days[:2000])[0] == "pass"


@pytest.mark.parametrize(("column", "code"), [("balance", -999), ("bay", -1), ("stock", -1), ("always", -999)])
def test_one_code_shows_among_decimals_in_counts_and_in_a_constant(readings, column, code):
    random = np.random.default_rng(3)
    rows = readings.assign(
        balance=random.normal(0, 200, len(readings)).round(2),
        bay=random.integers(1, 51, len(readings)),
        stock=random.integers(3, 500, len(readings)),
        always=5.0,
    )
    batch = rows[2000:2060].reset_index(drop=True)
    batch.loc[7, column] = code

    assert judged(rows[2000:2060], rows[:2000])[0] == "pass"
    assert judged(batch, rows[:2000])[1][column].check == "no code for unknown"


def test_a_constant_times_a_thousand_blocks(readings):
    rows = readings.assign(always=5.0)

    verdict, reasons = judged(rows[2000:2100].assign(always=5000.0), rows[:2000])

    assert (verdict, reasons["always"].check) == ("block", "unit")


@pytest.mark.parametrize("noise", [0.01, 0.1, 0.3])
@pytest.mark.parametrize("rows", [60, 400])
@pytest.mark.parametrize("is_class", [False, True])
def test_a_new_column_that_is_the_target_plus_noise_blocks(readings, rows, noise, is_class):
    """Of the honest ones none tells more than half."""
    random = np.random.default_rng(4)
    answer = random.normal(0, 1, len(readings))
    readings = readings.assign(y=(answer > 0).astype(int) if is_class else answer)
    batch = readings[2000 : 2000 + rows]
    leak = batch.y + random.normal(0, noise * batch.y.std(), rows)

    verdict, reasons = judged(batch.assign(new=leak), readings[:2000])

    assert (verdict, reasons["new"].check) == ("block", "no leakage")


def test_a_day_that_a_known_column_orders_by_itself_is_no_leak():
    """Sixty good days of 24 rows, in which the share that a second cause has of the heat differs from day to day."""
    random = np.random.default_rng(5)
    ts = pd.date_range("2024-01-01", periods=120 * 24, freq="h")
    sun = np.sin((ts.hour - 9) / 24 * 2 * np.pi)
    clouds = np.repeat(random.gamma(1.5, 2, 120), 24)
    damp = 60 - 10 * sun + random.normal(0, 0.1, len(ts))
    rows = pd.DataFrame({"ts": ts, "damp": damp, "y": 15 + 8 * sun + clouds * random.normal(0, 1, len(ts))})

    verdicts = [judged(rows[start : start + 24], rows[: 60 * 24])[0] for start in range(60 * 24, 120 * 24, 24)]

    assert "block" not in verdicts


def test_one_hour_of_rain_that_darkens_a_clear_day_is_no_leak(readings):
    random = np.random.default_rng(9)
    rain = np.where(random.random(len(readings)) < 0.05, random.gamma(1, 0.1, len(readings)), 0)
    rows = readings.assign(rain=rain, y=10 - np.where(rain > 0, random.uniform(0, 8, len(rain)), 0))
    clear = rows[2000:2072].assign(rain=0.0, y=10.0)
    clear.loc[2030, ["rain", "y"]] = [0.02, 6.0]
    wet = rows[2200:2272]

    assert judged(clear, rows[:2000])[0] != "block"
    assert (
        judged(wet.assign(heat=10 + wet.y + random.normal(0, 0.05, 72)), rows[:2000])[1]["heat"].check == "no leakage"
    )


def test_a_column_that_orders_a_calm_week_beside_another_is_no_leak(flights_spec):
    """Figures of a week of an electricity market: two regions' prices tell 'up or down', of which one did so before."""
    told = {"temp": 0.9925, "dewp": 0.9903}
    windows = {"number": 8, "scatter": {"temp": 0.3, "dewp": 0.68}, "associations": {"temp": 0.9258, "dewp": 0.9296}}
    reference = {"associations": {"temp": 0.79, "dewp": 0.43}, "by_window": windows, "columns": dict.fromkeys(told)}
    target = {flights_spec.data.target: {"nulls": 0}, "temp": {"nulls": 0}, "dewp": {"nulls": 0}}
    current = {"rows": 335, "columns": target, "classes": {"0": 222, "1": 113}, "associations": told}

    def found(apart: float, **more: float) -> list[str | None]:
        seen = current | {"separations": {"temp": apart, "dewp": 2.4}, "associations": told | more}
        return [finding.column for finding in leakage(pa.table({}), seen, flights_spec, reference)]

    assert found(2.2) == []
    assert found(12.0) == ["temp"]
    assert found(2.2, dewp=0.5) == ["temp"]


def test_one_row_of_a_class_is_put_at_an_end_by_chance(readings):
    batch = readings[2000:2030].assign(y=0)
    rows = readings.assign(y=(np.arange(len(readings)) % 10 == 0).astype(int))
    batch.loc[batch.calls.idxmax(), "y"] = 1
    batch["calls"] = batch.calls + 5 * batch.y

    assert judged(batch, rows[:2000])[0] == "pass"


def test_thirty_percent_twice_at_the_head_of_a_long_batch_are_marked(readings):
    batch = readings[1200:2400]

    assert judged(pd.concat([batch, batch[:360]]), readings[:1200])[0] == "warn"


def test_a_number_that_stopped_to_change_is_marked(readings):
    batch = readings[2000:2100].reset_index(drop=True)
    batch["heat"] = batch.heat.mask(batch.index > 60, batch.heat[60])

    verdict, reasons = judged(batch, readings[:2000])

    assert verdict == "warn"
    assert "has the same value in 40 rows after each other" in reasons["heat"].message


def test_two_units_of_a_long_tail_are_marked(readings):
    random = np.random.default_rng(6)
    rows = readings.assign(volume=np.exp(3 * random.normal(0, 1, len(readings))))
    batch = rows[2000:].assign(volume=rows.volume.mask(random.random(len(rows)) < 0.3, rows.volume * 1000))

    assert judged(rows[2000:], rows[:2000])[0] == "pass"
    assert judged(batch, rows[:2000])[0] == "warn"


def test_two_units_of_a_column_that_left_its_range_are_marked(readings):
    rate = np.where(np.arange(len(readings)) < 2000, 4.9, 1.3) + np.arange(len(readings)) % 12 / 100
    rows = readings.assign(rate=rate)
    batch = rows[2000:].assign(rate=rows.rate.mask(rows.index % 3 == 0, rows.rate * 1000))

    assert judged(batch, rows[:2000])[0] == "warn"


def test_nothing_but_nulls_blocks_where_they_come_one_by_one(readings):
    random = np.random.default_rng(7)
    rows = readings.assign(gust=np.where(random.random(len(readings)) < 0.75, np.nan, 30.5))
    rows["lull"] = np.where(np.arange(len(rows)) // 100 % 4 == 0, 30.5, np.nan)

    assert judged(rows[2000:2100].assign(gust=np.nan), rows[:2000])[1]["gust"].check == "nulls"
    assert judged(rows[2100:2200].assign(lull=np.nan), rows[:2000])[0] != "block"


def test_a_sign_that_is_turned_round_in_a_hot_week_blocks_and_a_frost_does_not(readings):
    rows = readings.assign(heat=20 + 15 * np.sin(np.arange(len(readings)) / 300) + readings.calls)
    batch = rows[2000:2200]

    assert judged(batch.assign(heat=-30 - batch.calls / 9), rows[:2000])[1]["heat"].check == "sign"
    assert judged(batch.assign(heat=-2 - batch.calls / 9), rows[:2000])[0] != "block"


@pytest.fixture(scope="module")
def shops(readings):
    """The same hours with names, ids and two counts of like size."""
    random, rows = np.random.default_rng(8), len(readings)
    return readings.assign(
        town=random.choice(["Köln", "Aarhus", "Málaga"], rows),
        zip=random.choice([f"{number:05d}" for number in range(1000, 99_999, 50)], rows),
        coupon=random.choice(["SPRING", "VIP", None], rows),
        systolic=random.normal(125, 15, rows).round(),
        pulse=random.normal(80, 12, rows).round(),
        price=random.integers(1000, 90_000, rows) / 100,
    )


@pytest.mark.parametrize(
    ("column", "change", "check"),
    [
        ("town", lambda v: v.str.encode("utf-8").str.decode("latin-1"), "spelling"),
        ("town", lambda v: v.str.encode("ascii", "replace").str.decode("ascii"), "spelling"),
        ("town", lambda v: '"' + v + '"', "spelling"),
        ("town", lambda v: v.map({"Köln": "0", "Aarhus": "1", "Málaga": "2"}), "renamed"),
        ("zip", lambda v: v.str.lstrip("0"), "spelling"),
        ("zip", lambda v: '"' + v + '"', "spelling"),
        ("town", lambda v: v.mask(v.index % 2 == 0, "NA"), "nulls"),
        ("coupon", lambda v: v.fillna("None"), "nulls"),
        ("pulse", lambda v: v.mask(v.index % 2 == 0, 0), "no code for unknown"),
    ],
)
def test_values_written_in_another_way_block_in_few_rows(shops, column, change, check):
    batch = shops[2000:2100].reset_index(drop=True)

    verdict, reasons = judged(batch.assign(**{column: change(batch[column])}), shops[:2000])

    assert judged(batch, shops[:2000])[0] == "pass"
    assert verdict == "block"
    assert reasons[column].check == check


def test_numbers_in_place_of_all_names_block_in_thirty_rows(shops):
    codes = shops.town.map({"Köln": "0", "Aarhus": "1", "Málaga": "2"})

    verdict, reasons = judged(shops[2000:2030].assign(town=codes), shops[:2000])

    assert verdict == "block"
    assert reasons["town"].message.startswith("30 of 30 texts of 'town' were never seen at training, such as")


def test_new_names_with_space_behind_block_and_without_do_not(shops):
    assert judged(shops[2000:2030].assign(coupon="SUMMER "), shops[:2000])[1]["coupon"].check == "spelling"
    assert judged(shops[2000:2030].assign(coupon="SUMMER"), shops[:2000])[1]["coupon"].check != "spelling"


def test_a_word_for_no_value_in_few_rows_is_marked_and_a_new_name_is_not(shops):
    batch = shops[2000:2200].reset_index(drop=True)

    assert judged(batch.assign(town=batch.town.mask(batch.index % 6 == 0, "n/a")), shops[:2000])[0] == "warn"
    assert judged(batch.assign(town=batch.town.mask(batch.index % 6 == 0, "Çorum")), shops[:2000])[0] == "pass"


def test_two_columns_that_changed_places_block(shops):
    batch = shops[2000:2100]
    swapped = batch.assign(systolic=batch.pulse, pulse=batch.systolic)

    verdict, reasons = judged(swapped, shops[:2000])

    assert verdict == "block"
    assert reasons["systolic"].message.startswith("'systolic' and 'pulse' seem to have changed places")
    assert judged(batch.assign(pulse=batch.systolic), shops[:2000])[0] != "block"


def test_a_number_to_predict_whose_sign_is_turned_round_blocks(shops):
    rows = shops.assign(y=shops.price)

    verdict, reasons = judged(rows[2000:2100].assign(y=-rows.price), rows[:2000])

    assert verdict == "block"
    assert reasons["y"].check == "sign"


def test_a_shop_that_closes_writes_no_code(shops):
    rows = shops.assign(visitors=np.where(np.arange(len(shops)) < 2050, 400 + 100 * shops.calls, 0))

    assert judged(rows[2060:2200], rows[:2000])[0] == "warn"
