"""What the pages wait for when a model server answers a byte at a time, or never."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Event

from airflow_mlops.ui import model_servers
from airflow_mlops.ui.model_servers import ModelServers, Said


def test_a_server_that_never_ends_its_answer_holds_up_one_reader_alone(monkeypatch):
    is_asked, may_answer = Event(), Event()

    def answer(conn_id):
        is_asked.set()
        may_answer.wait()
        return Said(conn_id, None, "it has ended")

    monkeypatch.setattr(model_servers, "_ask", answer)
    servers = ModelServers(patience_s=0.01)
    with ThreadPoolExecutor(1) as first_reader:
        first = first_reader.submit(servers.ask, ["slow"])
        is_asked.wait()
        try:
            [said] = servers.ask(["slow"])
        finally:
            may_answer.set()

    assert (said.status, said.trouble) == (
        None,
        "the model server of connection 'slow' has not answered within seconds; it is asked again",
    )
    assert [each.trouble for each in first.result()] == ["it has ended"]
    assert servers.ask(["slow"]) == first.result()
