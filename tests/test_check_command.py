"""``airflow-mlops check``: a batch in any format, damaged or not, in exit code, verdict and reasons."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from pyarrow import csv

from airflow_mlops.cli import main
from airflow_mlops.hooks.source import sniffed
from airflow_mlops.lifecycle.check import Terms, check

START = datetime(2024, 1, 1)
NOW = datetime(2024, 9, 1, tzinfo=UTC)


def hours(first: datetime, number: int, seed: int) -> pa.Table:
    """Rows of a shop's tills, one an hour; half of the coupons are null by nature."""
    rng = np.random.default_rng(seed)
    warm = rng.normal(20, 5, number)
    return pa.table(
        {
            "ts": pa.array([first + timedelta(hours=hour) for hour in range(number)], pa.timestamp("ns")),
            "till": pa.array([f"{value:03d}" for value in rng.integers(1, 9, number)]).dictionary_encode(),
            "warm": warm,
            "guests": pa.array(rng.poisson(30, number), pa.int64()),
            "coupon": pa.array([None if value < 0.5 else value for value in rng.random(number)], pa.float64()),
            "y": pa.array((warm + rng.normal(0, 5, number) > 22).astype("int64")),
        }
    )


GOOD = hours(START, 2400, seed=1)
BATCH = hours(START + timedelta(hours=2400), 168, seed=2)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Good rows as ``good.parquet`` and the week after them as ``batch.parquet`` and ``batch.csv``."""
    place = tmp_path_factory.mktemp("check")
    pq.write_table(GOOD, place / "good.parquet")
    pq.write_table(BATCH, place / "batch.parquet")
    csv.write_csv(plain(BATCH), place / "batch.csv")
    return place


@pytest.fixture
def judge(folder, tmp_path, capsys):
    """Judge a file, bytes or a table; returns the exit code and the JSON."""

    def run(rows, *options, name="batch.csv", reference=None):
        place = rows
        if isinstance(rows, pa.Table):
            place = tmp_path / "batch.parquet"
            pq.write_table(rows, place)
        elif isinstance(rows, bytes):
            place = tmp_path / name
            place.write_bytes(rows)
        good = reference or folder / "good.parquet"
        code = main(["check", str(place), "--reference", str(good), "--now", NOW.isoformat(), "--json", *options])
        printed = capsys.readouterr()
        return code, json.loads(printed.out) if printed.out else printed.err

    return run


def plain(table: pa.Table) -> pa.Table:
    at = table.column_names.index("till")
    return table.set_column(at, "till", table.column("till").cast(pa.string()))


def blocked(answer: tuple[int, dict]) -> dict:
    """Return the worst reason of a batch that is blocked, with all that a reason has to say."""
    code, facts = answer
    assert (code, facts["verdict"]) == (4, "block"), facts
    worst = facts["reasons"][0]
    assert worst["severity"] == "block"
    assert worst["message"]
    assert worst["do"]
    return worst


def passed(answer: tuple[int, dict]) -> dict:
    code, facts = answer
    assert (code, facts["verdict"]) == (0, "pass"), facts
    return facts


def shifted(table: pa.Table, by: timedelta, where=None) -> pa.Table:
    moved = pc.add(table.column("ts"), pa.scalar(by))
    column = moved if where is None else pc.if_else(pa.array(where), moved, table.column("ts"))
    return table.set_column(0, "ts", column)


def first(number: int, table: pa.Table = BATCH) -> np.ndarray:
    return np.arange(table.num_rows) < number


# The same rows, written in other ways


def test_a_good_batch_passes(judge):
    facts = passed(judge(BATCH))

    assert (facts["rows"], facts["left_out"]) == (168, 0)
    assert facts["start"] == "2024-04-10T00:00:00+00:00"


def test_csv_passes_like_its_parquet(judge, folder):
    passed(judge(folder / "batch.csv"))


def test_a_byte_order_mark_is_no_fault(judge, folder):
    passed(judge(b"\xef\xbb\xbf" + (folder / "batch.csv").read_bytes()))


def test_gzip_passes_under_its_own_name(judge, folder):
    passed(judge(gzip.compress((folder / "batch.csv").read_bytes()), name="batch.csv.gz"))


def test_a_file_without_a_known_name_is_read_by_its_content(judge, folder):
    passed(judge((folder / "batch.parquet").read_bytes(), name="batch"))
    passed(judge((folder / "batch.csv").read_bytes(), name="export"))


def test_json_lines_pass(judge):
    rows = [{**row, "ts": row["ts"].isoformat()} for row in plain(BATCH).to_pylist()]

    passed(judge("\n".join(map(json.dumps, rows)).encode(), name="batch.jsonl"))


def test_a_parquet_batch_passes_against_good_rows_in_csv(judge, tmp_path):
    csv.write_csv(plain(GOOD), tmp_path / "good.csv")

    passed(judge(BATCH, reference=tmp_path / "good.csv"))


def test_columns_and_rows_may_come_in_any_order(judge):
    order = np.random.default_rng(0).permutation(BATCH.num_rows)

    passed(judge(BATCH.select(BATCH.column_names[::-1]).take(order)))


def test_whole_numbers_with_a_null_are_still_numbers(judge):
    guests = pc.if_else(pa.array(first(1)), None, BATCH.column("guests")).cast(pa.float64())

    passed(judge(BATCH.set_column(3, "guests", guests)))


def test_zoned_times_are_the_same_times(judge):
    zoned = pc.assume_timezone(BATCH.column("ts"), "UTC").cast(pa.timestamp("us", "Europe/Berlin"))

    passed(judge(BATCH.set_column(0, "ts", zoned)))


def test_files_of_a_folder_are_one_batch(judge, tmp_path):
    (tmp_path / "parts").mkdir()
    pq.write_table(BATCH.slice(0, 100), tmp_path / "parts" / "a.parquet")
    pq.write_table(BATCH.slice(100), tmp_path / "parts" / "b.parquet")

    assert passed(judge(tmp_path / "parts"))["rows"] == 168
    assert passed(judge(tmp_path / "parts" / "*.parquet"))["rows"] == 168


# Damaged files

DAMAGE = {
    "zero bytes": (lambda text: b"", "is empty"),
    "web page": (lambda text: b"<!DOCTYPE html><html><body>503</body></html>", "web page"),
    "latin-1": (lambda text: text.replace(b"001", "caf\xe9".encode("latin-1")), "not utf-8"),
    "semicolons": (lambda text: text.replace(b",", b";"), "';'"),
    "unbalanced quote": (lambda text: text.replace(b"\n2024-04-12", b'\n"2024-04-12', 1), "quote"),
    "cut in mid-row": (lambda text: text[: text.rindex(b",") - 3], "cut|ends in mid-row"),
    "cut in the last value": (lambda text: text[: text.rindex(b",") + 1], "cut"),
    "header again": (lambda text: text + text.partition(b"\n")[0] + b"\n", "repeats its header"),
    "gzip": (gzip.compress, "gzip"),
    "parquet": (lambda text: b"PAR1" + text, "Parquet"),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_text_file_blocks_and_is_named(judge, folder, damage):
    damaged, sentence = DAMAGE[damage]

    worst = blocked(judge(damaged((folder / "batch.csv").read_bytes())))

    assert worst["check"] == "file is whole"
    assert "batch.csv" in worst["message"]
    assert any(part in worst["message"] for part in sentence.split("|"))


def test_truncated_parquet_blocks(judge, folder):
    worst = blocked(judge((folder / "batch.parquet").read_bytes()[:3000], name="batch.parquet"))

    assert "batch.parquet is not whole Parquet (3000 bytes)" in worst["message"]


def test_a_header_alone_is_a_batch_without_rows(judge, folder):
    header = (folder / "batch.csv").read_bytes().partition(b"\n")[0] + b"\n"

    assert blocked(judge(header))["check"] == "enough rows"


def test_a_number_with_a_decimal_comma_blocks_and_names_the_column(judge, folder):
    text = (folder / "batch.csv").read_text().splitlines()
    rows = [text[0], *(_with_comma(line) for line in text[1:])]

    worst = blocked(judge("\n".join([*rows, ""]).encode()))

    assert (worst["check"], worst["column"]) == ("type is kept", "warm")


def _with_comma(line: str) -> str:
    values = line.split(",")
    values[2] = f'"{values[2].replace(".", ",")}"'
    return ",".join(values)


# Times


@pytest.mark.parametrize(("days", "since"), [(-3650, "2014-04-13"), (-20, "2024-03-21")])
def test_a_few_misdated_rows_are_left_out_and_marked(judge, days, since):
    code, facts = judge(shifted(BATCH, timedelta(days=days), first(3)))

    assert (code, facts["verdict"], facts["left_out"]) == (0, "warn", 3)
    assert facts["reasons"][0]["check"] == "times are near"
    assert facts["reasons"][0]["since"].startswith(since)


def test_times_that_are_none_are_left_out_and_marked(judge, folder):
    text = (folder / "batch.csv").read_text().replace("2024-04-10 03", "31/4/10 03")

    code, facts = judge(text.encode())

    assert (code, facts["verdict"], facts["left_out"]) == (0, "warn", 1)
    assert facts["reasons"][0]["check"] == "rows are dated"


def test_many_misdated_rows_block(judge):
    worst = blocked(judge(shifted(BATCH, timedelta(days=-3650), first(60))))

    assert (worst["check"], worst["column"], worst["failing"]) == ("times are near", "ts", 60)


def test_rows_after_now_block(judge):
    worst = blocked(judge(shifted(BATCH, timedelta(days=300))))

    assert worst["check"] == "times are past"
    assert "168 of 168 rows are from the future" in worst["message"]


def test_a_batch_of_another_age_blocks(judge):
    worst = blocked(judge(shifted(BATCH, timedelta(days=-5000))))

    assert "days before the reference" in worst["message"]


@pytest.mark.parametrize(("days", "severities"), [(400, []), (700, ["warn"]), (4000, ["block"])])
def test_a_reference_that_grew_old_is_marked_and_blocks_at_last(days, severities):
    found = check(shifted(BATCH, timedelta(days=days)), GOOD.slice(1800), Terms(datetime(2040, 1, 1, tzinfo=UTC)))

    assert [reason.severity for reason in found.reasons if reason.check == "times are near"] == severities


def test_a_batch_that_follows_the_history_is_near_however_old_the_reference_is(judge, tmp_path):
    (tmp_path / "history").mkdir()
    pq.write_table(shifted(BATCH, timedelta(days=4000)), tmp_path / "history" / "1.parquet")

    options = ("--history", str(tmp_path / "history"), "--now", "2040-01-01T00:00:00Z")
    passed(judge(shifted(NEXT, timedelta(days=4000)), *options))


@pytest.mark.parametrize(("moved", "failing"), [(-365, [24]), (0, [])])
def test_a_column_of_weekdays_gives_moved_dates_away(moved, failing):
    good, batch = (
        table.append_column("weekday", pc.strftime(table.column("ts"), "%a")) for table in (GOOD, NEXT.slice(0, 24))
    )

    found = check(shifted(batch, timedelta(days=moved)), good, Terms())

    assert [reason.failing for reason in found.reasons if reason.check == "times are near"] == failing


@pytest.mark.parametrize("text", ["soon", "12"])
def test_a_time_column_without_times_blocks(judge, text):
    worst = blocked(judge(BATCH.set_column(0, "ts", pa.array([text] * BATCH.num_rows))))

    assert (worst["check"], worst["column"]) == ("type is kept", "ts")


def test_days_of_23_and_25_hours_pass(judge):
    passed(judge(BATCH.slice(0, 23)))
    passed(judge(BATCH.slice(0, 25)))


# Rows that came before


@pytest.fixture(scope="module")
def history(tmp_path_factory):
    """Four earlier weeks, and a file that is no batch."""
    place = tmp_path_factory.mktemp("history")
    for week in range(4):
        batch = hours(START + timedelta(hours=2400 + 168 * week), 168, seed=10 + week)
        pq.write_table(batch, place / f"week_{week}.parquet")
    return place


NEXT = hours(START + timedelta(hours=2400 + 168 * 4), 168, seed=20)


def test_the_next_batch_passes_beside_the_history(judge, history):
    assert passed(judge(NEXT, "--history", str(history)))["history"] == 4


@pytest.mark.parametrize("days", [0, 14], ids=["with its times", "with new times"])
def test_an_old_batch_blocks_in_any_order_of_rows(judge, history, days):
    old = pq.read_table(history / "week_2.parquet")
    order = np.random.default_rng(0).permutation(old.num_rows)

    worst = blocked(judge(shifted(old, timedelta(days=days)).take(order), "--history", str(history)))

    assert worst["check"] == "rows are new"
    assert "100% of the 168 rows are those of week_2.parquet" in worst["message"]


def test_a_batch_that_is_mostly_an_old_one_blocks(judge, history):
    old = shifted(pq.read_table(history / "week_1.parquet"), timedelta(days=21))
    mixed = pa.concat_tables([old.slice(0, 160), NEXT.slice(160)])

    assert "95% of the 168 rows" in blocked(judge(mixed, "--history", str(history)))["message"]


def test_rows_that_recur_by_themselves_are_known_by_their_sequence(judge, tmp_path):
    def coins(first, number, seed):
        table = hours(first, number, seed).select(["ts", "y"])
        return table.append_column("heads", pa.array(np.random.default_rng(seed).integers(0, 2, number)))

    pq.write_table(coins(START, 2400, 1), tmp_path / "coins.parquet")
    batch = coins(START + timedelta(hours=2400), 168, 2)
    old = coins(START, 2400, 1).slice(2000, 168)

    passed(judge(batch, reference=tmp_path / "coins.parquet"))
    worst = blocked(judge(shifted(old, timedelta(hours=400)), reference=tmp_path / "coins.parquet"))
    assert worst["check"] == "rows are new"


def test_a_part_of_the_reference_blocks_and_the_whole_of_it_is_marked(judge):
    assert blocked(judge(GOOD.slice(2000, 168)))["check"] == "rows are new"
    assert judge(GOOD)[1]["verdict"] == "warn"


def test_nothing_newer_than_the_history_blocks(judge, history):
    stale = hours(START + timedelta(hours=2400), 168, seed=99)

    worst = blocked(judge(stale, "--history", str(history)))

    assert worst["check"] == "rows come"


@pytest.mark.parametrize(("days", "verdict"), [(100, "warn"), (365, "block")])
def test_a_batch_long_after_the_history_is_marked_and_at_last_blocks(judge, history, days, verdict):
    late = shifted(NEXT, timedelta(days=days))

    _, facts = judge(late, "--history", str(history), "--now", "2026-01-01T00:00:00Z")

    assert (facts["verdict"], facts["reasons"][0]["check"]) == (verdict, "times are near")


def test_what_the_history_shows_as_well_is_only_marked(judge, tmp_path):
    def warmer(table):
        return table.set_column(2, "warm", pc.add(table.column("warm"), 200.0))

    for week in range(3):
        batch = hours(START + timedelta(hours=2400 + 168 * week), 168, seed=30 + week)
        pq.write_table(warmer(batch), tmp_path / f"week_{week}.parquet")

    assert blocked(judge(warmer(NEXT)))["column"] == "warm"
    (tmp_path / "batch.parquet").unlink()
    pq.write_table(warmer(NEXT), (tmp_path / "now").with_suffix(".pq"))
    _, facts = judge(tmp_path / "now.pq", "--history", str(tmp_path))
    assert not [reason for reason in facts["reasons"] if reason["severity"] == "block" and reason["column"] == "warm"]


def test_a_file_of_the_history_that_cannot_be_read_is_marked(judge, tmp_path):
    (tmp_path / "earlier").mkdir()
    (tmp_path / "earlier" / "broken.csv").write_bytes(b"")

    code, facts = judge(BATCH, "--history", str(tmp_path / "earlier"))

    assert (code, facts["verdict"]) == (0, "warn")
    assert "broken.csv of the history is left out" in facts["reasons"][0]["message"]


@pytest.fixture
def sampled(monkeypatch):
    """Take more than 1,000 rows for too many to be held."""
    monkeypatch.setattr(sniffed, "LARGE_ROWS", 1000)
    monkeypatch.setattr(sniffed, "SAMPLE_ROWS", 1000)


def test_rows_beyond_a_sample_are_judged_by_all_of_them(judge, sampled):
    passed(judge(BATCH))
    worst = blocked(judge(GOOD.slice(1900, 168)))
    assert "100% of the 168 rows are those of the reference" in worst["message"]


def written(table: pa.Table, place) -> pa.Table:
    """Write as the name says: Parquet, CSV or JSON lines."""
    if place.suffix == ".parquet":
        pq.write_table(table, place)
    elif place.suffix == ".csv":
        csv.write_csv(plain(table), place)
    else:
        place.write_text(plain(table).to_pandas().to_json(orient="records", lines=True, date_format="iso"))


LONG = hours(START + timedelta(hours=2400), 2400, seed=2)


@pytest.mark.parametrize("name", ["long.parquet", "long.csv", "long.jsonl"])
def test_a_sampled_batch_has_as_many_rows_and_windows_as_it_has(judge, sampled, tmp_path, name):
    written(LONG, tmp_path / name)

    assert passed(judge(tmp_path / name, "--now", "2025-01-01T00:00:00Z"))["rows"] == pytest.approx(2400, rel=0.1)


@pytest.mark.parametrize("name", ["long.csv", "long.jsonl"])
def test_nulls_are_those_of_rows_outside_the_sample_too(judge, sampled, tmp_path, name):
    is_kept = np.arange(LONG.num_rows) // 100 % 4 == 0
    written(LONG.set_column(2, "warm", pc.if_else(pa.array(is_kept), LONG.column("warm"), None)), tmp_path / name)

    worst = blocked(judge(tmp_path / name, "--now", "2025-01-01T00:00:00Z"))

    assert (worst["check"], worst["column"]) == ("nulls", "warm")
    assert "75" in worst["message"]


def test_a_value_outside_the_sample_that_is_no_number_blocks_by_its_column(judge, sampled, tmp_path, folder):
    texts = LONG.column("guests").cast(pa.string()).to_numpy(zero_copy_only=False).copy()
    texts[150] = "many"
    written(GOOD, tmp_path / "good.csv")
    written(LONG.set_column(3, "guests", pa.array(texts)), tmp_path / "long.csv")

    worst = blocked(judge(tmp_path / "long.csv", "--now", "2025-01-01T00:00:00Z", reference=tmp_path / "good.csv"))

    assert "'guests'" in worst["message"]
    assert "many" in worst["message"]


def test_sampled_batches_of_a_history_count_all_their_rows(judge, sampled, tmp_path):
    (tmp_path / "earlier").mkdir()
    for part in range(3):
        rows = hours(START + timedelta(hours=2400 * (part + 1)), 2400, seed=30 + part)
        written(rows, tmp_path / "earlier" / f"{part}.csv")
    again = pa.concat_tables([LONG.slice(0, 0), hours(START + timedelta(hours=9600), 2400, seed=40)])
    old = shifted(hours(START + timedelta(hours=2400), 2400, seed=30), timedelta(hours=7200))

    passed(judge(again, "--history", str(tmp_path / "earlier"), "--now", "2025-06-01T00:00:00Z"))
    worst = blocked(judge(old, "--history", str(tmp_path / "earlier"), "--now", "2025-06-01T00:00:00Z"))

    assert "are those of 0.csv" in worst["message"]


# What a reason says


def test_a_fault_of_values_says_since_when(judge):
    codes = pc.if_else(pa.array(~first(100)), -999.0, BATCH.column("warm"))

    worst = blocked(judge(BATCH.set_column(2, "warm", codes)))

    assert (worst["column"], worst["failing"]) == ("warm", 68)
    assert worst["since"] == "2024-04-14T04:00:00+00:00"


def test_a_code_blocks_where_real_values_left_the_range_as_well(judge, tmp_path):
    def load(table, less):
        warm = pc.subtract(pc.add(table.column("warm"), 480.0), less)
        return table.set_column(2, "warm", warm)

    pq.write_table(load(GOOD, 0.0), tmp_path / "good.parquet")
    low = load(BATCH, 15.0)
    codes = pc.if_else(pa.array(~first(10)), low.column("warm"), -999.0)

    worst = blocked(judge(low.set_column(2, "warm", codes), reference=tmp_path / "good.parquet"))

    assert (worst["check"], worst["column"], worst["failing"]) == ("no code for unknown", "warm", 10)


def test_a_coding_turned_round_blocks_where_all_columns_are_true_or_false(judge, tmp_path):
    def switched(table):
        return pa.table({"ts": table.column("ts"), "is_warm": pc.greater(table.column("warm"), 20.0), "y": table["y"]})

    pq.write_table(switched(GOOD), tmp_path / "good.parquet")
    batch = switched(BATCH)
    turned = pc.subtract(1, batch.column("y"))

    passed(judge(batch, reference=tmp_path / "good.parquet"))
    worst = blocked(judge(batch.set_column(2, "y", turned), reference=tmp_path / "good.parquet"))
    assert (worst["check"], worst["column"]) == ("coding", "y")


def test_nulls_are_dated_by_the_first_part_that_shows_them(judge):
    halved = pc.if_else(pa.array(~first(84)), None, BATCH.column("warm"))

    worst = blocked(judge(BATCH.set_column(2, "warm", halved)))

    assert (worst["check"], worst["column"]) == ("nulls", "warm")
    assert "2024-04-12" <= worst["since"] <= "2024-04-14"


def test_people_read_the_same_in_a_table_of_lines(folder, capsys):
    assert main(["check", str(folder / "batch.csv"), "--reference", str(folder / "good.parquet")]) == 0
    assert "batch.csv: pass (168 rows" in capsys.readouterr().out


# Odd tables, and errors


def test_no_type_of_arrow_is_too_odd():
    number = 300
    odd = {
        "list": pa.array([[1]] * number),
        "struct": pa.array([{"a": 1}] * number),
        "nothing": pa.nulls(number),
        "bytes": pa.array([b"\xff"] * number),
        "huge": pa.array([2**64 - 1 - row for row in range(number)], pa.uint64()),
        "length": pa.array([timedelta(seconds=row) for row in range(number)]),
        "select": pa.array([1.5] * number),
        "a.b c é": pa.array([row % 2 == 0 for row in range(number)]),
        "money": pa.array(range(number)).cast(pa.decimal128(30, 2)),
        "view": pa.array(["x"] * number, pa.string_view()),
    }
    table = pa.table({"ts": hours(START, number, 0).column("ts"), **odd, "y": pa.array([0, 1] * 150)})
    later = shifted(table.slice(0, 200), timedelta(days=30))
    later = later.set_column(5, "huge", pa.array([2**64 - 300 - row for row in range(200)], pa.uint64()))

    assert check(later, table, Terms(NOW)).verdict in ("pass", "warn", "block")
    for name in table.column_names:
        without = check(later.drop_columns([name]), table, Terms(NOW))
        assert name in [reason.column for reason in without.reasons if reason.check == "column is there"]


def test_rows_without_time_or_target_can_be_judged(judge, tmp_path):
    columns = ["warm", "guests", "till"]
    pq.write_table(GOOD.select(columns), tmp_path / "bare.parquet")

    facts = passed(judge(BATCH.select(columns), reference=tmp_path / "bare.parquet"))

    assert facts["start"] is None


def test_columns_can_be_named(judge, tmp_path):
    names = ["when", "till", "warm", "guests", "coupon", "label"]
    pq.write_table(GOOD.rename_columns(names), tmp_path / "named.parquet")
    flipped = BATCH.set_column(5, "y", pa.array([1] * BATCH.num_rows)).rename_columns(names)

    answer = judge(flipped, "--time", "when", "--target", "label", reference=tmp_path / "named.parquet")

    assert blocked(answer)["column"] == "label"


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--target", "label"], "--target is 'label', and the reference has no such column; it has ts, till, warm"),
        (["--time", "warm"], "the time column is 'warm', and in the reference it holds double and no times"),
        (["--history", "nowhere"], "no such folder is there"),
    ],
)
def test_what_cannot_be_asked_is_exit_code_2_and_one_sentence(judge, options, sentence):
    code, said = judge(BATCH, *options)

    assert code == 2
    assert sentence in said


def test_a_damaged_reference_is_an_error_and_no_verdict(judge, tmp_path):
    (tmp_path / "good.parquet").write_bytes(b"PAR1")

    code, said = judge(BATCH, reference=tmp_path / "good.parquet")

    assert code == 2
    assert "good.parquet is not whole Parquet" in said


def test_a_spec_brings_its_columns_and_limits(judge, tmp_path):
    spec = tmp_path / "tills.yaml"
    spec.write_text(
        "name: tills\nowner: shop\ntask: binary\n"
        "data: {source: {kind: file, uri: '.', format: parquet}, time: ts, target: y}\n"
        "ingest: {window: 90d}\nvalidate: {min_rows: 500}\n"
        "features: {columns: [warm, guests]}\ntrain: {estimator: linear}\n"
    )

    worst = blocked(judge(BATCH, "--spec", str(spec)))

    assert worst["message"] == "only 168 rows, fewer than validate.min_rows = 500"


def test_the_command_imports_neither_airflow_nor_a_suite_nor_a_registry(folder):
    code = (
        "import sys; from airflow_mlops.cli import main\n"
        f"assert main(['check', {str(folder / 'batch.csv')!r}, '--reference', {str(folder / 'good.parquet')!r}]) == 0\n"
        "print([name for name in ('airflow', 'great_expectations', 'mlflow', 'sklearn') if name in sys.modules])"
    )

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.splitlines()[-1] == "[]"
