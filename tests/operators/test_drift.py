"""The drift task: which snapshots and model it takes, what it stores, and its second run."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
import pytest
from airflow.sdk.exceptions import AirflowSkipException
from scipy.spatial.distance import jensenshannon

from airflow_mlops.artifacts import digest_bytes, encode_table
from airflow_mlops.errors import ArtifactCorrupt, MissingColumns
from airflow_mlops.hooks.ledger import LedgerHook
from airflow_mlops.operators.drift import DriftOperator
from airflow_mlops.refs import ModelRef, ReportRef, SnapshotRef

NOW = "2013-07-06T04:00:00+00:00"


def snapshot(store, table, name):
    """Store a table as ingest does; return its reference."""
    folder = store.uri("flights", "snapshots", name)
    digest = store.write_bytes(f"{folder}/data.parquet", encode_table(table))
    store.complete(folder, {"id": name, "digest": digest})
    return SnapshotRef(name, folder, digest, table.num_rows, table.num_columns, "2013-01-01", "2013-02-01")


@pytest.fixture
def flights_spec(flights_spec):
    """Without the classifier, which one test asks for: it takes longer than all the rest."""
    return with_drift(flights_spec, multivariate=False)


def with_drift(spec, **changes):
    return spec.model_copy(update={"drift": spec.drift.model_copy(update=changes)})


@pytest.fixture
def winter(store, january):
    return snapshot(store, january, "winter")


@pytest.fixture
def summer(store, july):
    return snapshot(store, july, "summer")


@pytest.fixture
def ledger(store, airflow_db):
    return LedgerHook(artifacts_uri=store.root).ledger


@pytest.fixture
def run(store, flights_spec, airflow_db):
    """Run the task; return its reference as the next task reads it."""

    def _run(run_id="manual__1", spec=flights_spec, params=None, **arguments):
        operator = DriftOperator(task_id="drift", spec=spec, now=NOW, artifacts_uri=store.root, **arguments)
        return ReportRef.from_dict(operator.execute({"run_id": run_id, "params": params or {}}))

    return _run


@pytest.fixture(scope="module")
def fitted(january):
    """A small model of the flights, as bytes."""
    from sklearn.compose import make_column_transformer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    from airflow_mlops.stages.model_file import dump_model

    rows = january.to_pandas().dropna(subset=["late", "temp", "humid"])
    numbers = make_column_transformer((StandardScaler(), ["temp", "humid"]))
    return dump_model(make_pipeline(numbers, LogisticRegression()).fit(rows, rows["late"]))


@pytest.fixture
def model(store, fitted, winter, january):
    """The fitted model in the store, trained on the winter snapshot, with held-out rows."""
    from airflow_mlops.stages.model_file import model_uri

    payload, serialization = fitted
    folder, features = store.uri("flights", "models", "m1"), store.uri("flights", "features", "f1")
    ref = ModelRef(
        "m1", folder, digest_bytes(payload), serialization, "LogisticRegression", 100,
        {"uri": features, "snapshots": [winter.to_dict()]}, version="1",
    )  # fmt: skip
    store.write_bytes(model_uri(ref), payload)
    held_out = store.write_bytes(f"{features}/holdout.parquet", encode_table(complete(january).slice(0, 900)))
    store.complete(features, {"holdout": held_out})
    return ref


def complete(table):
    """Leave out rows whose weather is unknown: this small model takes no gaps."""
    return pa.Table.from_pandas(table.to_pandas().dropna(subset=["temp", "humid"]), preserve_index=False)


def test_the_report_is_stored_as_json_and_html(run, store, winter, summer):
    ref = run(current=summer.to_dict(), reference=[winter.to_dict()])

    report = store.read_json(f"{ref.uri}/report.json")
    assert ref.uri == store.uri("flights", "reports", "drift", ref.id)
    assert (ref.verdict, report["verdict"]) == ("drifted", "drifted")
    assert {column["column"] for column in report["columns"]} >= {"temp", "carrier", "visib"}
    assert "flights: drifted" in store.read_bytes(ref.html_uri).decode()
    assert store.manifest(ref.uri)["id"] == ref.id
    json.dumps(ref.to_dict(), allow_nan=False)


def test_a_drifted_window_does_not_fail_the_task_and_is_on_record(run, ledger, winter, summer):
    ref = run(current=summer, reference=[winter])

    [event] = ledger.events("flights", kind="drift")
    assert (event.key, event.payload["verdict"], event.payload["summary"]["worst"]) == (
        ref.id, "drifted", ref.summary["worst"],
    )  # fmt: skip
    assert event.at == datetime.fromisoformat(NOW).astimezone(UTC)


def test_one_line_says_verdict_and_farthest_columns(run, winter, summer, capfd, caplog):
    caplog.set_level("INFO")
    run(current=summer, reference=[winter])

    log = capfd.readouterr().out
    assert "drifted: 11 of 16 columns drifted; farthest: precip 19.8 (wasserstein), dewp 6.82 (wasserstein)" in log
    assert "prediction drift skipped: no model is given and there is no champion" in caplog.text


def test_a_second_run_does_nothing_and_gives_the_same(run, store, ledger, winter, summer, capfd, monkeypatch):
    first = run(current=summer, reference=[winter])
    monkeypatch.setattr("airflow_mlops.operators.drift.DriftOperator._make", None)

    second = run("manual__2", current=summer, reference=[winter])

    assert second == first
    assert f"skipped: same as run manual__1 (report {first.id})" in capfd.readouterr().out
    assert [event.run for event in ledger.events("flights", kind="drift")] == ["manual__1"]


def test_a_task_killed_before_it_recorded_is_recorded_by_the_retry(run, ledger, winter, summer, monkeypatch):
    with monkeypatch.context() as killed:
        killed.setattr(DriftOperator, "record", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            run(current=summer, reference=[winter])
    assert ledger.events("flights", kind="drift") == []

    ref = run(current=summer, reference=[winter])

    assert [event.key for event in ledger.events("flights", kind="drift")] == [ref.id]


def test_the_reference_is_what_the_champion_was_trained_on(run, ledger, winter, summer, model, store, july):
    at = datetime(2013, 3, 1, tzinfo=UTC)
    ledger.promote("flights", "1", expected_epoch=0, payload={"model": model.to_dict()}, at=at)
    now = snapshot(store, complete(july), "now")

    report = store.read_json(f"{run(current=now).uri}/report.json")

    assert report["reference_rows"] == winter.rows
    assert report["prediction"]["reference_rows"] == 900


def test_without_champion_and_reference_it_is_skipped_and_says_what_to_do(run, summer):
    with pytest.raises(
        AirflowSkipException, match=r"flights has no champion .* Run its retrain DAG first, or give this task"
    ):
        run(current=summer)


def test_predictions_of_a_given_model_are_compared(run, store, model, winter, july):
    now = snapshot(store, complete(july), "now")

    ref = run(current=now, reference=[winter], model=model.to_dict())

    prediction = store.read_json(f"{ref.uri}/report.json")["prediction"]
    assert (prediction["method"], prediction["current_rows"]) == ("ks", now.rows)
    assert ref.summary["prediction_drifted"] is True


def test_a_model_that_is_gone_costs_only_its_predictions(run, store, winter, summer, model, caplog):
    store.delete(model.uri)

    ref = run(current=summer, reference=[winter], model=model)

    assert ref.summary["prediction"] is None
    assert "prediction drift skipped: model m1 is not in the artifact store" in caplog.text


def test_several_snapshots_are_one_reference(run, store, winter, summer, january):
    half = january.num_rows // 2
    halves = [snapshot(store, part, name) for name, part in (("a", january[:half]), ("b", january[half:]))]

    parted = run(current=summer, reference=halves)
    whole = run(current=summer, reference=[winter])

    assert parted.id != whole.id
    assert parted.summary == whole.summary


def test_a_spec_changed_in_its_drift_section_gives_another_report(run, flights_spec, winter, summer):
    stricter = with_drift(flights_spec, share=1.0)

    loose, strict = run(current=summer, reference=[winter]), run(spec=stricter, current=summer, reference=[winter])

    assert loose.id != strict.id
    assert (loose.verdict, strict.verdict) == ("drifted", "stable")


def test_sensitive_columns_are_in_no_file_of_the_report(run, store, flights_spec, winter, summer):
    data = flights_spec.data.model_copy(update={"sensitive": ["carrier"]})

    ref = run(spec=flights_spec.model_copy(update={"data": data}), current=summer, reference=[winter])

    assert "carrier" not in {c["column"] for c in store.read_json(f"{ref.uri}/report.json")["columns"]}
    assert '"UA"' not in store.read_bytes(ref.html_uri).decode()


def test_a_snapshot_that_was_changed_is_refused(run, store, winter, summer):
    store.write_bytes(summer.table_uri, b"something else")

    with pytest.raises(ArtifactCorrupt, match="the file was changed or cut"):
        run(current=summer, reference=[winter])


def test_a_snapshot_without_a_feature_column_is_named(run, store, winter, july):
    narrow = snapshot(store, july.drop_columns(["temp"]), "narrow")

    with pytest.raises(MissingColumns, match="snapshot narrow has no column 'temp'"):
        run(current=narrow, reference=[winter])


def test_without_evidently_there_are_scores_and_no_page(run, store, winter, summer, monkeypatch, capfd):
    monkeypatch.setitem(sys.modules, "evidently", None)

    ref = run(current=summer, reference=[winter])

    assert (ref.verdict, ref.html_uri) == ("drifted", None)
    assert store.read_json(f"{ref.uri}/report.json")["verdict"] == "drifted"
    assert "the page of the drift report was not drawn: MissingExtra" in capfd.readouterr().out


def test_rows_that_did_not_move_are_drawn_only_where_someone_asks(run, store, winter):
    quiet = run(current=winter, reference=[winter])
    asked = run("manual__2", params={"report": True}, current=winter, reference=[winter])

    assert (quiet.verdict, quiet.html_uri) == ("stable", None)
    assert (asked.id, asked.verdict, asked.summary) == (quiet.id, quiet.verdict, quiet.summary)
    assert store.exists(asked.html_uri)


def test_a_report_on_all_rows_says_on_how_many_its_effects_are(run, store, flights_spec, winter, summer):
    bounded = with_drift(flights_spec, sample_rows=1000, report="never")

    ref = run(spec=bounded, current=summer, reference=[winter])

    report = store.read_json(f"{ref.uri}/report.json")
    [temp] = [column for column in report["columns"] if column["column"] == "temp"]
    assert (report["reference_rows"], report["current_rows"], report["sample_rows"]) == (8832, 4453, [1000, 1000])
    assert (temp["reference_rows"], temp["effect"]["reference_rows"]) == (8780, 996)
    assert temp["effect"]["low"] < temp["effect"]["value"] <= temp["effect"]["high"]
    assert ref.html_uri is None


def test_labels_and_all_columns_together_are_compared_beside_the_verdict(run, store, flights_spec, winter, summer):
    asked = with_drift(flights_spec, multivariate=True, report="never")

    report = store.read_json(f"{run(spec=asked, current=summer, reference=[winter]).uri}/report.json")

    assert (report["label"]["column"], report["label"]["method"]) == ("late", "jensenshannon")
    assert report["domain"]["low"] > 0.9
    assert report["domain"]["columns"] == [each["column"] for each in report["columns"]]
    assert report["compared_columns"] == 16


def test_a_column_of_many_categories_is_counted_in_the_rows(run, store, flights_spec, january):
    rng, rows = np.random.default_rng(1), pa.concat_tables([january, january])
    tails = [rng.integers(first, first + 4500, rows.num_rows) for first in (0, 99)]
    then, later = (
        snapshot(store, rows.append_column("tail", pa.array([f"N{each}" for each in side])), name)
        for side, name in zip(tails, ("then", "later"), strict=True)
    )
    tail_only = with_drift(flights_spec, columns=["tail"], report="never")

    ref = run(spec=tail_only, current=later, reference=[then])

    [tail] = store.read_json(f"{ref.uri}/report.json")["columns"]
    exact = jensenshannon(*(np.bincount(side, minlength=4600) for side in tails))
    assert (tail["method"], tail["is_exact"], tail["score"]) == ("jensenshannon", True, pytest.approx(exact))
