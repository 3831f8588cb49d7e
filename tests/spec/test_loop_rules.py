"""Rules of the sections that close the loop: monitor, score, retrain.policy, and a server's prediction log."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from airflow_mlops.errors import SpecError
from airflow_mlops.spec import load_spec
from airflow_mlops.spec.lint import lint
from tests.conftest import ROOT

FLIGHTS = yaml.safe_load((ROOT / "dags" / "specs" / "flights.yaml").read_text())


@pytest.fixture
def write(tmp_path):
    """Write the flights spec with keys of sections changed; None takes a key out."""
    (tmp_path / "flights.suite.yaml").write_text((ROOT / "dags" / "specs" / "flights.suite.yaml").read_text())

    def spec_file(**sections: dict[str, Any]):
        changed = {name: {**FLIGHTS.get(name, {}), **keys} for name, keys in sections.items()}
        kept = {
            name: {key: value for key, value in keys.items() if value is not None} for name, keys in changed.items()
        }
        path = tmp_path / "flights.yaml"
        path.write_text(yaml.safe_dump({**FLIGHTS, **kept}))
        return path

    return spec_file


@pytest.mark.parametrize(
    ("sections", "expected"),
    [
        pytest.param(
            {"data": {"key": None}},
            r"data\.key: names no column, so no label finds its prediction in the server's log",
            id="a log without a key",
        ),
        pytest.param(
            {"data": {"sensitive": ["flight"]}},
            r"data\.key\[0\]: 'flight' is in data\.sensitive, and the prediction log names each row by its key",
            id="a log whose key is sensitive",
        ),
        pytest.param(
            {"data": {"key": ["flight", "version"]}},
            r"data\.key\[1\]: 'version' is a column that the scores table adds",
            id="a key that the scores table would hide",
        ),
        pytest.param(
            {"retrain": {"policy": {"kind": "schedule", "threshold": 1}}},
            r"retrain\.policy\.threshold: unknown key of this kind; kind 'committee' or 'excess_loss' or 'rules' or ",
            id="a key of another policy",
        ),
        pytest.param(
            {"retrain": {"policy": "schedule"}},
            r"retrain\.policy: found 'schedule', expected a mapping of keys, such as \{kind: ",
            id="a policy as a word",
        ),
        pytest.param(
            {"monitor": {"window": "0d"}}, r"monitor\.window: a window of no length holds no rows", id="no window"
        ),
        pytest.param({"score": {"window": "0d"}}, r"score\.window: a window of no length", id="no window to score"),
        pytest.param(
            {"monitor": {"marker": "landing/_DONE"}},
            r"monitor\.marker: 'landing/_DONE' is no absolute path",
            id="a marker somewhere",
        ),
        pytest.param(
            {"monitor": {"marker": "/data/landing/"}},
            r"monitor\.marker: '/data/landing/' is a folder",
            id="a marker that is a folder",
        ),
        pytest.param(
            {"monitor": {"files": {"uri": "landing/"}}},
            r"monitor\.files\.uri: 'landing/' is no absolute path",
            id="a landing place somewhere",
        ),
        pytest.param(
            {"monitor": {"files": {"uri": "/landing/", "every": "0s"}}},
            r"monitor\.files\.every: is less than a second",
            id="a landing place looked at without rest",
        ),
        pytest.param(
            {"deploy": {"server": "http://localhost:8000"}},
            r"deploy\.server: 'http://localhost:8000' is no id of an Airflow connection",
            id="a server by its address",
        ),
        pytest.param({"deploy": {"server": ""}}, r"deploy\.server: '' is no id", id="a server without a name"),
        pytest.param(
            {"monitor": {"asset": "x-mlops://flights/retrain"}},
            r"monitor\.asset: the monitor itself rings this asset",
            id="a monitor that starts itself",
        ),
        pytest.param(
            {"monitor": {"asset": "flights/champion"}},
            r"monitor\.asset: this asset goes by its URI; write 'x-mlops://flights/champion'",
            id="our own asset by its name",
        ),
        pytest.param(
            {"monitor": {"asset": "other/champion"}},
            r"monitor\.asset: this asset goes by its URI; write 'x-mlops://other/champion'",
            id="an asset of another model by its name",
        ),
        pytest.param(
            {"monitor": {"asset": "x-mlops://flights/rollback"}},
            r"monitor\.asset: the monitor itself rings this asset",
            id="a monitor that starts itself by a broken bake",
        ),
        pytest.param(
            {"monitor": {"asset": "flights/landed", "marker": "/data/ready"}},
            r"monitor\.asset: the marker and the files ring this asset already",
            id="landed rows told twice",
        ),
        pytest.param(
            {"retrain": {"policy": {"kind": "excess_loss", "max_age": "7d"}}},
            r"retrain\.policy\.max_age: 7d ends before the cooldown \(14d\)",
            id="an age below the cooldown",
        ),
        pytest.param(
            {"retrain": {"policy": {"kind": "excess_loss", "max_age": "0d"}}},
            r"retrain\.policy\.max_age: a champion older than nothing",
            id="no age",
        ),
    ],
)
def test_loading_refuses(write, sections, expected):
    with pytest.raises(SpecError, match=expected):
        load_spec(write(**sections))


@pytest.mark.parametrize(
    "sections",
    [
        pytest.param({"data": {"key": None}, "deploy": {"server": None}}, id="no key where rows are scored again"),
        pytest.param({"data": {"key": None}, "monitor": {"predictions": "score"}}, id="no key where told to score"),
        pytest.param({"monitor": {"asset": "x-mlops://flights/champion"}}, id="our own asset by its URI"),
        pytest.param({"monitor": {"asset": "x-mlops://other/champion"}}, id="an asset of another model by its URI"),
        pytest.param({"retrain": {"policy": {"kind": "schedule"}}}, id="no policy"),
    ],
)
def test_loading_lets_pass(write, sections):
    load_spec(write(**sections))


@pytest.mark.parametrize(
    ("sections", "key", "expected"),
    [
        pytest.param(
            {"monitor": {"predictions": "score"}}, "monitor.predictions", "a server answers", id="a log left unread"
        ),
        pytest.param(
            {"monitor": {"predictions": "log"}, "deploy": {"server": None}},
            "monitor.predictions",
            "no server is named",
            id="a log that nobody may write",
        ),
        pytest.param(
            {"monitor": {"schedule": "0 3 * * 1", "window": "2d"}},
            "monitor.window",
            "2d are shorter than what lies between two looks (7d)",
            id="rows between two looks",
        ),
        pytest.param(
            {"retrain": {"policy": {"kind": "schedule"}}}, "retrain.policy", "nothing but a person", id="nobody asks"
        ),
        pytest.param(
            {
                "data": {
                    "label_delay": None,
                    "labels": {
                        "source": {"kind": "callable", "path": "airflow_mlops.demo.flights.read_flights"},
                        "key": ["flight"],
                        "arrived": "scheduled",
                    },
                }
            },
            "data.label_delay",
            "labels have a source of their own and no delay",
            id="labels without a delay",
        ),
        pytest.param(
            {"data": {"label_delay": "10d"}},
            "evaluate.holdout",
            "of 14d held out the last 10d have no labels yet (data.label_delay), and what is left is fewer than 5 "
            "blocks of 1d",
            id="a holdout without labels",
        ),
    ],
)
def test_lint_warns(write, sections, key, expected):
    findings = [finding for finding in lint(write(**sections)) if finding.key == key]

    assert [finding.severity for finding in findings] == ["warning"]
    assert expected in findings[0].message


def test_looks_that_meet_leave_nothing_between_them(write):
    findings = lint(write(monitor={"schedule": "0 3 * * 1", "window": "7d"}))

    assert [finding for finding in findings if finding.key == "monitor.window"] == []


@pytest.mark.parametrize(
    ("sections", "monitor", "score", "reads_log"),
    [
        ({}, 7, 7, True),
        ({"monitor": {"window": None}}, 365, 365, True),
        ({"monitor": {"window": "3d", "predictions": "score"}, "score": {"window": "1d"}}, 3, 1, False),
        ({"deploy": {"server": None}}, 7, 7, False),
    ],
)
def test_what_is_left_out_follows_from_the_rest(write, sections, monitor, score, reads_log):
    spec = load_spec(write(**sections))

    assert (spec.monitor_window.days, spec.score_window.days, spec.reads_prediction_log) == (monitor, score, reads_log)


def test_lint_warns_where_nobody_ever_asks_the_policy(write):
    findings = lint(write(monitor={"asset": None}))

    assert [f"{finding.severity} {finding.message}" for finding in findings if finding.key == "monitor"] == [
        "warning names no schedule, asset, marker or files: the policy is asked only when a person starts the monitor"
    ]


def test_lint_warns_of_looks_that_overlap(write):
    findings = lint(write(monitor={"window": None}))

    [warning] = [finding for finding in findings if finding.key == "monitor"]
    assert warning.message.startswith("names no window, so each look judges ingest.window (365d)")
