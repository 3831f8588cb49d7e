"""What a scrape gets: of a ledger that is there, of one that is not, and of who may ask."""

from __future__ import annotations

import gzip
import sqlite3
import threading
from contextlib import contextmanager
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest
from prometheus_client.parser import text_string_to_metric_families

from airflow_mlops.cli import main
from airflow_mlops.errors import LedgerUnavailable, ServerMisuse
from airflow_mlops.ledger import Ledger, overviews
from airflow_mlops.lifecycle.metrics.listed import METRICS
from airflow_mlops.serving.exporter import ExporterSettings, LedgerMetrics, listening, text_of
from tests.monitoring.made import SICK, WELL, Life, budget, look, make_ledger

TOKEN = "a token"


@pytest.fixture(scope="module")
def ledger(tmp_path_factory):
    return make_ledger(tmp_path_factory.mktemp("ledger"))


def samples(text):
    """Return the samples of a text by metric and labels, as the client library reads them."""
    families = list(text_string_to_metric_families(text))
    return {
        (sample.name, *sorted(sample.labels.items())): sample.value for family in families for sample in family.samples
    }


def of(text, name, model, **labels):
    """Return a model's sample; None where there is none."""
    return samples(text).get((name, *sorted({"model": model, **labels}.items())))


@contextmanager
def running(ledger, token=None):
    with listening(ExporterSettings(port=0, token=token), ledger=ledger) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def status_of(url, **headers):
    try:
        with urlopen(Request(url, headers=headers), timeout=10) as answer:
            return answer.status
    except HTTPError as error:
        return error.code


def test_the_client_library_reads_what_is_written(ledger):
    found = list(text_string_to_metric_families(text_of(ledger)))

    assert {family.name + ("_total" if family.type == "counter" else "") for family in found} == set(METRICS)
    assert {family.documentation for family in found} == {metric.meaning for metric in METRICS.values()}


def test_a_model_that_is_well_is_told_so(ledger):
    text = text_of(ledger)

    assert of(text, "mlops_model_state", WELL, state="healthy") == 1
    assert of(text, "mlops_champion", WELL, version="1") == 1
    assert of(text, "mlops_quality_loss", WELL, version="1") == 0.5
    assert of(text, "mlops_quality_loss_limit", WELL, version="1") == 0.8
    assert of(text, "mlops_decisions_total", WELL, action="nothing") == 3
    assert of(text, "mlops_error_budget_left_ratio", WELL, objective="quality") == 0.8
    assert of(text, "mlops_error_budget_burn_rate", WELL, objective="quality") == 2.5
    assert of(text, "mlops_look_interval_seconds", WELL) == 3 * 86400
    assert of(text, "mlops_data_age_seconds", WELL) == 8640
    assert of(text, "mlops_approval_asked_timestamp_seconds", WELL) is None


def test_what_is_wrong_with_a_model_is_told_whatever_its_name(ledger):
    text = text_of(ledger)

    assert of(text, "mlops_model_state", SICK, state="data blocked") == 1
    assert of(text, "mlops_rollbacks_total", SICK) == 1
    assert of(text, "mlops_refusals_total", SICK, stage="evaluate") == 1
    assert of(text, "mlops_signal_drifted_looks", SICK, signal="data_drift") == 3
    assert of(text, "mlops_last_decision", SICK, action="nothing", held_by="circuit") == 1
    assert of(text, "mlops_approval_pending", SICK) == 1
    assert of(text, "mlops_incidents_open", SICK, kind="data blocked") == 1
    assert of(text, "mlops_error_budget_state", SICK, objective="freshness", state="page") == 1


def test_a_counter_begins_at_zero_so_that_its_first_step_is_seen(ledger):
    text = text_of(ledger)

    assert of(text, "mlops_rollbacks_total", WELL) == 0
    assert of(text, "mlops_decisions_total", WELL, action="retrain") == 0
    assert of(text, "mlops_refusals_total", WELL, stage="approve") == 0


def test_no_counter_goes_down_while_a_history_goes_on(tmp_path):
    ledger = Ledger(f"sqlite:///{tmp_path / 'ledger.db'}")
    life, before = Life(ledger, "m"), {}
    for step in range(4):
        life.register(str(step + 1))
        life.promote(str(step + 1), "retrain")
        life("signals", data_check="passed", **look(loss=0.5, verdict="stable", share=0.1, days=0.1))
        life("slo", objectives=[budget("quality", "ok", 0.8)])
        now = {key: value for key, value in samples(text_of(ledger)).items() if key[0].endswith("_total")}
        assert [key for key, value in before.items() if now[key] < value] == []
        before = now

    assert before["mlops_trainings_total", ("model", "m")] == 4
    assert before["mlops_promotions_total", ("cause", "retrain"), ("model", "m")] == 4


def test_a_ledger_that_is_away_is_a_zero_and_comes_back(ledger, monkeypatch, caplog):
    metrics = LedgerMetrics(ledger)
    with monkeypatch.context() as patched:

        def away(_):
            raise LedgerUnavailable("the ledger did not answer.")

        patched.setattr(Ledger, "models", away)
        found = [samples(metrics.text()) for _ in range(2)]

    assert found == [{("mlops_ledger_up",): 0}] * 2
    assert caplog.text.count("the ledger did not answer.") == 1
    assert samples(metrics.text())["mlops_ledger_up",] == 1


def test_a_ledger_that_is_not_made_yet_is_waited_for_and_not_made(tmp_path):
    metrics = LedgerMetrics(Ledger(f"sqlite:///{tmp_path / 'ledger.db'}"))

    assert samples(metrics.text()) == {("mlops_ledger_up",): 0}
    assert list(tmp_path.iterdir()) == []


def test_a_model_whose_overview_is_behind_is_not_told_by_halves(ledger, monkeypatch):
    monkeypatch.setattr(overviews, "FORM", 1000)
    monkeypatch.setattr(Ledger, "_catch_up", lambda *_: {})

    text = LedgerMetrics(ledger).text()

    assert of(text, "mlops_ledger_behind_events", SICK) > 0
    assert of(text, "mlops_rollbacks_total", SICK) is None


def test_an_event_that_was_changed_is_told_of_its_model_alone(ledger, tmp_path):
    ledger.backup(tmp_path / "copy.db")
    with sqlite3.connect(tmp_path / "copy.db") as changed:
        changed.execute("UPDATE mlops_ledger_events SET payload = '{}' WHERE model = ? AND kind = 'slo'", (SICK,))

    text = text_of(Ledger(f"sqlite:///{tmp_path / 'copy.db'}"))

    assert (of(text, "mlops_ledger_broken", SICK), of(text, "mlops_ledger_broken", WELL)) == (1, 0)
    assert samples(text)["mlops_ledger_up",] == 1


def test_incidents_that_are_not_read_in_time_are_told_by_a_later_scrape(ledger):
    hurried = LedgerMetrics(ledger, incidents_s=0)

    assert of(hurried.text(), "mlops_incidents_open", SICK, kind="data blocked") is None

    hurried._incidents_s = 60
    assert of(hurried.text(), "mlops_incidents_open", SICK, kind="data blocked") == 1

    hurried._incidents_s = 0
    assert of(hurried.text(), "mlops_incidents_open", SICK, kind="data blocked") == 1


def test_prometheus_is_answered_packed_where_it_takes_that(ledger):
    with running(ledger) as address:
        plain = urlopen(f"{address}/metrics", timeout=10)
        packed = urlopen(Request(f"{address}/metrics", headers={"Accept-Encoding": "gzip"}), timeout=10)

        assert plain.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
        assert samples(plain.read().decode())["mlops_ledger_models",] == 2
        assert samples(gzip.decompress(packed.read()).decode())["mlops_ledger_models",] == 2


def test_only_who_brings_the_token_is_answered(ledger):
    with running(ledger, TOKEN) as address:
        brought = {
            None: 401,
            "Bearer": 401,
            "Bearer a tokeN": 401,
            "Basic a token": 401,
            "Bearer \xe4": 401,
            "Bearer a token": 200,
            "bearer a token": 200,
        }
        found = {
            token: status_of(f"{address}/metrics", **({"Authorization": token} if token else {})) for token in brought
        }

        assert found == brought
        assert (status_of(f"{address}/health"), status_of(f"{address}/elsewhere")) == (200, 401)


def test_there_is_nothing_but_the_metrics(ledger):
    with running(ledger) as address:
        assert [status_of(f"{address}{path}") for path in ("/", "/metrics/", "/../etc/passwd")] == [404] * 3
        with pytest.raises(HTTPError, match="405"):
            urlopen(Request(f"{address}/metrics", data=b"x"), timeout=10)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (ExporterSettings("0.0.0.0"), "answers other machines and needs a token"),
        (ExporterSettings(port=70000), "a port is between 0 and 65535, and it was given 70000"),
        (ExporterSettings(token="\n"), "not printable ASCII"),
        (ExporterSettings("192.0.2.1", token=TOKEN), r"cannot listen on 192\.0\.2\.1:9108"),
    ],
    ids=["no token", "port", "token", "address"],
)
def test_settings_that_cannot_work_are_refused(ledger, settings, words):
    with pytest.raises(ServerMisuse, match=words):
        listening(settings, ledger=ledger)


def test_the_command_prints_a_scrape(ledger, monkeypatch, capsys):
    monkeypatch.setenv("MLOPS_LEDGER_URL", str(ledger._database.url))

    assert main(["metrics", "--once"]) == 0
    assert samples(capsys.readouterr().out)["mlops_ledger_up",] == 1


def test_the_command_says_that_there_is_no_ledger(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("MLOPS_LEDGER_URL", f"sqlite:///{tmp_path / 'ledger.db'}")

    assert main(["metrics", "--once"]) == 2
    assert "there is no ledger at" in capsys.readouterr().err
