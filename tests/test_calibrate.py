"""``airflow-mlops calibrate`` states the rate that its thresholds have, and refuses what gives none."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest
import yaml

from airflow_mlops.cli import main
from airflow_mlops.errors import SpecError
from airflow_mlops.spec import load_spec

SPEC = """
name: pumps
owner: plant
task: regression
data:
  source: {{kind: file, uri: rows.parquet, format: parquet}}
  time: at
  target: flow
ingest: {{window: 28d}}
features: {{columns: [pressure, kind, note]}}
train: {{estimator: linear}}
evaluate: {{holdout: 5d, gate: {{block: 1d}}}}
drift: {{share: 0.4{drift}}}
monitor: {{window: {window}}}
retrain: {{now: 2024-05-01T00:00:00Z}}
"""
START = datetime(2024, 1, 1, tzinfo=UTC)


def rows(days=121, per_day=120):
    """Draw rows whose days differ a little, evenly over time; notes are free text."""
    rng, count = np.random.default_rng(0), days * per_day
    return pd.DataFrame(
        {
            "at": [START + timedelta(days=days * place / count) for place in range(count)],
            "pressure": np.repeat(rng.standard_normal(days), per_day) + rng.standard_normal(count),
            "kind": rng.choice(["a", "b", "c"], count),
            "note": [f"note {place}" for place in range(count)],
            "flow": rng.standard_normal(count),
        }
    )


@pytest.fixture
def spec(tmp_path):
    """Write a spec beside its rows, and give its path."""

    def write(frame=None, *, drift="", window="2d"):
        (rows() if frame is None else frame).to_parquet(tmp_path / "rows.parquet")
        path = tmp_path / "pumps.yaml"
        path.write_text(SPEC.format(drift=drift, window=window))
        return str(path)

    return write


def test_a_hundred_stable_windows_give_the_rate_that_was_asked_for(spec, capsys):
    assert main(["calibrate", spec(window="1d")]) == 0

    said = capsys.readouterr()
    assert (
        "117 past windows: 0.8% of looks at rows like these alarm (these thresholds: 0.0% to 3.1%, 95 %)." in said.out
    )
    assert "left out, for not every window has values that compare: note" in said.err


def test_what_is_written_is_the_section_and_the_spec_takes_it(spec, tmp_path, capsys):
    target = tmp_path / "drift.yaml"

    assert main(["calibrate", spec(), "--false-alarms", "0.05", "--write", str(target)]) == 0

    section = yaml.safe_load(target.read_text())["drift"]
    assert section["share"] == 0.4
    assert section["false_alarms"] == 0.05
    assert section["thresholds"]["pressure"] > section["thresholds"]["kind"] >= 0.1
    kept = f", false_alarms: 0.05, thresholds: {yaml.safe_dump(section['thresholds'], default_flow_style=True)}".strip()
    assert load_spec(spec(drift=kept)).drift.thresholds == section["thresholds"]
    assert f"wrote {target}" in capsys.readouterr().err


def test_a_rate_that_so_few_windows_cannot_show_is_not_claimed(spec, capsys):
    assert main(["calibrate", spec(window="5d"), "--false-alarms", "0.01"]) == 0

    said = capsys.readouterr().out
    assert "20 past windows: 4.8% of looks" in said
    assert "1.0% was asked for and cannot be had from them; it takes 99 windows." in said


def test_history_from_another_folder_is_read_instead(spec, tmp_path, capsys):
    path = spec(rows(days=8))
    folder = tmp_path / "history"
    folder.mkdir()
    rows().to_parquet(folder / "all.parquet")

    assert main(["calibrate", path, "--history", str(folder), "--to", "2024-04-01"]) == 0
    assert "41 past windows" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("frame", "arguments", "sentence"),
    [
        (
            rows(days=12),
            (),
            "2 past windows are too few to calibrate on: 10 are the least, and a rate of 0.01 needs 99",
        ),
        (rows(days=12), ("--from", "2024-04-01"), "no row lies in|no rows|0 rows|none"),
        (rows(days=12), ("--from", "2024-04-01", "--to", "2024-03-01"), "there is no time from 2024-04-01"),
        (rows(days=12).drop(columns="kind"), (), "kind"),
        (rows(days=30), ("--false-alarms", "0"), "a rate of false alarms of 0 is none"),
    ],
    ids=["too few windows", "an empty history", "no time", "an unknown column", "no rate"],
)
def test_what_gives_no_thresholds_is_one_sentence_and_nothing_is_written(
    frame, arguments, sentence, spec, tmp_path, capsys
):
    import re

    target = tmp_path / "drift.yaml"

    assert main(["calibrate", spec(frame), "--write", str(target), *arguments]) == 2
    said = capsys.readouterr().err.strip().splitlines()[-1]
    assert re.search(rf"^airflow-mlops: .*({sentence})", said)
    assert not target.exists()


def test_what_is_no_rate_is_refused_before_rows_are_read(spec, tmp_path, capsys):
    path = spec()
    (tmp_path / "rows.parquet").unlink()

    assert main(["calibrate", path, "--false-alarms", "2"]) == 2
    assert "a rate of false alarms of 2 is none; take one between 0 and 1" in capsys.readouterr().err


def test_a_column_that_makes_all_thresholds_blind_is_named(spec, capsys):
    seasonal = rows()
    seasonal["pressure"] += 100.0 * (seasonal["at"] >= START + timedelta(days=60))  # only in the rows of one window

    assert main(["calibrate", spec(seasonal)]) == 0

    said = capsys.readouterr().out
    assert "Almost nothing would be found in pressure: an effect is 1 at most" in said
    assert "All thresholds go by the farthest move of pressure," in said
    assert "Leave pressure out of drift.columns" in said


def test_thresholds_that_find_something_are_no_reason_for_advice(spec, capsys):
    assert main(["calibrate", spec()]) == 0
    assert "Almost nothing" not in capsys.readouterr().out


def test_a_time_that_is_none_is_told_its_form(spec, capsys):
    with pytest.raises(SystemExit, match="2"):
        main(["calibrate", spec(), "--to", "foo"])
    assert "argument --to: 'foo' is no time; write one such as 2024-03-31 or 2024-03-31T06:00:00+00:00" in (
        capsys.readouterr().err
    )


def test_a_file_that_is_there_is_kept_unless_it_is_forced(spec, tmp_path, capsys):
    target = tmp_path / "drift.yaml"
    target.write_text("mine")

    assert main(["calibrate", spec(), "--write", str(target)]) == 2
    assert target.read_text() == "mine"
    assert f"{target} is there already; use --force" in capsys.readouterr().err
    assert main(["calibrate", spec(), "--write", str(target), "--force"]) == 0
    assert "thresholds" in target.read_text()


def test_a_threshold_of_a_column_that_is_not_compared_is_refused(spec):
    with pytest.raises(SpecError, match=r"drift\.thresholds\.presure: 'presure' is not in features\.columns; did you"):
        load_spec(spec(drift=", thresholds: {presure: 0.2}"))
