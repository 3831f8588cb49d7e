"""Facts of a large snapshot say what those of all its rows say, and cost the memory of a sample."""

import pyarrow.compute as pc
import pytest

from airflow_mlops.lifecycle.facts import facts_at, look_at
from airflow_mlops.refs import SnapshotRef
from airflow_mlops.stages.validate import facts_of, validate


@pytest.fixture
def stored(store, january):
    def write(table, name="s"):
        uri = store.uri("flights", "snapshots", name)
        digest = store.write_table(f"{uri}/data.parquet", table)
        return SnapshotRef(name, uri, digest, table.num_rows, table.num_columns, "", "")

    return write


@pytest.fixture
def bounded(flights_spec):
    return flights_spec.model_copy(
        update={"validate_": flights_spec.validate_.model_copy(update={"check_rows": 5_000, "suite": None})}
    )


def test_facts_of_a_sample_agree_with_those_of_all_rows(store, stored, january, bounded):
    table, facts = look_at(store, stored(january), bounded)
    whole = facts_of(january, bounded)
    assert facts["every"] == -(-january.num_rows // 5_000)
    assert table.num_rows <= 5_200
    for name in ("start", "end", "windows", "silence_s", "sketch", "repeats"):
        assert facts[name] == whole[name]
    assert facts["duplicates"] == pytest.approx(whole["duplicates"], abs=1e-9)
    for name, column in whole["columns"].items():
        other = facts["columns"][name]
        assert other["nulls"] / facts["rows"] == pytest.approx(column["nulls"] / whole["rows"], abs=1e-3)
        if "min" in column:
            assert (other["min"], other["max"]) == (column["min"], column["max"])
        if column.get("distinct", 501) <= 500:
            assert set(other["values"]) == set(column["values"])


def test_rows_are_looked_at_once_and_a_changed_setting_looks_again(store, stored, january, bounded):
    snapshot = stored(january)
    first = facts_at(store, [snapshot], bounded)
    store.delete(snapshot.table_uri)
    assert facts_at(store, [snapshot], bounded) == first
    assert facts_at(store, [snapshot], bounded)["every"] > 1


def test_several_snapshots_are_described_as_one(store, stored, january, bounded):
    halves = [stored(january.slice(0, 12_000), "a"), stored(january.slice(12_000), "b")]
    facts = facts_at(store, halves, bounded)
    assert facts["columns"]["distance"]["max"] == facts_of(january, bounded)["columns"]["distance"]["max"]
    assert facts["windows"] == facts_of(january, bounded)["windows"]


def test_a_fault_is_found_in_a_sample_and_good_rows_pass(store, stored, january, july, bounded):
    reference = facts_at(store, [stored(january)], bounded)
    week = july.slice(0, 12_000)
    for rows, verdict in (
        (week, {"passed", "warning"}),
        (_thousandfold(week, "distance"), {"failed"}),
    ):
        table, facts = look_at(store, stored(rows, f"now-{sorted(verdict)[0]}"), bounded)
        found = validate(table, bounded, current=facts, reference=reference)
        assert found.verdict in verdict, [finding.message for finding in found.findings]


def _thousandfold(table, name):
    return table.set_column(table.column_names.index(name), name, pc.multiply(table[name], 1000))
