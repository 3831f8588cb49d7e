"""The command says what it found in its exit code, and never shows a traceback."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from argparse import _SubParsersAction
from datetime import UTC, datetime

import pytest

from airflow_mlops.cli import main, make_parser
from airflow_mlops.ledger import Ledger
from tests.conftest import ROOT

SPEC = ROOT / "dags" / "specs" / "flights.yaml"
MARCH = datetime(2013, 3, 1, tzinfo=UTC)


@pytest.fixture
def ledger(tmp_path, monkeypatch):
    """A ledger with one promotion, named by the environment variable LEDGER."""
    url = f"sqlite:///{tmp_path / 'ledger.db'}"
    monkeypatch.setenv("LEDGER", url)
    opened = Ledger(url)
    opened.append("flights", "register", "a", {"version": "1"}, at=MARCH, run="manual__1")
    opened.promote("flights", "1", expected_epoch=0, payload={"model": {"version": "1"}}, at=MARCH, run="manual__1")
    return opened


def damage(tmp_path):
    """Change a payload behind the ledger's back."""
    import sqlite3

    with sqlite3.connect(tmp_path / "ledger.db") as connection:
        table = connection.execute(
            "SELECT name FROM sqlite_master WHERE type = 'table' AND sql LIKE '%previous_hash%'"
        ).fetchone()[0]
        for (trigger,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            connection.execute(f"DROP TRIGGER {trigger}")
        connection.execute(f'UPDATE {table} SET payload = \'{{"version": "9"}}\' WHERE seq = 1')


# lint


def test_a_sound_spec_passes_with_its_warnings(capsys):
    assert main(["lint", str(SPEC)]) == 0
    assert "1 file: 0 errors, 1 warning" in capsys.readouterr().out


def test_a_fault_is_exit_code_1_and_a_line_an_editor_can_follow(tmp_path, capsys):
    path = tmp_path / "flights.yaml"
    path.write_text(SPEC.read_text().replace("window: 365d", "windw: 365d"))

    assert main(["lint", str(path)]) == 1
    assert re.search(
        r"flights\.yaml:\d+:3: error: ingest\.windw: unknown key; did you mean 'window'\?", capsys.readouterr().out
    )


def test_the_sample_on_the_page_is_what_the_command_prints(tmp_path, monkeypatch, capsys):
    folder = tmp_path / "dags" / "specs"
    folder.mkdir(parents=True)
    text = SPEC.read_text().replace("seed: 2013", "sed: 2013").replace("{max_iter", "{max_itr")
    (folder / "flights.yaml").write_text(text)
    (folder / "flights.suite.yaml").write_text(SPEC.with_name("flights.suite.yaml").read_text())
    monkeypatch.chdir(tmp_path)

    assert main(["lint", "dags/specs"]) == 1
    assert f"$ airflow-mlops lint dags/specs\n{capsys.readouterr().out}```" in (ROOT / "docs" / "cli.md").read_text()


def test_a_folder_without_specs_is_exit_code_2(tmp_path, capsys):
    (tmp_path / "flights.suite.yaml").write_text("expectations: []")

    assert main(["lint", str(SPEC), str(tmp_path)]) == 2
    assert f"{tmp_path} holds no spec" in capsys.readouterr().err


def test_a_glob_may_name_suites_beside_their_specs(tmp_path, capsys):
    for name in ("flights.yaml", "flights.suite.yaml"):
        (tmp_path / name).write_text((ROOT / "dags" / "specs" / name).read_text())
    specs = list(map(str, sorted(tmp_path.glob("*.yaml"))))
    assert main(["lint", *specs]) == 0

    suite = tmp_path / "flights.suite.yaml"
    suite.write_text(suite.read_text().replace("severity: critical", "severity: dire", 1))
    assert main(["lint", *specs]) == 1
    assert "2 files: 1 error" in capsys.readouterr().out


def test_findings_are_json_on_request(tmp_path, capsys):
    main(["lint", str(tmp_path / "nowhere.yaml"), "--json"])

    (finding,) = json.loads(capsys.readouterr().out)
    assert finding["severity"] == "error"
    assert "No such file" in finding["message"]


def test_two_specs_may_not_share_a_name(tmp_path, capsys):
    for name in ("a.yaml", "b.yaml"):
        (tmp_path / name).write_text(SPEC.read_text())
    (tmp_path / "flights.suite.yaml").write_text(SPEC.with_name("flights.suite.yaml").read_text())

    assert main(["lint", str(tmp_path)]) == 1
    assert re.search(r"b\.yaml:2:7: error: name: 'flights' is the name of .*a\.yaml too", capsys.readouterr().out)


def test_a_sqlite_ledger_beside_remote_artifacts_is_an_error(monkeypatch, capsys):
    monkeypatch.setenv("AIRFLOW__MLOPS__ARTIFACTS_URI", "s3://bucket/mlops")
    monkeypatch.setenv("AIRFLOW_CONN_MLOPS_LEDGER", '{"conn_type": "mlops_ledger", "host": "/data/ledger.db"}')

    assert main(["lint", str(SPEC)]) == 1
    assert (
        "the artifacts are at s3://bucket/mlops, but AIRFLOW_CONN_MLOPS_LEDGER is a SQLite" in capsys.readouterr().out
    )


# schema


def test_the_schema_is_printed_as_json(capsys):
    assert main(["schema"]) == 0
    assert json.loads(capsys.readouterr().out)["additionalProperties"] is False


def test_the_schema_is_written_where_asked(tmp_path):
    assert main(["schema", "--write", str(tmp_path / "spec.schema.json")]) == 0
    assert (tmp_path / "spec.schema.json").read_text() == SPEC.with_name("spec.schema.json").read_text()


# suggest-suite


def test_a_suite_drafted_from_the_source_is_one_the_linter_accepts(tmp_path, capsys):
    from airflow_mlops.spec.suite_file import lint_suite

    drafted = tmp_path / "drafted.suite.yaml"

    assert main(["suggest-suite", str(SPEC), "--now", "2013-01-05", "-o", str(drafted)]) == 0
    assert lint_suite(drafted) == []
    assert "value_set: [EWR, JFK, LGA]" in drafted.read_text()


def test_a_suite_that_a_person_may_have_sharpened_is_kept(tmp_path, capsys):
    kept = tmp_path / "flights.suite.yaml"
    kept.write_text("mine")

    assert main(["suggest-suite", str(SPEC), "-o", str(kept)]) == 2
    assert "is there already; use --force" in capsys.readouterr().err
    assert kept.read_text() == "mine"


def test_a_suite_is_drafted_from_the_facts_of_a_snapshot(tmp_path, january, flights_spec, capsys):
    from airflow_mlops.stages.validate import facts_of

    folder = tmp_path / "flights" / "snapshots" / "abc"
    folder.mkdir(parents=True)
    (folder / "facts.json").write_text(json.dumps(facts_of(january, flights_spec)))

    assert main(["suggest-suite", str(folder)]) == 0
    assert "name: flights\n" in capsys.readouterr().out


def test_a_folder_that_is_no_snapshot_is_named(tmp_path, capsys):
    assert main(["suggest-suite", str(tmp_path)]) == 2
    assert "has no facts.json" in capsys.readouterr().err


# ledger


def test_a_whole_ledger_verifies(ledger, capsys):
    assert main(["ledger", "verify", "--url-env", "LEDGER"]) == 0
    assert capsys.readouterr().out == "flights: 2 events, all good\n"


def test_a_changed_event_is_exit_code_1(ledger, tmp_path, capsys):
    damage(tmp_path)

    assert main(["ledger", "verify", "--url-env", "LEDGER"]) == 1
    assert "flights" in capsys.readouterr().out


def test_a_backup_is_a_ledger_itself(ledger, tmp_path):
    assert main(["ledger", "backup", str(tmp_path / "copy.db"), "--url-env", "LEDGER"]) == 0
    assert Ledger(f"sqlite:///{tmp_path / 'copy.db'}").state("flights").champion.version == "1"


def test_the_state_names_the_champion(ledger, capsys):
    assert main(["ledger", "state", "--url-env", "LEDGER", "--json"]) == 0
    (state,) = json.loads(capsys.readouterr().out)
    assert (state["model"], state["epoch"], state["champion"]["version"]) == ("flights", 1, "1")


def test_the_state_can_be_asked_of_the_past(ledger, capsys):
    main(["ledger", "state", "--url-env", "LEDGER", "--json", "--as-of", "2013-02-01"])

    assert json.loads(capsys.readouterr().out)[0]["champion"] is None


def test_the_state_is_a_table_for_people(ledger, capsys):
    assert main(["ledger", "state", "flights", "--url-env", "LEDGER"]) == 0
    assert "2013-03-01 00:00" in capsys.readouterr().out


def test_a_connection_names_the_ledger(ledger, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv(
        "AIRFLOW_CONN_HOUSE", json.dumps({"conn_type": "mlops_ledger", "host": str(tmp_path / "ledger.db")})
    )

    assert main(["ledger", "verify", "--conn-id", "house"]) == 0
    assert "2 events, all good" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        pytest.param(
            ["state", "trains", "--url-env", "LEDGER"], "knows no model 'trains'; it knows flights", id="model"
        ),
        pytest.param(["state", "--url-env", "NOWHERE"], "variable NOWHERE is not set", id="variable"),
        pytest.param(
            ["backup", "/proc/nowhere/copy.db", "--url-env", "LEDGER"], "/proc/nowhere", id="place of the copy"
        ),
    ],
)
def test_what_cannot_be_done_is_exit_code_2_and_one_sentence(ledger, capsys, arguments, sentence):
    assert main(["ledger", *arguments]) == 2

    told = capsys.readouterr().err
    assert sentence in told
    assert "Traceback" not in told


# The command itself


def test_the_command_starts_without_heavy_libraries():
    heavy = ["airflow", "pandas", "numpy", "sklearn", "mlflow", "great_expectations", "evidently", "pyarrow", "duckdb"]
    program = (
        "import sys; from airflow_mlops.cli import make_parser; make_parser(); "
        f"print([m for m in {heavy} if m in sys.modules])"
    )

    told = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert told.stdout.strip() == "[]"


def commands(parser, path=("airflow-mlops",)):
    """Yield every command with its options, however deep."""
    for action in parser._actions:
        if isinstance(action, _SubParsersAction):
            for name, sub in action.choices.items():
                yield from commands(sub, (*path, name))
    if not parser._subparsers:
        yield " ".join(path), [option for action in parser._actions for option in action.option_strings]


@pytest.mark.parametrize(("command", "options"), list(commands(make_parser())), ids=lambda value: str(value)[:40])
def test_the_page_of_the_command_line_names_every_command_and_option(command, options):
    page = (ROOT / "docs" / "cli.md").read_text()

    assert f"`{command}" in page
    assert [option for option in options if option.startswith("--") and option != "--help" and option not in page] == []
