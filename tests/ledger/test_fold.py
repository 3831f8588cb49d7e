"""The fold from events to state, on generated histories."""

from __future__ import annotations

import itertools
import tempfile
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_mlops.errors import PromotionConflict
from airflow_mlops.events import Event, encode_payload, fold, version_of
from airflow_mlops.ledger import Ledger

START = datetime(2013, 1, 1, tzinfo=UTC)

# A history is a list of (kind, version, hours since the action before).
actions = st.lists(
    st.tuples(
        st.sampled_from(["ingest", "evaluate", "register", "promotion"]), st.sampled_from("1234"), st.integers(0, 48)
    ),
    max_size=25,
)


def history(steps):
    """Make the events of valid actions: epochs count up, times do not go back."""
    events, moment, epoch = [], START, 0
    for kind, version, hours in steps:
        moment += timedelta(hours=hours)
        epoch += kind == "promotion"
        events.append(
            Event(
                model="m", seq=len(events) + 1, kind=kind, key=str(len(events)), at=moment, recorded_at=moment,
                run=None, epoch=epoch if kind == "promotion" else None, payload={"version": version},
                previous_hash="", hash="",
            )
        )  # fmt: skip
    return events


@given(actions, st.randoms())
def test_the_order_in_which_events_are_read_does_not_matter(steps, random):
    events = history(steps)
    shuffled = random.sample(events, len(events))

    assert fold(shuffled, model="m") == fold(events, model="m")


@given(actions)
def test_an_event_read_twice_counts_once(steps):
    events = history(steps)

    assert fold([*events, *events], model="m") == fold(events, model="m")


@given(actions)
def test_exactly_the_champion_of_the_last_promotion_serves(steps):
    events = history(steps)
    promotions = [event for event in events if event.kind == "promotion"]

    state = fold(events, model="m")

    champions = [version.version for version in state.versions.values() if version.role == "champion"]
    assert champions == ([promotions[-1].payload["version"]] if promotions else [])
    assert state.epoch == len(promotions)
    retired = {version.version for version in state.versions.values() if version.role == "retired"}
    assert retired == {event.payload["version"] for event in promotions} - set(champions)


@settings(max_examples=25, deadline=None)
@given(actions, st.integers(0, 25))
def test_the_state_as_of_a_moment_is_the_fold_of_what_had_happened(steps, cut):
    with tempfile.TemporaryDirectory() as folder:
        ledger = Ledger(f"sqlite:///{folder}/ledger.db")
        written = [record(ledger, number, event) for number, event in enumerate(history(steps))]
        as_of = written[min(cut, len(written) - 1)].at if written else START

        happened = [event for event in written if event.at <= as_of]

        assert ledger.state("m", as_of=as_of) == fold(happened, model="m")
        assert ledger.state("m") == fold(written, model="m")
        assert ledger.verify("m") == len(written)


def record(ledger, number, event):
    if event.kind == "promotion":
        return ledger.promote("m", event.payload["version"], expected_epoch=event.epoch - 1, payload={}, at=event.at)
    return ledger.append("m", event.kind, str(number), event.payload, at=event.at)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.sampled_from("12"), st.integers(0, 4)), max_size=12))
def test_epochs_count_up_one_by_one_whatever_is_tried(attempts):
    with tempfile.TemporaryDirectory() as folder:
        ledger = Ledger(f"sqlite:///{folder}/ledger.db")
        for version, expected in attempts:
            try:
                ledger.promote("m", version, expected_epoch=expected, payload={}, at=START)
            except PromotionConflict:
                assert ledger.state("m").epoch != expected

        assert [event.epoch for event in ledger.events("m")] == list(range(1, len(ledger.events("m")) + 1))


# Freezes and roles

controls = st.lists(
    st.tuples(
        st.sampled_from(["register", "promotion", "freeze", "role"]),
        st.sampled_from("123"),
        st.sampled_from(["version", "promotions", "loop"]),
        st.booleans(),
        st.sampled_from(["candidate", "shadow", "retired"]),
    ),
    max_size=20,
)


def controlled(steps):
    """Make the events of people who promote, freeze, unfreeze and give roles in any order."""
    payloads = [
        (
            kind,
            {"version": version}
            | {
                "freeze": {"scope": scope, "frozen": frozen, "reason": "why", "by": "ada"},
                "role": {"role": role, "reason": "why", "by": "ada"},
            }.get(kind, {}),
        )
        for kind, version, scope, frozen, role in steps
    ]
    epochs = list(itertools.accumulate(kind == "promotion" for kind, _ in payloads))
    return [
        Event(
            model="m", seq=number + 1, kind=kind, key=str(number), at=START + timedelta(hours=number),
            recorded_at=START, run=None, epoch=epochs[number] if kind == "promotion" else None, payload=payload,
            previous_hash="", hash="",
        )
        for number, (kind, payload) in enumerate(payloads)
    ]  # fmt: skip


@given(controls, st.randoms())
def test_neither_order_nor_repetition_of_freezes_and_roles_matters(steps, random):
    events = controlled(steps)

    assert fold(random.sample([*events, *events], 2 * len(events)), model="m") == fold(events, model="m")


@given(controls)
def test_roles_agree_with_what_is_frozen_and_what_serves(steps):
    events = controlled(steps)

    state = fold(events, model="m")

    for name, version in state.versions.items():
        assert (version.role == "champion") == (state.champion is not None and state.champion.version == name)
        if version.role != "champion":
            assert (version.role == "frozen") == (version.frozen is not None)
    assert [version.role for version in state.versions.values()].count("shadow") <= 1
    for held, scope in ((state.promotions_frozen, "promotions"), (state.paused, "loop")):
        said = [
            event.payload["frozen"] for event in events if event.kind == "freeze" and event.payload["scope"] == scope
        ]
        assert (held is not None) == (said[-1:] == [True])


@given(controls, st.sampled_from("123"))
def test_unfreezing_restores_the_role_that_a_version_earned(steps, version):
    events = controlled(steps)
    end = [("freeze", version, "version", frozen, "shadow") for frozen in (True, False)]

    after = fold(controlled([*steps, *end]), model="m")

    known = fold(events, model="m").versions.get(version)
    if known is None:
        assert version not in after.versions
    elif known.role == "champion":
        assert after.versions[version].role == "champion"
    else:
        assert after.versions[version].role == ("retired" if known.served else "candidate")
        assert after.versions[version].frozen is None


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.text(max_size=5), json_values, max_size=5), st.randoms())
def test_the_order_of_keys_does_not_change_the_encoding(payload, random):
    shuffled = dict(random.sample(list(payload.items()), len(payload)))

    assert encode_payload(shuffled) == encode_payload(payload)


@pytest.mark.parametrize(
    ("payload", "version"),
    [({"version": 3}, "3"), ({"model": {"version": "2"}}, "2"), ({"model": {"version": None}}, None), ({}, None)],
)
def test_a_version_is_found_in_the_payload_or_its_model(payload, version):
    assert version_of(payload) == version
