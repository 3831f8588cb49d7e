"""Whatever a client sends, the server answers and goes on: requests are made from its own description."""

from __future__ import annotations

import json
import string

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.serving.conftest import in_process
from tests.serving.small_models import COLUMNS, ROW, Place

JSON = "application/json"
SETTINGS = settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
TEXTS = st.one_of(st.text(max_size=20), st.sampled_from([*COLUMNS, "flight", "scheduled", "AA", "2013-03-01"]))
VALUES = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), TEXTS, st.sampled_from([10**400, -(2**63), 2**64, 1e308])
)
ANYTHING = st.recursive(
    VALUES, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4), max_leaves=20
)


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    place = Place.at(tmp_path_factory.mktemp("fuzz"))
    place.promote(place.add())
    with in_process(place, max_rows=20, max_body_mb=0.1) as client:
        yield client


@pytest.fixture(scope="module")
def described(client):
    """Paths of the server's own description."""
    return client.get("/openapi.json").json()["paths"]


@pytest.fixture(scope="module")
def bodies(described):
    """What a body of each path looks like, as a strategy."""
    schemas = {path: methods["post"] for path, methods in described.items() if "post" in methods}
    return {path: from_schema(each["requestBody"]["content"][JSON]["schema"]) for path, each in schemas.items()}


def from_schema(schema):
    """Make values that a JSON schema describes; now and then one that it does not."""
    described = _described(schema)
    return st.one_of(described, described, described, ANYTHING)


def _described(schema):
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    if choices := schema.get("anyOf"):
        return st.one_of([from_schema(each) for each in choices])
    kind = schema.get("type")
    if isinstance(kind, list):
        return st.one_of([_described({**schema, "type": each}) for each in kind])
    if kind == "object":
        return _object(schema)
    if kind == "array":
        return st.lists(from_schema(schema.get("items", {})), max_size=4)
    plain = {
        "string": TEXTS, "integer": st.integers(-2, 5), "number": st.floats() | st.integers(), "boolean": st.booleans(),
        "null": st.none(),
    }  # fmt: skip
    return plain.get(kind, VALUES)


def _object(schema):
    known = {name: from_schema(each) for name, each in schema.get("properties", {}).items()}
    if one_of := schema.get("oneOf"):
        return st.one_of([st.fixed_dictionaries({name: known[name] for name in each["required"]}) for each in one_of])
    required = set(schema.get("required", ()))
    if known:
        needed = {name: each for name, each in known.items() if name in required}
        return st.fixed_dictionaries(needed, optional={n: e for n, e in known.items() if n not in required})
    # Rows and columns: mostly those of the model.
    values = from_schema(schema.get("additionalProperties", {}))
    return st.dictionaries(TEXTS, values, max_size=4) | st.fixed_dictionaries(dict.fromkeys(COLUMNS, values))


def paths(described, method):
    return sorted(path for path, methods in described.items() if method in methods)


def filled(path, data):
    model = data.draw(st.sampled_from(["flights", "flights", "trains"]))
    return path.replace("{model}", model).replace("{version}", data.draw(st.sampled_from(["1", "1", "2", "%2e"])))


def check(answer):
    assert answer.status_code < 500, answer.text
    if answer.status_code >= 400:
        error = answer.json()["error"]
        assert set(error) == {"type", "message"}
        assert 10 < len(error["message"]) < 1000
        assert "Traceback" not in error["message"]
    else:
        assert (answer.headers["x-model-version"], answer.headers["x-model-epoch"]) == ("1", "1")


def test_its_description_names_every_route_that_predicts(described):
    assert paths(described, "post") == [
        "/invocations",
        "/models/{model}/invocations",
        "/models/{model}/versions/{version}/invocations",
        "/v2/models/{model}/infer",
        "/v2/models/{model}/versions/{version}/infer",
    ]
    for path in paths(described, "post"):
        operation = described[path]["post"]
        assert operation["requestBody"]["content"]["application/json"]["schema"]["type"] == "object"
        assert operation["responses"]["200"]["content"]["application/json"]["schema"]["required"]
        assert {"400", "404", "413", "429", "503"} <= set(operation["responses"])


@SETTINGS
@given(data=st.data())
def test_bodies_like_the_described_ones_are_answered(client, bodies, data):
    path = data.draw(st.sampled_from(sorted(bodies)))
    body = json.dumps(data.draw(bodies[path]))

    check(client.post(filled(path, data), content=body, headers={"content-type": JSON}))


@SETTINGS
@given(data=st.data(), rows=st.lists(st.fixed_dictionaries(dict.fromkeys(ROW, VALUES)), max_size=22))
def test_rows_with_the_right_columns_are_answered_whatever_they_hold(client, data, rows):
    form = data.draw(st.sampled_from(["dataframe_records", "instances", "dataframe_split", "inputs"]))
    asked = {
        "dataframe_records": rows, "instances": rows,
        "dataframe_split": {"columns": COLUMNS, "data": [[row[name] for name in COLUMNS] for row in rows]},
        "inputs": {name: [row[name] for row in rows] for name in COLUMNS},
    }[form]  # fmt: skip
    answer = client.post("/invocations", content=json.dumps({form: asked}))

    check(answer)
    if answer.status_code == 200:
        assert len(answer.json()["predictions"]) == len(rows)
    if len(rows) > 20 and "NaN" not in json.dumps(rows) and "Infinity" not in json.dumps(rows):
        assert answer.status_code in (400, 413)


@SETTINGS
@given(
    body=st.binary(max_size=300) | st.sampled_from([b"[" * 90_000, b'{"instances":' * 5000, b'"' * 1000, b"\x00"]),
    headers=st.dictionaries(
        st.sampled_from(
            ["content-type", "content-encoding", "inference-header-content-length", "accept", "x-model-epoch"]
        ),
        st.text(string.ascii_letters + string.digits + "/;=-* ", max_size=30).map(str.strip)
        | st.sampled_from(["application/json", "text/csv", "gzip", "identity"]),
    ),
    data=st.data(),
)
def test_bytes_and_heads_of_any_kind_are_answered(client, described, body, headers, data):
    path = data.draw(st.sampled_from(paths(described, "post")))

    check(client.post(filled(path, data), content=body, headers=headers))


@SETTINGS
@given(
    path=st.text(string.printable, max_size=30).map(lambda text: "/" + "".join(text.split())) | st.just("/status"),
    query=st.dictionaries(st.sampled_from(["model", "version"]), st.text(max_size=40), max_size=2),
    method=st.sampled_from(["GET", "POST", "PUT", "DELETE", "OPTIONS"]),
)
def test_any_path_and_query_is_answered(client, path, query, method):
    from urllib.parse import quote

    answer = client.request(method, quote(path), params=query)

    assert answer.status_code < 500


@pytest.mark.parametrize("size", [90_000, 110_000, 1_000_000])
def test_bodies_around_the_limit(client, size):
    answer = client.post("/invocations", content=b" " * size)

    assert answer.status_code == (413 if size > 0.1 * 2**20 else 400)


def test_it_still_answers_after_all_that(client):
    assert client.post("/invocations", json={"dataframe_records": [ROW]}).status_code == 200
    assert client.get("/health").status_code == 200
