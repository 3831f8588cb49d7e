"""What is wrong with a table in a lake is said before anything is read."""

from __future__ import annotations

import shutil

import pytest

from airflow_mlops.spec.lint import lint
from tests.conftest import ROOT

SPECS = ROOT / "dags" / "specs"
SHIPPED = "    kind: callable\n    path: airflow_mlops.demo.flights.read_flights\n"


@pytest.fixture
def lint_source(tmp_path):
    """Lint the flights spec with another source; return the findings as text."""

    def findings(source: str, ingest: str = "") -> list[str]:
        shutil.copytree(SPECS, tmp_path / "specs")
        file = tmp_path / "specs" / "flights.yaml"
        text = file.read_text()
        assert SHIPPED in text
        text = text.replace(SHIPPED, "".join(f"    {line}\n" for line in source.split("; ")))
        file.write_text(text.replace("ingest:\n", f"ingest:\n{ingest}"))
        return [str(finding).partition(": ")[2] for finding in lint(file)]

    return findings


DELTA, ICEBERG = "kind: delta; uri: s3://lake/flights", "kind: iceberg; table: warehouse.flights; conn_id: catalog"


@pytest.mark.parametrize("source", [DELTA, ICEBERG], ids=["delta", "iceberg"])
def test_a_table_with_a_place_is_fine(source, lint_source):
    assert [finding for finding in lint_source(source) if "retrain.now" not in finding] == []


@pytest.mark.parametrize(
    ("source", "ingest", "expected"),
    [
        ("kind: delta; uri: /lake/*/flights", "", "data.source.uri: '/lake/*/flights' is a pattern, but a Delta"),
        ("kind: delta; uri: s3://k:s@lake/flights", "", "data.source.uri: the address holds a password; keep it in"),
        ("kind: iceberg; table: flights", "", "data.source.table: found 'flights', expected namespace and name"),
        (ICEBERG + "; catalog: {type: rset}", "", "data.source.catalog.type: found 'rset', expected one of rest, sql"),
        (ICEBERG + "; catalog: {credential: a:b}", "", "data.source.catalog.credential: 'credential' looks like a sec"),
        (ICEBERG + "; catalog: {uri: 'postgresql://u:p@h/d'}", "", "data.source.catalog.uri: the address holds a pas"),
        (DELTA, "  part: 1d\n", "ingest.part: found 1d, but the version of a table is a snapshot as a whole"),
        ("kind: iceberg; table: a.b", "", "warning: data.source: neither catalog nor conn_id"),
        (DELTA + "; version: 7", "", "warning: data.source.version: every run reads version 7; leave it out"),
        (SHIPPED.strip().replace("\n    ", "; "), "  copy: true\n", "warning: ingest.copy: says nothing here"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(source, ingest, expected, lint_source):
    findings = lint_source(source, ingest)

    assert [finding for finding in findings if expected in finding], findings


def test_parts_of_a_table_that_is_copied_are_fine(lint_source):
    assert not [item for item in lint_source(DELTA, "  part: 1d\n  copy: true\n") if "error" in item]
