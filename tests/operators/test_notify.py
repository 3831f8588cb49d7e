"""People are told of incidents and questions, each once, by whatever notifier the spec names."""

from __future__ import annotations

import json
import re
import socketserver
import threading
from datetime import timedelta

import pytest
from airflow.sdk import BaseNotifier

from airflow_mlops.errors import NoticeFailed
from airflow_mlops.ledger import Ledger
from airflow_mlops.operators.notify import NotifyOperator
from airflow_mlops.spec.notify_section import NotifySpec
from tests.conftest import utc

NOW = utc("2013-03-01T05:00:00")
RUN = {"run_id": "r1"}
METRICS = {"accuracy": 0.8, "baseline_accuracy": 0.6, "champion_log_loss": 0.466, "log_loss": 0.41}


class FileNotifier(BaseNotifier):
    """Write each message as a line of a file."""

    template_fields = ("text",)

    def __init__(self, *, path, title, text, url=""):
        super().__init__()
        self.path, self.title, self.text, self.url = path, title, text, url

    def notify(self, context):
        with open(self.path, "a") as file:
            file.write(json.dumps([self.title, self.text, self.url]) + "\n")


@pytest.fixture
def ledger(tmp_path):
    return Ledger(f"sqlite:///{tmp_path / 'artifacts' / 'ledger.db'}")


@pytest.fixture
def box(tmp_path):
    """A file that stands for a channel, with what was said in it."""

    class Box:
        path = str(tmp_path / "box")

        @property
        def said(self):
            try:
                with open(self.path) as file:
                    return [json.loads(line) for line in file]
            except FileNotFoundError:
                return []

    return Box()


def file_target(box, **options):
    words = {name: f"{{{{ {name} }}}}" for name in ("title", "text", "url")}
    return {"notifier": f"{__name__}.FileNotifier", "arguments": {"path": box.path, **words}, **options}


@pytest.fixture
def tell(tmp_path, flights_spec, ledger):
    """Run the operator, once, with some targets."""

    def run(*, days=0, context=RUN, quiet="0s", **targets):
        notify = NotifySpec.model_validate({"targets": targets, "quiet": quiet})
        operator = NotifyOperator(
            task_id="notify",
            spec=flights_spec.model_copy(update={"notify": notify}),
            now=(NOW + timedelta(days=days)).isoformat(),
            artifacts_uri=str(tmp_path / "artifacts"),
        )
        return operator.execute(dict(context))["told"]

    return run


def look(ledger, key, *, days=0, verdict="drifted", run="r1", **more):
    signal = {"name": "data_drift", "verdict": verdict, "detail": "6 of 8 columns moved, {{ 7 * 7 }} <b>"}
    payload = {"data_check": "passed", "measured": {"data_drift": signal}, **more}
    ledger.append("flights", "signals", key, payload, at=NOW + timedelta(days=days), run=run)


def ask(ledger):
    judged = {
        "id": "e1",
        "verdict": "pass",
        "reasons": ["log_loss fell by 12%", "no slice is worse"],
        "metrics": METRICS,
    }
    ledger.append("flights", "evaluate", "e1", judged, at=NOW)
    asked = {"answer": "asked", "version": "2", "evaluation": "e1", "reason": "asked for first_version", "by": ["ann"]}
    rules = {"asked": ["first_version"], "risks": ["first_version"], "expires_s": 86400.0, "approvers": ["bob"]}
    ledger.append("flights", "approval", "2:e1:asked", {**asked, **rules}, at=NOW)


def test_an_incident_is_told_once_with_cause_and_link_however_often_it_runs(tell, ledger, box, monkeypatch):
    monkeypatch.setenv("AIRFLOW__API__BASE_URL", "https://airflow.example.com/base/")
    look(ledger, "1")

    assert [len(tell(box=file_target(box)).get("box", [])) for _ in range(3)] == [1, 0, 0]

    [[title, text, url]] = box.said
    assert title == "flights: drift"
    assert "6 of 8 columns moved, {{ 7 * 7 }} <b>" in text
    assert url == "https://airflow.example.com/base/plugin/models/flights"


def test_what_one_look_found_is_one_message(tell, ledger, box):
    look(ledger, "1", data_check="failed", data_check_reasons=["too few rows"])

    tell(box=file_target(box))

    [[title, text, _]] = box.said
    assert title == "flights: 2 incidents"
    assert "too few rows" in text
    assert "columns moved" in text


def test_a_notifier_that_fails_keeps_no_other_from_being_told_and_is_tried_again(tell, ledger, box):
    look(ledger, "1")
    broken = {**file_target(box), "arguments": {"path": box.path + "/no/folder", "title": "", "text": ""}}

    with pytest.raises(NoticeFailed, match=r"1 of 2 messages about flights not sent: broken .*FileNotFoundError"):
        tell(broken=broken, box=file_target(box))
    assert len(box.said) == 1

    assert set(tell(broken=file_target(box), box=file_target(box))) == {"broken"}
    assert len(box.said) == 2


def test_an_argument_that_is_no_template_keeps_no_other_target_from_being_told(tell, ledger, box):
    look(ledger, "1")
    wrong = file_target(box)
    wrong["arguments"]["title"] = "{{ txt }}"

    with pytest.raises(NoticeFailed, match=r"'\{\{ txt \}\}' in notify.targets is no template: 'txt' is undefined"):
        tell(wrong=wrong, box=file_target(box))

    assert [title for title, *_ in box.said] == ["flights: drift"]


def test_a_question_comes_with_its_evidence_at_once(tell, ledger, box):
    ask(ledger)

    for _ in range(2):
        tell(box=file_target(box, when="digest"))

    [[title, text, _]] = box.said
    assert title == "flights: a person's approval is asked for"
    assert text.splitlines()[:-2] == [
        "may version 2 serve? Asked for first_version",
        "  gate: pass",
        "  - log_loss fell by 12%",
        "  - no slice is worse",
        "  metrics: log_loss 0.41 (champion 0.466), accuracy 0.8 (baseline 0.6)",
        "  risks: first_version",
        "  may answer: bob",
    ]
    assert re.search(r"no answer by \d{4}-\d\d-\d\d \d\d:\d\d UTC is a rejection", text)


def test_a_new_target_is_not_told_of_what_is_over_already(tell, ledger, box):
    look(ledger, "1", run="old")
    look(ledger, "2", days=1, verdict="stable", run="old")

    tell(box=file_target(box), days=1)

    assert box.said == []


def test_without_targets_nobody_is_told_and_nothing_is_recorded(flights_spec, tmp_path, ledger):
    look(ledger, "1")
    operator = NotifyOperator(
        task_id="notify", spec=flights_spec, now=NOW.isoformat(), artifacts_uri=str(tmp_path / "artifacts")
    )

    assert operator.execute(dict(RUN))["told"] == {}
    assert ledger.events("flights", kind="notice") == []


class _Mail(socketserver.StreamRequestHandler):
    def handle(self):
        self.wfile.write(b"220 here\r\n")
        while line := self.rfile.readline().strip():
            if line.upper() == b"DATA":
                self.wfile.write(b"354 go on\r\n")
                body = []
                while (part := self.rfile.readline()) != b".\r\n":
                    body.append(part)
                self.server.mails.append(b"".join(body))
            self.wfile.write(b"221 bye\r\n" if line.upper() == b"QUIT" else b"250 OK\r\n")


@pytest.fixture
def mail_server():
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), _Mail) as server:
        server.mails = []
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def test_airflows_own_smtp_notifier_sends_a_mail(tell, ledger, mail_server, monkeypatch):
    from email import message_from_bytes, policy

    connection = {
        "conn_type": "smtp",
        "host": "127.0.0.1",
        "port": mail_server.server_address[1],
        "extra": {"disable_ssl": True, "disable_tls": True, "from_email": "loop@example.com"},
    }
    monkeypatch.setenv("AIRFLOW_CONN_MAIL", json.dumps(connection))
    look(ledger, "1")

    mail = {
        "notifier": "airflow.providers.smtp.notifications.smtp.SmtpNotifier",
        "arguments": {
            "to": "team@example.com", "subject": "{{ title }}", "html_content": "{{ html }}", "smtp_conn_id": "mail"
        },
    }  # fmt: skip
    tell(mail=mail)

    [sent] = [message_from_bytes(each, policy=policy.default) for each in mail_server.mails]
    assert sent["subject"] == "flights: drift"
    assert "6 of 8 columns moved, {{ 7 * 7 }} &lt;b&gt;" in sent.get_body().get_content()
