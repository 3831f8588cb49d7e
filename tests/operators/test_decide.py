"""One look of the monitor: what is measured, decided, recorded, shown, and when the bell is rung."""

from __future__ import annotations

import shutil
from datetime import datetime, timedelta

import pyarrow as pa
import pytest

from airflow_mlops.ledger import Ledger
from airflow_mlops.loop.signal import Signal
from airflow_mlops.loop.signals import Drift, Quality, Signals, VersionLoss
from airflow_mlops.refs import ModelRef
from airflow_mlops.spec import ModelSpec
from airflow_mlops.stages.decide.text import signal_rows
from tests.chain import NOW, Chain, ten_days

PROMOTED = datetime.fromisoformat(NOW)
TICK = PROMOTED + timedelta(days=7)


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """A champion of ten days of January, and the snapshot of the tick a week later, checked."""
    chain = Chain(tmp_path_factory.mktemp("served"))
    with pytest.MonkeyPatch.context() as patch:
        for name, value in chain.environment.items():
            patch.setenv(name, value)
        for stage in ("ingest", "validate", "features", "train", "evaluate", "register", "deploy"):
            chain.run(stage)
        chain.run("ingest", now=TICK.isoformat(), window="5d")
        chain.run("validate", now=TICK.isoformat())
        yield chain


@pytest.fixture
def ledger(served, tmp_path):
    """A ledger that begins with that promotion."""
    shutil.copy(served.folder / "artifacts" / "ledger.db", tmp_path / "ledger.db")
    return Ledger(f"sqlite:///{tmp_path / 'ledger.db'}")


@pytest.fixture
def bells():
    """What tasks emit besides plain outlets, as Airflow keeps it."""
    from airflow.sdk.execution_time.context import OutletEventAccessors

    return OutletEventAccessors()


@pytest.fixture
def look(served, ledger, bells):
    """Run the task; return what it returns."""

    def decide(run_id="monitor__1", *, now=TICK, history=ledger, **arguments):
        operator = served.operator("decide", now=now.isoformat(), **arguments)
        operator.__dict__["ledger"] = history
        return operator.execute({"run_id": run_id, "outlet_events": bells})

    return decide


def rung(bells) -> list[dict]:
    return [event.extra for accessor in bells.values() for event in accessor.asset_alias_events]


def last(ledger, kind):
    return ledger.events("flights", kind=kind)[-1]


def changed(**sections) -> ModelSpec:
    spec = ten_days()
    plain = spec.model_dump(mode="json", by_alias=True)
    for name, values in sections.items():
        plain[name].update(values)
    new = ModelSpec.model_validate(plain)
    new._base_dir = spec.base_dir
    return new


def signals_of(ledger) -> Signals:
    return Signals.from_dict(last(ledger, "signals").payload)


def was_better(ledger, *, loss=0.3, weeks=3):
    """Put looks on record at which the champion lost less, in windows that begin with its promotion."""
    for week in range(weeks):
        start = PROMOTED - timedelta(days=weeks - week)
        quality = Quality(
            start, start + timedelta(hours=12 + 24), "log_loss", 900, 900, 1.0, loss, {"1": VersionLoss(loss, 900)}
        )
        found = Signals(start + timedelta(days=2), 1, "1", "passed", quality=quality, age_days=1.0)
        ledger.append("flights", "signals", f"earlier {week}", found.to_dict(), at=PROMOTED + timedelta(hours=week))


# Without rows, without a champion


def test_without_a_champion_a_training_is_asked_for(look, served, tmp_path, bells):
    new = Ledger(f"sqlite:///{tmp_path / 'new.db'}")
    judged = served.ledger.find("flights", "validate", served.judgement)
    new.append("flights", "validate", judged.key, judged.payload, at=TICK)

    found = look(history=new)

    assert (found["action"], found["epoch"], found["champion_version"]) == ("retrain", 0, None)
    assert found["reasons"] == ["no version serves this model: there is no champion"]
    [extra] = rung(bells)
    assert extra == {
        "decision": found["id"],
        "action": "retrain",
        "reasons": found["reasons"],
        "counterfactual": found["counterfactual"],
        "now": TICK.isoformat(),
        "epoch": 0,
        "champion_version": None,
        "window": "all",
        "signals": found["signals"],
    }
    assert found["signals"]["data_check"] in ("passed", "warning")


def test_without_rows_there_is_a_decision_that_says_what_held_it(look, ledger, bells):
    found = look(snapshot=None, judgement=None)

    assert (found["action"], found["held_by"]) == ("warn", "data check")
    assert signals_of(ledger).data_check_reasons == (
        "there are no rows of this window: ingest failed, and its log says why",
    )
    assert rung(bells) == []


def test_rows_that_failed_their_check_are_not_measured_and_ask_for_nothing(look, ledger, served, bells):
    snapshot = served.results["ingest"]
    worst = [{"severity": "critical", "message": "80% of 'temp' lie beyond the range of training"}]
    failed = {"snapshot": {"id": snapshot["id"]}, "ref": {"verdict": "failed", "summary": {"worst": worst}}}
    judged = ledger.append("flights", "validate", f"{snapshot['id']}:other rules", failed, at=TICK)

    found = look(judgement=judged.key)

    assert (found["action"], found["held_by"]) == ("warn", "data check")
    assert "80% of 'temp' lie beyond the range of training" in found["reasons"][0]
    assert (signals_of(ledger).quality, signals_of(ledger).drift) == (None, None)
    assert rung(bells) == []


def test_a_check_that_never_ended_holds_too(look, ledger, served):
    found = look(judgement=None)

    assert found["held_by"] == "data check"
    assert signals_of(ledger).data_check == "missing"


# What is measured


def test_signals_and_decision_are_on_record_under_one_key(look, ledger):
    found = look()

    signals, decision = last(ledger, "signals"), last(ledger, "decision")
    assert signals.key == decision.key == found["id"] == decision.payload["signals"]
    assert signals.key.startswith(f"{TICK.isoformat()}:")
    assert (signals.at, decision.at, decision.run) == (TICK, TICK, "monitor__1")
    assert (decision.payload["epoch"], decision.payload["champion_version"]) == (1, "1")


def test_a_look_judges_the_rows_whose_labels_have_become_due(look, ledger):
    look()

    measured = signals_of(ledger)
    assert (measured.quality.start, measured.quality.end) == (TICK - timedelta(days=5), TICK)
    assert list(measured.quality.by_version) == ["1"]
    assert measured.quality.labelled > 4000
    assert 0.9 < measured.quality.maturity < 1
    assert 0.2 < measured.quality.loss < 1
    assert (measured.age_days, measured.data_check) == (7.0, "warning")
    assert measured.prediction_drift is not None
    assert measured.drift.verdict == "drifted"


def test_rows_before_the_first_promotion_were_served_by_nobody(look, ledger, served):
    day = PROMOTED + timedelta(days=1)
    snapshot = served.operator("ingest", now=day.isoformat(), window="5d").execute({"run_id": "monitor__1"})

    look(now=day, snapshot=snapshot)

    found = signals_of(ledger).quality
    assert (found.start, found.end) == (day - timedelta(days=5), day)
    assert 600 < found.rows < 1000


def test_each_version_answers_for_the_rows_it_served(look, ledger):
    first = last(ledger, "promotion")
    payload = {**first.payload, "model": {**first.payload["model"], "version": "2"}}
    ledger.promote("flights", "2", expected_epoch=1, payload=payload, at=TICK - timedelta(days=2))

    look()

    found = signals_of(ledger).quality.by_version
    assert set(found) == {"1", "2"}
    assert found["1"].rows > found["2"].rows > 1000


def test_labels_that_are_not_due_are_not_used(look, ledger):
    look(spec=changed(data={"label_delay": "2d"}, monitor={"window": "3d"}))

    found = signals_of(ledger).quality
    assert (found.start, found.end) == (TICK - timedelta(days=5), TICK - timedelta(days=2))


def test_labels_of_their_own_source_are_joined_by_key(look, ledger, served):
    own = {
        "source": {"kind": "callable", "path": "airflow_mlops.demo.flights.read_flights"},
        "key": ["flight", "origin", "scheduled"],
        "arrived": "known_at",
    }
    store, snapshot = served.operator("ingest").store, served.results["ingest"]
    rows = store.read_frame(f"{snapshot['uri']}/data.parquet")
    labels = rows[[*own["key"], "late"]].assign(known_at=rows["scheduled"])
    folder = store.uri("flights", "snapshots", "labels")
    digest = store.write_table(f"{folder}/data.parquet", pa.Table.from_pandas(labels, preserve_index=False))
    look()
    plain = signals_of(ledger).quality

    look(spec=changed(data={"labels": own}), label_snapshot={**snapshot, "uri": folder, "digest": digest})
    joined = signals_of(ledger).quality

    assert joined.loss == pytest.approx(plain.loss)
    assert joined.labelled == plain.labelled


def test_without_labels_of_their_own_source_there_is_no_quality(look, ledger):
    own = {
        "source": {"kind": "callable", "path": "airflow_mlops.demo.flights.read_flights"},
        "key": ["flight"],
        "arrived": "scheduled",
    }

    found = look(spec=changed(data={"labels": own}), label_snapshot=None)

    assert signals_of(ledger).quality is None
    assert "was not judged" in found["reasons"][-1]


# The prediction log


@pytest.fixture
def logged(served, ledger):
    """Answers of the champion to the tick's rows, in a server's prediction log."""
    from airflow_mlops.lifecycle.stored_model import load_stored
    from airflow_mlops.loop.labels import row_ids
    from airflow_mlops.serving.prediction_log import PredictionLog, Record

    store = served.operator("ingest").store
    snapshot = served.results["ingest"]
    rows = store.read_frame(f"{snapshot['uri']}/data.parquet")
    champion = ledger.state("flights").champion.payload["model"]
    answers = load_stored(store, ModelRef.from_dict(champion)).predict_proba(rows[served.spec.features.columns])
    ids = row_ids(rows, served.spec.data.key, "scheduled")
    log = PredictionLog(store)
    log.append(
        "flights",
        [
            Record(identity, time, time, "flights", "1", 1, {}, answer)
            for identity, time, answer in zip(ids, rows["scheduled"], answers.tolist(), strict=True)
        ],
    )
    log.close()
    yield len(rows)
    shutil.rmtree(store.path(store.uri("flights", "predictions")))


def test_the_log_of_a_server_tells_what_scoring_again_tells(look, ledger, logged):
    look()
    scored = signals_of(ledger).quality

    look(spec=changed(monitor={"predictions": "log"}))
    read = signals_of(ledger).quality

    assert read.rows == scored.rows
    assert read.labelled == scored.labelled
    assert read.loss == pytest.approx(scored.loss, rel=1e-9)
    assert read.by_version["1"].rows == scored.by_version["1"].rows


def test_an_empty_log_is_no_quality(look, ledger):
    look(spec=changed(monitor={"predictions": "log"}))

    assert (signals_of(ledger).quality.rows, signals_of(ledger).quality.loss) == (0, None)


# Deciding


def test_a_look_that_is_repeated_after_a_training_finds_what_it_decided(look, ledger, bells):
    was_better(ledger)
    first = look()
    ledger.append("flights", "evaluate", "e2", {"verdict": "fail", "id": "e2"}, at=TICK, run="asset__1")

    again = look("monitor__2")

    assert {**again, "same_as": None} == first
    assert again["same_as"] == "monitor__1"
    assert len(ledger.events("flights", kind="decision")) == 1


def test_a_champion_that_loses_more_and_more_is_trained_again(look, ledger, bells):
    was_better(ledger)
    policy = {"kind": "excess_loss", "threshold": 0.5, "cooldown": "1d"}

    found = look(spec=changed(retrain={"policy": policy}))

    assert (found["action"], found["window"], found["held_by"]) == ("retrain", "all", None)
    assert "more than the" in found["reasons"][0]
    assert [extra["decision"] for extra in rung(bells)] == [found["id"]]


def test_a_reason_that_lasts_rings_at_each_look_and_is_recorded_once(look, ledger, bells):
    was_better(ledger)
    spec = changed(retrain={"policy": {"kind": "excess_loss", "threshold": 0.5, "cooldown": "1d"}})

    first = look("monitor__1", spec=spec)
    second = look("monitor__2", spec=spec)

    assert len(rung(bells)) == 2
    assert second == {**first, "same_as": "monitor__1"}
    assert len(ledger.events("flights", kind="decision")) == 1


def test_nothing_rings_when_nothing_is_asked_for(look, bells):
    found = look()

    assert found["action"] in ("nothing", "warn")
    assert rung(bells) == []


# What people read


def test_the_log_has_action_reasons_and_signals_in_one_block(look, capfd):
    found = look()

    log = capfd.readouterr().out
    for part in (
        f"DECISION {found['action'].upper()} for 2013-01-18 05:00 UTC",
        f"because {found['reasons'][0]}",
        f"otherwise: {found['counterfactual']}",
        "labelled window   2013-01-13 05:00 to 2013-01-18 05:00",
    ):
        assert part in log


@pytest.mark.parametrize("verdicts", [{}, {"data_drift": Signal("data_drift", 0.0)}])
def test_where_a_signal_has_the_verdict_the_test_beside_it_gives_none(verdicts):
    measured = {"drift": Drift("drifted", 0.62, ("temp",)), "measured": verdicts}
    signals = Signals(now=TICK, epoch=1, champion_version="1", data_check="passed", **measured)

    told = dict(signal_rows(signals))["drift"]

    assert told.endswith("62% of columns beyond the threshold of their test (temp)")
    assert told.startswith("drifted") is not bool(verdicts)


def test_the_page_needs_nothing_else_and_says_why(look, served):
    found = look()

    page = served.operator("decide").store.read_bytes(found["html_uri"]).decode()
    assert "/reports/decide/" in found["html_uri"]
    assert found["counterfactual"].split(".")[0] in page.replace("&#x27;", "'")
    assert "<svg" in page
    assert "a fresh model" in page
    assert "http" not in page.replace("https", "http").partition("<body>")[2]
    assert "<script" not in page


def test_a_page_without_any_loss_says_so(look, served, tmp_path):
    found = look(history=Ledger(f"sqlite:///{tmp_path / 'new.db'}"))

    page = served.operator("decide").store.read_bytes(found["html_uri"]).decode()
    assert "No labelled window has a loss yet" in page


# Policies that choose among versions


@pytest.fixture
def second(served, ledger):
    """A second version in the pool: a smaller model of the same rows."""
    spec = changed(train={"params": {"max_iter": 5, "max_leaf_nodes": 4}})
    operator = served.operator("train", spec=spec)
    operator.__dict__["ledger"] = ledger
    return operator.execute({"run_id": "manual__2"})["id"]


@pytest.mark.parametrize(
    ("policy", "action"),
    [
        ({"kind": "committee"}, "re-weigh"),
        ({"kind": "single", "trust": 0, "prior": 0.1}, "recalibrate"),
        ({"kind": "rules", "train": {"signal": "age", "at_least": 1}, "shortest": 0}, "retrain"),
    ],
)
def test_what_needs_no_training_rings_too(look, ledger, second, bells, policy, action):
    found = look(spec=changed(retrain={"policy": policy}))

    assert (found["action"], found["champion_version"]) == (action, "1")
    assert [extra["action"] for extra in rung(bells)] == [action]
    assert [extra["decision"] for extra in rung(bells)] == [found["id"]]


def test_a_call_asks_for_a_person_in_the_log_and_rings_nothing(look, ledger, bells, capfd):
    at = TICK - timedelta(days=3)
    for number in range(2):
        refused = {"verdict": "fail", "id": f"r{number}", "epoch": 1, "metrics": {}}
        ledger.append("flights", "evaluate", f"r{number}", refused, at=at + timedelta(days=number))
    policy = {
        "kind": "rules",
        "train": {"signal": "trainings_without_gain", "at_least": 2},
        "shortest": 0,
        "circuit": {"refusals": 2},
    }

    found = look(spec=changed(retrain={"policy": policy}))

    assert (found["action"], found["held_by"]) == ("call", "circuit")
    log = capfd.readouterr().out
    assert "A person is called: the circuit is open" in log
    assert "start it by its form" in log
    assert rung(bells) == []


def test_the_page_shows_rules_members_and_the_policy_in_shadow(look, served, second):
    found = look(spec=changed(retrain={"policy": {"kind": "committee"}, "shadow": {"kind": "schedule"}}))

    page = served.operator("decide").store.read_bytes(found["html_uri"]).decode()
    for part in (
        "Weigh the members anew",
        f"<th>{second}</th>",
        "excess_loss at least 1",
        "Correction ",
        "In shadow, policy schedule",
        "not enough data",
        "has arrived",
    ):
        assert part in page
    assert "<script" not in page
