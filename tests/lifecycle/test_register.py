from __future__ import annotations

import json
import multiprocessing
import os
import signal
import subprocess
import sys

import pytest

from airflow_mlops.errors import ArtifactCorrupt, TrackingRefused
from airflow_mlops.lifecycle import registry, tracking
from airflow_mlops.lifecycle.register import register
from airflow_mlops.stages import model_file

NAME = "flights"


def versions(client):
    return sorted(int(each.version) for each in client.search_model_versions(f"name = '{NAME}'"))


def model_folder(client, tmp_path, version="1"):
    folder = tmp_path / "downloaded"
    folder.mkdir()
    return registry.download(client, NAME, version, folder)


def test_the_same_content_gives_the_same_version(client, store, small_spec, make_model, evaluation, origin):
    model = make_model()

    first = register(client, store, small_spec, model, evaluation(), origin=origin)
    second = register(client, store, small_spec, model, evaluation(), origin=origin)

    assert first == second
    assert (first.registered_name, first.version) == (NAME, "1")
    assert versions(client) == [1]


def test_another_model_gives_another_version(client, store, small_spec, make_model, evaluation, origin):
    register(client, store, small_spec, make_model(0), evaluation(), origin=origin)

    assert register(client, store, small_spec, make_model(1), evaluation(), origin=origin).version == "2"


def test_a_run_says_what_the_model_was_made_from(client, store, small_spec, make_model, evaluation, origin):
    registered = register(client, store, small_spec, make_model(), evaluation(), origin=origin)

    run = client.get_run(registered.mlflow_run_id)
    assert run.info.status == "FINISHED"
    assert run.data.params["train.max_iter"] == "60"
    assert run.data.metrics == {"log_loss": 0.41}
    assert run.data.tags["mlops.data_digest"] == "ab" * 32
    assert run.data.tags["mlops.dag_run"] == "manual__1"
    assert run.data.tags["mlops.code_version"] == "0.1.0"
    (dataset,) = run.inputs.dataset_inputs
    assert dataset.dataset.digest == ("cd" * 32)[:32]
    assert json.loads(dataset.dataset.profile) == {"num_rows": 2500, "sha256": "cd" * 32}


def test_mlflow_keeps_the_very_bytes_that_were_trained(
    client, store, small_spec, make_model, evaluation, origin, tmp_path
):
    model = make_model()
    register(client, store, small_spec, model, evaluation(), origin=origin)

    folder = model_folder(client, tmp_path)

    stored = (folder / store.manifest(model.uri)["file"]).read_bytes()
    assert stored == store.read_bytes(model_file.model_uri(model), digest=model.digest)


def test_the_signature_is_the_raw_columns(client, store, small_spec, make_model, evaluation, origin, tmp_path):
    from mlflow.models import Model

    register(client, store, small_spec, make_model(), evaluation(), origin=origin)

    described = Model.load(str(model_folder(client, tmp_path)))
    types = {column.name: column.type.name for column in described.get_input_schema()}
    assert types == {"carrier": "string", "distance": "long", "sched_dep_time": "long", "temp": "double"}
    assert described.get_output_schema().inputs[0].shape == (-1, 2)


def test_the_input_example_is_of_raw_rows(client, store, small_spec, make_model, evaluation, origin, tmp_path):
    import mlflow.pyfunc

    register(client, store, small_spec, make_model(), evaluation(), origin=origin)

    loaded = mlflow.pyfunc.load_model(str(model_folder(client, tmp_path)))
    assert loaded.predict(loaded.input_example).shape == (3, 2)


def test_sensitive_values_are_not_in_the_example(client, store, small_spec, make_model, evaluation, origin, tmp_path):
    import mlflow.pyfunc

    data = small_spec.data.model_copy(update={"sensitive": ["distance"]})
    spec = small_spec.model_copy(update={"data": data})
    model = make_model(sensitive=("distance",))
    register(client, store, spec, model, evaluation(), origin=origin)

    folder = model_folder(client, tmp_path)
    assert not (folder / "input_example.json").exists()
    # Whole numbers are accepted where the golden rows have none to show.
    rows = store.read_frame(f"{model.uri}/golden.parquet")
    loaded = mlflow.pyfunc.load_model(str(folder))
    assert loaded.predict(rows).shape == (20, 2)
    assert loaded.predict(rows.assign(distance=700)).shape == (20, 2)


LOAD = """
import json, sys
import mlflow.pyfunc, mlflow.sklearn, pandas as pd
rows = pd.read_parquet(sys.argv[2])
answers = mlflow.pyfunc.load_model(sys.argv[1]).predict(rows).tolist()
raw = mlflow.sklearn.load_model(sys.argv[1]).predict_proba(rows).tolist()
ours = [name for name in sys.modules if name.startswith(("airflow_mlops", "airflow."))]
print(json.dumps([answers, raw, ours]))
"""


def test_a_version_loads_where_neither_this_package_nor_airflow_is(
    client, store, small_spec, make_model, evaluation, origin, tmp_path
):
    model = make_model()
    register(client, store, small_spec, model, evaluation(), origin=origin)
    folder, golden = model_folder(client, tmp_path), store.path(f"{model.uri}/golden.parquet")

    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        [sys.executable, "-c", LOAD, str(folder), golden],
        capture_output=True, text=True, check=False, env=environment, cwd=tmp_path,
    )  # fmt: skip

    assert done.returncode == 0, done.stderr
    expected = store.manifest(model.uri)["golden_predictions"]
    assert json.loads(done.stdout.splitlines()[-1]) == [expected, expected, []]


class StopsAfter:
    """A client whose process dies after a number of calls."""

    def __init__(self, client, calls):
        self._client, self._left = client, calls

    def __getattr__(self, name):
        attribute = getattr(self._client, name)
        if not callable(attribute):
            return attribute

        def call(*args, **kwargs):
            if self._left == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            self._left -= 1
            return attribute(*args, **kwargs)

        return call


def _register_and_die(uri, calls, arguments):
    from mlflow import MlflowClient

    register(StopsAfter(MlflowClient(uri, uri), calls), *arguments[:-1], origin=arguments[-1])


def test_killed_between_any_two_calls_the_retry_ends_with_one_version(
    client, store, small_spec, make_model, evaluation, origin
):
    arguments = (store, small_spec, make_model(), evaluation(), origin)
    killed = 0
    # Forked, because the libraries take seconds to import, and this test dies a dozen times.
    fork = multiprocessing.get_context("fork")
    for calls in range(40):
        process = fork.Process(target=_register_and_die, args=(client.tracking_uri, calls, arguments))
        process.start()
        process.join(60)
        if process.exitcode == 0:
            break
        assert process.exitcode == -signal.SIGKILL
        killed += 1

    assert killed > 8
    assert register(client, *arguments[:-1], origin=origin).version == "1"
    assert versions(client) == [1]
    experiment = client.get_experiment_by_name(NAME).experiment_id
    assert len(client.search_runs([experiment])) == 1
    assert len(client.search_logged_models([experiment])) == 1


class TwiceAtOnce:
    """A client that sees another process register the same content just before it makes its own version."""

    def __init__(self, client):
        self._client = client

    def __getattr__(self, name):
        return getattr(self._client, name)

    def create_model_version(self, *args, **kwargs):
        self._client.create_model_version(*args, **kwargs)
        return self._client.create_model_version(*args, **kwargs)


def test_of_two_versions_made_at_once_the_lower_stays(client, store, small_spec, make_model, evaluation, origin):
    registered = register(TwiceAtOnce(client), store, small_spec, make_model(), evaluation(), origin=origin)

    assert registered.version == "1"
    assert versions(client) == [1]


def test_of_two_runs_made_at_once_the_older_stays(client):
    class Late:
        def __getattr__(self, name):
            return getattr(client, name)

        def create_run(self, experiment_id, **kwargs):
            client.create_run(experiment_id, start_time=1, **kwargs)
            return client.create_run(experiment_id, **kwargs)

    run = tracking.run_for(Late(), "flights", "key")

    assert run.info.start_time == 1
    assert tracking.run_for(client, "flights", "key").info.run_id == run.info.run_id
    assert len(client.search_runs([run.info.experiment_id])) == 1


def test_logging_an_evaluation_again_adds_nothing(client, tracking_folder, tmp_path):
    location = (tracking_folder / "artifacts").as_uri()
    run = tracking.run_for(client, "flights", "key", artifact_location=location)
    (tmp_path / "report.html").write_text("<p>fine</p>")

    for _ in range(2):
        tracking.log_evaluation(
            client, run, metrics={"log_loss": 0.4}, files=[tmp_path / "report.html"], tags={"verdict": "passed"}
        )

    assert len(client.get_metric_history(run.info.run_id, "log_loss")) == 1
    assert [each.path for each in client.list_artifacts(run.info.run_id, "evaluation")] == ["evaluation/report.html"]


def test_a_deleted_experiment_is_named_with_the_way_out(client):
    client.delete_experiment(client.create_experiment("flights"))

    with pytest.raises(TrackingRefused, match="experiment 'flights' is deleted; restore it"):
        tracking.run_for(client, "flights", "key")


def test_bytes_that_are_not_those_trained_are_not_registered(client, store, small_spec, make_model, evaluation, origin):
    model = make_model()
    store.write_bytes(model_file.model_uri(model), b"something else")

    with pytest.raises(ArtifactCorrupt, match="holds 14 bytes"):
        register(client, store, small_spec, model, evaluation(), origin=origin)

    assert versions(client) == []
