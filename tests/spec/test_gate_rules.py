"""A gate's test and its measures of fairness have to fit the task."""

from __future__ import annotations

import pytest

from airflow_mlops.spec.gate_rules import groups, guards, paired_test, strangers


def changed(spec, task="binary", **gate):
    """Return a spec of this task with these settings of the gate."""
    settings = type(spec.evaluate.gate).model_validate(gate)
    evaluate = spec.evaluate.model_copy(update={"gate": settings})
    return spec.model_copy(update={"task": task, "evaluate": evaluate})


@pytest.mark.parametrize(
    ("task", "gate", "said"),
    [
        ("binary", {"test": "mcnemar"}, "add metric: zero_one"),
        ("regression", {"test": "mcnemar"}, "error rates of a classification"),
        ("multiclass", {"test": "delong"}, "the task is multiclass; take bootstrap"),
    ],
)
def test_a_test_that_does_not_fit_is_refused(flights_spec, task, gate, said):
    ((place, sentence),) = paired_test(changed(flights_spec, task, **gate))

    assert place == ("evaluate", "gate", "test")
    assert said in sentence


@pytest.mark.parametrize("gate", [{"test": "mcnemar", "metric": "zero_one"}, {"test": "delong"}, {}])
def test_a_test_that_fits_is_let_pass(flights_spec, gate):
    assert not list(paired_test(changed(flights_spec, **gate)))


def test_groups_need_columns_and_measures_that_the_task_has(flights_spec):
    fairness = {"measures": ["loss", "true_positive_rate", "mean_prediction"]}

    found = list(groups(changed(flights_spec, "multiclass", fairness=fairness)))

    assert [place[-1] for place, _ in found] == ["columns", 1, 2]
    assert not list(groups(changed(flights_spec, fairness={"columns": ["carrier"], "measures": ["selection_rate"]})))


@pytest.mark.parametrize(
    ("guard", "place", "said"),
    [
        ({"metric": "nolos"}, "metric", "expected a loss of the task: log_loss, "),
        ({"value": "UA"}, "value", "names the value of no column"),
        ({"column": "carrier"}, "column", "has no value beside it"),
    ],
)
def test_a_guard_that_says_too_little_is_refused(flights_spec, guard, place, said):
    ((at, sentence),) = guards(changed(flights_spec, guards=[guard]))

    assert at == ("evaluate", "gate", "guards", 0, place)
    assert said in sentence


@pytest.mark.parametrize("guard", [{"metric": "brier"}, {"column": "carrier", "value": None}])
def test_a_guard_that_says_enough_is_let_pass(flights_spec, guard):
    assert not list(guards(changed(flights_spec, guards=[guard])))


def test_a_misspelt_column_of_the_gate_is_warned_of(flights_spec):
    gate = {
        "guards": [{"column": "carier", "value": "UA"}],
        "worst_slice": {"columns": ["carrier", "orgin"]},
        "fairness": {"columns": ["tailnumber"]},
    }

    found = list(strangers(changed(flights_spec, **gate), ()))

    assert [place[2:] for _, place, _ in found] == [
        ("guards", 0, "column"), ("worst_slice", "columns", 1), ("fairness", "columns", 0),
    ]  # fmt: skip
    assert {level for level, _, _ in found} == {"warning"}
    assert found[0][2].endswith("did you mean 'carrier'?")
    assert not list(strangers(flights_spec, ()))
