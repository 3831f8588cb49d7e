"""Lint looks at everything a spec names: functions, classes, parameters, suites."""

from __future__ import annotations

import shutil

import pytest

from airflow_mlops.spec.lint import lint
from tests.conftest import ROOT

SPECS = ROOT / "dags" / "specs"


@pytest.fixture
def lint_with(tmp_path):
    """Lint the flights spec with texts replaced, in it or in its suite, and return the findings as text."""

    def findings(*changes: tuple[str, str], suite: tuple[str, str] | None = None) -> list[str]:
        folder = tmp_path / "specs"
        shutil.copytree(SPECS, folder, dirs_exist_ok=True)
        for file, replacements in (("flights.yaml", changes), ("flights.suite.yaml", [suite] if suite else [])):
            text = (folder / file).read_text()
            for before, after in replacements:
                assert before in text
                text = text.replace(before, after)
            (folder / file).write_text(text)
        return [str(finding).replace(f"{folder}/", "") for finding in lint(folder / "flights.yaml")]

    return findings


SOURCE = "airflow_mlops.demo.flights.read_flights"


def test_the_shipped_spec_has_no_error_and_warns_of_its_fixed_moment():
    findings = lint(SPECS / "flights.yaml")

    assert [(finding.severity, finding.key) for finding in findings] == [("warning", "retrain.now")]


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        pytest.param(
            SOURCE,
            "airflow_mlops.demo.flight.read_flights",
            "data.source.path: airflow_mlops.demo has no 'flight'; did you mean 'flights'?",
            id="a module that is not there",
        ),
        pytest.param(
            SOURCE,
            "airflow_mlops.demo.flights.read_flight",
            "airflow_mlops.demo.flights has no 'read_flight'; did you mean 'read_flights'?",
            id="a function that is not there",
        ),
        pytest.param(SOURCE, "read_flights", "is not an import path; write package.module.name", id="no module at all"),
        pytest.param(
            SOURCE, "calendar.monthrange", "calendar.monthrange takes no 'start'", id="a function of another kind"
        ),
        pytest.param(
            "estimator: hist_gradient_boosting",
            "estimator: random_forst",
            "train.estimator: found 'random_forst', expected an import path or one of hist_gradient_boosting, linear, "
            "random_forest; did you mean 'random_forest'?",
            id="a short name that is not known",
        ),
        pytest.param(
            "estimator: hist_gradient_boosting",
            "estimator: sklearn.ensemble.HistGradientBoostingClasifier",
            "sklearn.ensemble has no 'HistGradientBoostingClasifier'; did you mean 'HistGradientBoostingClassifier'?",
            id="a class that is not there",
        ),
        pytest.param(
            "estimator: hist_gradient_boosting\n  params: {max_iter",
            "estimator: sklearn.ensemble.HistGradientBoostingClassifier\n  params: {max_itr",
            "error: train.params.max_itr: sklearn.ensemble.HistGradientBoostingClassifier takes no 'max_itr'; "
            "did you mean 'max_iter'?",
            id="a parameter that is not there",
        ),
        pytest.param(
            "{max_iter",
            "{max_itr",
            "flights.yaml:32:21: error: train.params.max_itr: sklearn.ensemble.HistGradientBoostingClassifier takes no "
            "'max_itr'; did you mean 'max_iter'? (found 60)",
            id="a parameter that is not there, of a short name",
        ),
        pytest.param(
            "slices: [",
            "metrics: [f1, roc_auk]\n  slices: [",
            "flights.yaml:40:17: error: evaluate.metrics[1]: found 'roc_auk', expected the name of a scorer of "
            "scikit-learn; did you mean 'roc_auc'?",
            id="a metric that is not there",
        ),
        pytest.param(
            "gate: {block: 1d}",
            "gate: {block: 1d, metric: los_los}",
            "flights.yaml:39:29: error: evaluate.gate.metric: found 'los_los', expected a loss of a classification: "
            "log_loss, brier, zero_one; did you mean 'log_loss'?",
            id="a loss that is not there",
        ),
        pytest.param(
            "suite: flights.suite.yaml",
            "suite: flight.suite.yaml",
            "validate.suite: there is no file 'flight.suite.yaml' beside the spec; did you mean 'flights.suite.yaml'?",
            id="a suite that is not there",
        ),
        pytest.param(
            f"kind: callable\n    path: {SOURCE}",
            "kind: sql\n    conn_id: warehouse\n    query: SELECT * FROM flights WHERE t >= :start",
            "warning: data.source.query: ':end' is not in the query: each run reads more rows than its window",
            id="a query without its bounds",
        ),
    ],
)
def test_what_a_spec_names_must_exist(lint_with, before, after, expected):
    assert [finding for finding in lint_with((before, after)) if expected in finding]


def test_mix_is_refused_for_an_estimator_without_weights(lint_with):
    findings = lint_with(
        ("estimator: hist_gradient_boosting", "estimator: sklearn.neighbors.KNeighborsClassifier"),
        ("{max_iter: 60, max_leaf_nodes: 20, learning_rate: 0.15}", "{}"),
        ("window: all", "window: mix"),
    )

    assert (
        "flights.yaml:34:11: error: train.window: 'mix' weighs rows, but sklearn.neighbors.KNeighborsClassifier.fit "
        "takes no sample_weight; choose all or recent, or another estimator"
    ) in findings


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        pytest.param(
            "expect_column_mean_to_be",
            "expect_column_men_to_be",
            "14:12: error: expectations[10].type: Great Expectations has no 'expect_column_men_to_be_between'; did you "
            "mean 'expect_column_mean_to_be_between'?",
            id="an expectation mistyped",
        ),
        pytest.param(
            "severity: info",
            "severity: low",
            "error: expectations[11].severity: found 'low', expected one of critical, warning, info",
            id="a severity that is none",
        ),
        pytest.param(
            "expectations:", "expectation:", "error: expectations: missing; a list", id="no list of expectations"
        ),
    ],
)
def test_a_suite_is_read_too(lint_with, before, after, expected):
    assert [finding for finding in lint_with(suite=(before, after)) if expected in finding]


def test_a_source_beside_the_specs_is_found(tmp_path, lint_with):
    (tmp_path / "house_source.py").write_text("def read(start, end):\n    return None\n")

    findings = lint_with((SOURCE, "house_source.read"))

    assert not [finding for finding in findings if "error" in finding]


def test_a_source_that_breaks_on_import_is_one_finding(tmp_path, lint_with):
    (tmp_path / "broken_source.py").write_text("import nowhere_to_be_found\n")

    findings = lint_with((SOURCE, "broken_source.read"))

    assert [item for item in findings if "cannot be imported, because 'nowhere_to_be_found' is not installed" in item]


def test_one_run_names_the_faults_of_every_section(lint_with):
    findings = lint_with(
        ("window: 365d", "windw: 365d"),
        ("owner: airline-science", "owner: airline-science\nextra: 1"),
        ("estimator: hist_gradient_boosting", "estimator: random_forst"),
        ("slices: [carrier, origin]", "slices: [carrier, orign]"),
        (SOURCE, "airflow_mlops.demo.flights.read_flight"),
        suite=("severity: info", "severity: low"),
    )

    assert {finding.split(" error: ")[1].split(": ")[0] for finding in findings if " error: " in finding} == {
        "extra",
        "ingest.window",
        "ingest.windw",
        "train.estimator",
        "evaluate.slices[1]",
        "data.source.path",
        "expectations[11].severity",
    }


def test_a_section_at_fault_is_no_reason_for_further_findings(lint_with):
    findings = lint_with(("  holdout: 14d", "  holdout: soon"), ("window: 365d", "window: 20d"))

    assert [finding for finding in findings if " error: " in finding] == [
        "flights.yaml:38:12: error: evaluate.holdout: 'soon' is not a duration; write a whole number and s, m, h, d or "
        "w, such as 12h or 59d"
    ]


def test_an_unknown_key_does_not_hide_its_section(lint_with):
    findings = lint_with(("  seed: 2013", "  sed: 2013"), ("estimator: hist_gradient_boosting", "estimator: linar"))

    assert [item for item in findings if "train.sed: unknown key; did you mean 'seed'? (found 2013)" in item]
    assert [item for item in findings if "train.estimator: found 'linar'" in item]


@pytest.mark.parametrize(
    ("task", "metric", "expected"),
    [
        ("binary", "brier", None),
        ("regression", "mean_squared_error", None),
        ("regression", "brier", "found 'brier', expected a loss of a regression: mean_absolute_error, mean_squared_"),
    ],
)
def test_the_loss_of_the_gate_is_one_of_the_task(lint_with, task, metric, expected):
    findings = lint_with(
        ("task: binary", f"task: {task}"), ("gate: {block: 1d}", f"gate: {{block: 1d, metric: {metric}}}")
    )

    errors = [finding for finding in findings if "evaluate.gate.metric" in finding]
    assert (not errors) if expected is None else (expected in errors[0])
