"""One action brings back the last version that served well; nothing on the way leaves two records or the wrong one."""

from __future__ import annotations

import multiprocessing
import os
import shutil
import signal
from dataclasses import replace
from datetime import timedelta

import pytest

from airflow_mlops.errors import (
    LedgerMisuse,
    ModelUnusable,
    NotReady,
    PromotionFrozen,
    RollbackConflict,
    RollbackImpossible,
    TrackingUnavailable,
    Transient,
)
from airflow_mlops.ledger import Ledger
from airflow_mlops.lifecycle.freeze import freeze
from airflow_mlops.lifecycle.promote import promote
from airflow_mlops.lifecycle.rollback import Rollback
from airflow_mlops.lifecycle.targets import LocalProcess

from .conftest import MOMENT, NAME, DiesAfter, alias, champion, forked

FORK = multiprocessing.get_context("fork")
LATER = MOMENT + timedelta(days=30)


class NoMlflow:
    """MLflow is away."""

    def __getattr__(self, name):
        raise TrackingUnavailable("MLflow did not answer")


@pytest.fixture
def rollback(store, ledger, small_spec):
    """A rollback by a person, on the ledger of this test, while MLflow is away."""

    def make(run="manual__9", **changes):
        settings = {"moment": LATER, "reason": "it is wrong", "by": "ada", "trial": forked, **changes}
        return Rollback(
            **{"spec": small_spec, "store": store, "ledger": ledger, "client": NoMlflow(), "run": run, **settings}
        )

    return make


@pytest.fixture
def promoted(ledger, small_spec, make_model, evaluation):
    """Promote a version as a deploy does, without its trial and without MLflow."""

    def give(seed: int, *, model=None):
        model = model or replace(make_model(seed), version=str(seed + 1), registered_name=NAME)
        epoch = ledger.state(NAME).epoch
        ledger.append(NAME, "register", model.id, {"version": model.version}, at=MOMENT)
        promote(ledger, small_spec, model, evaluation(epoch), at=MOMENT + timedelta(days=epoch), run=f"run{seed}")
        return model

    return give


@pytest.fixture
def three(promoted):
    """Versions 1, 2 and 3 have served, and 3 serves."""
    return [promoted(seed) for seed in range(3)]


@pytest.fixture
def in_mlflow(promoted, registered):
    """The same two times, and in MLflow."""
    return [promoted(seed, model=registered(seed)) for seed in range(2)]


def promotions(ledger, cause="rollback"):
    return [event for event in ledger.events(NAME, kind="promotion") if event.payload["cause"] == cause]


def test_the_version_before_serves_again_and_the_bad_one_is_frozen(three, rollback, ledger):
    back = rollback().roll_back()

    assert (back.version, back.epoch, back.replaced, back.frozen, back.by) == ("2", 4, "3", True, "ada")
    state = ledger.state(NAME)
    assert (state.versions["3"].role, state.versions["3"].frozen.reason) == ("frozen", "it is wrong")
    payload = state.champion.payload
    assert payload["rollback"] == {"replaced": "3", "reason": "it is wrong", "by": "ada", "of_epoch": 3}
    assert (payload["mlflow_version"], payload["evaluation"]["gate"]) == ("2", "none")
    assert state.champion.since == LATER


def test_nobody_rolls_back_without_a_reason(three, rollback, ledger):
    with pytest.raises(LedgerMisuse, match="say why"):
        rollback(reason=" ").roll_back()

    assert (champion(ledger), ledger.events(NAME, kind="rollback")) == ("3", [])


def test_it_says_how_long_each_part_took(three, rollback):
    seconds = rollback().roll_back().seconds

    assert set(seconds) == {"trial", "probe", "swap", "server", "total"}
    assert seconds["total"] == pytest.approx(sum(value for name, value in seconds.items() if name != "total"))


def test_the_same_run_again_finds_its_record(three, rollback, ledger):
    first = rollback().roll_back()

    assert rollback().roll_back() == first
    assert len(promotions(ledger)) == 1


def test_a_second_click_does_not_go_one_version_further(three, rollback, ledger):
    rollback("first").roll_back()

    with pytest.raises(RollbackImpossible, match=r"rolled back version 3 .* less than an hour ago.* name version 2"):
        rollback("second").roll_back()

    assert champion(ledger) == "2"
    assert ledger.find(NAME, "rollback", "second:refused").payload["by"] == "ada"


def test_whoever_names_the_version_goes_further_back_on_purpose(three, rollback, ledger):
    rollback("first").roll_back()

    assert rollback("second", of_version="2").roll_back().version == "1"


def test_what_is_rolled_back_already_is_no_error(three, rollback, ledger):
    first = rollback("first", of_version="3").roll_back()

    assert rollback("second", of_version="3").roll_back() == first
    assert len(promotions(ledger)) == 1


def test_a_version_that_was_replaced_meanwhile_is_not_rolled_back(three, rollback, ledger, promoted):
    promoted(3)

    with pytest.raises(RollbackConflict, match="version 3 of flights was to be rolled back, but version 4 serves"):
        rollback(of_version="3").roll_back()

    assert champion(ledger) == "4"


def test_a_run_retried_after_a_promotion_does_not_roll_that_back(three, rollback, ledger, promoted):
    class Away(LocalProcess):
        def prepare(self, candidate):
            raise Transient("the server is away")

    with pytest.raises(Transient):
        rollback(target=Away()).roll_back()
    promoted(3)

    with pytest.raises(RollbackConflict):
        rollback().roll_back()
    assert champion(ledger) == "4"


def test_a_promotion_during_the_trial_wins(three, rollback, ledger, promoted):
    def overtaken(*arguments, **limits):
        promoted(3)
        return forked(*arguments, **limits)

    with pytest.raises(RollbackConflict):
        rollback(trial=overtaken).roll_back()

    assert champion(ledger) == "4"
    assert ledger.state(NAME).versions["3"].frozen is None


def test_an_election_of_the_same_version_during_the_trial_is_told_from_a_rollback(
    three, rollback, ledger, small_spec, evaluation
):
    def overtaken(*arguments, **limits):
        elected = replace(evaluation(3), action="re-elect")
        promote(ledger, small_spec, three[1], elected, at=LATER, run="retrain")
        return forked(*arguments, **limits)

    with pytest.raises(RollbackConflict, match="version 3 of flights was to be rolled back, but version 2 serves"):
        rollback(trial=overtaken).roll_back()

    assert ledger.state(NAME).versions["3"].frozen is None


def test_frozen_rolled_back_and_lost_versions_are_passed_over(three, rollback, ledger, store, promoted):
    promoted(3)
    freeze(ledger, NAME, "version", frozen=True, version="3", reason="it drifts", by="bob", at=LATER)
    shutil.rmtree(store.path(three[1].uri))

    assert rollback().roll_back().version == "1"


def test_without_anything_to_go_back_to_every_reason_is_named(three, rollback, ledger, store):
    freeze(ledger, NAME, "version", frozen=True, version="2", reason="it drifts", by="bob", at=LATER)
    shutil.rmtree(store.path(three[0].uri))

    with pytest.raises(RollbackImpossible) as caught:
        rollback().roll_back()

    said = str(caught.value)
    assert "version 3 serves now; version 2 is frozen by bob (it drifts); version 1 is not whole" in said
    assert champion(ledger) == "3"


def test_a_first_version_has_nothing_behind_it(promoted, rollback, ledger):
    with pytest.raises(RollbackImpossible, match="nothing of flights was ever promoted"):
        rollback("a").roll_back()
    promoted(0)
    with pytest.raises(RollbackImpossible, match="to go back to: version 1 serves now"):
        rollback("b").roll_back()


def test_a_version_may_be_named_and_only_one_that_served_counts(three, rollback, ledger):
    ledger.append(NAME, "register", "four", {"version": "4"}, at=MOMENT)

    with pytest.raises(RollbackImpossible, match="version 4 has never served"):
        rollback("a", to="4").roll_back()
    assert rollback("b", to="1").roll_back().version == "1"


def test_a_version_that_fails_its_trial_leaves_the_champion(three, rollback, ledger, store):
    manifest = store.manifest(three[1].uri)
    other = [[0.5, 0.5], *manifest["golden_predictions"][1:]]
    store.complete(three[1].uri, {**manifest, "golden_predictions": other})

    with pytest.raises(ModelUnusable, match="golden rows differ"):
        rollback().roll_back()

    assert champion(ledger) == "3"


def test_mlflow_follows_when_it_is_back(in_mlflow, rollback, ledger, client, caplog):
    first = rollback().roll_back()

    assert "MLflow does not show yet what serves" in caplog.text
    assert rollback(client=client).roll_back() == first
    assert champion(ledger) == "1" == alias(client)


def test_what_was_rolled_back_and_is_free_again_serves_only_where_it_is_named(three, rollback, ledger):
    rollback("a", freeze=False).roll_back()
    freeze(ledger, NAME, "version", frozen=True, version="1", reason="it drifts", by="bob", at=LATER)

    with pytest.raises(RollbackImpossible, match=r"version 3 was itself rolled back .*airflow-mlops rollback --to"):
        rollback("b", of_version="2").roll_back()
    assert rollback("c", of_version="2", to="3").roll_back().version == "3"


def test_the_bad_version_is_left_unfrozen_where_that_is_asked(three, rollback, ledger):
    assert not rollback(freeze=False).roll_back().frozen
    assert ledger.state(NAME).versions["3"].frozen is None


# Freezes


def test_a_freeze_can_end_and_begin_again(three, ledger):
    def turn(frozen):
        return freeze(ledger, NAME, "version", frozen=frozen, version="2", reason="a test", by="ada", at=MOMENT)

    told = [turn(frozen) for frozen in (True, True, False, False, True)]

    assert [event and event.payload["frozen"] for event in told] == [True, None, False, None, True]
    assert ledger.state(NAME).versions["2"].frozen
    assert told[0].at == ledger.state(NAME).champion.since


def test_what_is_not_there_or_has_no_reason_is_not_frozen(three, ledger):
    with pytest.raises(LedgerMisuse, match="flights has no version 9; the ledger knows 1, 2, 3"):
        freeze(ledger, NAME, "version", frozen=True, version="9", reason="x", by="ada", at=MOMENT)
    with pytest.raises(LedgerMisuse, match="say why"):
        freeze(ledger, NAME, "loop", frozen=True, reason=" ", by="ada", at=MOMENT)


def test_frozen_promotions_refuse_a_deploy_before_its_trial_and_let_a_rollback_pass(
    three, deployment, make_model, ledger, rollback
):
    freeze(ledger, NAME, "promotions", frozen=True, reason="holidays", by="ada", at=MOMENT)

    def never(*_, **__):
        raise AssertionError("it was tried out")

    with pytest.raises(PromotionFrozen, match=r"promotions of flights are frozen .* by ada \(holidays\)"):
        replace(deployment(replace(make_model(3), version="4"), epoch=3), trial=never).deploy()
    assert rollback().roll_back().version == "2"


# Killed


def _die(work, calls, uri, ledger_url):
    from mlflow import MlflowClient

    left = [calls]
    replace(
        work,
        ledger=DiesAfter(Ledger(ledger_url), left),
        client=DiesAfter(MlflowClient(uri, uri), left),
        target=DiesAfter(work.target, left),
    ).roll_back()


def test_killed_between_any_two_effects_the_retry_ends_with_one_record(in_mlflow, rollback, ledger, client, tmp_path):
    work, killed = rollback(client=client), 0
    # Every second effect: each is either before or after a write, and the retries in between go on where it stood.
    for calls in range(0, 80, 2):
        arguments = (work, calls, client.tracking_uri, f"sqlite:///{tmp_path / 'ledger.db'}")
        process = FORK.Process(target=_die, args=arguments)
        process.start()
        process.join(60)
        if process.exitcode == 0:
            break
        assert process.exitcode == -signal.SIGKILL
        killed += 1

    assert killed > 6
    assert work.roll_back().version == "1"
    assert len(promotions(ledger)) == 1
    assert champion(ledger) == "1" == alias(client)
    assert [event.payload["version"] for event in ledger.events(NAME, kind="freeze")] == ["2"]


def _die_in_transaction(work):
    from sqlalchemy import event
    from sqlalchemy.engine import Engine

    def dies_before_the_freeze(connection, cursor, statement, parameters, *_):
        if statement.startswith("INSERT") and "freeze" in str(parameters):
            os.kill(os.getpid(), signal.SIGKILL)

    event.listen(Engine, "before_cursor_execute", dies_before_the_freeze)
    work.roll_back()


def test_killed_within_the_write_nothing_of_it_stays_and_the_retry_does_all(three, rollback, ledger):
    process = FORK.Process(target=_die_in_transaction, args=(rollback(),))
    process.start()
    process.join(60)

    assert process.exitcode == -signal.SIGKILL
    assert (champion(ledger), ledger.events(NAME, kind="freeze")) == ("3", [])
    assert rollback().roll_back().version == "2"
    assert ledger.state(NAME).versions["3"].frozen
    assert ledger.verify(NAME) == len(ledger.events(NAME))


def test_a_server_that_follows_late_is_waited_for_without_a_second_record(three, rollback, ledger):
    class Late(LocalProcess):
        looks = 0

        def swap(self, candidate):
            Late.looks += 1
            if Late.looks < 3:
                raise NotReady("not yet", awaited=None, lasting=Transient, advice="Wait.")

    back = rollback(target=Late()).roll_back_within(5)

    assert (back.version, len(promotions(ledger))) == ("2", 1)
