"""A person who writes a policy that could never work is told where, and what to write."""

from __future__ import annotations

import re
import shutil

import pytest
import yaml

from airflow_mlops.errors import SpecError
from airflow_mlops.spec import load_spec
from airflow_mlops.spec.lint import lint
from airflow_mlops.spec.policy_rules import RANGES
from airflow_mlops.spec.vocabulary import SIGNALS
from tests.conftest import ROOT

SPECS = ROOT / "dags" / "specs"
FLIGHTS = yaml.safe_load((SPECS / "flights.yaml").read_text())
AGE = {"signal": "age", "at_least": 10}


@pytest.fixture
def write(tmp_path):
    """Write the flights spec with a policy, and return its path."""
    shutil.copy(SPECS / "flights.suite.yaml", tmp_path)

    def spec_file(policy, shadow=None, **sections):
        path = tmp_path / "flights.yaml"
        spec = {**FLIGHTS, **sections}
        spec["retrain"] = {"policy": policy} | ({"shadow": shadow} if shadow else {})
        path.write_text(yaml.safe_dump(spec, sort_keys=False))
        return path

    return spec_file


def rules(train, **keys):
    return {"kind": "rules", "train": train, **keys}


REFUSED = [
    pytest.param(
        rules({"any": [AGE, {"signal": "exces_loss", "at_least": 1}]}),
        "retrain.policy.train.any[1].signal: found 'exces_loss', expected one of age, bake, data_drift, "
        "data_quality, estimated_quality, excess_loss, freshness, prediction_drift, promotions_lately, quality, "
        "relative_age, slo_burn, trainings_without_gain; did you mean 'excess_loss'?",
        id="an unknown signal",
    ),
    pytest.param(
        rules({"not": {"all": [{"any": [{"signal": "age", "at_lest": 1}]}]}}),
        "retrain.policy.train.not.all[0].any[0].at_lest: unknown key; did you mean 'at_least'? (found 1)",
        id="an unknown key deep inside",
    ),
    pytest.param(
        rules({"age": 10}),
        "retrain.policy.train: found a mapping of 1 keys, expected a rule: {signal, and at_least, at_most or verdict}",
        id="no rule",
    ),
    pytest.param(rules("age > 10"), "retrain.policy.train: found 'age > 10', expected a rule", id="a rule as text"),
    pytest.param(
        rules({"all": [{"signal": "age"}]}),
        "retrain.policy.train.all[0]: a comparison of 'age' asks one question: at_least, at_most or verdict; found "
        "none of them",
        id="no question",
    ),
    pytest.param(
        rules({"signal": "age", "at_least": 1, "at_most": 2}), "found at_least and at_most", id="two questions"
    ),
    pytest.param(rules({"any": []}), "retrain.policy.train.any: found a list of 0", id="any of nothing"),
    pytest.param(
        rules({"count": 3, "of": [AGE, AGE]}),
        "retrain.policy.train.count: count 3 of 2 rules can never be reached",
        id="more than there are",
    ),
    pytest.param(rules({"count": 2}), "retrain.policy.train.of: missing", id="a count of nothing"),
    pytest.param(
        rules({"persist": AGE, "times": 3, "last": 2}),
        "retrain.policy.train.persist: 3 times in the last 2 looks can never be reached",
        id="more often than looks",
    ),
    pytest.param(
        rules({"persist": {"any": [{"persist": AGE, "times": 1, "last": 2}]}, "times": 1, "last": 2}),
        "retrain.policy.train.persist: persist within persist: count the looks once, in the outer one",
        id="looks of looks",
    ),
    pytest.param({"kind": "rules"}, "retrain.policy.train: missing", id="rules without a rule"),
    pytest.param(
        rules({"any": [AGE, {"signal": "relative_age", "at_least": 1.5}]}),
        "retrain.policy.train.any[1].at_least: relative_age is never above 1 (found 1.5)",
        id="above all there is",
    ),
    pytest.param(
        rules({"not": {"persist": {"signal": "quality", "at_most": -0.1}, "times": 1, "last": 2}}),
        "retrain.policy.train.not.persist.at_most: quality is never below 0 (found -0.1)",
        id="below all there is",
    ),
    pytest.param(
        {"kind": "committee", "warn": {"count": 1, "of": [{"signal": "age", "verdict": "drifted"}]}},
        "retrain.policy.warn.of[0].verdict: age is a number without a verdict; ask for at_least or at_most",
        id="a verdict on a number",
    ),
    pytest.param(
        {"kind": "single", "shortest": 8, "longest": 5},
        "retrain.policy.shortest: 8 windows are more than the longest interval, 5 by longest",
        id="shortest above longest",
    ),
    pytest.param(
        {"kind": "committee", "shortest": 20, "price": 0.1},
        "windows are more than the longest interval, 9.48683 by the price",
        id="shortest above what the price gives",
    ),
    pytest.param(
        {"kind": "single", "cooldown": "35d", "longest": 5},
        "retrain.policy.cooldown: 35d last as long as the longest interval (5 windows of 7d): each training would ask "
        "for the next as soon as it may; shorten it, or give longest",
        id="a cooldown as long as longest",
    ),
    pytest.param(
        {"kind": "committee", "train": AGE, "threshold": 2},
        "retrain.policy.threshold: is not read where train says when to train; leave out one of them",
        id="a threshold beside a rule",
    ),
    pytest.param(rules(AGE, longest=9), "retrain.policy.longest: is not read where train says", id="longest"),
    pytest.param(rules(AGE, growth=0.5), "retrain.policy.growth: is not read where train says", id="growth"),
    pytest.param(rules(AGE, price=2), "retrain.policy.price: is not read where train says", id="a price"),
    pytest.param(
        rules(AGE, pool=4),
        "retrain.policy.pool: is not read: by rules the newest version serves, and none is compared with it",
        id="a pool that nobody chooses from",
    ),
    pytest.param(
        {"kind": "single", "budget": {"money": 5}},
        "retrain.policy.budget.money: needs budget.rate, what an hour of training costs",
        id="money without a rate",
    ),
    pytest.param(
        {"kind": "single", "budget": {"rate": 5}},
        "retrain.policy.budget.rate: is not read without budget.money, the most to spend in 30 days",
        id="a rate without money",
    ),
    pytest.param(
        rules(AGE, budget={"start": 0, "share": 0}),
        "retrain.policy.budget: allows no training, and rules ask for nothing else",
        id="no training at all",
    ),
    pytest.param(
        rules(AGE, budget={"trainings": 0}), "retrain.policy.budget: allows no training", id="no training a month"
    ),
    pytest.param(
        {"kind": "committee", "correction": {"windows": 17}},
        "retrain.policy.correction.windows: found 17, expected less than or equal to 16",
        id="a correction from long ago",
    ),
    pytest.param(
        {"kind": "committee", "quiet_hours": [6, 6]},
        "retrain.policy.quiet_hours: quiet hours from 6 to 6 are none or all of a day; give two hours",
        id="quiet all day",
    ),
    pytest.param(
        {"kind": "committee", "quiet_hours": [22, 24]},
        "retrain.policy.quiet_hours[1]: found 24, expected",
        id="hour 24",
    ),
    pytest.param(
        {"kind": "committee", "windows": ["mixed"]},
        "retrain.policy.windows[0]: found 'mixed', expected one of all, recent, mix; did you mean 'mix'?",
        id="an unknown window",
    ),
    pytest.param(
        {"kind": "committe"},
        "retrain.policy.kind: found 'committe', expected one of ",
        id="an unknown kind",
    ),
    pytest.param({"kind": "single", "cooldown": "-1d"}, "retrain.policy.cooldown: ", id="a cooldown in the past"),
]


@pytest.mark.parametrize(("policy", "expected"), REFUSED)
def test_loading_refuses(write, policy, expected):
    path = write(policy)

    with pytest.raises(SpecError, match=re.escape(expected)) as refused:
        load_spec(path)

    assert len(refused.value.faults) == 1


@pytest.mark.parametrize(
    ("rule", "word"),
    [
        ({"signal": "exces_loss", "at_least": 1}, "exces_loss"),
        ({"signal": "relative_age", "at_least": 7777}, "7777"),
        ({"count": 7777, "of": [AGE]}, "7777"),
    ],
)
def test_a_fault_names_its_line(write, rule, word):
    path = write(rules({"any": [AGE, {"not": rule}]}))

    with pytest.raises(SpecError) as refused:
        load_spec(path)

    assert word in path.read_text().splitlines()[refused.value.faults[0].line - 1]


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        ({"kind": "single"}, "retrain.shadow: is retrain.policy once more, so it would tell nothing"),
        ({"kind": "single", "shortest": 9, "longest": 5}, "retrain.shadow.shortest: 9 windows are more"),
        ({"kind": "excess_loss", "max_age": "1d"}, "retrain.shadow.max_age: 1d ends before the cooldown"),
    ],
)
def test_a_shadow_is_checked_as_a_policy_is(write, policy, expected):
    with pytest.raises(SpecError, match=re.escape(expected)):
        load_spec(write({"kind": "single", "pool": 8}, shadow=policy))


@pytest.mark.parametrize(
    "policy",
    [
        {"kind": "committee"},
        {"kind": "single", "price": 2, "quiet_hours": [22, 6], "budget": {"money": 5, "rate": 0.5}},
        {"kind": "committee", "budget": {"start": 0, "share": 0}},
        {"kind": "committee", "train": AGE, "shortest": 5, "correction": None},
        rules({"persist": {"signal": "data_drift", "verdict": "drifted"}, "times": 2, "last": 3}, shortest=0),
        rules({"count": 2, "of": [AGE, {"not": AGE}, {"all": [AGE, {"any": [AGE]}]}]}),
    ],
)
def test_loading_lets_pass(write, policy):
    assert load_spec(write(policy)).retrain.policy.kind == policy["kind"]


def test_every_signal_has_a_range():
    assert set(RANGES) == set(SIGNALS)


# Lint


def found(path, key):
    return [(finding.severity, finding.message) for finding in lint(path) if finding.key == key]


def test_lint_refuses_to_weigh_rows_for_an_estimator_that_cannot(write):
    train = {"estimator": "sklearn.neighbors.KNeighborsClassifier"}
    path = write({"kind": "committee", "windows": ["all", "mix"]}, shadow={"kind": "single"}, train=train)

    for key in ("retrain.policy.windows[1]", "retrain.shadow.windows[0]"):
        [(severity, message)] = found(path, key)
        assert severity == "error"
        assert "'mix' weighs rows, but sklearn.neighbors.KNeighborsClassifier.fit takes no sample_weight" in message


@pytest.mark.parametrize("kind", ["committee", "single"])
def test_lint_refuses_a_choice_among_versions_that_do_not_say_how_sure_they_are(write, kind):
    train = {"estimator": "sklearn.linear_model.RidgeClassifier"}

    [(severity, message)] = found(write({"kind": kind}, train=train), "retrain.policy.kind")

    assert severity == "error"
    assert "but sklearn.linear_model.RidgeClassifier has no predict_proba" in message


def test_lint_lets_a_regression_be_without_probabilities(write):
    train = {"estimator": "sklearn.linear_model.Ridge"}

    assert found(write({"kind": "committee"}, train=train, task="regression"), "retrain.policy.kind") == []


def test_lint_warns_where_versions_are_chosen_among_and_none_is_made(write):
    path = write({"kind": "committee", "budget": {"start": 0, "share": 0}})

    [(severity, message)] = found(path, "retrain.policy.budget")
    assert (severity, message[:50]) == ("warning", "allows no training, and retrain.schedule is not gi")


@pytest.mark.parametrize("kind", ["committee", "single"])
def test_lint_warns_where_nobody_ever_asks_a_policy(write, kind):
    path = write({"kind": kind}, monitor={"window": "7d"})

    assert found(path, "monitor")[0][1].startswith("names no schedule, asset, marker or files")
