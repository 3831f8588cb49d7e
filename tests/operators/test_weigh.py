"""Other weights, or another correction, of versions already trained: made, judged, registered and served untrained."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest

from airflow_mlops.errors import CommitteeUnusable, NoChampion
from airflow_mlops.lifecycle.stored_model import StoredModel, load_stored, write_model
from airflow_mlops.loop.history import History
from airflow_mlops.operators.deploy import DeployOperator
from airflow_mlops.operators.evaluate import EvaluateOperator
from airflow_mlops.operators.register import RegisterOperator
from airflow_mlops.operators.weigh import WeighOperator
from airflow_mlops.refs import ModelRef
from airflow_mlops.stages.committee import link_of
from airflow_mlops.stages.golden import answers, predict_method
from tests.lifecycle.looks import COLUMNS, Place, day, small_spec

NOW = day(7)
HALVES = {"one": 0.5, "two": 0.5}
LONG = {"deploy": {"max_latency_ms": 30_000, "timeout": "10m"}}


class Weighings(Place):
    """Two trained versions, of which the first serves, and the operators that make one of both."""

    def train(self, name, **stretch):
        from sklearn.dummy import DummyClassifier

        ref = super().train(name, **stretch)
        golden = self.between(stretch["since"], stretch["until"])[COLUMNS].head(10)
        self.store.write_table(f"{ref.uri}/golden.parquet", _table(golden))
        model = load_stored(self.store, ref)
        told = {"ref": ref.to_dict(), "predict": predict_method(model), "golden_predictions": answers(model, golden)}
        constant = DummyClassifier(strategy="prior").fit(golden.iloc[:, :1], [0, 1] * 5)
        told["baseline"] = write_model(self.store, ref.uri, "baseline", constant)
        self.store.complete(ref.uri, {**self.store.manifest(ref.uri), **told})
        return ref

    def run(self, operator, at, run_id="run", **inputs):
        made = operator(task_id="task", spec=self.spec, now=at.isoformat(), artifacts_uri=str(self.folder), **inputs)
        return made.execute({"run_id": run_id})

    def asked(self, weights, *, action="re-weigh", key="d1", at=NOW):
        return {
            "cause": "decision", "now": at.isoformat(), "window": "all", "reason": "the newest weeks say so",
            "decision": key, "action": action, "weights": weights,
        }  # fmt: skip

    def weigh(self, weights=HALVES, *, at=NOW, run_id="run", **asked):
        return self.run(WeighOperator, at, run_id, model=None, request=self.asked(weights, at=at, **asked))


def _table(frame):
    import pyarrow as pa

    return pa.Table.from_pandas(frame, preserve_index=False)


@pytest.fixture
def place(tmp_path, january, flights_spec):
    """Looks at two windows, with both versions asked about them."""
    place = Weighings(tmp_path, january, small_spec(flights_spec, **LONG))
    place.train("one", since=day(1), until=day(3), at=day(3))
    place.promote("one", "1", at=day(3))
    place.train("two", since=day(1), until=day(2.5), at=day(3))
    place.look(day(5))
    place.look(day(7))
    return place


@pytest.fixture
def client(place, tmp_path, fresh_mlflow_db, monkeypatch):
    """Give the operators an MLflow on SQLite, in which the version that serves is registered."""
    from mlflow import MlflowClient

    (tmp_path / "m").mkdir()
    shutil.copy(fresh_mlflow_db, tmp_path / "m" / "mlflow.db")
    monkeypatch.setenv("AIRFLOW_CONN_MLFLOW_DEFAULT", json.dumps({"conn_type": "mlflow", "host": str(tmp_path / "m")}))
    passed = {"id": "e1", "uri": "", "verdict": "pass", "reasons": [], "metrics": {}, "epoch": 0}
    place.run(RegisterOperator, day(3), model=place.trained["one"].to_dict(), evaluation=passed)
    return MlflowClient(tracking_uri=f"sqlite:///{tmp_path}/m/mlflow.db")


# Weigh


def test_weights_of_a_decision_become_one_model_with_a_correction(place):
    found = ModelRef.from_dict(place.weigh())

    assert found.members == HALVES
    assert (found.estimator, found.features) == ("committee", place.trained["two"].features)
    rows = place.between(day(7), day(9))[COLUMNS]
    said = [link_of(load_stored(place.store, place.trained[name]), rows, "binary", (0, 1)) for name in HALVES]
    made = link_of(load_stored(place.store, found), rows, "binary", (0, 1))
    np.testing.assert_allclose(made, np.mean(said, axis=0) + found.correction, atol=1e-6)
    assert found.correction != 0


def test_it_can_be_replayed_before_it_serves(place):
    found = ModelRef.from_dict(place.weigh())

    stored = StoredModel.read(place.store, found)
    model = load_stored(place.store, found)
    assert stored.expected == answers(model, stored.golden.to_pandas())
    assert len(stored.expected) == 10


def test_a_second_try_finds_what_the_first_made(place):
    first = place.weigh()
    again = place.weigh(run_id="another")

    assert {**again, "same_as": None} == first
    assert again["same_as"] == "run"
    [event] = place.ledger.events("flights", kind="weigh")
    assert (event.payload["action"], event.payload["id"]) == ("re-weigh", first["id"])


def test_a_try_after_its_own_promotion_still_makes_the_same(place):
    """Which correction serves is part of what is weighed, and a promotion changes it."""
    first = place.weigh()
    place.trained["made"] = ModelRef.from_dict(first)
    place.promote("made", "2", at=NOW)

    assert place.weigh(run_id="retry")["id"] == first["id"]


def test_one_version_without_a_correction_is_that_version(place):
    place.spec = small_spec(place.spec, retrain={"policy": {"kind": "single", "correction": None}})

    found = place.weigh({"two": 1.0}, action="re-elect")

    assert found == place.trained["two"].to_dict()


def test_a_version_that_nobody_trained_cannot_serve(place):
    with pytest.raises(CommitteeUnusable, match="model three is to serve flights, and the ledger knows no training"):
        place.weigh({"one": 0.5, "three": 0.5})


def test_after_a_training_only_windows_before_the_held_out_rows_weigh(place):
    place.train("three", since=day(1), until=day(5), at=NOW, holdout=day(5))

    found = place.run(WeighOperator, day(7), model=place.trained["three"].to_dict())

    windows = History.of(place.ledger.events("flights")).windows
    assert [each.end <= day(5) for each in windows] == [True, False]
    assert set(found["members"]) == {"one", "two", "three"}
    # What two versions lost in the one window before decides between them; the new one is believed to be better.
    losses = {name: windows[0].by_member[name].loss for name in ("one", "two")}
    better, worse = sorted(losses, key=losses.get)
    assert found["members"]["three"] > found["members"][better] >= found["members"][worse]


def test_a_policy_that_serves_the_newest_version_gets_it_as_it_is(place):
    place.spec = small_spec(place.spec, retrain={"policy": {"kind": "schedule"}})

    found = place.run(WeighOperator, day(7), model=place.trained["two"].to_dict())

    assert found == place.trained["two"].to_dict()


# The light gate


def evaluate(place, model, *, at=NOW, action="re-weigh", **inputs):
    return place.run(EvaluateOperator, at, model=model, action=action, mlflow_conn_id=None, **inputs)


def test_the_light_gate_judges_on_the_windows_it_was_weighed_on(place):
    found = evaluate(place, place.weigh())

    assert (found["gate"], found["action"], found["trained_id"]) == ("light", "re-weigh", None)
    assert found["verdict"] == "pass"
    assert found["metrics"]["log_loss"] < found["metrics"]["champion_log_loss"] * 1.01
    report = json.loads(place.store.read_bytes(f"{found['uri']}/report.json"))
    assert report["gate"]["windows"] == 2
    assert report["members"] == {"challenger": HALVES, "champion": {"one": 1.0}}
    assert "it would not have been worse" in place.store.read_bytes(found["html_uri"]).decode()


def test_a_change_for_the_worse_is_refused_and_recorded(place):
    made = place.weigh()
    far = replace(ModelRef.from_dict(made), correction=3.0).to_dict()

    found = evaluate(place, far)

    assert found["verdict"] == "fail"
    [event] = [each for each in place.ledger.events("flights", kind="evaluate") if each.payload["id"] == found["id"]]
    assert (event.payload["gate"], event.payload["verdict"]) == ("light", "fail")
    assert "the answers would move by" in found["reasons"][0]


def test_without_a_labelled_window_nothing_is_believed(tmp_path, january, flights_spec):
    place = Weighings(tmp_path, january, small_spec(flights_spec))
    place.train("one", since=day(1), until=day(3), at=day(3))
    place.promote("one", "1", at=day(3))
    place.train("two", since=day(1), until=day(2.5), at=day(3))

    found = evaluate(place, place.weigh())

    assert found["verdict"] == "fail"
    assert "no labelled window is new to all members" in found["reasons"][0]


def test_weights_cannot_be_changed_where_nothing_serves(tmp_path, january, flights_spec):
    place = Weighings(tmp_path, january, small_spec(flights_spec))
    ref = place.train("one", since=day(1), until=day(3), at=day(3))

    with pytest.raises(NoChampion, match="flights has no champion whose weights could be changed"):
        evaluate(place, ref.to_dict())


# One version, one promotion


def test_however_often_it_is_tried_there_is_one_version_and_one_promotion(place, client):
    made = place.weigh()
    verdict = evaluate(place, made)

    registered = place.run(RegisterOperator, day(7), model=made, evaluation=verdict)
    deployed = place.run(DeployOperator, day(7), model=registered, evaluation=verdict)
    for _ in range(2):
        again = place.run(RegisterOperator, day(7), "retry", model=made, evaluation=verdict)
        assert again == registered
        assert place.run(DeployOperator, day(7), "retry", model=again, evaluation=verdict) == deployed

    assert [each.version for each in client.search_model_versions("name = 'flights'")] == [2, 1]
    [promotion] = [each for each in place.ledger.events("flights", kind="promotion") if each.epoch == 2]
    assert promotion.payload["cause"] == "re-weigh"
    assert promotion.payload["model"]["members"] == HALVES
    assert promotion.payload["model"]["correction"] == made["correction"]
    [*_, told] = History.of(place.ledger.events("flights")).promotions
    assert (told.action, told.members, told.correction) == ("re-weigh", HALVES, made["correction"])


def test_mlflow_shows_what_a_version_is_made_of(place, client):
    import mlflow.pyfunc

    made = place.weigh()
    registered = place.run(RegisterOperator, day(7), model=made, evaluation=evaluate(place, made))

    version = client.get_model_version("flights", registered["version"])
    assert version.tags["mlops.kind"] == "committee"
    assert json.loads(version.tags["mlops.correction"]) == made["correction"]
    # The second was never a version by itself: the artifact store has it under its id.
    listed = {each["id"]: (each["version"], each["weight"]) for each in json.loads(version.tags["mlops.members"])}
    assert listed == {"one": ("1", 0.5), "two": (None, 0.5)}
    assert version.description.startswith(f"# flights: version {version.version}\n\nModel {made['id']}.")
    assert "## Who answers\n\n2 versions together" in version.description
    assert "- the newest weeks say so" in version.description
    assert "model_card.md" in [item.path for item in client.list_artifacts(registered["mlflow_run_id"])]
    loaded = mlflow.pyfunc.load_model(client.get_model_version_download_uri("flights", version.version))
    stored = StoredModel.read(place.store, ModelRef.from_dict(made))
    np.testing.assert_allclose(loaded.predict(stored.golden.to_pandas()), stored.expected, atol=1e-9)


def test_a_trained_version_says_so_too(place, client):
    [version] = client.search_model_versions("name = 'flights'")

    assert version.tags["mlops.kind"] == "trained"
    assert "mlops.members" not in version.tags
