"""What stops a run, what is kept as evidence, and that the same judgement is made once."""

from __future__ import annotations

import json

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from airflow_mlops.artifacts import ArtifactStore, digest_bytes, encode_table
from airflow_mlops.errors import ArtifactCorrupt, DataCheckFailed, SpecError
from airflow_mlops.operators.validate import ValidateOperator
from airflow_mlops.refs import ReportRef, SnapshotRef
from airflow_mlops.spec.data_sections import FileSource
from tests.conftest import utc

NOW = "2013-01-11T05:00:00+00:00"


@pytest.fixture
def artifacts(tmp_path):
    return ArtifactStore.local(tmp_path / "artifacts")


@pytest.fixture
def snapshot(artifacts):
    """Store a table as ingest does and return its reference."""

    def make(table):
        payload = encode_table(table)
        digest = digest_bytes(payload)
        folder = artifacts.uri("flights", "snapshots", digest[:16])
        artifacts.write_bytes(f"{folder}/data.parquet", payload)
        artifacts.complete(folder, {"id": digest[:16]})
        return SnapshotRef(digest[:16], folder, digest, table.num_rows, table.num_columns, "2013-01-01", "2013-01-11")

    return make


@pytest.fixture
def run(tmp_path, flights_spec):
    def _run(snapshot, *, reference=None, spec=flights_spec, run_id="manual__1"):
        operator = ValidateOperator(
            task_id="validate",
            spec=spec,
            snapshot=snapshot.to_dict(),
            reference=None if reference is None else [reference.to_dict()],
            now=NOW,
            artifacts_uri=str(tmp_path / "artifacts"),
        )
        try:
            answer = operator.execute({"run_id": run_id})
        except DataCheckFailed as error:
            return error, operator
        return ReportRef.from_dict(answer), operator

    return _run


@pytest.fixture
def far_away(january):
    """Flights of which ninety fly a distance that does not exist."""
    distance = pc.if_else(pa.array([row < 90 for row in range(january.num_rows)]), -1, january["distance"])
    return january.set_column(january.column_names.index("distance"), "distance", distance)


def test_good_rows_pass_and_leave_report_page_and_profile(run, snapshot, january, artifacts):
    rows = snapshot(january)
    ref, operator = run(rows, reference=rows)

    assert (ref.verdict, ref.stage) == ("passed", "validate")
    assert operator.report_uri == ref.html_uri
    assert artifacts.read_json(f"{ref.uri}/report.json")["verdict"] == "passed"
    assert artifacts.read_json(f"{rows.uri}/facts.json")["rows"] == january.num_rows


def test_critical_rows_stop_the_run_and_the_sentence_says_where_to_look(run, snapshot, far_away):
    error, _ = run(snapshot(far_away))

    sentence = str(error)
    assert f"of {far_away.num_rows} rows may not be used: " in sentence
    assert f"90 of {far_away.num_rows} rows do not meet it" in sentence
    assert "The failing rows are in file://" in sentence
    assert "report.html. The champion stays." in sentence


def test_a_stopped_run_leaves_its_failing_rows_with_reasons(run, snapshot, far_away, artifacts):
    _, operator = run(snapshot(far_away))

    event = operator.ledger.events("flights", kind="validate")[0]
    kept = artifacts.read_table(event.payload["quarantine"])
    assert kept["distance"].to_pylist() == [-1] * 90
    assert set(kept["_reason"].to_pylist()) == {"distance: expect_column_values_to_be_between"}
    assert event.payload["ref"]["verdict"] == "failed"


def test_the_quarantine_has_a_limit(run, snapshot, far_away, artifacts, flights_spec):
    few = flights_spec.validate_.model_copy(update={"quarantine_rows": 7})
    _, operator = run(snapshot(far_away), spec=_with(flights_spec, validate_=few))

    event = operator.ledger.events("flights", kind="validate")[0]
    assert artifacts.read_table(event.payload["quarantine"]).num_rows == 7


def test_a_sensitive_column_is_in_no_evidence(run, snapshot, far_away, artifacts, flights_spec):
    secret = flights_spec.data.model_copy(update={"sensitive": ["flight", "distance"]})
    rows = snapshot(far_away)
    flight = far_away["flight"][0].as_py()
    error, operator = run(rows, spec=_with(flights_spec, data=secret))

    event = operator.ledger.events("flights", kind="validate")[0]
    ref = ReportRef.from_dict(event.payload["ref"])
    kept = artifacts.read_table(event.payload["quarantine"])
    texts = [str(error), json.dumps(event.payload), artifacts.read_bytes(ref.html_uri).decode()]
    texts += [artifacts.read_bytes(f"{ref.uri}/report.json").decode()]
    texts += [artifacts.read_bytes(f"{rows.uri}/facts.json").decode()]
    assert not {"flight", "distance"} & set(kept.column_names)
    assert not any(f'"{flight}"' in text or f">{flight}<" in text or "4983" in text for text in texts)


def test_a_second_run_makes_the_same_judgement_once(run, snapshot, january, caplog):
    rows = snapshot(january)
    first, operator = run(rows)
    second, _ = run(rows, run_id="manual__2")

    assert second == first
    assert len(operator.ledger.events("flights", kind="validate")) == 1


def test_a_second_run_on_bad_rows_fails_with_the_same_sentence(run, snapshot, far_away):
    rows = snapshot(far_away)

    assert str(run(rows)[0]) == str(run(rows, run_id="manual__2")[0])


def test_a_process_killed_before_the_manifest_judges_again(run, snapshot, january, artifacts):
    rows = snapshot(january)
    first, _ = run(rows)
    artifacts.delete(f"{first.uri}/manifest.json")
    artifacts.write_bytes(f"{first.uri}/report.json", b"half of it")

    again, operator = run(rows)

    assert again == first
    assert artifacts.read_json(f"{again.uri}/report.json")["verdict"] == first.verdict
    assert len(operator.ledger.events("flights", kind="validate")) == 1


def test_another_reference_is_another_judgement(run, snapshot, january, july):
    rows = snapshot(january)

    answers = [run(rows)[0], run(rows, reference=snapshot(july))[0]]

    assert answers[0].id != answers[1].id


def test_the_reference_is_what_the_champion_was_trained_on(run, snapshot, january, flights_spec):
    rows = snapshot(january)
    _, operator = run(rows)
    payload = {"model": {"features": {"snapshots": [rows.to_dict()]}}, "evaluation": {}}
    operator.ledger.promote("flights", "1", expected_epoch=0, payload=payload, at=utc("2013-01-11"))

    error, _ = run(snapshot(january.rename_columns({"temp": "temperature"})))

    assert "column 'temp' is gone; 'temperature' is new: was it renamed?" in str(error)


def test_rows_that_the_champion_was_trained_on_are_judged_once(run, snapshot, january):
    rows = snapshot(january)
    first, operator = run(rows)
    payload = {"model": {"features": {"snapshots": [rows.to_dict()]}}, "evaluation": {}}
    operator.ledger.promote("flights", "1", expected_epoch=0, payload=payload, at=utc("2013-01-11"))

    again, _ = run(rows)

    assert again.id == first.id
    assert len(operator.ledger.events("flights", kind="validate")) == 1


def test_an_old_batch_with_new_times_is_stopped(run, snapshot, january):
    monday = snapshot(january)
    later = pc.add(january["scheduled"], pa.scalar(7 * 86_400_000_000, pa.duration("us")))
    tuesday = january.set_column(0, "scheduled", later.cast(pa.timestamp("us", "UTC")))
    run(monday)

    error, _ = run(snapshot(tuesday))

    assert f"the rows are those of snapshot {monday.id}, with other times" in str(error)


def test_the_summary_stays_small_however_much_fails(run, snapshot, january):
    texts = {name: pc.utf8_upper(january["dest"]) for name in january.column_names if name not in ("scheduled", "late")}
    broken = pa.table({"scheduled": january["scheduled"], **texts, "late": january["late"]})
    _, operator = run(snapshot(broken), reference=snapshot(january))

    summary = operator.ledger.events("flights", kind="validate")[0].payload["ref"]["summary"]
    assert summary["critical"] > 8
    assert len(json.dumps(summary)) < 4096


def test_the_page_needs_no_network(run, snapshot, far_away, artifacts):
    _, operator = run(snapshot(far_away))
    page = artifacts.read_bytes(operator.report_uri).decode()

    assert not any(word in page for word in ("<script", "<link", "<img", "http://", "https://", "@import"))


def test_a_snapshot_whose_bytes_changed_is_not_judged(run, snapshot, january, artifacts):
    rows = snapshot(january)
    artifacts.write_bytes(rows.table_uri, b"other bytes")

    with pytest.raises(ArtifactCorrupt, match="the file was changed or cut"):
        run(rows)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (None, "cannot be read: No such file"),
        ("expectations: [", "is not YAML"),
        ("name: x", "a list of expectations was expected"),
        ("expectations: [{type: expect_column_values_to_be_nul}]", "did you mean"),
        ("expectations: [{type: expect_my_own}]", "which Great Expectations does not have"),
        ("expectations: [{type: expect_column_values_to_not_be_null}]", "wrong arguments: column: field required"),
        (
            "expectations: [{type: expect_column_values_to_not_be_null, kwargs: {column: late}, severity: bad}]",
            "found 'bad', expected one of critical, warning, info",
        ),
    ],
    ids=["no file", "no YAML", "no list", "a typing error", "unknown", "a missing argument", "an unknown severity"],
)
def test_a_faulty_suite_is_a_faulty_spec(run, snapshot, january, flights_spec, tmp_path, text, sentence):
    if text is not None:
        (tmp_path / "flights.suite.yaml").write_text(text)
    spec = _with(flights_spec)
    spec._base_dir = tmp_path

    with pytest.raises(SpecError, match=sentence):
        run(snapshot(january), spec=spec)


def _with(spec, **sections):
    changed = spec.model_copy(update=sections)
    changed._base_dir = spec.base_dir
    return changed


# The look before


@pytest.fixture
def look(tmp_path, flights_spec, artifacts):
    """Ingest and judge the rows of some days at a moment, as a look does."""
    from airflow_mlops.operators.ingest import IngestOperator

    def _look(table, now, *, reference=None):
        source = tmp_path / "rows.parquet"
        pq.write_table(table, source)
        data = flights_spec.data.model_copy(
            update={"source": FileSource(kind="file", uri=str(source), format="parquet")}
        )
        spec = _with(flights_spec, data=data)
        given = {"spec": spec, "now": now, "artifacts_uri": str(tmp_path / "artifacts")}
        ingested = IngestOperator(task_id="ingest", window="9d", **given).execute({"run_id": now})
        judged = ValidateOperator(task_id="validate", snapshot=ingested, reference=reference, **given)
        try:
            return judged.execute({"run_id": now})["verdict"], ingested
        except DataCheckFailed as error:
            return str(error), ingested

    return _look


def test_a_source_that_fell_silent_stops_the_next_look(look, january):
    first, rows = look(january, "2013-01-10T05:00:00+00:00")
    silent, _ = look(
        january.filter(pc.field("scheduled") < utc("2013-01-10T05:00:00")),
        "2013-01-12T05:00:00+00:00",
        reference=[rows],
    )

    assert first in ("passed", "warning")
    assert "no row is newer than at the look 2d before: the newest 'scheduled' is 2013-01-10 0" in silent


# Where the suite runs


def _in(engine, spec):
    return _with(spec, validate_=spec.validate_.model_copy(update={"engine": engine}))


def test_duckdb_judges_and_quarantines_as_pandas_does(run, snapshot, far_away, artifacts, flights_spec):
    kept, said = [], []
    for engine in ("pandas", "duckdb"):
        error, operator = run(snapshot(far_away), spec=_in(engine, flights_spec), run_id=engine)
        event = operator.ledger.events("flights", kind="validate")[-1]
        report = artifacts.read_json(f"{event.payload['ref']['uri']}/report.json")
        kept.append(artifacts.read_table(event.payload["quarantine"]).to_pylist())
        said.append([{**item, "engine": None} for item in report["expectations"]])
        assert "90 of" in str(error)
        assert {item["engine"] for item in report["expectations"]} == {engine}

    assert kept[0] == kept[1]
    assert said[0] == said[1]


@pytest.mark.parametrize("engine", ["pandas", "duckdb", None])
def test_the_quarantine_of_a_sample_holds_rows_outside_it_too(run, snapshot, january, artifacts, flights_spec, engine):
    codes = np.arange(january.num_rows) % 50 == 7
    broken = january.set_column(
        january.column_names.index("temp"), "temp", pc.if_else(pa.array(codes), -9999.0, january["temp"])
    )
    few = flights_spec.validate_.model_copy(update={"check_rows": 1_000})
    spec = _with(flights_spec, validate_=few)
    spec = _in(engine, spec) if engine else _with(spec, validate_=few.model_copy(update={"suite": None}))

    _, operator = run(snapshot(broken), spec=spec, reference=snapshot(january))

    kept = artifacts.read_table(operator.ledger.events("flights", kind="validate")[0].payload["quarantine"])
    assert kept.filter(pc.match_substring(kept["_reason"], "temp: no code")).num_rows == codes.sum()


def test_the_source_engine_wants_a_database(run, snapshot, january, flights_spec):
    with pytest.raises(SpecError, match=r"validate\.engine is source, but data\.source is a "):
        run(snapshot(january), spec=_in("source", flights_spec))
