"""A decision's rules, read back from what the ledger holds."""

from __future__ import annotations

import json

import pytest
from hypothesis import given

from airflow_mlops.loop.rule_tree import read_tree
from airflow_mlops.loop.rules import evaluate
from airflow_mlops.loop.signal import Signal
from airflow_mlops.spec.rule_sections import All, AnyOf, Compare, Count, Not, Persist
from tests.loop.test_rules import looks, rules, untimed

JOINS = {All: "all", AnyOf: "any", Count: "count", Not: "not", Persist: "persist", Compare: "compare"}
OLD = Compare(signal="age", at_least=30)
LOST = Compare(signal="excess_loss", at_least=1)
MOVED = Compare(signal="data_drift", verdict="drifted")


def read(rule, *looks):
    return read_tree(json.loads(json.dumps(evaluate(rule, looks).to_dict())))


def look(**values):
    return {name: Signal(name, value) for name, value in values.items()}


@untimed
@given(rules, looks)
def test_every_rule_is_read_back_with_the_value_of_every_node(rule, seen):
    node = evaluate(rule, seen)

    def same(found, node):
        alone = len(node.children) == 1 and not isinstance(node.rule, Not | Persist)
        assert found.value is node.value
        assert found.join == ("all" if alone else JOINS[type(node.rule)])
        assert found.before == node.earlier
        assert len(found.of) == len(node.children)
        for inside, child in zip(found.of, node.children, strict=True):
            same(inside, child)

    same(read_tree(json.loads(json.dumps(node.to_dict()))), node)


def test_a_comparison_says_its_bound_with_a_unit_and_how_far_it_is():
    found = read(OLD, look(age=28))

    assert (found.says, found.value, found.now, found.bound) == ("age at least 30 windows", False, 28, 30)
    assert (found.unit, found.needs) == ("windows", 2)


def test_what_has_to_fall_is_needed_with_a_minus():
    found = read(Compare(signal="freshness", at_most=2), look(freshness=5))

    assert (found.says, found.value, found.needs) == ("freshness at most 2 days", False, -3)


def test_a_signal_that_was_not_measured_is_unknown_and_not_near():
    found = read(LOST, {})

    assert (found.value, found.now, found.needs) == (None, None, None)


def test_a_verdict_is_said_in_words():
    unknown = read(MOVED, {"data_drift": Signal("data_drift", None, "unknown")})
    watched = read(MOVED, {"data_drift": Signal("data_drift", 0.1, "watch")})

    assert (unknown.says, unknown.value) == ("data drift is drifted", None)
    assert (watched.value, watched.now, watched.bound, watched.needs) == (False, "watch", "drifted", None)


@pytest.mark.parametrize(
    ("rule", "says"),
    [
        (All(all=(OLD, LOST)), "all of"),
        (AnyOf(any=(OLD, LOST)), "at least one of"),
        (Not(not_=OLD), "not"),
        (Count(count=2, of=(OLD, LOST, MOVED)), "at least 2 of"),
        (Persist(persist=AnyOf(any=(OLD, LOST)), times=2, last=3), "at 2 of the last 3 looks"),
    ],
    ids=["all", "any", "not", "count", "persist"],
)
def test_what_joins_rules_is_said_without_repeating_them(rule, says):
    assert read(rule, look(age=1)).says == says


def test_the_looks_before_are_told_newest_first():
    found = read(Persist(persist=OLD, times=2, last=3), look(age=31), look(age=29), look(age=30))

    assert (found.value, found.before) == (True, (False, True))


def test_a_rule_in_a_form_that_is_not_known_is_shown_as_it_is():
    found = read_tree({"rule": "the_moon is full", "value": True})

    assert (found.says, found.value) == ("the moon is full", True)
