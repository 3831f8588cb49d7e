"""Why a training runs: the clock, a person, or a decision that still stands; and who is sent home."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest
from airflow.sdk.exceptions import AirflowSkipException

from airflow_mlops.operators.request import RequestOperator
from tests.chain import Chain, ten_days

TICK = datetime(2013, 3, 8, 5, tzinfo=UTC)
KEY = f"{TICK.isoformat()}:0123abcd"
RUNG = datetime(2024, 1, 1, 12, tzinfo=UTC)


@pytest.fixture
def chain(tmp_path):
    """A model with an empty ledger."""
    return Chain(tmp_path, ten_days())


@pytest.fixture
def ask(chain):
    """Run the first task of a retrain run; return what it says, or the sentence of its quiet end."""

    def request(run_id="asset__1", *, run_type="asset_triggered", rings=(), now=TICK, **arguments):
        operator = chain.operator("request", now=now.isoformat(), **{"reason": "", **arguments})
        run = SimpleNamespace(run_type=run_type, consumed_asset_events=list(rings))
        try:
            return operator.execute({"run_id": run_id, "dag_run": run})
        except AirflowSkipException as quiet:
            return str(quiet)

    return request


def ring(extra=None, *, at=RUNG, dag=None):
    """An event of the retrain asset, as Airflow hands it to the run it started."""
    return SimpleNamespace(extra=extra or {}, timestamp=at, source_dag_id=dag)


BELL = ring({"decision": KEY, "action": "retrain"}, dag="flights_monitor")


def decide(chain, *, key=KEY, at=TICK, action="retrain", epoch=0, window="recent", **more):
    payload = {"action": action, "reasons": ["it lost"], "now": at.isoformat(), "window": window, "epoch": epoch}
    payload |= more
    return chain.ledger.append("flights", "decision", key, payload, at=at, run="monitor__1")


def train(chain, *, at=TICK, run="asset__1", key="e1", gate="full"):
    return chain.ledger.append("flights", "evaluate", key, {"verdict": "fail", "gate": gate}, at=at, run=run)


def requests(chain):
    return chain.ledger.events("flights", kind="request")


# Decisions


def test_a_bell_of_the_monitor_brings_now_and_window_of_its_decision(ask, chain):
    decide(chain)

    found = ask(rings=[BELL], now=datetime(2030, 1, 1, tzinfo=UTC))

    assert found == {
        "cause": "decision",
        "now": TICK.isoformat(),
        "window": "recent",
        "reason": "it lost",
        "decision": KEY,
        "action": "retrain",
        "weights": {},
    }
    [event] = requests(chain)
    assert (event.key, event.run, event.at, event.payload["epoch"]) == (KEY, "asset__1", TICK, 0)


def test_the_ledger_and_not_the_bell_says_what_was_decided(ask, chain):
    decide(chain, window="all")
    decide(chain, key="later", at=TICK + timedelta(days=7), window="mix")

    found = ask(rings=[BELL])

    assert (found["decision"], found["window"]) == ("later", "mix")


def test_a_decision_that_another_run_took_and_served_is_gone(ask, chain):
    decide(chain)
    ask("asset__1", rings=[BELL])
    train(chain)

    assert ask("asset__2", rings=[BELL]) == (
        f"nothing to do: a training has ended since decision {KEY} (run asset__1). The champion stays; the monitor "
        "asks again when there is a reason."
    )


def test_a_decision_whose_run_came_to_no_verdict_is_taken_again_by_the_next_bell(ask, chain):
    decide(chain)
    ask("asset__1", rings=[BELL])

    assert ask("asset__2", rings=[BELL])["decision"] == KEY
    assert ask("asset__1", rings=[BELL])["decision"] == KEY
    assert [(event.key, event.run) for event in requests(chain)] == [(KEY, "asset__1"), (f"{KEY}#2", "asset__2")]


def test_a_run_that_crashed_is_healed_by_the_next_look(ask, chain):
    decide(chain)
    ask("asset__1", rings=[BELL])
    decide(chain, key="next look", at=TICK + timedelta(days=7))

    assert ask("asset__2", rings=[BELL])["decision"] == "next look"


def test_a_look_back_that_was_made_later_does_not_count(ask, chain):
    decide(chain, action="warn")
    decide(chain, key="looked back", at=TICK - timedelta(days=30))

    assert "is 'warn'" in ask(rings=[BELL])


def test_a_moment_that_has_not_come_yet_is_not_taken_from_a_ring(ask, chain):
    found = ask(rings=[ring({"by": "ada", "now": "2103-01-01T00:00:00"})])

    assert found["now"] == TICK.isoformat()


@pytest.mark.parametrize("action", ["re-weigh", "re-elect", "roll back", "recalibrate"])
def test_a_decision_that_needs_no_training_brings_the_weights(ask, chain, action):
    decide(chain, action=action, window=None, weights={"a": 0.75, "b": 0.25})

    found = ask(rings=[BELL])

    assert (found["action"], found["weights"], found["decision"]) == (action, {"a": 0.75, "b": 0.25}, KEY)


def test_a_change_of_weights_that_was_refused_is_not_tried_again(ask, chain):
    decide(chain, action="re-weigh", window=None, weights={"a": 1.0})
    train(chain, gate="light")

    assert f"other weights were judged since decision {KEY}" in ask(rings=[BELL])


def test_a_person_is_not_sent_home_by_a_change_of_weights(ask, chain):
    train(chain, at=TICK - timedelta(days=1), gate="light")

    assert ask(rings=[ring({"by": "ada"})])["cause"] == "person"


@pytest.mark.parametrize(
    ("happened", "reason"),
    [
        pytest.param(lambda chain: None, "the ledger has no decision of the monitor", id="no decision"),
        pytest.param(
            lambda chain: decide(chain, action="nothing"), f"the newest decision ({KEY}) is 'nothing'", id="calm"
        ),
        pytest.param(
            lambda chain: decide(chain, epoch=3), "was made at epoch 3, and epoch 0 serves", id="another champion"
        ),
        pytest.param(
            lambda chain: (decide(chain), train(chain, run="manual__9")),
            f"a training has ended since decision {KEY} (run manual__9)",
            id="a training since",
        ),
    ],
)
def test_a_bell_without_a_decision_that_stands_ends_quietly(ask, chain, happened, reason):
    happened(chain)

    assert reason in ask(rings=[BELL])
    assert [event.key for event in requests(chain)] == ["quiet:asset__1"]


def test_twenty_bells_make_one_training(ask, chain):
    decide(chain)

    first = ask("asset__0", rings=[BELL])
    train(chain, run="asset__0")
    others = [ask(f"asset__{number}", rings=[BELL]) for number in range(1, 20)]

    assert first["cause"] == "decision"
    assert [isinstance(answer, dict) for answer in others] == [False] * 19


# People and other DAGs


def test_a_person_who_rings_is_heard(ask, chain):
    found = ask(rings=[ring({"from_rest_api": True, "reason": "new prices"})])

    assert (found["cause"], found["reason"]) == ("person", "the REST API rang the retrain asset: new prices")
    assert (found["now"], found["window"]) == (TICK.isoformat(), "all")


def test_who_rings_may_name_moment_and_window(ask):
    extra = {"by": "ada", "reason": "audit", "now": "2013-02-01T00:00:00", "window": "mix"}

    found = ask(rings=[ring(extra)])

    assert (found["now"], found["window"]) == ("2013-02-01T00:00:00+00:00", "mix")
    assert found["reason"] == "ada rang the retrain asset: audit"


def test_nonsense_in_a_ring_is_left_out(ask):
    found = ask(rings=[ring({"now": "soon", "window": "some", "reason": "x" * 9999}, dag="landing")])

    assert (found["now"], found["window"], len(found["reason"])) == (TICK.isoformat(), "all", 532)


def test_a_person_who_rings_with_an_open_decision_gets_that_decision(ask, chain):
    decide(chain)

    assert ask(rings=[ring({"reason": "hurry"})])["cause"] == "decision"


def test_a_person_is_heard_where_the_decision_says_nothing(ask, chain):
    decide(chain, action="nothing")

    assert ask("asset__2", rings=[BELL, ring({"by": "ada"})])["cause"] == "person"


def test_twenty_rings_of_people_make_one_training(ask, chain):
    first = ask("asset__0", rings=[ring(at=RUNG)])
    train(chain, run="asset__0")

    others = [ask(f"asset__{number}", rings=[ring(at=RUNG)]) for number in range(1, 20)]

    assert first["cause"] == "person"
    assert set(others) == {
        f"nothing to do: a training stood at {TICK.isoformat()} (run asset__0) and ended after the asset was rung. The "
        "champion stays."
    }


@pytest.mark.parametrize(("days", "is_heard"), [(0, False), (13, False), (14, True)])
def test_a_ring_counts_once_a_cooldown(ask, chain, days, is_heard):
    train(chain)
    later = datetime.now(UTC) + timedelta(hours=1)

    found = ask("asset__2", rings=[ring(at=later)], now=TICK + timedelta(days=days))

    assert isinstance(found, dict) is is_heard
    if not is_heard:
        assert "counts once within 14d (retrain.policy.cooldown)" in found
        assert found.endswith("start this DAG by its form.")


# The clock and the form


def test_a_person_at_the_form_is_always_heard(ask, chain):
    train(chain)

    found = ask("manual__1", run_type="manual", reason="I want it", window="mix")

    assert found == {
        "cause": "person",
        "now": TICK.isoformat(),
        "window": "mix",
        "reason": "I want it",
        "decision": None,
        "action": "retrain",
        "weights": {},
    }


def test_the_clock_is_always_heard(ask, chain):
    train(chain)

    assert ask("scheduled__1", run_type="scheduled")["cause"] == "schedule"
    assert [event.key for event in requests(chain)] == ["schedule:scheduled__1"]


# Again


def test_a_run_that_is_retried_or_cleared_gets_the_answer_it_got(ask, chain):
    decide(chain)
    first = ask("asset__1", rings=[BELL])
    train(chain)
    decide(chain, key="later", at=TICK + timedelta(days=7))

    assert ask("asset__1", rings=[BELL]) == first
    assert len(requests(chain)) == 1


def test_a_run_that_was_sent_home_stays_there(ask, chain):
    first = ask("asset__1", rings=[BELL])
    decide(chain)

    assert ask("asset__1", rings=[BELL]) == first
    assert ask("asset__2", rings=[BELL])["cause"] == "decision"


def test_airflow_s_own_words_for_a_run_are_understood(chain):
    from airflow.sdk.api.datamodels._generated import DagRunType

    operator = RequestOperator(
        task_id="request", spec=chain.spec, artifacts_uri=str(chain.folder), now=TICK.isoformat()
    )
    run = SimpleNamespace(run_type=DagRunType.SCHEDULED, consumed_asset_events=[])

    assert operator.execute({"run_id": "scheduled__1", "dag_run": run})["cause"] == "schedule"


# Paused


def test_a_paused_loop_trains_for_a_person_only(ask, chain):
    held = {"scope": "loop", "version": None, "frozen": True, "reason": "holidays", "by": "ada"}
    chain.ledger.append("flights", "freeze", "loop:frozen#1", held, at=TICK)
    decide(chain)

    for run_type in ("asset_triggered", "scheduled"):
        said = ask(run_type, run_type=run_type, rings=[BELL])
        assert said.startswith(f"nothing to do: the loop is paused since {TICK.isoformat()} by ada (holidays).")
    assert ask("manual__1", run_type="manual", reason="I want it")["cause"] == "person"
