"""The algebra of rules, on generated rules and signals, and the sentences about them."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_mlops.loop.rule_sentences import causes, counterfactual, describe
from airflow_mlops.loop.rules import evaluate
from airflow_mlops.loop.signal import Signal
from airflow_mlops.loop.turning import Change, turning
from airflow_mlops.spec.rule_sections import All, AnyOf, Compare, Count, Not, Persist
from airflow_mlops.spec.vocabulary import SIGNALS

untimed = settings(deadline=None)
VERDICTS = ("stable", "watch", "drifted", "unknown")
# Few, so that rules meet the signals that were drawn.
SOME = SIGNALS[:4]
numbers = st.integers(0, 3).map(float)
measured = st.builds(lambda value, verdict: (value, verdict), st.none() | numbers, st.sampled_from(VERDICTS))


def some_looks(signals, most):
    one = st.dictionaries(st.sampled_from(signals), measured, max_size=len(signals))
    return st.lists(one, min_size=1, max_size=most).map(
        lambda found: [{name: Signal(name, *facts) for name, facts in look.items()} for look in found]
    )


looks = some_looks(SOME, 5)


def comparisons(signals=SOME):
    name = st.sampled_from(signals)
    return (
        st.builds(Compare, signal=name, at_least=numbers)
        | st.builds(Compare, signal=name, at_most=numbers)
        | st.builds(Compare, signal=name, verdict=st.sampled_from(VERDICTS[:3]))
    )


def joined(inner):
    parts = st.lists(inner, min_size=1, max_size=3).map(tuple)
    counted = parts.flatmap(lambda of: st.builds(Count, count=st.integers(1, len(of)), of=st.just(of)))
    return (
        st.builds(lambda found: All(all=found), parts)
        | st.builds(lambda found: AnyOf(any=found), parts)
        | counted
        | st.builds(lambda rule: Not(not_=rule), inner)
    )


plain = st.recursive(comparisons(), joined, max_leaves=4)
persisted = st.integers(1, 5).flatmap(
    lambda last: st.builds(Persist, persist=plain, times=st.integers(1, last), last=st.just(last))
)
rules = st.recursive(comparisons() | persisted, joined, max_leaves=4)


def value(rule, of):
    return evaluate(rule, of).value


@untimed
@given(st.lists(rules, min_size=1, max_size=3).map(tuple), looks)
def test_not_any_is_all_not(parts, found):
    assert value(Not(not_=AnyOf(any=parts)), found) == value(All(all=tuple(Not(not_=part) for part in parts)), found)


@untimed
@given(st.lists(rules, min_size=1, max_size=3).map(tuple), looks)
def test_not_all_is_any_not(parts, found):
    assert value(Not(not_=All(all=parts)), found) == value(AnyOf(any=tuple(Not(not_=part) for part in parts)), found)


@untimed
@given(rules, looks)
def test_not_not_is_the_rule(rule, found):
    assert value(Not(not_=Not(not_=rule)), found) is value(rule, found)


@untimed
@given(st.lists(rules, min_size=1, max_size=4).map(tuple), looks)
def test_any_counts_one_and_all_counts_each(parts, found):
    assert value(AnyOf(any=parts), found) is value(Count(count=1, of=parts), found)
    assert value(All(all=parts), found) is value(Count(count=len(parts), of=parts), found)


@untimed
@given(st.lists(rules, min_size=2, max_size=4).map(tuple), looks)
def test_fewer_are_reached_where_more_are(parts, found):
    order = {False: 0, None: 1, True: 2}
    reached = [order[value(Count(count=count, of=parts), found)] for count in range(1, len(parts) + 1)]

    assert reached == sorted(reached, reverse=True)


@untimed
@given(plain, looks)
def test_once_in_the_last_look_is_the_rule(rule, found):
    assert value(Persist(persist=rule, times=1, last=1), found) is value(rule, found)


@untimed
@given(rules, looks, looks)
def test_no_rule_looks_farther_back_than_it_says(rule, older, found):
    longest = [{}] * 5 + found  # as long as the longest rule looks back

    assert value(rule, [*older, *longest]) is value(rule, longest)


@settings(max_examples=200, deadline=None)
@given(rules, looks, st.data())
def test_what_was_decided_stays_so_when_an_unknown_signal_becomes_known(rule, found, data):
    before = value(rule, found)
    place, name = data.draw(st.integers(0, len(found) - 1)), data.draw(st.sampled_from(SIGNALS))
    old = found[place].get(name, Signal(name, None, "unknown"))
    known = Signal(
        name,
        data.draw(numbers) if old.value is None else old.value,
        data.draw(st.sampled_from(VERDICTS)) if old.verdict == "unknown" else old.verdict,
    )
    after = value(rule, [*found[:place], {**found[place], name: known}, *found[place + 1 :]])

    assert before is None or after is before


# Counterfactuals


@st.composite
def with_signals_of_their_own(draw):
    """Draw a rule of comparisons that each ask for another signal, so that each can be changed alone."""
    names = iter(draw(st.permutations(SIGNALS)))

    def rule(depth):
        form = draw(st.sampled_from(["compare", "all", "any", "count", "not"])) if depth else "compare"
        if form == "compare":
            return draw(comparisons((next(names),)))
        if form == "not":
            return Not(not_=rule(depth - 1))
        parts = tuple(rule(depth - 1) for _ in range(draw(st.integers(1, 3))))
        if form == "count":
            return Count(count=draw(st.integers(1, len(parts))), of=parts)
        return All(all=parts) if form == "all" else AnyOf(any=parts)

    return rule(2)


def chosen(turn, data):
    """Choose as many changes as are needed, any of them."""
    if isinstance(turn, Change):
        return [turn]
    picked = data.draw(st.permutations(turn.of))[: turn.needed]
    return [change for part in picked for change in chosen(part, data)]


def made(change):
    """Return the signal with which a comparison comes out as a change wants it."""
    rule = change.node.rule
    if rule.verdict is not None:
        other = next(verdict for verdict in VERDICTS[:3] if verdict != rule.verdict)
        return Signal(rule.signal, None, rule.verdict if change.value else other)
    if rule.at_least is not None:
        return Signal(rule.signal, rule.at_least if change.value else rule.at_least - 1)
    return Signal(rule.signal, rule.at_most if change.value else rule.at_most + 1)


@settings(max_examples=200, deadline=None)
@given(with_signals_of_their_own(), some_looks(SIGNALS, 1), st.data())
def test_the_changes_named_turn_a_rule_round_and_no_fewer_do(rule, found, data):
    node = evaluate(rule, found)
    changes = chosen(turning(node), data)
    new = [{**found[-1], change.node.rule.signal: made(change)} for change in changes]
    all_made = {**found[-1], **{change.node.rule.signal: made(change) for change in changes}}

    assert (value(rule, [all_made]) is True) != (node.value is True)
    if len(changes) > 1:
        assert all((value(rule, [one]) is True) == (node.value is True) for one in new)


@untimed
@given(persisted, looks)
def test_as_many_looks_as_are_named_make_a_lasting_rule_fire(rule, found):
    node = evaluate(rule, found)
    if node.value is True:
        return
    turn = turning(node)
    named = getattr(turn, "looks", 1)
    kept = node.earlier if getattr(turn, "change", turn) is not None else (node.children[0].value, *node.earlier)

    assert sum(said is True for said in kept[: rule.last - named]) + named >= rule.times
    assert sum(said is True for said in kept[: rule.last - named + 1]) + named - 1 < rule.times


LOST = Compare(signal="excess_loss", at_least=1.2)
OLD = Compare(signal="age", at_least=30)
DRIFT = Compare(signal="data_drift", verdict="drifted")


def seen(**facts):
    return {
        name: Signal(name, None, fact) if isinstance(fact, str) else Signal(name, fact) for name, fact in facts.items()
    }


@pytest.mark.parametrize(
    ("rule", "facts", "expected"),
    [
        pytest.param(
            AnyOf(any=(LOST, OLD)),
            {"excess_loss": 0.17, "age": 4},
            "at excess_loss 1.2 (now 0.17), or at age 30 windows (now 4)",
            id="either is enough",
        ),
        pytest.param(
            All(all=(LOST, OLD)),
            {"excess_loss": 0.17, "age": 4},
            "at excess_loss 1.2 (now 0.17) and at age 30 windows (now 4)",
            id="both are needed",
        ),
        pytest.param(All(all=(LOST, OLD)), {"excess_loss": 2, "age": 4}, "at age 30 windows (now 4)", id="one is left"),
        pytest.param(AnyOf(any=(LOST, OLD)), {"excess_loss": 2, "age": 4}, "below excess_loss 1.2 (now 2)", id="fires"),
        pytest.param(
            Count(count=2, of=(LOST, OLD, DRIFT)),
            {"excess_loss": 0.1, "age": 4, "data_drift": "stable"},
            "with 2 of (at excess_loss 1.2 (now 0.1); at age 30 windows (now 4); with data_drift drifted (now stable))",
            id="two of three",
        ),
        pytest.param(
            AnyOf(any=(All(all=(LOST, DRIFT)), OLD)),
            {"excess_loss": 0.1},
            "(at excess_loss 1.2 (now 0.1) and with data_drift drifted (now not known)), or at age 30 windows "
            "(now not known)",
            id="one within the other",
        ),
        pytest.param(Not(not_=DRIFT), {"data_drift": "drifted"}, "with data_drift not drifted (now drifted)", id="not"),
        pytest.param(
            Compare(signal="freshness", at_most=1), {"freshness": 3}, "at freshness 1 day (now 3)", id="at most"
        ),
        pytest.param(LOST, {"excess_loss": 1.19999}, "at excess_loss 1.2 (now 1.19999)", id="as good as there"),
        pytest.param(
            Persist(persist=DRIFT, times=3, last=4),
            {"data_drift": "stable"},
            "with data_drift drifted (now stable), and so at 3 looks in a row",
            id="more than once",
        ),
        pytest.param(
            Persist(persist=DRIFT, times=3, last=4),
            {"data_drift": "drifted"},
            "with (data_drift is drifted) at the next 2 looks",
            id="has begun",
        ),
    ],
)
def test_a_counterfactual_names_what_is_needed_and_what_is_now(rule, facts, expected):
    assert counterfactual(evaluate(rule, [seen(**facts)])) == expected


def test_causes_are_those_that_hold_a_rule_at_its_value():
    rule = AnyOf(any=(LOST, All(all=(OLD, DRIFT)), Not(not_=DRIFT)))
    node = evaluate(rule, [seen(excess_loss=1.4, age=31, data_drift="stable")])

    assert causes(node) == ["excess_loss is 1.4, at least 1.2", "data_drift is stable"]
    assert causes(evaluate(rule, [seen(excess_loss=1.1, age=31, data_drift="drifted")])) == [
        "age is 31 windows, at least 30",
        "data_drift is drifted",
    ]


def test_a_lasting_cause_says_how_often():
    often = Persist(persist=DRIFT, times=2, last=3)
    node = evaluate(often, [seen(data_drift=verdict) for verdict in ("drifted", "drifted", "stable")])

    assert causes(node) == ["(data_drift is drifted) at 2 of the last 3 looks, of 2 needed"]


def test_a_tree_carries_the_value_of_every_node_and_what_was_read():
    rule = All(all=(AnyOf(any=(LOST, OLD)), Persist(persist=DRIFT, times=2, last=3)))
    found = [seen(data_drift="drifted"), seen(excess_loss=1.4, data_drift="drifted")]

    assert evaluate(rule, found).to_dict() == {
        "rule": describe(rule),
        "value": True,
        "of": [
            {
                "rule": "(excess_loss at least 1.2) or (age at least 30 windows)",
                "value": True,
                "of": [
                    {"rule": "excess_loss at least 1.2", "value": True, "now": 1.4},
                    {"rule": "age at least 30 windows", "value": None, "now": None},
                ],
            },
            {
                "rule": "(data_drift is drifted) at 2 of the last 3 looks",
                "value": True,
                "before": [True],
                "of": [{"rule": "data_drift is drifted", "value": True, "now": "drifted"}],
            },
        ],
    }
