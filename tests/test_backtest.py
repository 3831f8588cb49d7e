"""The command that shows what a policy would have done, before it is switched on."""

from __future__ import annotations

import json
import re

import pytest
import yaml

from airflow_mlops.cli import main

# Airflow says where its test configuration is when it is imported first: not in the output of a command.
from airflow_mlops.operators import history  # noqa: F401
from tests.conftest import ROOT

TIMES = ["--from", "2013-01-01T05:00:00", "--to", "2013-01-12T05:00:00"]
QUICK = ["--jobs", "1", "--sample-rows", "50", "--max-train-rows", "300", "--no-gates"]
IDLE = {"kind": "rules", "train": {"signal": "age", "at_least": 1000}}
EAGER = {
    "kind": "rules", "train": {"signal": "age", "at_least": 0}, "shortest": 0, "budget": {"start": 100, "share": 1}
}  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The flights looked at every twelve hours, with a small model; trained models stay for the next test."""
    folder = tmp_path_factory.mktemp("backtest")
    plain = yaml.safe_load((ROOT / "dags" / "specs" / "flights.yaml").read_text())
    plain["data"]["label_delay"], plain["monitor"]["window"], plain["evaluate"]["holdout"] = "6h", "12h", "2d"
    plain["train"]["params"] = {"max_iter": 3, "max_leaf_nodes": 8}
    plain["evaluate"]["gate"]["block"] = "6h"
    del plain["validate"], plain["deploy"]
    (folder / "flights.yaml").write_text(yaml.safe_dump(plain))
    return folder


@pytest.fixture
def run(folder, monkeypatch, capsys):
    monkeypatch.chdir(folder)

    def _run(*arguments, times=TIMES, spec="flights.yaml"):
        code = main(["backtest", spec, *times, *QUICK, *arguments])
        said = capsys.readouterr()
        return code, said.out, said.err

    return _run


@pytest.fixture
def policy(folder):
    def _policy(name, value):
        path = folder / f"{name}.yaml"
        path.write_text(value if isinstance(value, str) else yaml.safe_dump({"policy": value}))
        return f"{name}.yaml"

    return _policy


def test_it_prints_a_table_and_writes_json_and_one_page(run, policy, folder):
    code, said, told = run("--policy", policy("eager", EAGER), "--json", "out.json", "--html", "out.html")

    assert code == 0, told
    assert said.startswith("flights: 2013-01-05 to 2013-01-12, ")
    assert "gain kept" in said
    assert "eager" in said
    report = json.loads((folder / "out.json").read_text())
    assert [entry["name"] for entry in report["policies"]] == ["excess_loss (spec)", "eager"]
    assert report["policies"][1]["trainings"] == report["looks"]
    assert "data:image/svg+xml" in (folder / "out.html").read_text()
    assert "trained models are kept in .mlops-cache" in told
    assert not list(folder.glob("*.part"))


def test_models_are_trained_once(run, folder):
    run()
    [matrix] = (folder / ".mlops-cache").iterdir()
    trained = (matrix / "outputs.npy").stat().st_mtime_ns

    assert run("--json", "again.json")[0] == 0
    assert [(each / "outputs.npy").stat().st_mtime_ns for each in (folder / ".mlops-cache").iterdir()] == [trained]


def test_trees_are_kept_on_request(run, policy, folder):
    run("--policy", policy("idle", IDLE), "--json", "trees.json", "--trees")

    decisions = json.loads((folder / "trees.json").read_text())["policies"][1]["decisions"]
    assert {decision["tree"]["train"]["value"] for decision in decisions} == {False}


def test_a_whole_spec_is_a_policy_file_too(run, folder):
    other = yaml.safe_load((folder / "flights.yaml").read_text())
    other["retrain"]["policy"] = IDLE
    (folder / "other.yaml").write_text(yaml.safe_dump(other))

    assert "other" in run("--policy", "other.yaml")[1]


# --fail-if-worse


def test_a_policy_that_overspends_is_exit_code_4_with_its_numbers(run, policy, folder):
    daily = yaml.safe_load((folder / "flights.yaml").read_text())
    daily["retrain"]["schedule"] = "0 0 * * *"
    (folder / "daily.yaml").write_text(yaml.safe_dump(daily))
    one, other = policy("eager", EAGER), policy("thrifty", {**EAGER, "budget": {"start": 1, "share": 0.1}})

    code, said, _ = run("--policy", one, "--policy", other, "--fail-if-worse", spec="daily.yaml")

    assert code == 4
    assert re.search(r"thrifty trains \d+ times in 13 looks, and its budget allows 3", said)
    assert run("--policy", other, "--policy", one, "--fail-if-worse", spec="daily.yaml")[0] == 0


def test_one_file_is_held_against_the_spec(run, policy):
    code, said, _ = run("--policy", policy("idle", IDLE), "--fail-if-worse")

    assert code == 0
    assert "idle is not shown to be worse than excess_loss (spec): log_loss" in said


@pytest.mark.parametrize("files", [0, 3])
def test_comparing_takes_two_policies(run, policy, files):
    name = policy("idle", IDLE)

    code, _, told = run(*["--policy", name] * files, "--fail-if-worse")

    assert code == 2
    assert f"--fail-if-worse compares two policies, and {files} --policy files were given" in told


# What cannot be replayed


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("policy:\n  kind: rules\n  train: {signal: data_drft, at_least: 1}\n", "did you mean 'data_drift'"),
        ("policy:\n  kind: single\n  prise: 1\n", "broken.yaml:3:3: error: retrain.policy.prise: unknown key"),
        ("policy: [", "broken.yaml:2:1: error: is not YAML"),
        ("", "broken.yaml:1:1: error: holds nothing"),
        ("polizy: {kind: single}", "unknown key; did you mean 'policy'"),
    ],
)
def test_a_broken_policy_file_is_named_before_anything_is_trained(run, policy, folder, text, message):
    code, said, told = run("--policy", policy("broken", text), "--json", "never.json")

    assert (code, said) == (2, "")
    assert message in told
    assert not (folder / "never.json").exists()


@pytest.mark.parametrize(
    ("times", "message"),
    [
        (["--from", "1990-01-01", "--to", "1991-01-01"], "the source of flights has no rows between 1990-01-01 00:00"),
        (["--from", "2013-02-01", "--to", "2013-01-01"], "there is no time from 2013-02-01 00:00 to 2013-01-01 00:00"),
        (["--from", "2013-01-01", "--to", "2013-01-06"], "and fewer than 11 tell no policy from another"),
    ],
)
def test_a_history_that_cannot_be_replayed_is_one_sentence(run, times, message):
    code, said, told = run(times=times)

    assert (code, said) == (2, "")
    assert message in told
    assert "Traceback" not in told


def test_trees_need_a_place(run):
    code, _, told = run("--trees")

    assert code == 2
    assert "--trees stores rule trees in the JSON report; give --json FILE too" in told
