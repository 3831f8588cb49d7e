"""Each trained version asked about labelled rows: who is asked what, what is stored, and what is asked again."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pytest

from airflow_mlops.errors import ArtifactMissing
from airflow_mlops.lifecycle.scorecards import Models, Scorecards
from airflow_mlops.loop.history import History
from airflow_mlops.loop.scorecard import Card, measure_shift
from airflow_mlops.spec.policy_sections import Correction
from airflow_mlops.stages.evaluate.light import Shares, judge_change
from tests.lifecycle.looks import OWN_LABELS, Place, day, small_spec


@pytest.fixture
def place(tmp_path, january, flights_spec):
    """A champion of two days that serves from the third on."""
    place = Place(tmp_path, january, small_spec(flights_spec))
    place.train("one", since=day(1), until=day(3), at=day(3))
    place.promote("one", "1", at=day(3))
    return place


def newest(place):
    return place.ledger.events("flights", kind="signals")[-1].payload


def card(place, quality):
    return Scorecards(place.spec, place.store, Models(place.store)).read(quality["scorecard"])


def test_what_serves_would_have_lost_what_it_lost(place):
    found = place.look(day(5)).signals.quality

    assert found.by_member["one"].loss == pytest.approx(found.loss, rel=1e-12)
    assert found.by_member["one"].rows == found.labelled
    assert found.scorecard["members"] == ["one"]


def test_a_member_that_has_trained_on_the_window_has_no_loss_in_it(place):
    place.train("two", since=day(1), until=day(4), at=day(4), holdout=day(4))

    found = place.look(day(5))

    assert list(found.signals.quality.by_member) == ["one"]
    read = card(place, newest(place)["quality"])
    asked = np.isfinite(read.outputs["two"])
    assert asked.any()
    assert (read.times[asked] >= np.datetime64("2013-01-04T05:00:00")).all()
    assert (read.times[~asked] < np.datetime64("2013-01-04T05:00:00")).all()
    assert np.isfinite(read.outputs["one"]).all()


def test_a_scorecard_says_whose_it_is_and_of_what(place):
    quality = place.look(day(5)).signals.quality

    manifest = place.store.manifest(quality.scorecard["uri"])
    assert manifest["members"] == ["one"]
    assert (manifest["start"], manifest["end"]) == (day(3).isoformat(), day(5).isoformat())
    assert manifest["rows"] == quality.labelled
    assert manifest["classes"] == [0, 1]
    frame = place.store.read_frame(f"{quality.scorecard['uri']}/data.parquet", digest=quality.scorecard["digest"])
    assert list(frame.columns) == ["id", "time", "target", "output:one"]
    assert frame["output:one"].dtype == "float64"


def test_on_a_sample_a_member_is_compared_with_what_was_served_on_the_same_rows(place):
    place.train("two", since=day(1), until=day(2.5), at=day(3))
    whole = place.look(day(5)).signals.quality
    few = small_spec(place.spec, monitor={"scorecard_rows": 200})

    sample = place.look(day(5), spec=few).signals.quality

    assert sample.scorecard["rows"] == 200
    assert sample.by_member["one"].loss == pytest.approx(sample.loss, rel=1e-12)
    gap = whole.by_member["two"].loss - whole.by_member["one"].loss
    assert sample.by_member["two"].loss - sample.by_member["one"].loss == pytest.approx(gap, abs=0.02)


def test_a_correction_makes_the_mean_probability_that_of_the_labels(place):
    read = card(place, place.look(day(5)).signals.quality.to_dict())

    shift = measure_shift([read], {"one": 1.0}, Correction(rows=1), serving=None)

    said = 1 / (1 + np.exp(-(read.outputs["one"] + shift.value)))
    assert said.mean() == pytest.approx(read.target.mean(), abs=1e-3)
    assert shift.moved == abs(shift.value)


def test_a_scorecard_names_no_row_by_a_sensitive_column(place):
    spec = small_spec(place.spec, data={"sensitive": ["flight"]})

    quality = place.look(day(5), spec=spec).signals.quality

    frame = place.store.read_frame(f"{quality.scorecard['uri']}/data.parquet", digest=quality.scorecard["digest"])
    flights = tuple(place.frame["flight"].unique())
    assert not frame["id"].str.contains(flights[0]).any()
    assert frame["id"].str.startswith('["EWR"').any()


def test_labels_of_no_class_are_refused_in_a_sentence(place):
    place.frame["late"] = "yes"

    found = place.look(day(5))

    assert found.signals.quality is None
    [problem] = found.signals.problems
    assert "labels, such as 'yes', are no class of what served, which knows [0, 1]; mend 'late'" in problem
    assert found.decision.correction is None


def test_a_class_that_no_version_knows_corrects_nothing():
    read = Card("multiclass", ("a", "b"), np.zeros(4), np.array([0, 1, 1, np.nan]), {"one": np.zeros((4, 2))})

    shift = measure_shift([read], {"one": 1.0}, Correction(rows=1), serving=None)

    assert shift.rows == 3
    assert np.isfinite(shift.value).all()
    one = Shares({"one": 1.0})
    assert judge_change([read], one, one, metric="log_loss", memory=0.8, margin=0.01).n == 3


def test_a_version_trained_later_is_asked_about_windows_it_has_not_seen(place):
    place.look(day(5))
    place.look(day(7))
    place.train("two", since=day(1), until=day(5), at=day(7), holdout=day(5))

    found = place.look(day(9)).signals

    [again] = found.reopened
    assert (again.start, again.end) == (day(5), day(7))
    assert set(again.by_member) == {"one", "two"}
    assert again.loss == pytest.approx(again.by_member["one"].loss, rel=1e-12)
    assert place.look(day(9) + timedelta(hours=1)).signals.reopened == ()


def test_a_scorecard_that_is_gone_is_missed_by_name(place):
    quality = place.look(day(5)).signals.quality
    uri = quality.scorecard["uri"]
    place.store.delete(f"{uri}/manifest.json")

    with pytest.raises(ArtifactMissing, match="no complete scorecard is stored at"):
        card(place, quality.to_dict())


# Labels that arrive late


@pytest.fixture
def late(tmp_path, january, flights_spec):
    """Labels in a table of their own; of every third row two days later than of the others."""
    spec = small_spec(flights_spec, data={"labels": OWN_LABELS}, monitor={"maturity": 0.9, "reopen": "6d"})
    place = Place(tmp_path, january, spec)
    labels = place.frame[["flight", "origin", "scheduled", "late"]].dropna()
    slow = labels.index % 3 == 0
    arrived = labels["scheduled"] + timedelta(hours=1)
    return place, labels.assign(arrived=arrived.mask(slow, arrived + timedelta(days=2)))


def test_late_labels_open_a_window_again_and_it_counts_when_enough_are_there(late):
    place, labels = late
    place.train("one", since=day(1), until=day(3), at=day(3))
    place.promote("one", "1", at=day(3))

    first = place.look(day(5), labels=labels)
    second = place.look(day(7), labels=labels)

    assert 0.5 < first.signals.quality.maturity < 0.75
    assert first.decision.standing["windows"] == 0
    assert first.signals.measured["quality"].verdict == "unknown"
    [again] = second.signals.reopened
    assert (again.start, again.end) == (day(3), day(5))
    assert again.maturity > 0.9
    assert again.labelled > first.signals.quality.labelled
    assert second.decision.standing["windows"] == 1
    assert second.decision.standing["last_loss"] == again.loss


def test_history_keeps_the_last_measurement_of_a_window(late):
    place, labels = late
    place.train("one", since=day(1), until=day(3), at=day(3))
    place.promote("one", "1", at=day(3))
    for now in (5, 7):
        place.look(day(now), labels=labels)

    windows = History.of(place.ledger.events("flights")).windows

    assert [(each.start, each.end) for each in windows] == [(day(3), day(5)), (day(5), day(7))]
    assert windows[0].measured_at == day(7)
    assert windows[0].maturity > 0.9 > windows[1].maturity
