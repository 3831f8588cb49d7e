"""Each spec in ``dags/specs/`` is sound, and its loop runs: retrain, then monitor, then score, on a few real days."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

import jsonschema
import pytest
import yaml

from airflow_mlops.artifacts import ArtifactStore
from airflow_mlops.dag_factory import dags_from, monitor_dag, retrain_dag, score_dag
from airflow_mlops.ledger import Ledger
from airflow_mlops.refs import ScoresRef
from airflow_mlops.spec import ModelSpec, load_spec
from airflow_mlops.spec.lint import lint
from airflow_mlops.spec.load import spec_files
from tests.chain import Chain
from tests.conftest import ROOT

if TYPE_CHECKING:
    from pathlib import Path

SPECS = ROOT / "dags" / "specs"
NAMES = ("arrival_delay", "delay_band", "flights")
FILES = spec_files(SPECS)

# A small model, judged on the last days of a short window (two of them without labels), then monitored for three.
# Thousands of aircraft and flight numbers need more rows than weather does, and minutes late need more days: one storm
# has most of them.
WINDOWS = {"arrival_delay": ("42d", "16d"), "delay_band": ("42d", "16d"), "flights": ("14d", "5d")}
REDUCED = {
    "train": {"params": {"max_iter": 30, "max_leaf_nodes": 7}},
    "evaluate": {"gate": {"block": "6h"}},
    "deploy": {"server": None, "golden_rows": 20, "max_latency_ms": 30_000},
    "monitor": {"window": "3d"},
    "score": {"window": "1d"},
}


@dataclass(frozen=True)
class Loop:
    """What one model left behind after its three DAGs have run."""

    spec: ModelSpec
    folder: Path
    states: dict[str, dict[str, str]]

    @property
    def ledger(self) -> Ledger:
        return Ledger(f"sqlite:///{self.folder / 'artifacts' / 'ledger.db'}")

    def last(self, kind: str) -> dict:
        return self.ledger.state(self.spec.name).last[kind].payload


def reduced(name: str) -> ModelSpec:
    """Return a shipped spec over fewer days; everything else is as shipped."""
    shipped = load_spec(SPECS / f"{name}.yaml")
    plain = shipped.model_dump(mode="json", by_alias=True)
    plain["ingest"]["window"], plain["evaluate"]["holdout"] = WINDOWS[name]
    for section, changes in REDUCED.items():
        for key, value in changes.items():
            plain[section][key] = {**plain[section][key], **value} if isinstance(value, dict) else value
    spec = ModelSpec.model_validate(plain)
    spec._base_dir = shipped.base_dir
    return spec


@pytest.fixture(scope="module", params=NAMES)
def loop(request, airflow_db, tmp_path_factory):
    """Run retrain, monitor and score of a model in this process, in a folder of its own."""
    spec, folder = reduced(request.param), tmp_path_factory.mktemp(request.param)
    now = spec.retrain.now
    # The first look that judges only rows which the first version has served: their labels are known two days later.
    later = (now + spec.monitor_window + spec.data.label_delay).isoformat()
    runs = {"retrain": (retrain_dag, now.isoformat()), "monitor": (monitor_dag, later), "score": (score_dag, later)}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AIRFLOW__MLOPS__ARTIFACTS_URI", str(folder / "artifacts"))
        for name, value in Chain(folder).environment.items():
            patch.setenv(name, value)
        states = {}
        for kind, (make, moment) in runs.items():
            run = make(spec).test(logical_date=None, run_conf={"now": moment, "reason": "a test"})
            states[kind] = {ti.task_id: str(ti.state) for ti in run.get_task_instances()}
        yield Loop(spec, folder, states)


def test_there_are_the_examples_that_are_described():
    assert {file.stem for file in FILES} == set(NAMES)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_lint_finds_nothing_but_the_moment_at_which_the_data_stands_still(file):
    assert [(found.severity, found.key) for found in lint(file)] == [("warning", "retrain.now")]


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_the_schema_that_editors_use_accepts_it(file):
    schema = json.loads((SPECS / "spec.schema.json").read_text())
    # YAML reads a time as a time; JSON has none.
    document = json.loads(json.dumps(yaml.safe_load(file.read_text()), default=lambda time: time.isoformat()))

    jsonschema.validate(document, schema)


def test_every_spec_makes_four_dags_and_none_is_broken(airflow_db):
    kinds = ("retrain", "monitor", "score", "actions")

    assert set(dags_from(SPECS)) == {f"{name}_{kind}" for name in NAMES for kind in kinds}


def test_one_monitor_starts_by_the_clock_and_one_by_a_marker_file():
    monitors = [load_spec(file).monitor for file in FILES]

    assert all(any(getattr(monitor, way) for monitor in monitors) for way in ("schedule", "marker"))


def test_every_task_of_the_loop_succeeds(loop):
    assert {state for states in loop.states.values() for state in states.values()} == {"success"}


def test_the_first_version_beats_the_baseline_and_is_promoted(loop):
    champion = loop.ledger.state(loop.spec.name).champion
    verdict = loop.last("evaluate")

    assert (champion.version, champion.epoch) == ("1", 1)
    assert verdict["reasons"][0].startswith("the challenger beats the simple baseline: ")


def test_the_monitor_judges_what_was_served_by_its_labels(loop):
    quality = loop.last("signals")["quality"]

    assert quality["by_version"].keys() == {"1"}
    # A flight that was cancelled never gets a label.
    assert 0.9 < quality["maturity"] <= 1
    assert quality["labelled"] > 1500


def test_the_decision_gives_reasons_and_asks_for_no_training_so_soon(loop):
    decision = loop.last("decision")

    assert decision["action"] in ("nothing", "warn")
    assert decision["reasons"]
    assert decision["counterfactual"]


def test_the_scores_name_version_and_snapshot_in_every_row(loop):
    scores = ScoresRef.from_dict(loop.last("score"))

    table = ArtifactStore.local(loop.folder / "artifacts").read_table(f"{scores.uri}/data.parquet").to_pandas()

    assert len(table) == scores.rows > 500
    assert set(table["version"]) == {"1"}
    assert set(table["snapshot"]) == {scores.snapshot}
    assert table["prediction"].notna().all()
