"""One history, driven through Airflow look by look and through a replay: the decisions are the same."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from airflow_mlops.dag_factory import monitor_dag, retrain_dag
from airflow_mlops.loop.actions import CHEAP
from airflow_mlops.replay.board import Board
from airflow_mlops.replay.build import build_matrix
from airflow_mlops.replay.gates import Gates
from airflow_mlops.replay.play import Player
from airflow_mlops.spec import ModelSpec, load_spec
from tests.chain import Chain
from tests.conftest import ROOT
from tests.dag_runs import run_dag
from tests.replay.few_flights import half_a_year

if TYPE_CHECKING:
    from pathlib import Path

WEEK = timedelta(weeks=1)
FIRST = datetime(2013, 3, 8, 5, tzinfo=UTC)
LOOKS = [FIRST + index * WEEK for index in range(7)]
# So often that seven looks see each of them; a warning would need measurements that a matrix does not have.
POLICY = {
    "shortest": 1,
    "longest": 3,
    "budget": {"start": 6, "share": 0.0},
    "windows": ["mix", "all"],
    "correction": {"rows": 100, "windows": 2},
    "warn": {"signal": "age", "at_least": 1000},
}
# So that an earlier version is elected again.
SINGLE = {"trust": 0.3, "margin": 0.0}
ASKING = ("retrain", *CHEAP)


@dataclass
class Decided:
    """What was decided at a look, and what came of it: who was to serve, and the verdict on that."""

    action: str
    window: str | None
    weights: dict[datetime, float]
    challenger: dict[datetime, float] | None = None
    correction: float | None = None
    verdict: str | None = None


def spec_of(kind: str) -> ModelSpec:
    """Return the flights' spec for few rows and a small model, whose held-out rows begin with a judged window."""
    spec = load_spec(ROOT / "dags" / "specs" / "flights.yaml")
    plain = spec.model_dump(mode="json", by_alias=True)
    plain["data"]["source"] = {"kind": "callable", "path": "tests.replay.few_flights.read_few", "params": {}}
    plain["validate"] = {"suite": None, "max_row_ratio": 100}
    plain["monitor"] = {"window": "7d", "predictions": "score", "min_labels": 50}
    plain["evaluate"] |= {"holdout": "9d", "slices": []}
    plain["evaluate"]["gate"] |= {"block": "1d", "min_rows": 60, "margin": 0.05, "resamples": 200, "confidence": 0.8}
    # Nine blocks show little: at 0.95 no first version is shown to beat the baseline, and a replay begins with one.
    # A replay has no raw columns to search and no process to measure.
    plain["evaluate"]["gate"] |= {"worst_slice": None, "cost": None}
    plain["train"]["params"] = {"max_iter": 15, "max_leaf_nodes": 8, "learning_rate": 0.2}
    plain["deploy"] |= {"golden_rows": 10, "server": None, "max_latency_ms": 30_000}
    plain["drift"]["report_rows"] = 100
    plain["retrain"] = {"policy": {"kind": kind, **POLICY, **(SINGLE if kind == "single" else {})}}
    made = ModelSpec.model_validate(plain)
    made._base_dir = spec.base_dir
    return made


def live(spec: ModelSpec, chain: Chain) -> list[Decided]:
    """Run the monitor at each look, and the retrain DAG where it rings."""
    trained_at: dict[str, datetime] = {}
    decided = []
    for now in LOOKS:
        looked = run_dag(monitor_dag(spec), now=now.isoformat())
        assert looked.state == "success"
        told = chain.ledger.find(spec.name, "decision", looked.results["decide"]["id"]).payload
        weights = {trained_at[name]: weight for name, weight in told["weights"].items()}
        found = Decided(told["action"], told["window"], weights)
        if found.action in ASKING:
            assert looked.rings
            made = run_dag(retrain_dag(spec), by_asset=True)
            assert made.state == "success"
            if found.action == "retrain":
                trained_at[made.results["train"]["id"]] = now
            _took(found, made, trained_at)
        decided.append(found)
    return decided


def _took(found: Decided, made: Any, trained_at: dict[str, datetime]) -> None:
    is_cheap = found.action != "retrain"
    assert (made.tasks["ingest"], made.tasks["train"]) == (("skipped",) * 2 if is_cheap else ("success",) * 2)
    model, evaluation = made.results["weigh"], made.results["evaluate"]
    assert evaluation["gate"] == ("light" if is_cheap else "full")
    assert made.tasks["deploy"] == ("success" if evaluation["verdict"] == "pass" else "skipped")
    members = model["members"] or {model["id"]: 1.0}
    found.challenger = {trained_at[name]: weight for name, weight in members.items()}
    found.correction, found.verdict = model["correction"] or 0.0, evaluation["verdict"]


@dataclass
class Watched:
    """The gates of a replay; keeps what they were asked."""

    gates: Gates
    asked: list[tuple[Any, bool]]

    def refusal(self, challenger: Any, *others: Any) -> str | None:
        reason = self.gates.refusal(challenger, *others)
        self.asked.append((challenger, reason is None))
        return reason

    def light(self, challenger: Any, *others: Any) -> bool:
        passed = self.gates.light(challenger, *others)
        self.asked.append((challenger, passed))
        return passed


def replayed(spec: ModelSpec) -> list[Decided]:
    """Play the same looks on a matrix of all rows; the first look is that of the first champion."""
    matrix = build_matrix(
        half_a_year().to_pandas(), [], spec, looks=LOOKS, windows=("all", "mix"), jobs=1, sample_rows=5000
    )
    board, policy = Board(matrix, maturity=spec.monitor.maturity), spec.retrain.policy
    gates = Gates(board, spec.evaluate.gate, memory=policy.memory, seed=spec.train.seed)
    watched = Watched(gates, [])
    play = Player(board, policy, gates=watched, keep=True).play()
    asked = iter(watched.asked)
    decided = [Decided("retrain", "all", {}, {LOOKS[0]: 1.0}, 0.0, "pass")]
    for action, choice in zip(play.actions, play.choices, strict=True):
        found = Decided(action, choice.window, _named(choice.weights.items()))
        if action in ASKING:
            challenger, passed = next(asked)
            found.challenger, found.correction = _named(challenger.weights), challenger.shift
            found.verdict = "pass" if passed else "fail"
        decided.append(found)
    return decided


def _named(weights: Any) -> dict[datetime, float]:
    return {LOOKS[look]: weight for (_, look), weight in weights}


@pytest.fixture(scope="module", params=["committee", "single"])
def both(request, tmp_path_factory, airflow_db) -> tuple[list[Decided], list[Decided]]:
    """The decisions of Airflow and those of the replay."""
    spec = spec_of(request.param)
    chain = Chain(_place(tmp_path_factory, request.param), spec)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AIRFLOW__MLOPS__ARTIFACTS_URI", str(chain.folder / "artifacts"))
        for name, value in chain.environment.items():
            patch.setenv(name, value)
        return live(spec, chain), replayed(spec)


def _place(factory: pytest.TempPathFactory, kind: str) -> Path:
    return factory.mktemp(f"parity-{kind}")


def test_airflow_and_replay_decide_the_same_at_each_look(both):
    ours, theirs = both

    assert [(each.action, each.window) for each in ours] == [(each.action, each.window) for each in theirs]
    for mine, other in zip(ours, theirs, strict=True):
        assert mine.weights == pytest.approx(other.weights, abs=1e-6)


def test_what_would_serve_and_the_verdict_on_it_are_the_same(both):
    ours, theirs = both

    assert [each.verdict for each in ours] == [each.verdict for each in theirs]
    for mine, other in zip(ours, theirs, strict=True):
        assert mine.challenger == (other.challenger and pytest.approx(other.challenger, abs=1e-6))
        assert mine.correction == (None if other.correction is None else pytest.approx(other.correction, abs=1e-6))


def test_the_history_has_trainings_of_both_verdicts_and_changes_without_training(both):
    ours, _ = both

    assert {each.verdict for each in ours if each.action == "retrain"} == {"pass", "fail"}
    others = {"re-weigh", "re-elect", "roll back"}
    assert {each.action for each in ours} - others == {"nothing", "recalibrate", "retrain"}
    assert {each.action for each in ours} & others
