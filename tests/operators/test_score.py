"""Scoring a batch: a table that names version and snapshot in each row, made once."""

from __future__ import annotations

from datetime import datetime

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LinearRegression, LogisticRegression

from airflow_mlops.artifacts import ArtifactStore, digest_bytes
from airflow_mlops.errors import ArtifactCorrupt, MissingColumns, NoChampion
from airflow_mlops.ledger import Ledger
from airflow_mlops.operators.score import ScoreOperator
from airflow_mlops.refs import ModelRef, ScoresRef, SnapshotRef
from airflow_mlops.spec import ModelSpec
from airflow_mlops.stages.model_file import dump_model, model_uri
from airflow_mlops.stages.score import score

NOW = datetime.fromisoformat("2024-03-01T00:00:00+00:00")


def spec_of(task="binary", **data) -> ModelSpec:
    return ModelSpec.model_validate(
        {
            "name": "shop",
            "owner": "us",
            "task": task,
            "data": {
                "source": {"kind": "callable", "path": "a.b"},
                "time": "at",
                "key": ["order"],
                "target": "back",
                **data,
            },
            "ingest": {"window": "60d"},
            "features": {"columns": ["price", "weight"]},
            "train": {"estimator": "linear"},
        }
    )


@pytest.fixture(scope="module")
def orders():
    """Forty orders; whether the goods came back depends on the price."""
    values = np.random.default_rng(7).normal(size=(40, 2))
    return pd.DataFrame(
        {
            "order": [f"o{number}" for number in range(40)],
            "at": pd.date_range("2024-02-01", periods=40, freq="6h", tz="UTC"),
            "price": values[:, 0],
            "weight": values[:, 1],
            "customer": "somebody",
            "back": (values[:, 0] > 0).astype(int),
        }
    )


@pytest.fixture(scope="module")
def model(orders):
    return LogisticRegression().fit(orders[["price", "weight"]], orders["back"])


@pytest.fixture
def shop(tmp_path, orders, model):
    """A store with a snapshot and a champion."""
    store = ArtifactStore.local(tmp_path / "artifacts")
    payload, serialization = dump_model(model)
    ref = ModelRef(
        "m1", store.uri("shop", "models", "m1"), digest_bytes(payload), serialization, "LogisticRegression", 40, {},
        version="1",
    )  # fmt: skip
    store.write_bytes(model_uri(ref), payload)
    ledger = Ledger(f"sqlite:///{tmp_path / 'artifacts' / 'ledger.db'}")
    ledger.promote("shop", "1", expected_epoch=0, payload={"model": ref.to_dict()}, at=NOW)
    import pyarrow as pa

    folder = store.uri("shop", "snapshots", "s1")
    digest = store.write_table(f"{folder}/data.parquet", pa.Table.from_pandas(orders, preserve_index=False))
    snapshot = SnapshotRef("s1", folder, digest, 40, 6, "2024-02-01", "2024-02-11")

    def run(run_id="score__1", *, spec=None, snapshot=snapshot):
        operator = ScoreOperator(
            task_id="score", spec=spec or spec_of(), snapshot=snapshot.to_dict(), now=NOW.isoformat(),
            artifacts_uri=str(tmp_path / "artifacts"),
        )  # fmt: skip
        return ScoresRef.from_dict(operator.execute({"run_id": run_id}))

    run.store, run.ledger, run.model_uri, run.snapshot = store, ledger, model_uri(ref), snapshot
    return run


def test_each_row_names_its_key_its_time_its_version_and_its_snapshot(shop, orders, model):
    ref = shop()

    table = shop.store.read_frame(ref.table_uri, digest=ref.digest)
    assert list(table.columns) == [
        "order", "at", "prediction", "probability_0", "probability_1", "version", "snapshot",
    ]  # fmt: skip
    assert table["order"].tolist() == orders["order"].tolist()
    assert (set(table["version"]), set(table["snapshot"])) == ({"1"}, {"s1"})
    np.testing.assert_allclose(table["probability_1"], model.predict_proba(orders[["price", "weight"]])[:, 1])
    assert table["prediction"].tolist() == model.predict(orders[["price", "weight"]]).tolist()
    assert (ref.rows, ref.version, ref.snapshot) == (40, "1", "s1")


def test_one_folder_holds_the_scores_of_one_version_and_snapshot(shop):
    ref = shop()

    assert ref.uri == shop.store.uri("shop", "scores", "1-s1")
    assert shop.store.manifest(ref.uri)["model"] == "m1"


def test_duckdb_reads_all_folders_as_one_table(shop):
    import duckdb

    shop()
    everything = shop.store.path(shop.store.uri("shop", "scores", "*", "data.parquet"))

    [found] = duckdb.sql(f"SELECT version, snapshot, count(*) FROM '{everything}' GROUP BY ALL").fetchall()

    assert found == ("1", "s1", 40)


def test_a_second_run_writes_nothing_and_records_nothing(shop):
    first = shop("score__1")
    written = shop.store.fs.modified(shop.store.path(first.table_uri))

    second = shop("score__2")

    assert second.same_as == "score__1"
    assert (second.digest, second.uri) == (first.digest, first.uri)
    assert shop.store.fs.modified(shop.store.path(first.table_uri)) == written
    [event] = shop.ledger.events("shop", kind="score")
    assert (event.key, event.run, event.payload["rows"]) == ("1:s1", "score__1", 40)


def test_the_next_version_scores_the_same_rows_again(shop):
    shop("score__1")
    state = shop.ledger.state("shop")
    shop.ledger.promote("shop", "2", expected_epoch=1, payload={"model": state.champion.payload["model"]}, at=NOW)

    ref = shop("score__2")

    assert ref.uri.endswith("/scores/2-s1")
    assert [event.key for event in shop.ledger.events("shop", kind="score")] == ["1:s1", "2:s1"]


def test_a_table_that_somebody_removed_is_made_again(shop):
    first = shop("score__1")
    shop.store.delete(first.table_uri)

    assert shop("score__2").digest == first.digest
    assert shop.store.exists(first.table_uri)


def test_sensitive_columns_are_never_written(shop):
    ref = shop(spec=spec_of(key=["order", "customer"], sensitive=["customer", "price"]))

    assert list(shop.store.read_frame(ref.table_uri).columns) == [
        "order", "at", "prediction", "probability_0", "probability_1", "version", "snapshot",
    ]  # fmt: skip


def test_without_a_champion_it_says_what_to_run_first(shop, tmp_path):
    (tmp_path / "artifacts" / "ledger.db").unlink()

    with pytest.raises(
        NoChampion, match=r"^shop has no champion that could score snapshot s1 of 40 rows; run shop_retrain first"
    ):
        shop()


def test_changed_bytes_are_never_loaded(shop):
    shop.store.write_bytes(shop.model_uri, b"something else")

    with pytest.raises(ArtifactCorrupt, match="holds 14 bytes with digest"):
        shop()
    assert not shop.store.exists(shop.store.uri("shop", "scores"))


def test_a_missing_column_is_named(shop, orders, model):
    with pytest.raises(MissingColumns, match=r"snapshot s9 has no column 'weight'"):
        score(orders.drop(columns="weight"), model, spec_of(), version="1", snapshot="s9")


def test_a_regression_has_its_number_and_no_probability(orders):
    fitted = LinearRegression().fit(orders[["price", "weight"]], orders["back"])

    table = score(orders, fitted, spec_of("regression"), version="3", snapshot="s1").to_pandas()

    assert list(table.columns) == ["order", "at", "prediction", "version", "snapshot"]
    np.testing.assert_allclose(table["prediction"], fitted.predict(orders[["price", "weight"]]))
