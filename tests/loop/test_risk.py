"""Which risks a challenger carries, and for which of them a person is asked."""

from __future__ import annotations

import pytest

from airflow_mlops.loop.gate import Check
from airflow_mlops.loop.risk import Served, risks_of, risks_to_approve
from airflow_mlops.spec.control_sections import ApprovalSpec

TREES, FOREST = "sklearn.ensemble.HistGradientBoostingClassifier", "sklearn.ensemble.RandomForestClassifier"
ALWAYS = ["every_change", "every_training"]


@pytest.fixture
def spec(flights_spec):
    return changed(flights_spec, columns=["carrier", "distance"])


def changed(spec, *, columns, sensitive=(), **approval):
    data = spec.data.model_copy(update={"sensitive": list(sensitive)})
    features = spec.features.model_copy(update={"columns": columns})
    return spec.model_copy(update={"data": data, "features": features, "approval": ApprovalSpec(**approval)})


def served(*columns, estimators=(TREES,), approved=()):
    return Served(frozenset(columns), frozenset(estimators), frozenset(approved))


def test_the_same_again_is_a_training_and_a_change(spec):
    assert risks_of(spec, estimators=[TREES], served=served("carrier", "distance")) == ALWAYS


def test_before_the_first_promotion_there_is_nothing_to_compare_with(spec):
    assert risks_of(spec, estimators=[TREES], served=None) == [*ALWAYS, "first_version"]


def test_other_weights_are_no_training(spec):
    now = served("carrier", "distance", estimators=(TREES, FOREST))

    assert risks_of(spec, estimators=[FOREST], served=now, action="re-weigh") == ["every_change"]


def test_a_column_that_what_serves_does_not_take_is_new_and_one_less_is_not(spec):
    assert "new_columns" in risks_of(spec, estimators=[TREES], served=served("carrier"))
    assert "new_columns" not in risks_of(spec, estimators=[TREES], served=served("carrier", "distance", "temp"))


def test_a_rejected_training_that_comes_back_as_a_member_is_new_still(spec):
    found = risks_of(spec, estimators=[TREES, FOREST], served=served("carrier"), action="re-weigh")

    assert found == ["every_change", "new_columns", "new_estimator"]


def test_a_sensitive_column_is_a_risk_until_a_person_approved_it_for_what_serves(spec):
    secret = changed(spec, columns=["carrier", "distance"], sensitive=["carrier"])

    for now in (None, served("carrier", "distance"), served("distance", approved=["carrier"])):
        assert "sensitive_columns" in risks_of(secret, estimators=[TREES], served=now)
    approved = served("carrier", "distance", approved=["carrier"])
    assert "sensitive_columns" not in risks_of(secret, estimators=[TREES], served=approved)


def test_a_sensitive_column_that_is_no_feature_is_no_risk(spec):
    apart = changed(spec, columns=["distance"], sensitive=["carrier"])

    assert "sensitive_columns" not in risks_of(apart, estimators=[TREES], served=served("distance"))


def test_a_check_that_passed_may_carry_a_risk_and_one_that_failed_needs_nobody(spec):
    checks = [
        Check("worst slice", "slice", "pass", "carrier = OO is 4 % worse", risk="slice_drop"),
        Check("fairness: sex", "fairness", "fail", "the gap is too wide", risk="fairness"),
    ]

    found = risks_of(spec, estimators=[TREES], served=served("carrier", "distance"), checks=checks)

    assert found == [*ALWAYS, "slice_drop"]


def test_a_person_is_asked_for_what_the_spec_names_alone(spec):
    named = changed(spec, columns=["carrier"], needs=["first_version", "fairness"])

    assert risks_to_approve(named, ["every_change", "first_version"]) == ["first_version"]
    assert risks_to_approve(spec, ["every_change", "first_version"]) == []
    assert risks_to_approve(spec.model_copy(update={"approval": None}), ["first_version"]) == []


def test_with_a_spent_budget_nothing_goes_by_itself(spec):
    assert risks_to_approve(spec, ["every_change"], is_budget_spent=True) == ["budget_spent"]
    assert risks_to_approve(spec.model_copy(update={"approval": None}), [], is_budget_spent=True) == []
