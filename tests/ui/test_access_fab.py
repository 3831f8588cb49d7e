"""Who may see and do what, on the FAB auth manager, which knows permissions for single DAGs."""

from __future__ import annotations

import json
import re
from urllib.parse import quote

import pytest

from airflow_mlops.artifacts import ArtifactStore
from airflow_mlops.ledger import Ledger
from airflow_mlops.report_access import admit, report_url
from airflow_mlops.ui.dag_models import model_of
from airflow_mlops.ui.failures import without_places
from tests.conftest import ROOT, utc
from tests.ui.running_fab import Answer, Fab, running_fab

MARCH = utc("2013-03-01T05:00:00")
API = "/mlops/api/v1"
PART = re.compile(r"\{(?P<part>\w+)(?::\w+)?\}")
HEAVY = {
    *("pandas", "numpy", "scipy", "sklearn", "pyarrow", "duckdb"),
    *("mlflow", "great_expectations", "evidently", "statsmodels", "matplotlib", "datasketches"),
}
# What to put into the address of a route; a route with another part gets "1" there.
PARTS = {"name": "{model}", "dag_id": "{model}_monitor", "path": "main.js"}
PATHS = {"/mlops/reports/{dag_id}/{path:path}": "{model}/reports/drift/01/report.html"}


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A store with a report, and a ledger with a short history, of two models."""
    home = tmp_path_factory.mktemp("fab")
    store = ArtifactStore.local(home / "artifacts")
    ledger = Ledger(f"sqlite:///{home / 'artifacts' / 'ledger.db'}")
    for model in ("flights", "churn"):
        folder = store.uri(model, "reports", "drift", "01")
        store.write_bytes(f"{folder}/report.html", b"report")
        store.complete(folder, {"id": "01"})
        admit(store, model, f"{model}_monitor")
        ledger.append(model, "register", "1", {"version": "1"}, at=MARCH)
        ledger.promote(model, "1", expected_epoch=0, payload={"model": {"version": "1"}}, at=MARCH)
    return home


@pytest.fixture(scope="module")
def fab(home):
    """The server; one process for all of this file, for it takes its time to start."""
    with running_fab(home) as server:
        yield server


def address(route: str, model: str) -> str:
    """Fill in the address of a route for a model."""

    def value(match: re.Match[str]) -> str:
        filled = PATHS.get(route) if match["part"] == "path" else None
        return (filled or PARTS.get(match["part"], "1")).format(model=model)

    return PART.sub(value, route)


def of_a_model(fab: Fab) -> list[str]:
    """List the routes that are about one model."""
    return [route["path"] for route in fab.routes if "{name}" in route["path"]]


# Every route


def test_the_application_only_reads(fab):
    assert {f"{API}/models", f"{API}/models/{{name}}", f"{API}/openapi.json"} <= {each["path"] for each in fab.routes}
    assert {each["kind"] for each in fab.routes} <= {"Route", "APIRoute"}
    for route in fab.routes:
        assert route["methods"], route
        assert set(route["methods"]) <= {"GET", "HEAD"}, route


def test_who_is_not_logged_in_gets_401_on_every_route(fab):
    for route in fab.routes:
        for method in route["methods"]:
            answer = fab.ask(None, address(route["path"], "flights"), method)
            assert answer.status == 401, (method, route["path"], answer.text)


def test_a_viewer_reads_every_route(fab):
    for route in fab.routes:
        answer = fab.ask("viewer", address(route["path"], "flights"))
        # A part of the address that names one thing of many may name none.
        assert answer.status == 200 or (answer.status == 404 and "/1" in address(route["path"], "x")), (route, answer)
        assert "may see" not in answer.text[:200], route


def test_every_answer_is_kept_from_caches_and_from_being_taken_for_something_else(fab):
    for route in fab.routes:
        headers = fab.ask("viewer", address(route["path"], "flights")).headers
        assert headers["x-content-type-options"] == "nosniff", route
        kept = "private, no-store" if route["path"].startswith(API) else "private, no-cache"
        assert headers["cache-control"] == kept, route


# What the API server has to carry


def test_the_application_brings_nothing_heavy_into_the_api_server(fab):
    assert not HEAVY & set(fab.modules_at_start)


def test_no_route_brings_anything_heavy_either(fab):
    for route in fab.routes:
        fab.ask("viewer", address(route["path"], "flights"))

    assert not HEAVY & set(fab.modules())


# A model is as readable as its DAGs


@pytest.mark.parametrize(
    ("person", "seen"),
    [("viewer", ["churn", "flights"]), ("team", ["flights"]), ("public", [])],
    ids=["who reads every DAG", "who reads the DAGs of one", "who reads no DAG"],
)
def test_the_list_holds_the_models_whose_dags_somebody_may_read(fab, person, seen):
    answer = json.loads(fab.ask(person, f"{API}/models").text)

    assert ([row["name"] for row in answer["models"]], answer["total"]) == (seen, len(seen))


def test_a_model_that_may_not_be_seen_is_like_one_that_is_not_there(fab):
    for route in of_a_model(fab):
        hidden, none = (fab.ask("team", address(route, model)) for model in ("churn", "no_such_model"))
        assert (hidden.status, none.status) == (404, 404), route
        assert hidden.text == none.text, route
        assert fab.ask("public", address(route, "flights")).status == 404, route


def test_what_the_list_counts_and_offers_tells_nothing_of_models_that_may_not_be_seen(fab):
    assert "churn" not in fab.ask("team", f"{API}/models").text
    assert "churn" not in fab.ask("team", f"{API}/models?q=churn").text


@pytest.mark.parametrize(
    ("person", "statuses"),
    [("viewer", [200, 200]), ("team", [200, 403]), ("public", [403, 403]), (None, [401, 401])],
    ids=["who reads every DAG", "who reads one DAG", "who reads no DAG", "who is not logged in"],
)
def test_a_report_is_as_readable_as_its_dag(fab, person, statuses):
    reports = [
        report_url("", f"{model}_monitor", f"{model}/reports/drift/01/report.html") for model in ("flights", "churn")
    ]

    assert [fab.ask(person, report).status for report in reports] == statuses


def test_the_name_of_a_connection_is_told_to_those_who_may_read_it(fab):
    places = [f"{API}/health", f"{API}/models/flights/traffic/servers"]

    for place in places:
        assert "churn_server" in fab.ask("op", place).text, place
        for person in ("viewer", "team", "public"):
            assert "churn" not in fab.ask(person, place).text, (place, person)
    assert "1 of 1 other model servers do not answer" in fab.ask("public", places[0]).text
    assert "A model server does not answer" in fab.ask("viewer", places[1]).text


def test_a_dag_tells_its_model_to_those_who_may_read_the_dag(fab):
    def told(person, dag_id):
        answer = fab.ask(person, f"{API}/dags/{dag_id}/model")
        said = json.loads(answer.text)
        return answer.status, said.get("kind"), (said.get("model") or {}).get("name")

    assert told("viewer", "churn_monitor") == (200, "monitor", "churn")
    assert told("viewer", "cleanup") == (200, None, None)
    assert told("team", "flights_retrain") == (200, "retrain", "flights")
    assert told("team", "churn_monitor")[0] == 403
    assert told("team", "~")[0] in {200, 403}


# What the description of the API promises


def test_the_description_names_every_route_and_every_answer(fab):
    described = json.loads(fab.ask("viewer", f"{API}/openapi.json").text)
    [server] = described["servers"]
    documented = {server["url"] + path: methods["get"] for path, methods in described["paths"].items()}

    hidden = {f"{API}/openapi.json", "/mlops/static/{path:path}", *PATHS}
    assert set(documented) == {route["path"] for route in fab.routes} - hidden
    for path, operation in documented.items():
        assert operation["summary"], path
        assert operation["description"], path
        assert all("schema" in answer["content"]["application/json"] for answer in operation["responses"].values()), (
            path
        )
        asked = [(None, "flights"), ("viewer", "flights"), ("team", "churn"), ("viewer", "x" * 300)]
        statuses = {fab.ask(person, address(path, model)).status for person, model in asked}
        assert {str(status) for status in statuses} <= set(operation["responses"]), path


# Acting is Airflow's own


def test_a_viewer_may_not_act(fab):
    script = (ROOT / "operators" / "airflow_mlops" / "ui" / "static" / "kit" / "airflow.js").read_text()
    acts = re.findall(r'^  (\w+): \["([A-Z]+)", "([^"]+)"\],$', script, re.MULTILINE)
    assert {name for name, _, _ in acts} >= {"start", "answer", "pause"}

    for dag_id in ("flights_actions", "flights_retrain"):
        values = {"dag_id": dag_id, "run_id": "1", "task_id": "approve", "map_index": "-1"}
        for name, method, template in acts:
            path = re.sub(r"\{(\w+)\}", lambda part, values=values: values[part[1]], template)
            answer = fab.ask("viewer", f"/api/v2{path}", method, body="{}")
            assert answer.status == 403, (name, path, answer)


def test_the_pages_change_something_only_by_what_is_listed_there():
    folder = ROOT / "operators" / "airflow_mlops" / "ui" / "static"
    for file in folder.rglob("*.js"):
        if file.name != "airflow.js":
            assert not re.search(r'"(POST|PUT|PATCH|DELETE)"', file.read_text()), file.name


# Bad input

NAMES = (
    "..",
    "%2e%2e",
    "..%2f..%2fetc%2fpasswd",
    "%252e%252e%252f",
    "..%5c..%5cwindows",
    "flights%00",
    "flights%0a",
    "%ff%fe",
    "%F0%9F%9A%80",
    quote("ﬂights'; DROP TABLE x; --"),
    "flights%2F..%2Fchurn",
    "%",
    "%zz",
    "{name}",
    "*",
    "a" * 10_000,
)
VALUES = (
    "",
    "-1",
    "1e400",
    "NaN",
    "9223372036854775808",
    "%00",
    "%ff",
    "'%20OR%201=1--",
    "0001-01-01T00:00:00",
    "9999-12-31T23:59:59.999999Z",
    "x" * 10_000,
)
LEAKS = re.compile(r"Traceback|sqlalchemy|sqlite3|SELECT |site-packages|\.py\b|mlops_ledger_events")


@pytest.fixture(scope="module")
def holds(home):
    """Return what asserts that an answer is no failure of ours, and tells nothing of the machine or the code."""

    def check(answer: Answer, said: object) -> None:
        assert answer.status < 500, (said, answer)
        assert str(home) not in answer.text, (said, answer)
        assert str(ROOT) not in answer.text, (said, answer)
        if answer.status >= 400:
            assert not LEAKS.search(answer.text), (said, answer)
            assert len(answer.text) < 3_000, said

    return check


def test_bad_names_in_an_address_find_nothing_and_break_nothing(fab, holds):
    for route in fab.routes:
        if "{" not in route["path"]:
            continue
        for name in NAMES:
            path = PART.sub(lambda _, name=name: name, route["path"])
            answer = fab.ask("viewer", path)
            holds(answer, path)
            # A DAG that is not there belongs to no model.
            assert answer.status != 200 or answer.text == '{"kind":null,"model":null}', path


def test_bad_names_in_any_part_behind_the_models_break_nothing(fab, holds):
    for route in of_a_model(fab):
        before, _, after = route.partition("{name}")
        if "{" not in after:
            continue
        for bad in NAMES:
            path = before + "flights" + PART.sub(lambda _, bad=bad: bad, after)
            holds(fab.ask("viewer", path), path)


def test_bad_values_in_a_query_break_nothing(fab, holds):
    schema = json.loads(fab.ask("viewer", f"{API}/openapi.json").text)
    for template, methods in schema["paths"].items():
        names = [each["name"] for each in methods["get"].get("parameters", []) if each["in"] == "query"]
        path = address(f"/mlops{template}", "flights")
        for name in names:
            for value in VALUES:
                holds(fab.ask("viewer", f"{path}?{name}={value}"), (path, name, value))
        everything = "&".join(f"{name}={VALUES[place % len(VALUES)]}" for place, name in enumerate(names * 3))
        holds(fab.ask("viewer", f"{path}?{everything}&unknown=1&&=&"), path)
        holds(fab.ask("viewer", f"{path}?q={'x' * 1_000_000}"), (path, "1 MB"))


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND", "G@T", ""])
def test_other_methods_are_refused_whatever_they_carry(fab, method):
    for route in fab.routes:
        for body in (None, "{", '{"a": NaN}', "\x00", "[" * 5_000):
            answer = fab.ask("viewer", address(route["path"], "flights"), method, body)
            assert answer.status == 405, (method, route["path"], answer)


@pytest.mark.parametrize(
    "path", ["/mlops/", "/mlops//", "/mlops/api/v1/", "/mlops/docs", "/mlops/api/v1/models/", "/mlops/%2e%2e"]
)
def test_there_is_nothing_between_the_routes(fab, holds, path):
    answer = fab.ask("viewer", path)

    holds(answer, path)
    assert answer.status in {404, 422}


# Something is away


def test_a_ledger_that_is_away_is_a_sentence_on_every_route_and_then_over(fab, home):
    path = home / "artifacts" / "ledger.db"
    kept = path.read_bytes()
    path.write_bytes(b"this is no database" * 100)
    try:
        answers = [fab.ask("viewer", address(route, "flights")) for route in of_a_model(fab)]
    finally:
        path.write_bytes(kept)

    for answer in answers:
        assert answer.status in {200, 404, 503}, answer
        assert str(home) not in answer.text, answer
    said = json.loads(answers[0].text)
    assert (answers[0].status, said["away"]) == (503, "ledger")
    assert said["detail"].startswith("ledger.db is not a readable ledger: file is not a database.")
    assert fab.ask("viewer", f"{API}/models/flights").status == 200


@pytest.mark.parametrize(
    ("sentence", "told"),
    [
        ("at /srv/mlops/ledger.db, or file:///x/y/z.json, is away.", "at ledger.db, or z.json, is away."),
        ("postgresql+psycopg://me:***@host:5432/mlops refused: 1/2 of all", "mlops refused: 1/2 of all"),
        ("https://me:s3cret@tracker.example.com refuses.", "its address refuses."),
        ("postgresql://me:s3c'r,et@db/mlops is gone", "mlops is gone"),
        ("s3://bucket/a/b?signature=s3cret is gone", "b is gone"),
        (
            'connection to server at "db.example.com" (10.1.2.3), port 5432 failed for user "me"',
            "connection to its server, port 5432 failed for its user",
        ),
        ("scikit-learn 1.7.2 at 10.1.2.3:80 since 12:30:15", "scikit-learn 1.7.2 at its address since 12:30:15"),
    ],
)
def test_of_a_path_or_an_address_only_the_end_is_told(sentence, told):
    assert without_places(sentence) == told


# Which model a DAG shows to its readers


@pytest.mark.parametrize(
    ("dag_id", "tags", "model"),
    [
        ("flights_monitor", {"mlops", "monitor"}, ("flights", "monitor")),
        ("nightly", {"model:flights"}, ("flights", None)),
        ("flights_monitor", {"mlops", "monitor", "model:churn"}, ("flights", "monitor")),
        ("flights_monitor", {"mlops", "monitor", "retrain", "actions"}, ("flights", "monitor")),
        ("nightly", {"mlops", "monitor"}, None),
        *(("nightly", {f"model:{name}"}, None) for name in ("", ".", "..", "../churn", "a/b", "a\nb", "x" * 201)),
    ],
)
def test_a_dag_of_a_spec_shows_the_model_of_its_name_alone(dag_id, tags, model):
    assert model_of(dag_id, tags) == model
