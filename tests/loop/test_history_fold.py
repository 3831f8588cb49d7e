"""What a model's past tells does not depend on how its events are passed."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_mlops.events import ModelState, advance, fold
from airflow_mlops.loop.history import History
from tests.loop.past import START, WEEK, event, measured, numbered, promotion, signals, training

untimed = settings(deadline=None)
weeks = st.integers(0, 12)
losses = st.floats(0.1, 2.0)
unknown = st.builds(
    lambda kind, week, payload: event(0, kind, payload, week=week),
    st.sampled_from(["ingest", "drift", "of tomorrow", "promotion", "signals", "evaluate", "train", "decision"]),
    weeks,
    st.dictionaries(st.sampled_from(["form", "version", "note"]), st.none() | st.integers(0, 3), max_size=2),
)
known = st.builds(measured, weeks, losses) | st.builds(
    lambda week, verdict: training(week, verdict=verdict), weeks, st.sampled_from(["pass", "fail"])
)


@st.composite
def pasts(draw):
    """Draw events as a ledger may hold them: epochs of promotions count up."""
    drawn = draw(st.lists(known | unknown, max_size=12))
    promoted = [
        promotion(draw(weeks), draw(st.sampled_from("123")), epoch=epoch + 1)
        for epoch in range(draw(st.integers(0, 3)))
    ]
    places = sorted(draw(st.lists(st.integers(0, len(drawn)), min_size=len(promoted), max_size=len(promoted))))
    for place, each in zip(reversed(places), reversed(promoted), strict=True):
        drawn.insert(place, each)
    return numbered(*drawn)


@untimed
@given(pasts(), st.randoms())
def test_order_and_repetition_of_events_do_not_matter(events, random):
    passed = random.sample([*events, *events], 2 * len(events))

    assert History.of(passed) == History.of(events)
    assert fold(passed, model="m") == fold(events, model="m")


@untimed
@given(pasts())
def test_kinds_that_nobody_knows_change_nothing(events):
    of_today = [each for each in events if each.kind not in ("of tomorrow", "ingest", "drift")]

    assert History.of(events) == History.of(of_today)


@untimed
@given(pasts())
def test_windows_lie_apart_and_are_in_order(events):
    windows = History.of(events).windows

    assert all(before.end <= after.start for before, after in pairwise(windows))


@untimed
@given(pasts())
def test_epochs_and_trainings_are_in_order(events):
    history = History.of(events)

    assert [each.epoch for each in history.promotions] == sorted({each.epoch for each in history.promotions})
    assert [each.at for each in history.trainings] == sorted(each.at for each in history.trainings)


@untimed
@given(pasts(), st.integers(0, 15))
def test_a_state_goes_on_from_the_state_of_any_prefix(events, cut):
    state = fold(events[:cut], model="m")
    for each in events[cut:]:
        state = advance(state, each)

    assert state == fold(events, model="m")


@untimed
@given(pasts())
def test_to_advance_changes_nothing_of_the_state_before(events):
    states = [ModelState("m")]
    for each in events:
        states.append(advance(states[-1], each))

    assert states == [fold(events[:count], model="m") for count in range(len(events) + 1)]


@settings(max_examples=50, deadline=None)
@given(pasts(), st.integers(0, 12))
def test_what_is_measured_later_does_not_change_what_a_look_saw(events, week):
    look = signals(week, 0.5, epoch=len(events))  # every promotion was there
    known_then = [each for each in events if each.at <= START + week * WEEK]
    later = [each for each in events if each.kind in ("signals", "evaluate", "promotion")]

    assert History.of([*known_then, *later]).seen_by(look).windows == History.of(known_then).seen_by(look).windows
