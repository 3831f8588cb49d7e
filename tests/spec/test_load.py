"""A person who mistypes a spec is told where, what was found and what to write."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from airflow_mlops.errors import SpecError
from airflow_mlops.spec import ModelSpec, load_spec
from airflow_mlops.spec.schema import schema_text
from tests.conftest import ROOT

FLIGHTS = ROOT / "dags" / "specs" / "flights.yaml"


# A copy, so that the lines below stay where they are when the shipped spec changes.
SPEC = """\
# yaml-language-server: $schema=spec.schema.json
name: flights
owner: airline-science
description: Will a flight out of New York arrive more than 15 minutes late?
tags: [demo, flights]
task: binary

data:
  source:
    kind: callable
    path: airflow_mlops.demo.flights.read_flights
  time: scheduled
  key: [flight, origin, scheduled]
  target: late

ingest:
  window: 59d

validate:
  suite: flights.suite.yaml

features:
  columns: [carrier, origin, dest, distance, sched_dep_time, sched_arr_time, weekday,
            temp, dewp, humid, wind_dir, wind_speed, wind_gust, precip, pressure, visib]
  derive:
    dep_hour: sched_dep_time // 100
    arr_hour: sched_arr_time // 100

train:
  estimator: hist_gradient_boosting
  params: {max_iter: 60, max_leaf_nodes: 20, learning_rate: 0.15}
  seed: 2013
  window: all

evaluate:
  holdout: 28d
  slices: [carrier, origin]

deploy:
  golden_rows: 50

drift:
  share: 0.5

monitor:
  window: 30d

retrain:
  now: 2013-03-01T05:00:00Z  # midnight in New York: January and February are history
"""


@pytest.fixture
def write(tmp_path):
    """Write the spec with one text replaced, and return its path."""

    def changed(before: str = "", after: str = ""):
        assert before in SPEC
        path = tmp_path / "flights.yaml"
        path.write_text(SPEC.replace(before, after))
        return path

    return changed


def faults(path) -> list[str]:
    with pytest.raises(SpecError) as caught:
        load_spec(path)
    return [str(fault).replace(f"{path}:", "") for fault in caught.value.faults]


def test_the_shipped_spec_loads():
    spec = load_spec(FLIGHTS)

    assert (spec.name, spec.task, spec.ingest.window) == ("flights", "binary", timedelta(days=365))
    assert spec.retrain.now == datetime(2013, 3, 1, 5, tzinfo=UTC)


def test_a_suite_is_looked_for_beside_the_spec():
    assert load_spec(str(FLIGHTS)).base_dir == FLIGHTS.parent


def test_a_spec_survives_json_and_back():
    spec = load_spec(FLIGHTS)

    assert ModelSpec.model_validate(spec.model_dump(mode="json", by_alias=True)).model_dump() == spec.model_dump()


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        pytest.param(
            "  estimator:",
            "  estimatr: x\n  estimator:",
            "30:3: error: train.estimatr: unknown key; did you mean 'estimator'? (found 'x')",
            id="an unknown key names its neighbour",
        ),
        pytest.param(
            "task: binary",
            "schedule: '@daily'\ntask: binary",
            "6:1: error: schedule: unknown key here; it belongs to ingest.schedule or monitor.schedule or "
            "score.schedule or retrain.schedule or reproduce.schedule or drill.schedule (found '@daily')",
            id="a key in the wrong section names the right one",
        ),
        pytest.param(
            "task: binary",
            "task: binry",
            "6:7: error: task: found 'binry', expected one of binary, multiclass, regression; did you mean 'binary'?",
            id="a wrong word names the known words",
        ),
        pytest.param(
            "kind: callable",
            "kind: calable",
            "10:11: error: data.source.kind: found 'calable', expected one of file, sql, delta, "
            "iceberg, callable; did you mean 'callable'?",
            id="an unknown kind of source names the kinds",
        ),
        pytest.param(
            "    kind: callable\n",
            "",
            "9:3: error: data.source.kind: missing; one of callable, delta, file, iceberg, sql was expected",
            id="a source without a kind asks for it",
        ),
        pytest.param(
            "window: 59d",
            "window: 2 months",
            "17:11: error: ingest.window: '2 months' is not a duration; write a whole number and s, m, h, d or w, "
            "such as 12h or 59d",
            id="a length of time shows how to write one",
        ),
        pytest.param(
            "seed: 2013",
            "seed: many",
            "32:9: error: train.seed: found 'many', expected a valid integer, unable to parse string as an integer",
            id="a value of the wrong type is shown",
        ),
        pytest.param(
            "task: binary",
            "task: binary\nowner: somebody",
            "7:1: error: owner: given twice, first on line 3",
            id="a key given twice names both lines",
        ),
        pytest.param(
            "  time: scheduled\n",
            "",
            "8:1: error: data.time: missing; expected: Column with the event time, UTC unless it carries a zone.",
            id="a missing key says what it means",
        ),
        pytest.param(
            "dep_hour: sched_dep_time",
            "dep_hour: sched_dep_tme",
            "26:15: error: features.derive.dep_hour: 'sched_dep_tme // 100' uses 'sched_dep_tme', which is not in "
            "features.columns; did you mean 'sched_dep_time'?",
            id="a derived column may only use known columns",
        ),
        pytest.param(
            "dep_hour: sched_dep_time // 100",
            "dep_hour: sched_dep_time //",
            "26:15: error: features.derive.dep_hour: 'sched_dep_time //' is not an expression (invalid syntax); write "
            "one over columns, such as 'a // 100'",
            id="an expression that is none",
        ),
        pytest.param(
            "slices: [carrier, origin]",
            "slices: [carrier, orign]",
            "37:21: error: evaluate.slices[1]: 'orign' is not in features.columns; did you mean 'origin'?",
            id="a slice must be a column",
        ),
        pytest.param(
            "target: late",
            "target: late\n  sensitive: [carrier]",
            "38:12: error: evaluate.slices[0]: 'carrier' is in data.sensitive: its values would be named in reports; "
            "take it out of one of the two",
            id="a sensitive column may not be a slice",
        ),
        pytest.param(
            "  params: {max_iter: 60",
            "  params: {login: {password: x}, max_iter: 60",
            "31:30: error: train.params.login.password: 'password' looks like a secret; parameters are logged",
            id="a secret however deep",
        ),
        pytest.param(
            "holdout: 28d",
            "holdout: 59d",
            "36:12: error: evaluate.holdout: 59d held out of a window of 59d (ingest.window) leaves nothing",
            id="a holdout as long as the window",
        ),
        pytest.param(
            "holdout: 28d",
            "holdout: 14d",
            "36:12: error: evaluate.holdout: 14d held out are fewer than 5 blocks of 4d (evaluate.gate.block)",
            id="a holdout of too few blocks",
        ),
        pytest.param(
            "retrain:\n",
            "retrain:\n  schedule: 0 3 * *\n",
            "49:13: error: retrain.schedule: '0 3 * *' is not a cron expression; write minute, hour, day, month and "
            "weekday, such as '0 3 * * 1' for Mondays at three, or a preset such as @daily",
            id="a schedule with four fields",
        ),
        pytest.param(
            "distance, sched_dep_time",
            "late, sched_dep_time",
            "23:12: error: features.columns: holds the target 'late': the model would see its answer",
            id="the target among the features",
        ),
        pytest.param(
            "    kind: callable\n    path: airflow_mlops.demo.flights.read_flights",
            "    kind: file\n    format: csv\n    uri: ftp://ann:hunter2@host/flights.csv",
            "12:10: error: data.source.uri: the address holds a password; keep it in an Airflow connection and name "
            "that in conn_id",
            id="a password in an address",
        ),
        pytest.param(
            "    kind: callable\n    path: airflow_mlops.demo.flights.read_flights",
            "    kind: file\n    format: csv\n    uri: https://host/flights.csv?sig=abc",
            "12:10: error: data.source.uri: the address holds a secret in its parameter 'sig'; keep it in an Airflow "
            "connection and name that in conn_id",
            id="a signed address",
        ),
    ],
)
def test_a_fault_is_named_by_line_column_key_and_value(write, before, after, expected):
    assert [fault for fault in faults(write(before, after)) if fault.startswith(expected)]


def test_all_faults_are_listed_by_line(write):
    path = write("owner: airline-science", "ownr: airline-science")
    path.write_text(path.read_text().replace("seed: 2013", "seed: many"))

    with pytest.raises(SpecError, match=r"has 3 faults:\n.*owner: missing.*\n.*ownr: unknown key.*\n.*train.seed"):
        load_spec(path)


def test_a_password_is_not_repeated_in_a_fault(write):
    path = write("task: binary", "task: postgres://ann:hunter2@host")

    with pytest.raises(SpecError, match=r"found 'postgres://ann:\*\*\*@host'") as caught:
        load_spec(path)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    "line",
    [
        pytest.param("password: hunter2", id="by its key"),
        pytest.param("address: https://host/flights.csv?sig=hunter2", id="a signed address"),
        pytest.param("address: Server=host;Password=hunter2", id="a connection string"),
        pytest.param("login: {user: ann, code: hunter2}", id="inside a mapping"),
    ],
)
def test_the_value_of_an_unknown_key_is_not_shown_where_it_may_be_a_secret(write, line):
    path = write("task: binary", f"task: binary\n{line}")

    with pytest.raises(
        SpecError, match=r"unknown key.*\(found (what looks like a secret|a mapping of 2 keys)\)"
    ) as caught:
        load_spec(path)
    assert "hunter2" not in str(caught.value)


def test_a_long_value_of_an_unknown_key_is_shortened(write):
    path = write("task: binary", f"task: binary\nremarks: {'long ' * 50}")

    with pytest.raises(SpecError, match=r"remarks: unknown key.*\(found 'long .{70,75}\.\.\.\)"):
        load_spec(path)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("", "holds nothing, but a mapping of keys was expected", id="an empty file"),
        pytest.param("- 1", "holds a list, but a mapping of keys was expected", id="a list"),
        pytest.param("name: [a\ntask: b", ":2:5: error: is not YAML", id="an open bracket"),
        pytest.param("name: a\n---\nname: b", "more than one document", id="two documents"),
        pytest.param("name: !!python/object:os.system x", "is not YAML: could not determine a constructor", id="code"),
    ],
)
def test_a_file_that_is_no_mapping_is_refused_in_one_sentence(tmp_path, text, expected):
    path = tmp_path / "spec.yaml"
    path.write_text(text)

    with pytest.raises(SpecError) as caught:
        load_spec(path)
    assert expected in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(SpecError, match=r"nowhere\.yaml:1:1: error: cannot be read: No such file"):
        load_spec(tmp_path / "nowhere.yaml")


def test_a_file_of_another_encoding_says_so(tmp_path):
    path = tmp_path / "spec.yaml"
    path.write_bytes("owner: Größe".encode("latin-1"))

    with pytest.raises(SpecError, match="is not UTF-8"):
        load_spec(path)


def test_the_schema_beside_the_specs_is_up_to_date():
    stored = (FLIGHTS.parent / "spec.schema.json").read_text()

    assert stored == schema_text(), "run: airflow-mlops schema --write"


@pytest.mark.parametrize("path", sorted(FLIGHTS.parent.glob("*.yaml")), ids=lambda path: path.name)
def test_every_shipped_spec_names_its_schema_to_editors(path):
    if ".suite." not in path.name:
        assert path.read_text().startswith("# yaml-language-server: $schema=spec.schema.json\n")
