"""The benchmark of policies on folders of streams: any table goes in, and figures of one form come out."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from benchmarks.loop.__main__ import main
from benchmarks.loop.reference import Reference
from benchmarks.loop.sources import from_folders

ROWS = 720
OWN = {"never", "every_all", "every_recent", "committee", "single", "committee_gates", "single_gates", "excess_loss"}
CLOCKS = {"periodic", "periodic_committee", "periodic_single", "every_committee", "bag_of_eight", "correction_only"}
PEERS = {"adwin", "page_hinkley", "evidently"}


def written(folder, frame):
    """Write a stream and return its folder."""
    folder.mkdir(parents=True)
    frame.to_parquet(folder / "data.parquet")
    return folder


def odd(rows=ROWS):
    """Text labels, booleans, a column without values, one that is null for a while, and a world that turns over."""
    rng = np.random.default_rng(3)
    x, colour = rng.normal(size=rows), rng.choice(["red", "green", None], rows)
    turned = np.where(np.arange(rows) < rows * 0.6, 1, -1)
    return pd.DataFrame(
        {
            "ts": pd.date_range("2024-01-01", periods=rows, freq="h"),
            "y": np.where(x * turned + rng.normal(size=rows) / 3 > 0, "yes", "no"),
            "x": x,
            "is_wet": pd.array(rng.integers(0, 2, rows).astype(bool), dtype="boolean"),
            "colour": colour,
            "nothing": np.full(rows, np.nan),
            "later": np.where(np.arange(rows) < rows * 0.7, np.nan, x),
        }
    )


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """Run on one stream that can be measured and two that cannot; the second time with models from the cache."""
    place = tmp_path_factory.mktemp("streams")
    folders = [written(place / "odd", odd()), written(place / "short", odd(80)), place / "nowhere"]
    out = place / "out.json"
    asked = ["--streams", *map(str, folders), "--rows-per-batch", "40", "--jobs", "1", "--json", str(out)]
    code = main([*asked, "--cache", str(place / "cache")])
    return code, json.loads(out.read_text())


def test_each_stream_and_policy_has_gain_kept_and_trainings(found):
    _, plain = found
    rows = plain["streams"]["odd"]["policies"]
    assert OWN | CLOCKS | PEERS | {"oracle", "oracle_equal"} == set(rows)
    for row in rows.values():
        assert np.isfinite(row["gain_kept"])
        assert 0 <= row["trainings_pct"] <= 100
    assert rows["never"]["gain_kept"] == 0
    assert max(rows["every_all"]["gain_kept"], rows["every_recent"]["gain_kept"]) == 1
    assert rows["oracle"]["gain_kept"] >= 1


def test_each_policy_is_averaged_over_the_streams_that_drift(found):
    _, plain = found
    committee, row = plain["policies"]["committee"], plain["streams"]["odd"]["policies"]["committee"]
    assert plain["streams"]["odd"]["control"] is False
    assert committee["mean"] == committee["worst"] == row["gain_kept"]
    assert committee["capped_mean"] == min(1.2, row["gain_kept"])
    assert committee["worst_stream"] == "odd"


def test_a_stream_that_fails_is_named_and_the_others_go_on(found):
    code, plain = found
    assert code == 1
    assert set(plain["failed"]) == {"short", "nowhere"}
    assert "has 2 batches" in plain["failed"]["short"]
    assert "data.parquet" in plain["failed"]["nowhere"]


def test_a_stream_where_training_gains_nothing_is_a_control(tmp_path):
    frame = odd()
    frame["y"] = np.random.default_rng(5).normal(size=ROWS)
    folder, out = written(tmp_path / "still", frame), tmp_path / "out.json"
    asked = ["--streams", str(folder), "--rows-per-batch", "40", "--no-peers", "--jobs", "1", "--json", str(out)]
    assert main(asked) == 0
    plain = json.loads(out.read_text())
    assert plain["streams"]["still"]["task"] == "regression"
    assert plain["policies"]["committee"]["mean"] is None
    assert plain["policies"]["every_all"]["control_trainings_pct"] == 100


def test_gains_lie_between_the_losses_they_are_measured_between():
    found = Reference(0.6, 0.3, (0.5, 0.7), 0.45, 0.25, 0.2, 0.1, control=False)
    assert found.kept(0.6) == 0
    assert found.kept(0.45) == pytest.approx(0.5)
    assert found.kept_of_one_draw(0.4) == pytest.approx(0.5)
    assert found.strict(0.35) == pytest.approx(0.5)


def test_folders_of_one_name_are_told_apart(tmp_path):
    for parent in ("a", "b"):
        written(tmp_path / parent / "same", odd(20))
    sources = from_folders([tmp_path / "a", tmp_path / "b" / "same"], rows_per_batch=None, label_delay=1)
    assert [source.name for source in sources] == ["a/same", "b/same"]
