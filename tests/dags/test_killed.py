"""A task killed at any moment leaves nothing that its retry cannot finish: one snapshot, one version, one promotion."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter

import pytest

from tests.chain import STAGES, Chain
from tests.conftest import ROOT


@pytest.fixture(scope="module")
def killed(tmp_path_factory):
    """Run all stages, each killed before every single effect; return the chain and the number of kills by stage."""
    folder = tmp_path_factory.mktemp("killed")
    paths = os.pathsep.join([str(ROOT), str(ROOT / "operators")])
    done = subprocess.run(
        [sys.executable, "-m", "tests.dags.kill_driver", str(folder)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": paths},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    return Chain(folder), json.loads(done.stdout.strip().splitlines()[-1])


# After a deploy there is nothing to mend, and this model's spec names nobody to tell.
_WITHOUT_EFFECTS = ("reconcile", "notify")


@pytest.mark.parametrize("stage", [stage for stage in STAGES if stage not in _WITHOUT_EFFECTS])
def test_each_stage_was_killed_before_each_of_its_effects_and_came_to_its_end(killed, stage):
    _, kills = killed

    # A request has one effect, its event; so have a reproduction, and a weighing after which the new version serves
    # alone.
    assert kills[stage] >= {"request": 1, "reproduce": 1, "weigh": 1}.get(stage, 2)


@pytest.mark.parametrize("stage", _WITHOUT_EFFECTS)
def test_a_stage_with_nothing_to_do_writes_nothing(killed, stage):
    _, kills = killed

    assert kills[stage] == 0


def test_one_of_each_is_left(killed):
    chain, _ = killed

    places = Counter(path.parent.parent.name for path in (chain.folder / "artifacts").rglob("manifest.json"))

    assert (places["snapshots"], places["features"], places["models"]) == (1, 1, 1)


def test_each_stage_is_recorded_once(killed):
    chain, _ = killed

    events = chain.ledger.events("flights")

    assert len({(event.kind, event.key) for event in events}) == len(events)
    assert Counter(event.kind for event in events)["train"] == 1
    assert chain.ledger.verify("flights") == len(events)


def test_there_is_one_promotion_and_it_serves(killed):
    chain, _ = killed

    state = chain.ledger.state("flights")

    assert (state.epoch, state.champion.version, list(state.versions)) == (1, "1", ["1"])


def test_mlflow_has_one_run_and_one_version_with_the_alias(killed):
    from mlflow import MlflowClient

    chain, _ = killed
    client = MlflowClient(tracking_uri=f"sqlite:///{chain.folder / 'mlflow.db'}")

    versions = client.search_model_versions("name = 'flights'")
    runs = client.search_runs([client.get_experiment_by_name("flights").experiment_id])

    assert [str(version.version) for version in versions] == ["1"]
    assert [run.info.status for run in runs] == ["FINISHED"]
    assert str(client.get_model_version_by_alias("flights", "champion").version) == "1"
