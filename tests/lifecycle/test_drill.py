"""A drill goes there and back, measures, and leaves the same champion, also where it is killed or overtaken."""

from __future__ import annotations

import multiprocessing
import shutil
import signal
from dataclasses import replace
from datetime import timedelta

import pytest

from airflow_mlops.errors import (
    DrillFailed,
    NothingToRehearse,
    NotReady,
    RollbackImpossible,
    TrackingUnavailable,
    Transient,
)
from airflow_mlops.ledger import Ledger
from airflow_mlops.lifecycle.drill import Drill
from airflow_mlops.lifecycle.freeze import freeze
from airflow_mlops.lifecycle.promote import promote
from airflow_mlops.lifecycle.rollback import Rollback
from airflow_mlops.lifecycle.targets import LocalProcess

from .conftest import MOMENT, NAME, DiesAfter, champion, forked

FORK = multiprocessing.get_context("fork")


class NoMlflow:
    """MLflow is away."""

    def __getattr__(self, name):
        raise TrackingUnavailable("MLflow did not answer")


@pytest.fixture
def work(store, ledger, small_spec):
    """What a drill and a rollback work with."""
    return {
        "spec": small_spec, "store": store, "ledger": ledger, "client": NoMlflow(), "moment": MOMENT, "trial": forked,
    }  # fmt: skip


@pytest.fixture
def promoted(ledger, small_spec, make_model, evaluation):
    """Promote a version as a deploy does, without its trial and without MLflow."""

    def give(seed: int):
        model = replace(make_model(seed), version=str(seed + 1), registered_name=NAME)
        epoch = ledger.state(NAME).epoch
        ledger.append(NAME, "register", model.id, {"version": model.version}, at=MOMENT)
        promote(ledger, small_spec, model, evaluation(epoch), at=MOMENT + timedelta(days=epoch), run=f"run{seed}")
        return model

    return give


@pytest.fixture
def two(promoted):
    """Versions 1 and 2 have served, and 2 serves."""
    return [promoted(seed) for seed in range(2)]


def legs(ledger):
    promotions = ledger.events(NAME, kind="promotion")
    return [
        (event.payload["version"], event.payload["drill"]["leg"]) for event in promotions if "drill" in event.payload
    ]


def test_the_same_version_serves_before_and_after_and_nothing_is_frozen(two, work, ledger):
    told = Drill(**work, run="a").rehearse()

    assert (told.verdict, told.version, told.replaced, told.epoch) == ("held", "1", "2", 4)
    assert set(told.seconds) == {"trial", "probe", "swap", "server", "total"}
    assert legs(ledger) == [("1", "there"), ("2", "back")]
    assert (champion(ledger), ledger.events(NAME, kind="freeze")) == ("2", [])
    assert Drill(**work, run="a").rehearse() == told


def test_a_drill_changes_nothing_for_the_rollback_after_it(two, work, ledger):
    Drill(**work, run="a").rehearse()

    assert Rollback(**work, run="b", reason="it is wrong", by="ada").roll_back().version == "1"


def test_one_version_alone_is_nothing_to_rehearse(promoted, work, ledger):
    promoted(0)

    with pytest.raises(NothingToRehearse, match=r"version 1 serves now.* needs a second version"):
        Drill(**work, run="a").rehearse()
    assert legs(ledger) == []


def test_lost_bytes_fail_the_drill_and_not_the_night(two, work, store):
    shutil.rmtree(store.path(two[0].uri))

    with pytest.raises(RollbackImpossible, match="version 1 is not whole in the artifact store"):
        Drill(**work, run="a").rehearse()


def test_a_challenger_that_is_about_to_serve_keeps_its_verdict(two, work, ledger):
    ledger.append(NAME, "register", "third", {"version": "3"}, at=MOMENT)

    with pytest.raises(NothingToRehearse, match="version 3 of flights has passed its gate and is about to serve"):
        Drill(**work, run="a").rehearse()
    freeze(ledger, NAME, "version", frozen=True, version="3", reason="no", by="ada", at=MOMENT)
    assert Drill(**work, run="a").rehearse().verdict == "held"


class NeverThere(LocalProcess):
    """Swaps to nothing but the champion."""

    def swap(self, candidate):
        if candidate.version == "1":
            raise NotReady("version 2 answers still.", awaited=None, lasting=Transient, advice="Wait.")


def test_a_restore_above_the_limit_fails_and_puts_the_champion_back(two, work, ledger):
    spec = work["spec"]
    hasty = spec.model_copy(update={"drill": spec.drill.model_copy(update={"limit": timedelta(milliseconds=1)})})

    with pytest.raises(DrillFailed, match=r"restoring version 1 of flights had not ended .* allows 0.001 s"):
        Drill(**{**work, "spec": hasty}, run="a", target=NeverThere()).rehearse()

    assert (champion(ledger), legs(ledger)) == ("2", [("1", "there"), ("2", "back")])
    with pytest.raises(DrillFailed):
        Drill(**work, run="a").rehearse()


def test_somebody_who_promotes_meanwhile_wins(two, work, ledger, promoted):
    class Overtaken(LocalProcess):
        def swap(self, candidate):
            if ledger.state(NAME).epoch == 3:
                promoted(2)

    told = Drill(**work, run="a", target=Overtaken()).rehearse()

    assert (told.verdict, champion(ledger)) == ("overtaken", "3")


def test_a_rollback_in_the_middle_of_a_drill_ends_as_it_should(two, work, ledger):
    class Interrupted(LocalProcess):
        def swap(self, candidate):
            if ledger.state(NAME).epoch == 3:
                Rollback(**work, run="b", reason="it is wrong", by="ada").roll_back()

    told = Drill(**work, run="a", target=Interrupted()).rehearse()

    assert (told.verdict, champion(ledger)) == ("overtaken", "1")
    assert ledger.state(NAME).versions["2"].frozen.by == "ada"


def test_a_drill_that_swaps_during_the_trial_of_a_rollback_does_not_stop_it(two, work, ledger):
    def swapped(*arguments, **limits):
        if not legs(ledger):
            Drill(**work, run="a")._go_there()
        return forked(*arguments, **limits)

    back = Rollback(**{**work, "trial": swapped}, run="b", reason="it is wrong", by="ada").roll_back()

    assert (back.version, back.replaced, back.frozen) == ("1", "2", True)
    assert (Drill(**work, run="a").rehearse().verdict, champion(ledger)) == ("overtaken", "1")


def test_a_rollback_while_a_drill_gets_ready_wins(two, work, ledger):
    def overtaken(*arguments, **limits):
        Rollback(**work, run="b", reason="it is wrong", by="ada").roll_back()
        return forked(*arguments, **limits)

    with pytest.raises(NothingToRehearse, match="somebody promoted or rolled back flights while the drill got ready"):
        Drill(**{**work, "trial": overtaken}, run="a").rehearse()

    assert (champion(ledger), legs(ledger)) == ("1", [])


def _die(drill, calls, ledger_url):
    left = [calls]
    replace(drill, ledger=DiesAfter(Ledger(ledger_url), left), target=DiesAfter(drill.target, left)).rehearse()


def test_killed_anywhere_the_next_run_puts_the_champion_back(two, work, ledger, tmp_path):
    killed, is_half_way = 0, 0
    for calls in range(2, 60, 3):
        drill = Drill(**work, run=f"run {calls}")
        process = FORK.Process(target=_die, args=(drill, calls, f"sqlite:///{tmp_path / 'ledger.db'}"))
        process.start()
        process.join(60)
        if process.exitcode == 0:
            break
        assert process.exitcode == -signal.SIGKILL
        killed += 1
        is_half_way += champion(ledger) == "1"

    assert killed > 4
    assert is_half_way
    Drill(**work, run="last").rehearse()
    assert champion(ledger) == "2"
    there = [leg for _, leg in legs(ledger)]
    assert there == ["there", "back"] * (len(there) // 2)
    assert len({event.key for event in ledger.events(NAME, kind="drill")}) == len(ledger.events(NAME, kind="drill"))
