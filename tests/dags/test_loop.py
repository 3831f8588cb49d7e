"""The DAGs that close the loop, one after the other: nobody serves, a decision, a training, a quiet end, bad rows."""

from __future__ import annotations

import pytest

from airflow_mlops.dag_factory import monitor_dag, retrain_dag, score_dag
from airflow_mlops.spec import ModelSpec
from tests.chain import NOW, Chain, ten_days
from tests.dag_runs import run_dag

LATER = "2013-01-18T05:00:00+00:00"


@pytest.fixture(scope="module")
def chain(tmp_path_factory, airflow_db):
    """The folder that all runs of this file write to."""
    found = Chain(tmp_path_factory.mktemp("loop"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AIRFLOW__MLOPS__ARTIFACTS_URI", str(found.folder / "artifacts"))
        for name, value in found.environment.items():
            patch.setenv(name, value)
        yield found


@pytest.fixture(scope="module")
def run(chain):
    """Run DAGs in the chain's folder."""
    return run_dag


def with_rows_no_window_has() -> ModelSpec:
    spec = ten_days()
    plain = spec.model_dump(mode="json", by_alias=True)
    plain["validate"]["min_rows"] = 1_000_000
    changed = ModelSpec.model_validate(plain)
    changed._base_dir = spec.base_dir
    return changed


@pytest.fixture(scope="module")
def story(run, chain):
    """All runs, in order."""
    return {
        "nobody serves": run(monitor_dag(chain.spec), now=NOW),
        "the decision is served": run(retrain_dag(chain.spec), by_asset=True),
        "the bell rings again": run(retrain_dag(chain.spec), by_asset=True),
        "a week later": run(monitor_dag(chain.spec), now=LATER),
        "bad rows": run(monitor_dag(with_rows_no_window_has()), now=LATER),
        "no rows": run(monitor_dag(chain.spec), now="2012-01-01T00:00:00+00:00"),
        "scored": run(score_dag(chain.spec), now=LATER),
        "scored again": run(score_dag(chain.spec), now=LATER),
    }


def test_where_nobody_serves_the_monitor_rings_for_a_training(story, chain):
    found = story["nobody serves"]

    assert (found.state, found.tasks["decide"], found.tasks["drift"]) == ("success", "success", "skipped")
    [extra] = found.rings
    decision = found.results["decide"]
    assert (extra["decision"], extra["action"], extra["epoch"]) == (decision["id"], "retrain", 0)
    assert extra["reasons"] == ["no version serves this model: there is no champion"]
    assert chain.ledger.find("flights", "decision", extra["decision"]).payload["window"] == extra["window"]


def test_the_retrain_dag_takes_the_decision_and_ends_in_a_promotion(story, chain):
    found = story["the decision is served"]

    assert (found.state, set(found.tasks.values())) == ("success", {"success"})
    assert found.results["request"]["cause"] == "decision"
    assert found.results["request"]["decision"] == story["nobody serves"].results["decide"]["id"]
    assert found.results["features"]["now"] == NOW
    assert chain.ledger.state("flights").champion.since.isoformat() == NOW


def test_a_bell_for_a_decision_that_was_served_ends_quietly(story, chain):
    found = story["the bell rings again"]

    assert (found.state, set(found.tasks.values())) == ("success", {"skipped"})
    assert len(chain.ledger.events("flights", kind="promotion")) == 1
    last = [event for event in chain.ledger.events("flights", kind="request") if event.payload["cause"] is None]
    assert "epoch" in last[0].payload["reason"]


def test_a_champion_is_watched_without_a_ring(story):
    found = story["a week later"]

    assert (found.state, set(found.tasks.values())) == ("success", {"success"})
    assert found.results["decide"]["action"] in ("nothing", "warn")
    assert found.rings == []


def test_bad_rows_are_decided_on_leave_the_run_red_and_ring_nothing(story):
    found = story["bad rows"]

    assert (found.state, found.tasks) == (
        "failed",
        {
            **{"ingest": "success", "validate": "failed", "decide": "success", "drift": "upstream_failed"},
            "reconcile": "success",
        },
    )
    assert (found.results["decide"]["action"], found.results["decide"]["held_by"]) == ("warn", "data check")
    assert found.rings == []


def test_missing_rows_are_decided_on_too(story):
    found = story["no rows"]

    assert (found.state, found.tasks["ingest"], found.tasks["decide"]) == ("failed", "failed", "success")
    assert found.results["decide"]["held_by"] == "data check"
    assert found.rings == []


def test_rows_are_scored_once(story):
    first, second = story["scored"], story["scored again"]

    assert (first.state, second.state) == ("success", "success")
    assert first.results["score"]["same_as"] is None
    assert second.results["score"]["same_as"] is not None
    assert second.results["score"]["digest"] == first.results["score"]["digest"]
