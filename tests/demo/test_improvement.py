from __future__ import annotations

from datetime import timedelta

import numpy as np
import pandas as pd
import pytest

from airflow_mlops.demo.improvement import improvements, judge_served
from airflow_mlops.demo.records import Promotion
from airflow_mlops.loop.labels import row_ids
from tests.conftest import utc

SWAP, NOW = utc("2013-01-03T05:00:00"), utc("2013-01-11T05:00:00")


class Constant:
    """A model that says the same of every flight."""

    classes_ = np.array([0, 1])

    def __init__(self, late: float) -> None:
        self.late = late

    def predict(self, rows):
        return np.full(len(rows), int(self.late > 0.5))

    def predict_proba(self, rows):
        return np.tile([1 - self.late, self.late], (len(rows), 1))


MODELS = {"1": Constant(0.6), "2": Constant(0.2)}
PROMOTIONS = [
    Promotion("1", 1, utc("2013-01-01T05:00:00"), {"version": "1"}, (), None),
    Promotion("2", 2, SWAP, {"version": "2"}, ("excess",), 12.0),
]


@pytest.fixture(scope="module")
def rows(january):
    return january.to_pandas()


@pytest.fixture
def predictions(rows, flights_spec):
    """What each version said of the flights it was asked about."""
    time = pd.to_datetime(rows["scheduled"], utc=True)
    version = np.where(time < SWAP, "1", "2")
    output = [np.array([1 - MODELS[name].late, MODELS[name].late]) for name in version]
    ids = row_ids(rows, flights_spec.data.key, flights_spec.data.time)
    return pd.DataFrame({"id": ids, "time": time, "version": version, "epoch": 1, "output": output})


def test_the_paired_difference_is_that_of_both_versions_on_the_same_flights(predictions, rows, flights_spec):
    judged = judge_served(predictions, rows, spec=flights_spec, now=NOW)
    (change,) = improvements(PROMOTIONS, judged, spec=flights_spec, load=lambda model: MODELS[model["version"]])

    known = rows[rows["late"].notna() & (pd.to_datetime(rows["scheduled"], utc=True) >= SWAP)]
    late = known["late"].to_numpy()
    losses = {name: -np.log(np.where(late == 1, one.late, 1 - one.late)).mean() for name, one in MODELS.items()}
    assert (change.version, change.replaced, change.since) == ("2", "1", SWAP)
    assert change.after.loss == pytest.approx(losses["2"])
    assert change.before.loss > change.after.loss
    assert change.paired.difference == pytest.approx(losses["2"] - losses["1"])
    assert change.paired.low < change.paired.difference < change.paired.high < 0
    assert change.paired.rows == len(known) == change.after.rows


def test_labels_that_are_not_due_yet_are_not_used(predictions, rows, flights_spec):
    delayed = flights_spec.model_copy(
        update={"data": flights_spec.data.model_copy(update={"label_delay": timedelta(days=2)})}
    )

    judged = judge_served(predictions, rows, spec=delayed, now=NOW)

    assert judged["time"].max() <= NOW - timedelta(days=2)


def test_too_few_days_give_no_interval(predictions, rows, flights_spec):
    judged = judge_served(predictions, rows, spec=flights_spec, now=SWAP + timedelta(days=2))

    (change,) = improvements(PROMOTIONS, judged, spec=flights_spec, load=lambda model: MODELS[model["version"]])

    assert change.after is not None
    assert change.paired is None
