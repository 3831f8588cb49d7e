"""A committee is registered as one version, and loads from MLflow like any other."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import numpy as np
import pytest

from airflow_mlops.lifecycle import registry
from airflow_mlops.lifecycle.register import register
from airflow_mlops.stages.committee import assemble_committee
from airflow_mlops.stages.tree_artifact import as_one_model
from tests.lifecycle.conftest import COLUMNS, NAME, _fit
from tests.lifecycle.test_register import LOAD, model_folder
from tests.serving.small_models import store_model


@pytest.fixture
def committee():
    models = {str(seed): _fit(seed)[0] for seed in (1, 2)}
    return assemble_committee(models, task="binary", weights={"1": 0.7, "2": 0.3}, correction=0.1)


@pytest.mark.parametrize("form", ["cloudpickle", "skops"])
def test_a_version_loads_where_neither_this_package_nor_airflow_is(
    form, committee, client, store, small_spec, evaluation, origin, tmp_path
):
    fitted = committee if form == "cloudpickle" else as_one_model(committee)
    model = store_model(store, fitted, model=NAME, rows=_fit(1)[1].slice(0, 200))
    assert model.serialization == form
    registered = register(client, store, small_spec, model, evaluation(), origin=origin)
    folder, golden = model_folder(client, tmp_path), store.path(f"{model.uri}/golden.parquet")
    registry.check_folder(folder, store.manifest(model.uri)["file"], model.digest, version=registered.version)

    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        [sys.executable, "-c", LOAD, str(folder), golden],
        capture_output=True, text=True, check=False, env=environment, cwd=tmp_path,
    )  # fmt: skip

    assert done.returncode == 0, done.stderr
    answers, raw, ours = json.loads(done.stdout.splitlines()[-1])
    expected = committee.predict_proba(store.read_frame(golden)[COLUMNS])
    np.testing.assert_allclose([answers, raw], [expected, expected], rtol=1e-9)
    assert ours == []
