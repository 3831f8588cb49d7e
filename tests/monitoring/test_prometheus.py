"""Rules and dashboards before a real Prometheus that scrapes the exporter over a made ledger.

`make test-metrics` runs these; they need `prometheus` and `promtool`, which the Debian package prometheus brings.
"""

from __future__ import annotations

import json
import re
import shutil
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from urllib.error import HTTPError, URLError
from urllib.parse import urlencode
from urllib.request import urlopen

import pytest
import yaml

from airflow_mlops.lifecycle.metrics.listed import METRICS
from tests.conftest import ROOT
from tests.monitoring.made import SICK, make_ledger, roll_back
from tests.monitoring.queries import RULES, board_queries, rule_queries

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.prometheus

TOKEN = "a-token"
PATIENCE_S = 60
# What Grafana puts in; of the models the one that has most to tell.
VARIABLES = {"$model": re.escape(SICK).replace('"', r"\""), "$__rate_interval": "1m", "$__interval": "15s"}
# What nothing in a made ledger brings about: it is whole and told to the end, there, and its looks are recent. Counters
# have to move while Prometheus looks, which these tests do for the rollback alone.
QUIET = {
    "MLOpsExporterAway", "MLOpsLedgerAway", "MLOpsLedgerBroken", "MLOpsLedgerBehind", "MLOpsNoLook", "MLOpsRunLate",
    "MLOpsApprovalWaiting", "MLOpsPersonCalled",
}  # fmt: skip


@pytest.fixture(scope="session", autouse=True)
def tools() -> None:
    """Fail where the tools are missing: a test that is passed over tells nothing."""
    missing = [tool for tool in ("prometheus", "promtool") if shutil.which(tool) is None]
    if missing:
        pytest.fail(f"{' and '.join(missing)} not found; install the Debian package prometheus.", pytrace=False)


def free_port() -> int:
    """Return a port that is free now."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


class Prometheus:
    """Ask a running Prometheus."""

    def __init__(self, url: str) -> None:
        self.url = url

    def ask(self, path: str, **query: str) -> dict:
        """Return the answer's data; a refusal is shown as the words of Prometheus."""
        try:
            with urlopen(f"{self.url}/api/v1/{path}?{urlencode(query)}", timeout=10) as answer:
                return json.load(answer)["data"]
        except HTTPError as error:
            raise AssertionError(error.read().decode()) from error

    def vector(self, query: str) -> list[dict]:
        """Return the result of a query now."""
        return self.ask("query", query=query)["result"]


@pytest.fixture(scope="module")
def ledger(tmp_path_factory):
    return make_ledger(tmp_path_factory.mktemp("ledger"))


@pytest.fixture(scope="module")
def exporter(ledger, tmp_path_factory):
    """The command as a process of its own, with a token."""
    port = free_port()
    environment = {"MLOPS_LEDGER_URL": str(ledger._database.url), "MLOPS_METRICS_TOKEN": TOKEN}
    environment["PYTHONPATH"] = str(ROOT / "operators")
    command = [sys.executable, "-m", "airflow_mlops.cli", "metrics", "--port", str(port)]
    log = tmp_path_factory.mktemp("exporter") / "log"
    with (
        log.open("w") as written,
        subprocess.Popen(command, env=environment, stdout=written, stderr=written) as process,
    ):
        wait(lambda: answers(f"http://127.0.0.1:{port}/health"), log)
        yield port
        process.terminate()
        assert process.wait(PATIENCE_S) == 0


@pytest.fixture(scope="module")
def prometheus(exporter, ledger, tmp_path_factory):
    """Scrape the exporter, and a step of each counter that a rule watches."""
    folder, port = tmp_path_factory.mktemp("prometheus"), free_port()
    scraped = {
        "job_name": "mlops",
        "authorization": {"credentials": TOKEN},
        "static_configs": [{"targets": [f"127.0.0.1:{exporter}"]}],
    }
    config = {
        "global": {
            "scrape_interval": "1s",
            "evaluation_interval": "1s",
            "external_labels": {"mlops_docs": "https://docs.example.com/mlops"},
        },
        "rule_files": [str(RULES)],
        "scrape_configs": [scraped],
    }
    (folder / "prometheus.yml").write_text(yaml.safe_dump(config))
    places = {
        "config.file": folder / "prometheus.yml",
        "storage.tsdb.path": folder / "data",
        "web.listen-address": f"127.0.0.1:{port}",
        # Its own templates lie elsewhere in every package, and are not looked at here.
        "web.console.templates": folder,
        "web.console.libraries": folder,
    }
    log = folder / "log"
    command = ["prometheus", *(f"--{name}={value}" for name, value in places.items())]
    with running(command, log):
        asked = Prometheus(f"http://127.0.0.1:{port}")
        wait(lambda: answers(f"{asked.url}/-/ready"), log)
        wait(lambda: asked.vector('mlops_rollbacks_total{model!="well"} == 1'), log)
        roll_back(ledger)
        wait(lambda: asked.vector('mlops_rollbacks_total{model!="well"} == 2'), log)
        # A rate needs a second scrape.
        wait(lambda: asked.vector("increase(mlops_rollbacks_total[1h]) > 0"), log)
        yield asked


@contextmanager
def running(command: list[str], log: Path, **more: Any) -> Iterator[subprocess.Popen]:
    """Run a process, and end it whatever happens."""
    with log.open("w") as written, subprocess.Popen(command, stdout=written, stderr=written, **more) as process:
        try:
            yield process
        finally:
            process.terminate()


def answers(url: str) -> bool:
    """Tell whether a server answers."""
    try:
        with urlopen(url, timeout=5) as answer:
            return answer.status == 200
    except (HTTPError, URLError, ConnectionError, TimeoutError):
        return False


def wait(until, log: Path) -> None:
    """Wait for something to hold; show the log of what it hangs on where it does not."""
    end = time.monotonic() + PATIENCE_S
    while not until():
        assert time.monotonic() < end, log.read_text()[-3000:]
        time.sleep(0.1)


def put_in(query: str) -> str:
    """Put in what Grafana puts in for variables."""
    for name, value in VARIABLES.items():
        query = query.replace(name, value)
    assert "$" not in query, query
    return query


@pytest.fixture
def together(tmp_path):
    """The rules beside their tests, in one folder."""
    for path in (RULES, ROOT / "tests" / "monitoring" / "rules_test.yml"):
        shutil.copy(path, tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    "command", [["check", "rules", "rules.yml"], ["test", "rules", "rules_test.yml"]], ids=" ".join
)
def test_promtool_finds_nothing(command, together):
    done = subprocess.run(["promtool", *command], cwd=together, capture_output=True, text=True, timeout=PATIENCE_S)

    assert done.returncode == 0, done.stdout + done.stderr


def test_promtool_knows_the_text_of_a_scrape(ledger):
    from airflow_mlops.serving.exporter import text_of

    done = subprocess.run(
        ["promtool", "check", "metrics"], input=text_of(ledger), capture_output=True, text=True, timeout=PATIENCE_S
    )

    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_prometheus_has_every_metric_of_the_list(prometheus):
    known = set(prometheus.ask("label/__name__/values"))

    assert set(METRICS) - known == set()


def test_prometheus_evaluates_every_rule(prometheus):
    groups = prometheus.ask("rules")["groups"]
    found = {rule["name"]: (rule["health"], rule.get("lastError")) for group in groups for rule in group["rules"]}

    assert found == {name: ("ok", None) for name, _ in rule_queries()}


@pytest.mark.parametrize(("rule", "query"), list(rule_queries()), ids=[name for name, _ in rule_queries()])
def test_a_rule_rings_for_what_is_wrong_in_the_ledger_and_for_nothing_else(rule, query, prometheus):
    found = {result["metric"].get("model") for result in prometheus.vector(query)}

    assert found == (set() if rule in QUIET else {SICK})


def test_an_alert_leads_to_what_to_do(prometheus):
    alerts = prometheus.ask("alerts")["alerts"]
    ringing = {each["labels"]["alertname"]: each["annotations"]["runbook_url"] for each in alerts}

    assert "MLOpsCircuitOpen" in ringing
    assert ringing == {name: f"https://docs.example.com/mlops/metrics.md#{name.lower()}" for name in ringing}


@pytest.mark.parametrize(("panel", "query"), list(board_queries()), ids=[name for name, _ in board_queries()])
def test_a_query_of_a_dashboard_has_an_answer(panel, query, prometheus):
    query = put_in(query)
    now = time.time()
    found = prometheus.ask("query_range", query=query, start=str(now - 60), end=str(now), step="5")["result"]

    assert prometheus.vector(query) or found


def test_a_variable_of_a_dashboard_lists_the_models(prometheus):
    assert set(prometheus.ask("label/model/values", **{"match[]": "mlops_ledger_events_total"})) == {"well", SICK}
