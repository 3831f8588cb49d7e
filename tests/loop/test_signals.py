"""What the monitor measured, and how it travels."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import numpy as np
import pandas as pd
import pytest

from airflow_mlops.errors import SignalsUnusable
from airflow_mlops.loop.labels import Labelled
from airflow_mlops.loop.signals import Drift, PredictionDrift, Quality, Signals, VersionLoss, measure_quality

START, END = datetime(2013, 3, 1, tzinfo=UTC), datetime(2013, 3, 8, tzinfo=UTC)
NOW = datetime(2013, 3, 10, tzinfo=UTC)


def labelled(versions, rows):
    return Labelled(pd.DataFrame({"version": versions}), START, END, rows=rows)


def test_loss_is_averaged_over_all_and_for_each_version():
    found = measure_quality(labelled(["1", "1", "2"], rows=6), [0.1, 0.3, 0.8], metric="log_loss")
    assert found.loss == pytest.approx(0.4)
    assert found.by_version == {"1": VersionLoss(pytest.approx(0.2), 2), "2": VersionLoss(0.8, 1)}
    assert (found.rows, found.labelled, found.maturity) == (6, 3, 0.5)


def test_a_window_without_labels_has_no_loss():
    found = measure_quality(labelled([], rows=6), [], metric="log_loss")
    assert (found.loss, found.by_version, found.maturity) == (None, {}, 0.0)


def test_losses_of_other_rows_are_refused():
    with pytest.raises(SignalsUnusable, match="2 losses for 1 labelled predictions"):
        measure_quality(labelled(["1"], rows=1), [0.1, 0.2], metric="log_loss")


def test_a_loss_that_is_no_number_is_refused_and_not_averaged():
    with pytest.raises(SignalsUnusable, match=r"1 of 2 losses \(log_loss\) are no finite numbers"):
        measure_quality(labelled(["1", "1"], rows=2), np.array([0.1, np.nan]), metric="log_loss")


def test_signals_come_back_from_json_exactly():
    quality = Quality(START, END, "log_loss", 3, 2, 2 / 3, 0.1 + 0.2, {"1": VersionLoss(0.1 + 0.2, 2)})
    signals = Signals(
        now=NOW,
        epoch=2,
        champion_version="2",
        data_check="failed",
        data_check_reasons=("'distance' is in kilometres",),
        drift=Drift("drifted", 0.5, ("temp", "dewp")),
        prediction_drift=PredictionDrift("stable", "wasserstein", 0.01, 0.1),
        quality=quality,
        age_days=9.5,
    )
    assert Signals.from_dict(json.loads(json.dumps(signals.to_dict()))) == signals


def test_signals_with_nothing_measured_come_back_too():
    signals = Signals(now=NOW, epoch=0, champion_version=None, data_check="missing")
    assert Signals.from_dict(json.loads(json.dumps(signals.to_dict()))) == signals


def test_what_an_older_event_does_not_have_was_not_measured():
    found = Signals.from_dict({"now": NOW.isoformat(), "epoch": 1})
    assert (found.data_check, found.quality, found.drift) == ("missing", None, None)


@pytest.mark.parametrize("value", [{}, {"now": "soon", "epoch": 1}, None, {"now": 3, "epoch": 1}], ids=repr)
def test_something_else_is_refused(value):
    with pytest.raises(SignalsUnusable, match="no signals as the monitor writes them"):
        Signals.from_dict(value)
