"""What a client sees: predictions with who made them, refusals with a reason, and the state of the server."""

from __future__ import annotations

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest

from airflow_mlops.errors import ServerMisuse
from airflow_mlops.serving import answers
from airflow_mlops.serving.app import _too_late
from airflow_mlops.serving.prediction_log import read_predictions
from airflow_mlops.serving.settings import ServerSettings
from tests.serving.conftest import in_process, until
from tests.serving.small_models import COLUMNS, MARCH, ROW, ROWS, fit, training_rows

ASKED = {"dataframe_records": [ROW]}
TENSORS = [
    {"name": "carrier", "datatype": "BYTES", "shape": [1], "data": ["AA"]},
    {"name": "distance", "datatype": "INT64", "shape": [1], "data": [700]},
    {"name": "temp", "datatype": "FP64", "shape": [1, 1], "data": [[39.9]]},
]


@pytest.fixture
def client(champion):
    with in_process(champion) as client:
        yield client


def logged(client, place, model="flights"):
    client.server.close()
    return read_predictions(
        place.store, model, start=MARCH.replace(year=2000), end=MARCH.replace(year=2100)
    ).to_pylist()


# Predictions


def test_predictions_are_the_models_and_say_who_made_them(client):
    answer = client.post("/invocations", json=ASKED)
    frame = training_rows().to_pandas().assign(**ROW)[COLUMNS].head(1)

    assert answer.status_code == 200
    assert answer.json()["predictions"] == [pytest.approx(fit(0).predict_proba(frame)[0].tolist())]
    assert {name: answer.json()[name] for name in ("model", "version", "epoch")} == {
        "model": "flights", "version": "1", "epoch": 1,
    }  # fmt: skip
    assert [answer.headers[name] for name in ("x-model-name", "x-model-version", "x-model-epoch")] == [
        "flights", "1", "1",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "path",
    [
        "/invocations?model=flights",
        "/invocations?version=1",
        "/models/flights/invocations",
        "/models/flights/versions/1/invocations",
    ],
)
def test_every_route_to_a_version_gives_the_same(client, path):
    assert client.post(path, json=ASKED).json() == client.post("/invocations", json=ASKED).json()


def test_the_open_inference_protocol_gives_the_same(client):
    answer = client.post("/v2/models/flights/infer", json={"id": "a", "inputs": TENSORS})
    [output] = answer.json()["outputs"]

    assert answer.headers["x-model-epoch"] == "1"
    assert (answer.json()["id"], answer.json()["model_version"]) == ("a", "1")
    assert answer.json()["parameters"] == {"epoch": 1}
    assert (output["shape"], output["datatype"]) == ([1, 2], "FP64")
    assert output["data"] == client.post("/invocations", json=ASKED).json()["predictions"][0]


def test_the_open_inference_protocol_describes_the_model(client):
    described = client.get("/v2/models/flights").json()

    assert (described["name"], described["versions"]) == ("flights", ["1"])
    assert [tensor["datatype"] for tensor in described["inputs"]] == ["BYTES", "INT64", "FP64"]
    assert client.get("/v2/models/flights/versions/1/ready").json() == {
        "name": "flights", "version": "1", "ready": True,
    }  # fmt: skip
    assert client.get("/v2").json()["name"] == "airflow-mlops"
    assert client.get("/v2/health/live").status_code == client.get("/v2/health/ready").status_code == 200


@pytest.mark.parametrize(
    ("path", "status", "sentence"),
    [
        ("/invocations?model=trains", 404, "no model 'trains' is served here; there is flights."),
        ("/models/trains/invocations", 404, "no model 'trains' is served here; there is flights."),
        ("/invocations?version=9", 404, "version '9' of flights is not loaded; loaded: 1."),
        ("/nothing", 404, "there is nothing at /nothing; see /openapi.json."),
        ("/status", 405, "/status does not take POST; see /openapi.json."),
    ],
)
def test_what_is_not_there_is_said(client, path, status, sentence):
    answer = client.post(path, json=ASKED)

    assert (answer.status_code, answer.json()["error"]["message"]) == (status, sentence)


@pytest.mark.parametrize(
    ("headers", "sentence"),
    [
        (
            {"content-type": "text/csv"},
            "the request's content type is 'text/csv', and the server takes application/json.",
        ),
        ({"content-type": "application/json", "content-encoding": "gzip"}, "the server takes no compressed bodies."),
        (
            {"content-type": "application/json", "inference-header-content-length": "9"},
            "the server takes tensors as JSON, not as binary.",
        ),
    ],
)
def test_what_is_not_json_is_refused(client, headers, sentence):
    answer = client.post("/invocations", content=b"{}", headers=headers)

    assert (answer.status_code, answer.json()["error"]["message"]) == (415, sentence)


def test_a_type_of_content_may_have_parameters_or_be_left_out(client):
    body = b'{"instances": [["AA", 700, 39.9]]}'
    given = client.post("/invocations", content=body, headers={"content-type": "Application/JSON; charset=utf-8"})
    left_out = client.post("/invocations", content=body)

    assert given.status_code == left_out.status_code == 200


def test_a_refusal_is_one_sentence_with_a_kind(client):
    answer = client.post("/invocations", json={"dataframe_records": [{**ROW, "temp": "warm"}]})

    assert answer.status_code == 400
    assert answer.json() == {
        "error": {
            "type": "wrong_type",
            "message": "row 0, column 'temp': found 'warm', the model takes a number or null.",
        }
    }


# State


def test_status_says_what_is_served_since_when(client, champion):
    status = client.get("/status").json()
    [loaded] = status["models"]["flights"].pop("loaded")
    swapped_at = status["models"]["flights"].pop("swapped_at")
    answered = status["models"]["flights"].pop("answered")

    assert answered.pop("since") > "2013"
    assert (answered["requests"], answered["failed"], answered["times"][-1]) == (0, 0, [30, 0])
    assert status["server"]["ledger"] == "ok"
    assert status["models"]["flights"] == {
        "state": "serving", "version": "1", "epoch": 1, "since": "2013-03-01T00:00:00+00:00", "reason": None,
    }  # fmt: skip
    assert swapped_at > "2013"
    assert loaded.pop("memory_mb") >= 0
    ref = champion.ledger.state("flights").champion.payload["model"]
    assert loaded == {
        "version": "1", "epoch": 1, "model_id": ref["id"], "digest": ref["digest"], "role": "champion",
        "state": "loaded", "reason": None,
    }  # fmt: skip


def test_metrics_count_requests_rows_and_versions(client):
    client.post("/invocations", json={"dataframe_records": [ROW, ROW]})
    client.post("/invocations", json={})
    text = client.get("/metrics").text

    for line in (
        'mlops_server_requests_total{model="flights",route="/invocations",status="200"} 1.0',
        'mlops_server_requests_total{model="flights",route="/invocations",status="400"} 1.0',
        'mlops_server_rows_total{model="flights"} 2.0',
        'mlops_server_request_seconds_count{route="/invocations"} 2.0',
        'mlops_server_version{model="flights",version="1"} 1.0',
        'mlops_server_epoch{model="flights"} 1.0',
        'mlops_server_swaps_total{model="flights"} 1.0',
        "mlops_server_ledger_up 1.0",
        "mlops_server_waiting_rows 0.0",
    ):
        assert line in text


def test_a_name_that_a_client_made_up_is_no_label(client):
    client.post("/invocations?model=made-up", json=ASKED)

    assert "made-up" not in client.get("/metrics").text


def test_a_server_without_champion_says_so(place):
    with in_process(place, wait=False) as client:
        answers = [client.post("/invocations", json=ASKED), client.get("/ready"), client.get("/v2/models/flights")]

        assert client.get("/health").status_code == 200
        assert [answer.status_code for answer in answers] == [503] * 3
        assert {answer.json()["error"]["message"] for answer in answers} == {
            "flights has no champion yet; it answers when the first version is promoted."
        }
        assert answers[0].headers["retry-after"] == "1"
        assert client.get("/status").json()["models"]["flights"]["state"] == "empty"


# Token


def test_a_token_guards_every_route_but_health_and_ready(champion):
    with in_process(champion, token="lovage") as client:
        paths = [
            *client.get("/openapi.json", headers={"authorization": "Bearer lovage"}).json()["paths"],
            "/openapi.json",
        ]
        open_paths = [path for path in paths if client.get(path).status_code != 401]
        wrong = client.get("/status", headers={"authorization": "Bearer lovag"})
        right = client.post("/invocations", json=ASKED, headers={"authorization": "Bearer lovage"})

    assert open_paths == ["/health", "/ready"]
    assert (
        wrong.json()["error"]["message"] == "this server needs a token: send the header 'Authorization: Bearer TOKEN'."
    )
    assert wrong.headers["www-authenticate"] == "Bearer"
    assert right.status_code == 200


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.0.7", "::", "models.example"])
def test_a_server_for_other_machines_needs_a_token(host):
    with pytest.raises(ServerMisuse, match=f"a server on {host} answers other machines and needs a token"):
        ServerSettings(("flights",), host=host).check()

    ServerSettings(("flights",), host=host, token="lovage").check()


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.1.9", "::1", "localhost"])
def test_a_server_for_this_machine_needs_none(host):
    ServerSettings(("flights",), host=host).check()


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"poll_s": 0, "max_rows": -1}, "limits are above zero and finite, and it was given poll_s 0, max_rows -1"),
        ({"timeout_s": float("inf")}, "above zero and finite, and it was given timeout_s inf"),
        ({"poll_s": float("nan")}, "above zero and finite, and it was given poll_s nan"),
        ({"port": 70000}, "a port is between 0 and 65535, and it was given 70000"),
        ({"max_waiting_rows": 5, "max_rows": 6}, "5 rows may wait, and one request may have 6"),
    ],
)
def test_limits_that_cannot_work_are_refused(settings, sentence):
    with pytest.raises(ServerMisuse, match=sentence):
        ServerSettings(("flights",), **settings).check()


@pytest.mark.parametrize("token", ["", "lov\nage", "läuft"])
def test_a_token_that_no_header_can_carry_is_refused(token):
    with pytest.raises(ServerMisuse, match="the server's token is empty or holds what is not printable ASCII"):
        ServerSettings(("flights",), token=token).check()


@pytest.mark.parametrize(
    ("header", "status"),
    [("bearer lovage", 200), ("BEARER  lovage", 200), ("Basic lovage", 401), ("Bearer LOVAGE", 401), ("lovage", 401)],
)
def test_the_scheme_may_be_written_in_any_case_and_the_token_not(champion, header, status):
    with in_process(champion, token="lovage") as client:
        assert client.get("/status", headers={"authorization": header}).status_code == status


def test_whoever_has_no_token_learns_no_reasons(place):
    with in_process(place, token="lovage", wait=False) as client:
        assert client.get("/ready").json()["error"]["message"] == "flights is not ready; /status says why."


def test_a_head_alone_may_be_asked_for(client):
    assert client.head("/health").status_code == client.head("/ready").status_code == 200


# Limits


def test_bodies_count_until_they_are_answered(champion):
    with in_process(champion, max_body_mb=0.001, timeout_s=5) as client:
        served = client.server.follower.served["flights"]
        go = threading.Event()

        def slow(frame):
            go.wait(timeout=60)
            return [[0.5, 0.5]] * len(frame)

        client.server.follower.served["flights"] = replace(served, champion=replace(served.champion, predict=slow))
        body = json.dumps(ASKED).encode().ljust(1000)
        with ThreadPoolExecutor(12) as clients:
            asked = [clients.submit(client.post, "/invocations", content=body) for _ in range(12)]
            until(lambda: sum(each.done() for each in asked) >= 4)
            go.set()
            statuses = sorted(each.result().status_code for each in asked)
        client.server.follower.served["flights"] = served
        after = [client.post("/invocations", content=body).status_code for _ in range(12)]

    assert statuses == [200] * 8 + [429] * 4
    assert after == [200] * 12


@pytest.mark.parametrize(
    ("size", "status", "what"), [(10, 504, "its body was read, but not parsed in time"), (0, 408, "its body came too")]
)
def test_what_took_too_long_is_said_as_it_was(size, status, what):
    error = _too_late(3, is_read=size > 0, is_parsed=False)

    assert error.status == status
    assert str(error).startswith(f"the request was given up after 3 s: {what}")


# Faults of the server


def test_a_fault_is_answered_in_the_form_of_all_errors_and_counted(champion, monkeypatch, caplog):
    with in_process(champion) as client:
        monkeypatch.setattr(answers, "predictions", lambda *_: 1 / 0)
        answer = client.post("/invocations", json=ASKED)
        text = client.get("/metrics").text

    assert answer.status_code == 500
    assert answer.json()["error"] == {"type": "server_failed", "message": "the server failed; its log says why."}
    assert 'requests_total{model="flights",route="/invocations",status="500"} 1.0' in text
    assert "ZeroDivisionError" in caplog.text


def test_answers_that_hold_values_of_numpy_are_json(champion):
    with in_process(champion) as client:
        served = client.server.follower.served["flights"]

        def odd(frame):
            return np.array([np.float32(0.5), np.int64(3), np.str_("late"), None][: len(frame)], dtype=object)

        client.server.follower.served["flights"] = replace(served, champion=replace(served.champion, predict=odd))
        answer = client.post("/invocations", json={"dataframe_records": [ROW] * 4})

    assert answer.json()["predictions"] == [0.5, 3, "late", None]
    assert len(logged(client, champion)) == 4


# More limits


def test_a_body_beyond_the_limit_is_refused_by_its_head_or_as_it_comes(champion):
    with in_process(champion, max_body_mb=0.001) as client:
        by_head = client.post("/invocations", content=b" " * 2000)
        as_it_comes = client.post("/invocations", content=(b" " * 100 for _ in range(20)))

    sentence = "the request's body is larger than 0.001 MiB, which the server takes; send the rows in parts."
    assert [answer.json()["error"]["message"] for answer in (by_head, as_it_comes)] == [sentence] * 2
    assert (by_head.status_code, as_it_comes.status_code) == (413, 413)


def test_a_large_body_is_answered_and_refused_like_a_small_one(client):
    rows = [{**ROW, "pad": "x" * 200_000}]
    small, large = client.post("/invocations", json=ASKED), client.post("/invocations", json={"instances": rows})
    refused = client.post("/invocations", json={"instances": [{**rows[0], "temp": "warm"}]})

    assert large.json() == small.json()
    assert (refused.status_code, refused.json()["error"]["type"]) == (400, "wrong_type")


def test_more_rows_than_the_limit_are_refused(champion):
    with in_process(champion, max_rows=2) as client:
        answer = client.post("/invocations", json={"dataframe_records": [ROW] * 3})

    assert answer.status_code == 413
    assert (
        answer.json()["error"]["message"] == "the request has 3 rows, and the server takes 2 at once; send it in parts."
    )


# Prediction log


def test_a_row_is_logged_under_its_key_at_its_time(client, champion):
    row = {**ROW, "flight": 12, "scheduled": "2013-03-01T05:15:00-05:00", "gate": "B4"}
    answer = client.post("/invocations", json={"dataframe_records": [row]})
    [record] = logged(client, champion)

    assert record["id"] == '["12","2013-03-01T10:15:00+00:00"]'
    assert record["time"].isoformat() == "2013-03-01T10:15:00+00:00"
    assert (record["version"], record["epoch"]) == ("1", 1)
    assert record["output"] == answer.json()["predictions"][0]
    assert record["features"] == '{"carrier":"AA","distance":700,"temp":39.9}'


def test_a_row_without_key_is_logged_under_its_request(client, champion):
    client.post("/v2/models/flights/infer", json={"id": "a", "inputs": TENSORS})
    client.post("/invocations", json={"dataframe_records": [ROW, ROW]})
    ids = [record["id"] for record in logged(client, champion)]

    assert ids[0] == "a/0"
    assert [name[-2:] for name in ids[1:]] == ["/0", "/1"]
    assert ids[1][:36] == ids[2][:36]


def test_a_time_that_is_none_is_refused_and_not_logged(client, champion):
    answer = client.post("/invocations", json={"dataframe_records": [{**ROW, "scheduled": "noon"}]})

    assert answer.status_code == 400
    assert answer.json()["error"]["message"].startswith(
        "row 0, column 'scheduled': found 'noon', and this column is the"
    )
    assert logged(client, champion) == []


def test_sensitive_columns_are_not_logged(place):
    place.promote(place.add(), rows={**ROWS, "sensitive": ["carrier", "flight"]})
    with in_process(place) as client:
        client.post("/invocations", json={"dataframe_records": [{**ROW, "flight": 12, "scheduled": "2013-03-01"}]})
        [record] = logged(client, place)

    assert record["features"] == '{"distance":700,"temp":39.9}'
    assert record["id"].endswith("/0")


def test_a_promotion_of_an_earlier_release_logs_no_features_and_says_so_once(place, caplog):
    place.promote(place.add(), rows=None)
    with in_process(place) as client:
        for _ in range(2):
            client.post("/invocations", json=ASKED)
        records = logged(client, place)

    assert [record["features"] for record in records] == ["{}", "{}"]
    assert caplog.text.count("does not say which columns are sensitive, so no features are logged") == 1


def test_a_version_that_is_not_promoted_is_answered_by_name_and_not_logged(champion):
    prepared = champion.add(seed=1)
    champion.deploying("prepared", prepared, "2", expected_epoch=1)
    with in_process(champion) as client:
        until(lambda: client.get("/v2/models/flights/versions/2/ready").status_code == 200)
        answer = client.post("/models/flights/versions/2/invocations", json=ASKED)
        records = logged(client, champion)

    assert (answer.json()["version"], answer.json()["epoch"]) == ("2", None)
    assert answer.headers["x-model-epoch"] == ""
    assert records == []


def test_a_log_that_cannot_be_written_keeps_no_answer_back(client, champion, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(client.server.recorder._log, "append", full)
    statuses = [client.post("/invocations", json=ASKED).status_code for _ in range(3)]

    assert statuses == [200] * 3
    assert client.get("/status").json()["server"]["prediction_log"] == (
        "3 predictions of flights were answered but not logged; the last one because: "
        "[Errno 28] No space left on device"
    )
    assert 'mlops_server_log_failures_total{model="flights"} 3.0' in client.get("/metrics").text


def test_the_log_can_be_left_out(champion):
    with in_process(champion, prediction_log=False) as client:
        assert client.post("/invocations", json=ASKED).status_code == 200
        assert client.get("/status").json()["server"]["prediction_log"] == "off"
    assert not (champion.folder / "flights" / "predictions").exists()


# Two models


def test_two_models_at_once(place):
    place.promote(place.add(seed=0))
    place.promote(place.add(seed=1, model="trains"), model="trains")
    with in_process(place, "flights", "trains") as client:
        flights = client.post("/models/flights/invocations", json=ASKED).json()
        trains = client.post("/invocations?model=trains", json=ASKED).json()
        unnamed = client.post("/invocations", json=ASKED)

    assert (flights["model"], trains["model"]) == ("flights", "trains")
    assert flights["predictions"] != trains["predictions"]
    assert unnamed.status_code == 400
    assert unnamed.json()["error"]["message"] == (
        "several models are served here; add ?model= with one of flights, trains."
    )
