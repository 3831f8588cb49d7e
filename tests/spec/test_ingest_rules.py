"""Rules over parts of a window and the schedule that brings them in."""

from __future__ import annotations

import pytest
import yaml

from airflow_mlops.errors import SpecError
from airflow_mlops.spec import load_spec
from airflow_mlops.spec.lint import lint
from tests.conftest import ROOT

FLIGHTS = yaml.safe_load((ROOT / "dags" / "specs" / "flights.yaml").read_text())


@pytest.fixture
def write(tmp_path):
    """Write the flights spec with other keys of the section ingest."""
    (tmp_path / "flights.suite.yaml").write_text((ROOT / "dags" / "specs" / "flights.suite.yaml").read_text())

    def spec_file(**keys):
        path = tmp_path / "flights.yaml"
        path.write_text(yaml.safe_dump({**FLIGHTS, "ingest": {"window": "59d", **keys}}))
        return path

    return spec_file


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        pytest.param(
            {"schedule": "@daily"},
            r"ingest\.schedule: is for a DAG with a run a part, but ingest\.part is not given; give it, such as 1d",
            id="a schedule without parts",
        ),
        pytest.param(
            {"late": "2d"},
            r"ingest\.late: says which parts are read again, but ingest\.part is not given",
            id="late rows without parts",
        ),
        pytest.param({"part": "0d"}, r"ingest\.part: a part of no length holds no rows", id="no part"),
        pytest.param(
            {"part": "60d"},
            r"ingest\.part: parts of 60d are longer than the window of 59d",
            id="longer than the window",
        ),
        pytest.param(
            {"part": "5h"}, r"ingest\.part: 5h neither divide a day nor are whole days", id="parts that wander"
        ),
        pytest.param(
            {"part": "1d", "late": "59d"},
            r"ingest\.late: rows that may come 59d late have every part of a window of 59d",
            id="late as long as the window",
        ),
        pytest.param(
            {"part": "1d", "late": "-1d"}, r"ingest\.late: .*'-1d' is not a duration", id="rows that come too early"
        ),
        pytest.param(
            {"part": "1d", "schedule": "@hourly"},
            r"'@hourly' does not run once a part of 1d: the runs of .* bring the same part",
            id="several runs a part",
        ),
        pytest.param(
            {"part": "1d", "schedule": "0 3 * * 1-5"},
            r"the runs of .* leave 2 parts between them that no run brings; let each part have its run",
            id="parts without a run",
        ),
        pytest.param({"part": "1d", "schedule": "daily"}, r"'daily' is not a cron expression", id="no cron"),
    ],
)
def test_parts_that_do_not_fit_are_refused(write, keys, expected):
    with pytest.raises(SpecError, match=expected):
        load_spec(write(**keys))


@pytest.mark.parametrize(
    "keys",
    [
        {"part": "1d", "late": "3d", "schedule": "30 3 * * *"},
        {"part": "6h", "late": "1h", "schedule": "10 */6 * * *"},
        {"part": "1h", "late": "1d", "schedule": "@hourly"},
        {"part": "7d", "late": "1d", "schedule": "0 6 * * 4"},
    ],
    ids=["days", "quarters of a day", "hours", "weeks"],
)
def test_a_schedule_with_a_run_a_part_is_taken(write, keys):
    assert load_spec(write(**keys)).ingest.schedule == keys["schedule"]


def test_lint_warns_where_late_rows_are_never_seen(write):
    def found(path):
        return [finding.message for finding in lint(path) if finding.key.startswith("ingest")]

    assert found(write(part="1d")) == [
        "is not given, so rows that come after their part was read are never seen; say how late they may be"
    ]
    assert found(write(part="1d", late="1d")) == []
