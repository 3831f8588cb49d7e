"""Features, train and evaluate as tasks: what they store, record, skip and refuse."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd
import pytest

from airflow_mlops.artifacts import ArtifactStore
from airflow_mlops.errors import ArtifactCorrupt, ArtifactMissing
from airflow_mlops.ledger import Ledger
from airflow_mlops.operators.evaluate import EvaluateOperator
from airflow_mlops.operators.features import FeaturesOperator
from airflow_mlops.operators.ingest import IngestOperator
from airflow_mlops.operators.train import TrainOperator
from airflow_mlops.refs import ModelRef
from airflow_mlops.stages.model_file import load_model, model_uri
from tests.chain import ten_days
from tests.conftest import utc

if TYPE_CHECKING:
    from airflow_mlops.spec import ModelSpec

NOW = "2013-01-11T05:00:00+00:00"
CONTEXT = {"run_id": "manual__1"}


class Work:
    """One folder, one spec, and the three operators on them."""

    def __init__(self, folder, spec: ModelSpec | None = None) -> None:
        self.folder, self.spec = folder, spec or ten_days()
        self.store = ArtifactStore.local(folder)
        self.ledger = Ledger(f"sqlite:///{folder / 'ledger.db'}")

    def run(self, operator, **inputs):
        spec = inputs.pop("spec", self.spec)
        task = operator(task_id="task", spec=spec, now=NOW, artifacts_uri=str(self.folder), **inputs)
        return task, task.execute(CONTEXT)

    def ingested(self):
        return self.run(IngestOperator)[1]

    def features(self, **inputs):
        return self.run(FeaturesOperator, snapshots=[self.ingested()], **inputs)[1]

    def model(self, spec=None):
        spec = spec or self.spec
        return self.run(TrainOperator, features=self.features(spec=spec), spec=spec)[1]

    def evaluation(self, model, **inputs):
        return self.run(EvaluateOperator, model=model, mlflow_conn_id=None, **inputs)[1]

    def promote(self, model, evaluation, version="1"):
        payload = {"model": {**model, "version": version}, "evaluation": evaluation, "mlflow_version": version}
        epoch = evaluation["epoch"]
        return self.ledger.promote(self.spec.name, version, expected_epoch=epoch, payload=payload, at=utc("2013-01-11"))


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """Hold a folder with a trained model that no test changes."""
    work = Work(tmp_path_factory.mktemp("work"))
    work.trained = work.model()
    return work


@pytest.fixture
def work(tmp_path):
    return Work(tmp_path)


def changed(spec, section, **values):
    return spec.model_copy(update={section: getattr(spec, section).model_copy(update=values)})


def test_held_out_rows_keep_their_raw_columns_and_are_not_in_the_matrix(shared):
    ref = shared.trained["features"]
    holdout = shared.store.read_frame(f"{ref['uri']}/holdout.parquet")
    matrix = shared.store.read_frame(f"{ref['uri']}/features.parquet")

    assert (holdout["scheduled"] >= pd.Timestamp("2013-01-09T05:00:00Z")).all()
    assert {"flight", "carrier", "late"} <= set(holdout.columns)
    assert (ref["rows"], ref["holdout_rows"]) == (len(matrix), len(holdout))
    assert {"dep_hour", "arr_hour"} <= set(ref["feature_names"])


def test_features_assembled_from_a_snapshot_copy_none_of_its_bytes(shared):
    folder = shared.store.path(shared.trained["features"]["uri"])

    assert not any("data.parquet" in path for path in shared.store.fs.find(folder))


def test_the_stored_model_answers_for_its_golden_rows_as_the_manifest_says(shared):
    ref = ModelRef.from_dict(shared.trained)
    manifest = shared.store.manifest(ref.uri)
    golden = shared.store.read_frame(f"{ref.uri}/golden.parquet")
    model = load_model(shared.store.read_bytes(model_uri(ref), digest=ref.digest), ref.serialization)

    assert model_uri(ref) == f"{ref.uri}/{manifest['file']}"
    assert len(golden) == 20
    assert getattr(model, manifest["predict"])(golden).tolist() == manifest["golden_predictions"]
    assert manifest["report"]["environment"]["scikit-learn"]


def test_a_second_run_finds_the_same_features_and_model(shared):
    features = shared.features()
    _, model = shared.run(TrainOperator, features=features)

    assert features["same_as"] == model["same_as"] == "manual__1"
    assert {**model, "same_as": None} == {**shared.trained, "same_as": None}
    assert len(shared.ledger.events("flights", kind="train")) == 1


@pytest.mark.parametrize(
    ("section", "values"),
    [("train", {"seed": 1}), ("train", {"params": {"max_iter": 3}}), ("features", {"derive": {}})],
    ids=["seed", "parameters", "derivations"],
)
def test_what_decides_the_model_decides_its_id(shared, section, values):
    assert shared.model(changed(shared.spec, section, **values))["id"] != shared.trained["id"]


def test_a_mix_stores_weights_that_train_uses(work):
    spec = changed(work.spec, "train", window="mix", recent=pd.Timedelta(days=3).to_pytimedelta())

    manifest = work.store.manifest(work.model(spec)["uri"])

    assert manifest["report"]["weighted"]


def test_sensitive_columns_are_null_in_golden_rows_and_not_in_the_report(work):
    spec = changed(changed(work.spec, "data", sensitive=["carrier"]), "evaluate", slices=["origin"])
    model = work.model(spec)
    evaluation = work.evaluation(model, spec=spec)

    golden = work.store.read_frame(f"{model['uri']}/golden.parquet")
    report = work.store.read_bytes(f"{evaluation['uri']}/report.json").decode()

    assert golden["carrier"].isna().all()
    assert "UA" not in report.replace("SQUARE", "")


@pytest.mark.parametrize("lost", ["features", "model"])
def test_a_folder_without_a_manifest_is_made_again(work, lost):
    model = work.model()
    folder = {"features": model["features"], "model": model}[lost]["uri"]
    work.store.delete(f"{folder}/manifest.json")

    again = work.model()

    assert again["id"] == model["id"]
    assert work.store.manifest(folder) is not None
    assert len(work.ledger.events("flights", kind=lost.replace("model", "train"))) == 1


def test_a_snapshot_that_was_changed_is_not_trained_on(work):
    snapshot = work.ingested()
    work.store.write_bytes(f"{snapshot['uri']}/data.parquet", b"something else")

    with pytest.raises(ArtifactCorrupt, match="changed or cut"):
        work.run(FeaturesOperator, snapshots=[snapshot])


def test_features_that_are_not_there_are_asked_for(work, shared):
    with pytest.raises(ArtifactMissing, match="run features again"):
        work.run(TrainOperator, features={**shared.trained["features"], "uri": work.store.uri("nowhere")})


# Evaluate


def test_a_first_version_beats_the_baseline_and_its_report_is_stored(shared):
    task, found = shared.run(EvaluateOperator, model=shared.trained, mlflow_conn_id=None)

    assert (found["verdict"], found["epoch"], found["champion_version"]) == ("pass", 0, None)
    assert found["metrics"]["log_loss"] < found["metrics"]["baseline_log_loss"]
    assert shared.store.read_bytes(found["html_uri"]).startswith(b"<!doctype html>")
    assert shared.store.read_json(f"{found['uri']}/report.json")["gate"]["verdict"] == "pass"
    assert task.report_uri == found["html_uri"]
    assert shared.ledger.find("flights", "evaluate", found["id"]).payload["model"]["id"] == shared.trained["id"]


def test_a_second_evaluation_is_the_first(shared):
    first, second = (shared.evaluation(shared.trained) for _ in range(2))

    assert first == second
    assert len([e for e in shared.ledger.events("flights", kind="evaluate") if e.key == first["id"]]) == 1


def test_a_refusal_is_a_result_that_is_recorded(shared):
    strict = changed(shared.spec, "evaluate", gate=shared.spec.evaluate.gate.model_copy(update={"min_rows": 100_000}))

    found = shared.evaluation(shared.trained, spec=strict)

    assert found["verdict"] == "not enough labels"
    assert "fewer than the 100000 the gate needs" in found["reasons"][0]
    assert shared.ledger.find("flights", "evaluate", found["id"]).payload["verdict"] == "not enough labels"


def test_after_a_promotion_the_same_model_gets_the_evaluation_that_promoted_it(work):
    model = work.model()
    first = work.evaluation(model)
    work.promote(model, first)

    again = work.evaluation(work.model())

    assert {**again, "reasons": None} == {**first, "reasons": None}
    assert again["reasons"][0] == f"the model already serves as version 1, promoted by evaluation {first['id']}"
    assert len(work.ledger.events("flights", kind="evaluate")) == 1


def test_a_new_challenger_is_judged_against_the_champion_at_its_epoch(work):
    model = work.model()
    work.promote(model, work.evaluation(model))
    weaker = changed(work.spec, "train", params={"max_iter": 1})

    found = work.evaluation(work.model(weaker), spec=weaker)

    assert (found["verdict"], found["epoch"], found["champion_version"]) == ("fail", 1, "1")
    assert "champion_log_loss" in found["metrics"]


def test_the_same_challenger_is_judged_afresh_when_the_champion_has_moved(work):
    weaker = changed(work.spec, "train", params={"max_iter": 1})
    weak, strong = work.model(weaker), work.model()
    before = work.evaluation(weak, spec=weaker)
    work.promote(strong, work.evaluation(strong))

    after = work.evaluation(weak, spec=weaker)

    assert (before["epoch"], after["epoch"]) == (0, 1)
    assert before["id"] != after["id"]


def test_a_champion_whose_bytes_were_changed_stops_the_evaluation(work):
    model = work.model()
    work.promote(model, work.evaluation(model))
    work.store.write_bytes(model_uri(ModelRef.from_dict(model)), b"something else")
    other = changed(work.spec, "train", seed=5)

    with pytest.raises(ArtifactCorrupt, match="changed or cut"):
        work.evaluation(work.model(other), spec=other)
