"""The demonstration without a terminal: the whole story on a real scheduler and a real model server, told twice."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from airflow_mlops.demo import calendar
from airflow_mlops.demo.airflow_api import AirflowApi
from airflow_mlops.demo.approver import REASON
from airflow_mlops.demo.processes import Processes
from airflow_mlops.demo.records import promotions_of, weeks_of
from airflow_mlops.demo.runs import MODEL, MONITOR, RETRAIN
from airflow_mlops.demo.settings import USER, Settings
from airflow_mlops.demo.traffic import ServerClient
from airflow_mlops.ledger import Ledger
from tests.e2e.conftest import ROOT

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.e2e

# Far below what Airflow keeps in its database without a thought, and far above a reference.
REFERENCE_BYTES = 20_000


@dataclass(frozen=True)
class Demo:
    """The demonstration in a folder of its own, as `make` calls it."""

    folder: Path

    def call(self, command: str) -> subprocess.CompletedProcess[str]:
        argv = [sys.executable, "-m", "airflow_mlops.demo", command, "--folder", self.folder, "--dags", ROOT / "dags"]
        env = {**os.environ, "CI": "true"}
        return subprocess.run(argv, cwd=ROOT, env=env, text=True, capture_output=True, check=False)

    @property
    def settings(self) -> Settings:
        return Settings.read(self.folder)

    @property
    def ledger(self) -> Ledger:
        return Ledger(self.settings.ledger_url)


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    found = Demo(tmp_path_factory.mktemp("demo"))
    yield found
    found.call("down")


@pytest.fixture(scope="module")
def said(demo) -> str:
    """What the first telling said; it ends with code 0 only where all that must happen has happened."""
    done = demo.call("up")
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout


@pytest.fixture
def weeks(said, demo):
    return weeks_of(demo.ledger.events(MODEL))


def test_every_week_is_looked_at_and_the_blocked_one_twice(weeks):
    ends = [calendar.week(number).end for number in range(calendar.TOLD_FIRST)]

    assert [week.now for week in weeks] == [*ends, ends[-1]]
    assert [week.is_blocked for week in weeks] == [False] * (calendar.TOLD_FIRST - 1) + [True, False]


def test_the_broken_week_asks_for_no_training_and_says_what_broke(weeks, said, demo):
    blocked = next(week for week in weeks if week.is_blocked)

    assert blocked.action != "retrain"
    assert "distance" in " ".join(blocked.faults)
    asked = [event for event in demo.ledger.events(MODEL, kind="request") if event.at == blocked.now]
    assert len(asked) == sum(week.now == blocked.now and week.action == "retrain" for week in weeks)


def test_each_training_after_the_first_was_asked_for_by_a_decision(weeks, demo):
    first, *others = [event.payload for event in demo.ledger.events(MODEL, kind="request")]

    assert first["cause"] == "person"
    assert {request["cause"] for request in others} == {"decision"}
    assert len(others) == sum(week.action == "retrain" for week in weeks)
    assert len(promotions_of(demo.ledger.events(MODEL))) == 1 + sum(week.outcome == "promoted" for week in weeks)


def test_the_first_version_was_approved_by_a_person_over_rest_and_all_others_went_by_themselves(weeks, said, demo):
    answers = [event.payload for event in demo.ledger.events(MODEL, kind="approval")]
    approved = [(each["version"], each["by"], each["reason"]) for each in answers if each["answer"] == "approved"]
    others = {each["version"] for each in answers if each["answer"] == "automatic"}

    assert approved == [("1", [USER], REASON)]
    assert {promotion.version for promotion in promotions_of(demo.ledger.events(MODEL))} <= {"1", *others}
    assert f"{USER}: " in said


def test_server_and_ledger_agree_and_the_chain_is_whole(said, demo):
    champion = demo.ledger.state(MODEL).champion
    status = ServerClient(demo.settings.server_url, demo.settings.token).status(MODEL)

    assert (status["version"], status["epoch"]) == (champion.version, champion.epoch)
    assert demo.ledger.verify(MODEL) == len(demo.ledger.events(MODEL))


def test_the_end_shows_quality_before_and_after_with_an_interval_and_the_time_to_serving(said):
    for words in ("log loss of the answers", "Versions", "decision to serving", "each bound at 95%", "BLOCKED"):
        assert words in said


def test_tasks_hand_on_references_and_never_rows(said, demo):
    api = AirflowApi(demo.settings.airflow_url, username=USER, password=demo.settings.password)
    for dag in (MONITOR, RETRAIN):
        for run_id in api.run_ids(dag.dag_id)[:3]:
            for task in api.run(dag.dag_id, run_id).tasks:
                result = api.result(dag.dag_id, run_id, task.task_id)
                assert len(json.dumps(result)) < REFERENCE_BYTES, task.task_id


def test_the_second_telling_goes_on_and_down_stops_everything(said, demo):
    told, leaders = len(weeks_of(demo.ledger.events(MODEL))), Processes(demo.folder).leaders()
    assert demo.call("status").returncode == 0

    again = demo.call("up")

    assert again.returncode == 0, again.stdout[-3000:] + again.stderr[-3000:]
    assert "Nothing was done twice" in again.stdout
    assert len(weeks_of(demo.ledger.events(MODEL))) == told + calendar.TOLD_NEXT
    assert demo.call("down").returncode == 0
    assert [leader.name for leader in leaders if leader.members()] == []
    assert demo.call("status").returncode == 1
