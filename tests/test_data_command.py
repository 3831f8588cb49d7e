"""Snapshots are listed with those who use them, looked into, and set side by side; what is sensitive stays out."""

from __future__ import annotations

import json
import sqlite3
from datetime import UTC, datetime

import pytest

from airflow_mlops.artifacts import ArtifactStore
from airflow_mlops.cli import main
from airflow_mlops.ledger import Ledger
from airflow_mlops.lifecycle.catalog import Catalog
from airflow_mlops.lifecycle.storing import store_rows
from airflow_mlops.refs import SnapshotRef
from airflow_mlops.spec import load_spec
from airflow_mlops.spec.record import spec_record
from airflow_mlops.stages.ingest import Wanted
from airflow_mlops.stages.profile import Profile
from tests.conftest import ROOT, utc

NAME = "flights"
WINTER, SUMMER = utc("2013-01-11T05:00:00"), utc("2013-07-06T04:00:00")


def stored(store, table, end):
    """Store rows as *ingest* does."""
    wanted = Wanted("scheduled", ("flight",), (), datetime(2013, 1, 1, tzinfo=UTC), end)
    place = store.uri(NAME, "snapshots")
    found = store_rows(store, place, table.to_reader(), wanted, section="s", version="v1")
    facts = {name: found[name] for name in ("id", "digest", "rows", "start", "end", "source_version")}
    return SnapshotRef(uri=f"{place}/{found['id']}", columns=len(found["schema"]), **facts)


@pytest.fixture(scope="module")
def life(tmp_path_factory, january, july):
    """Two snapshots: the first trained versions 1, which served, and 2, which serves; a look was at the second."""
    folder = tmp_path_factory.mktemp("life")
    store, ledger = ArtifactStore.local(folder / "artifacts"), Ledger(f"sqlite:///{folder / 'ledger.db'}")
    winter, summer = stored(store, january, WINTER), stored(store, july.drop_columns(["visib"]), SUMMER)
    spec = load_spec(ROOT / "dags" / "specs" / "flights.yaml")
    hidden = spec.model_copy(update={"data": spec.data.model_copy(update={"sensitive": ["dest"]})})
    ledger.append(NAME, "ingest", winter.id, {"part": "rows", **winter.to_dict()}, at=WINTER)
    for version in ("1", "2"):
        model = {"id": f"m{version}", "uri": store.uri(NAME, "models", f"m{version}")}
        trained = {**model, "features": {"snapshots": [winter.to_dict()]}}
        store.complete(model["uri"], {"spec": spec_record(hidden)})
        ledger.append(NAME, "train", model["id"], trained, at=WINTER)
        ledger.append(NAME, "register", model["id"], {**trained, "version": version}, at=WINTER)
        ledger.promote(NAME, version, expected_epoch=int(version) - 1, payload={"model": trained}, at=WINTER)
    ledger.append(NAME, "ingest", summer.id, {"part": "rows", **summer.to_dict()}, at=SUMMER)
    ledger.append(NAME, "signals", "look", {"inputs": {"rows": summer.to_dict(), "labels": None}}, at=SUMMER)
    return store, ledger, winter, summer, folder


@pytest.fixture
def data(life, monkeypatch):
    """Run ``airflow-mlops data ACTION flights ...`` there."""
    store, *_, folder = life
    host = json.dumps({"conn_type": "mlops_ledger", "host": str(folder / "ledger.db")})
    monkeypatch.setenv("AIRFLOW_CONN_MLOPS_LEDGER", host)
    monkeypatch.setenv("COLUMNS", "140")

    def run(action, *arguments, model=NAME):
        return main(["data", action, model, *map(str, arguments), "--artifacts-uri", store.root])

    return run


def printed(capsys):
    """Read JSON past what Airflow says when it starts."""
    out = capsys.readouterr().out
    lines = out.splitlines()
    first = next(number for number, line in enumerate(lines) if line in ("[", "{", "[]"))
    return json.loads("\n".join(lines[first:]))


def test_the_newest_comes_first_with_those_who_use_it(data, life, capsys):
    _, _, winter, summer, _ = life

    assert data("list", "--json") == 0
    newest, oldest = printed(capsys)

    assert (newest["id"], newest["versions"], newest["looked_at"]) == (summer.id, [], SUMMER.isoformat())
    assert (oldest["id"], oldest["versions"], oldest["champion"]) == (winter.id, ["1", "2"], True)
    assert oldest["rollback"] == ["1"]
    assert oldest["source_version"] == "v1"
    assert oldest["stored"]
    assert oldest["bytes"] > 100_000


def test_the_list_is_a_table_of_the_newest(data, life, capsys):
    assert data("list", "--limit", "1") == 0
    out = capsys.readouterr().out

    assert f"{life[3].id} 2013-07-01" in out
    assert "look 2013-07-06 04:00" in out
    assert "1 earlier ones are left out (--limit)" in out


def test_what_was_known_then_is_all_that_is_listed(data, life, capsys):
    data("list", "--as-of", "2013-03-01", "--json")
    assert [each["id"] for each in printed(capsys)] == [life[2].id]

    data("list", "--from", "2013-02-01", "--json")
    assert [each["id"] for each in printed(capsys)] == [life[3].id]

    assert data("list", "--as-of", "2012-01-01") == 0
    assert "no snapshot of flights at 2012-01-01T00:00:00+00:00" in capsys.readouterr().out


def test_a_snapshot_whose_rows_are_gone_is_said_to_be(life, store, tmp_path):
    ledger = Ledger(f"sqlite:///{tmp_path / 'ledger.db'}")
    here = store.uri(NAME, "snapshots", life[2].id)
    ledger.append(NAME, "ingest", "a", {**life[2].to_dict(), "uri": here}, at=WINTER)
    store.complete(here, {})

    [found] = Catalog(NAME, store, ledger).entries()

    assert (found.is_stored, found.size) == (False, None)


@pytest.mark.parametrize(
    ("which", "found"),
    [(["newest"], 3), (["champion"], 2), (["as-of", "2013-03-01"], 2), (["as-of:2013-03-01"], 2)],
    ids=["newest", "champion", "as of a time", "in one word"],
)
def test_a_snapshot_is_found_in_a_persons_words(which, found, data, life, capsys):
    assert data("show", *which, "--json") == 0

    assert [each["id"] for each in printed(capsys)["snapshots"]] == [life[found].id]


def test_the_first_letters_of_an_id_are_enough(data, life, capsys):
    assert data("show", life[2].id[:8]) == 0
    out = capsys.readouterr().out

    assert "rows: 8,832 of 19 columns" in out
    assert "80 to 4,983, median 937" in out
    assert "sensitive, not shown" in out
    assert "ATL" not in out


def test_rows_and_files_leave_sensitive_columns_out(data, life, tmp_path, capsys):
    import pyarrow.parquet as pq

    file, whole = tmp_path / "rows.parquet", tmp_path / "whole.parquet"

    assert data("show", "newest", "--rows", "2", "--json") == 0
    rows = printed(capsys)
    assert len(rows) == 2
    assert "dest" not in rows[0]

    assert data("show", "newest", "--export", file) == 0
    assert "4,453 rows of 17 columns; 1 sensitive columns are left out" in capsys.readouterr().out
    assert data("show", "newest", "--export", whole, "--with-sensitive") == 0
    table = pq.read_table(file)
    assert (table.num_rows, "dest" in table.column_names) == (4453, False)
    assert pq.read_table(whole).column("dest").null_count == 0
    assert sorted(tmp_path.iterdir()) == [file, whole]

    assert data("show", "newest", "--export", file) == 2
    assert "is there already; use --force" in capsys.readouterr().err


def test_two_snapshots_are_set_side_by_side(data, life, capsys):
    assert data("diff", "champion", "newest", "--json") == 0
    found = printed(capsys)
    columns = {each["column"]: each for each in found["columns"]}

    assert found["rows"] == [8832, 4453]
    assert found["removed"] == {"visib": "double"}
    assert columns["temp"]["distance"]["exceeds_evidently_default"]
    assert columns["temp"]["after"]["quantiles"]["0.5"] > columns["temp"]["before"]["quantiles"]["0.5"] + 30
    assert columns["dest"]["new"] == columns["dest"]["gone"] == []
    assert "distance" not in columns["dest"]

    assert data("diff", "champion", "newest") == 0
    out = capsys.readouterr().out
    assert "gone: visib (double)" in out
    assert "of 18 columns moved by more than Evidently's default" in out


def test_the_distance_is_that_of_the_drift_report(data, january, july, capsys):
    from airflow_mlops.spec.data_sections import DriftSpec
    from airflow_mlops.stages.drift import drift
    from airflow_mlops.stages.profile import profile_table

    data("diff", "champion", "newest", "--json")
    found = {each["column"]: each for each in printed(capsys)["columns"]}

    report = drift(profile_table(january), profile_table(july), ["temp", "carrier"], DriftSpec())
    assert [found[each.column]["distance"]["score"] for each in report.columns] == [
        pytest.approx(each.score) for each in report.columns
    ]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["show", "nope1"], "flights had no snapshot 'nope1'; airflow-mlops data list flights names them."),
        (["show", "as-of", "2012-01-01"], "flights had no snapshot at 2012-01-01T00:00:00+00:00"),
        (["show", "as-of", "soon"], "'soon' is no time"),
        (["show", "newest", "champion"], "show takes one snapshot, not 2; data diff compares two."),
    ],
    ids=["no such id", "before the first", "no time", "two of them"],
)
def test_what_cannot_be_found_is_said_in_a_sentence(arguments, sentence, data, capsys):
    assert data(*arguments) == 2
    assert sentence in capsys.readouterr().err


def test_a_model_that_nobody_knows_is_named_with_those_known(data, capsys):
    assert data("list", model="nobody") == 2
    assert "the ledger knows no model 'nobody'; it knows flights" in capsys.readouterr().err


def test_without_any_spec_nothing_is_shown(data, life, capsys):
    life[1].append("other", "ingest", "a", {**life[2].to_dict()}, at=WINTER)

    assert data("show", "newest", model="other") == 2
    assert "no spec was kept with a model of other" in capsys.readouterr().err


def test_the_page_is_written_beside_the_profile(data, life, tmp_path, capsys):
    assert data("show", "champion", "--html", tmp_path / "page.html") == 0
    page = (tmp_path / "page.html").read_text()

    assert "flights: profile" in page
    assert life[0].exists(f"{life[2].uri}/profile.json")


# The rows of a source


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory, january):
    """A spec whose rows are in a SQLite file."""
    folder = tmp_path_factory.mktemp("warehouse")
    frame = january.select(["scheduled", "flight", "origin", "temp", "late"]).to_pandas()
    frame["scheduled"] = frame["scheduled"].dt.strftime("%Y-%m-%d %H:%M:%S")
    with sqlite3.connect(folder / "rows.db") as database:
        frame.to_sql("flights", database, index=False)
    (folder / "rows.csv").write_text(frame.to_csv(index=False))
    return folder


def profile(folder, monkeypatch, *arguments, source="{kind: sql, conn_id: rows, query: SELECT * FROM flights}"):
    """Run ``airflow-mlops data profile`` on the three days before 4 January."""
    host = {"conn_type": "sqlite", "host": str(folder / "rows.db")}
    monkeypatch.setenv("AIRFLOW_CONN_ROWS", json.dumps(host))
    monkeypatch.setenv("COLUMNS", "140")
    spec = folder / "delays.yaml"
    spec.write_text(
        f"name: delays\nowner: me\ntask: binary\ndata: {{source: {source}, time: scheduled, key: [flight, scheduled], "
        "target: late, sensitive: [origin]}\ningest: {window: 3d}\nfeatures: {columns: [temp]}\n"
        "train: {estimator: logistic}\nevaluate: {holdout: 1d, gate: {block: 1h}}\n"
        "retrain: {now: 2013-01-04T00:00:00Z}\n"
    )
    return main(["data", "profile", str(spec), *map(str, arguments)])


def test_a_source_is_profiled_in_its_database_and_by_streaming_alike(warehouse, monkeypatch, capsys):
    assert profile(warehouse, monkeypatch, "--json") == 0
    there = printed(capsys)
    assert (
        profile(warehouse, monkeypatch, "--json", source=f"{{kind: file, format: csv, uri: {warehouse / 'rows.csv'}}}")
        == 0
    )
    here = printed(capsys)

    assert there["rows"] == here["rows"] > 1000
    assert there["columns"]["origin"] == {"type": "string", "rows": there["rows"], "nulls": 0}
    for name in ("flight", "temp", "late"):
        one, other = there["columns"][name], here["columns"][name]
        assert one.pop("quantiles", {}) == pytest.approx(other.pop("quantiles", {}))
        assert one == pytest.approx(other)


def test_profiles_of_days_that_were_written_merge_to_that_of_all(warehouse, monkeypatch, tmp_path, capsys):
    files = [tmp_path / f"{day}.json" for day in (4, 7)]
    for file, day in zip(files, (4, 7), strict=True):
        assert profile(warehouse, monkeypatch, "--now", f"2013-01-0{day}", "--output", file) == 0
    one, other = (Profile.from_dict(json.loads(file.read_text())) for file in files)
    both = one.merge(other)

    with sqlite3.connect(warehouse / "rows.db") as database:
        [(rows, mean)] = database.execute("SELECT COUNT(*), AVG(temp) FROM flights WHERE scheduled < '2013-01-07'")
    assert both.rows == rows
    assert both.columns["temp"].mean == pytest.approx(mean)
    assert both.columns["origin"].is_sensitive
    assert profile(warehouse, monkeypatch, "--output", files[0]) == 2
    assert "is there already; use --force" in capsys.readouterr().err


def test_a_window_without_rows_has_no_profile(warehouse, monkeypatch, capsys):
    assert profile(warehouse, monkeypatch, "--now", "2012-01-01") == 2
    assert "no row between 2011-12-29T00:00:00+00:00 and 2012-01-01T00:00:00+00:00" in capsys.readouterr().err


def test_the_table_of_a_source_says_where_it_was_made(warehouse, monkeypatch, capsys):
    assert profile(warehouse, monkeypatch) == 0
    out = capsys.readouterr().out

    assert "counted in their database" in out
    assert "sensitive, not shown" in out
