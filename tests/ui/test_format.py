"""How the pages write moments, durations, numbers and shares."""

from __future__ import annotations

import json
import shutil
import subprocess
from importlib.resources import files

import pytest

MODULE = files("airflow_mlops.ui").joinpath("static", "kit", "format.js")
CASES = {
    'moment("2013-11-12T09:14:00Z")': "12 Nov 09:14",
    'moment("2013-11-12T09:14:00Z", { year: true })': "12 Nov 2013 09:14",
    'moment("2013-11-12T09:14:00", { time: false })': "12 Nov",
    "moment(null)": "—",
    'dated("2013-11-12T09:14:00Z")': "12 Nov 2013 09:14",
    'span("2013-01-02T00:00:00Z", "2013-04-05T00:00:00Z")': "2 Jan to 5 Apr 2013",
    'ago("2013-01-01T00:00:00Z", "2013-01-01T00:12:00Z")': "12 min ago",
    'ago("2013-01-01T00:48:00Z", "2013-01-01T00:00:00Z")': "in 48 min",
    "duration(0.0031)": "3.1 ms",
    "duration(129_600)": "36 h",
    "duration(777_600)": "9 d",
    "number(0.72143)": "0.721",
    "number(6120)": "6,120",
    "number(-0.0164)": "\N{MINUS SIGN}0.0164",
    "number(0.019, { signed: true })": "+0.019",
    'number(3.14, { unit: "ms" })': "3.14 ms",
    "number(null)": "—",
    "share(0.92)": "92 %",
    "share(1)": "100 %",
    "share(0.9996)": "> 99.9 %",
    "share(0.0001)": "< 0.1 %",
    'sentence("not_enough labels")': "Not enough labels",
    'capital("retrain: dep_hour")': "Retrain: dep_hour",
    'capital("dep_hour drifted")': "dep_hour drifted",
    'capital("ledger.db is cut")': "ledger.db is cut",
    'version("7")': "v7",
    'member({ version: "7", model_id: "ab", weight: 0.36, trained_at: "2013-05-24T05:00:00Z" })': (
        "v7, trained 24 May 2013 05:00: 36 %"
    ),
    'member({ version: null, model_id: "ab", weight: 0.64, trained_at: null })': "model ab: 64 %",
    'plural(1, "retrain")': "1 retrain",
    'plural(1200, "retrain")': "1,200 retrains",
}


@pytest.fixture(scope="module")
def written():
    """What each case is written as, by one process."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("there is no node to run the module")
    calls = ", ".join(f"format.{call}" for call in CASES)
    script = f"import * as format from {json.dumps(MODULE.as_uri())}; console.log(JSON.stringify([{calls}]));"
    done = subprocess.run([node, "--input-type=module", "--eval", script], capture_output=True, check=True, timeout=60)
    return dict(zip(CASES, json.loads(done.stdout), strict=True))


@pytest.mark.parametrize("call", CASES)
def test_is_written_so(written, call):
    assert written[call] == CASES[call]
