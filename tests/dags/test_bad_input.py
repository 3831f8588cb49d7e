"""Bad input gives one sentence with facts and a way out; the champion stays, and a retry leaves no duplicates."""

from __future__ import annotations

import socket

import pytest

from airflow_mlops.errors import (
    ArtifactCorrupt,
    EmptyWindow,
    MissingColumns,
    Permanent,
    SpecError,
    TrackingUnavailable,
    Transient,
)
from airflow_mlops.spec import ModelSpec
from tests.chain import STAGES, Chain, ten_days
from tests.conftest import ROOT


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """A model that was trained and serves; `chain` hands out copies of it."""
    chain = Chain(tmp_path_factory.mktemp("served") / "home")
    with pytest.MonkeyPatch.context() as patch:
        for name, value in chain.environment.items():
            patch.setenv(name, value)
        chain.folder.mkdir()
        chain.run_all()
    return chain


@pytest.fixture
def chain(tmp_path, monkeypatch):
    """A model of which nothing exists yet."""
    fresh = Chain(tmp_path)
    for name, value in fresh.environment.items():
        monkeypatch.setenv(name, value)
    return fresh


def changed(**sections) -> ModelSpec:
    spec = ten_days()
    plain = spec.model_dump(mode="json", by_alias=True)
    for name, values in sections.items():
        plain[name].update(values)
    new = ModelSpec.model_validate(plain)
    new._base_dir = spec.base_dir
    return new


def champion(served):
    return served.ledger.state("flights").champion


def is_one_sentence(error: Exception) -> bool:
    return "\n" not in str(error) and str(error).endswith(".") and len(str(error)) < 1000


# The spec


def test_an_unknown_key_stops_before_anything_is_read(chain, tmp_path):
    path = tmp_path / "flights.yaml"
    path.write_text((ROOT / "dags" / "specs" / "flights.yaml").read_text().replace("holdout:", "holdot:"))

    with pytest.raises(
        SpecError, match=r"flights\.yaml:\d+:3: error: evaluate\.holdot: unknown key; did you mean 'holdout'"
    ):
        chain.run("ingest", spec=str(path))
    assert not (tmp_path / "artifacts").exists()


# The rows


def test_a_missing_column_names_it_and_those_that_are_there(served, chain):
    before = champion(served)
    spec = changed(features={"columns": ["carrier", "origin", "wind"], "derive": {}})

    with pytest.raises(MissingColumns, match=r"no column 'wind'; it has .*'wind_speed'") as caught:
        chain.run("ingest", spec=spec)

    assert isinstance(caught.value, Permanent)
    assert is_one_sentence(caught.value)
    assert not list(chain.folder.rglob("*.parquet"))
    assert champion(served) == before


def test_an_empty_window_says_when_there_are_rows(chain):
    with pytest.raises(EmptyWindow, match=r"no row between 2011-12-22.* and 2012-01-01") as caught:
        chain.run("ingest", now="2012-01-01T00:00:00+00:00")

    assert isinstance(caught.value, Permanent)
    assert is_one_sentence(caught.value)
    assert not list(chain.folder.rglob("*.parquet"))


def test_a_cut_parquet_file_of_the_source_is_named(chain, tmp_path, january):
    import pyarrow.parquet as pq

    source = tmp_path / "flights.parquet"
    pq.write_table(january, source)
    whole = source.read_bytes()
    source.write_bytes(whole[: len(whole) // 2])
    spec = changed(data={"source": {"kind": "file", "format": "parquet", "uri": str(source)}})

    with pytest.raises(Permanent, match=r"flights\.parquet") as caught:
        chain.run("ingest", spec=spec)
    assert is_one_sentence(caught.value)

    source.write_bytes(whole)
    assert chain.run("ingest", spec=spec)["rows"] == january.num_rows


def test_a_damaged_snapshot_is_noticed_and_can_be_restored(chain):
    snapshot = chain.run("ingest")
    file = next(chain.folder.rglob("data.parquet"))
    whole = file.read_bytes()
    file.write_bytes(whole[:-100])

    with pytest.raises(
        ArtifactCorrupt, match=r"data\.parquet holds \d+ bytes with digest \w+, but \w+ was written"
    ) as caught:
        chain.run("validate")
    assert is_one_sentence(caught.value)

    file.write_bytes(whole)
    assert chain.run("validate")["verdict"] in ("passed", "warning")
    assert chain.run("ingest")["id"] == snapshot["id"]


# MLflow


@pytest.fixture
def nobody_listens(monkeypatch):
    """An MLflow connection to a port that nobody listens on."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    monkeypatch.setenv("AIRFLOW_CONN_AWAY", f'{{"conn_type": "mlflow", "host": "http://127.0.0.1:{port}"}}')
    return "away"


def test_an_unreachable_mlflow_is_retried_and_leaves_no_duplicate(chain, nobody_listens):
    for stage in STAGES:
        if stage in ("evaluate", "register", "deploy"):
            with pytest.raises(TrackingUnavailable, match="MLflow") as caught:
                chain.run(stage, mlflow_conn_id=nobody_listens)
            assert isinstance(caught.value, Transient)
            assert is_one_sentence(caught.value)
            assert champion(chain) is None
        chain.run(stage)

    assert champion(chain).version == "1"
    assert len(chain.ledger.events("flights", kind="promotion")) == 1
    assert list(chain.ledger.state("flights").versions) == ["1"]


# In a DAG


def test_a_failed_run_names_the_failing_task_and_leaves_the_champion(served, airflow_db, monkeypatch):
    from airflow_mlops.dag_factory import retrain_dag

    monkeypatch.setenv("AIRFLOW__MLOPS__ARTIFACTS_URI", str(served.folder / "artifacts"))
    before = champion(served)

    run = retrain_dag(served.spec).test(logical_date=None, run_conf={"now": "2012-01-01T00:00:00+00:00"})

    states = {ti.task_id: str(ti.state) for ti in run.get_task_instances()}
    assert (str(run.state), states.pop("request"), states["ingest"]) == ("failed", "success", "failed")
    assert set(states.values()) == {"failed", "upstream_failed"}
    assert champion(served) == before
