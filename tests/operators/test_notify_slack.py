"""Airflow's own Slack notifiers, before a server that stands for Slack: what arrives, and what an error says."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from airflow_mlops.errors import NoticeFailed
from airflow_mlops.ledger import Ledger
from airflow_mlops.operators.notify import NotifyOperator
from airflow_mlops.spec.notify_section import NotifySpec
from tests.conftest import utc

pytest.importorskip("airflow.providers.slack", reason="the extra dev brings the Slack provider")

NOW = utc("2013-03-01T05:00:00")
WEBHOOK, API = "T000/B000/webhook-secret", "xoxb-api-secret"
PROVIDER = "airflow.providers.slack.notifications"
BLOCKS = [{"type": "section", "text": {"type": "mrkdwn", "text": "{{ slack }}"}}]
LINK = "<https://airflow.example.com/base/plugin/models/flights|flights>"


class _Slack(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.got.append((self.path, self.headers.get("Authorization"), json.loads(body)))
        is_hook = self.path.startswith("/services")
        answer, kind = (b"ok", "text/plain") if is_hook else (b'{"ok": true}', "application/json")
        self.send_response(self.server.status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, format, *arguments):
        pass


@pytest.fixture
def slack(monkeypatch):
    with ThreadingHTTPServer(("127.0.0.1", 0), _Slack) as server:
        server.got, server.status = [], 200
        url = f"http://127.0.0.1:{server.server_port}"
        hook = {"conn_type": "slackwebhook", "host": f"{url}/services", "password": WEBHOOK}
        api = {"conn_type": "slack", "password": API, "extra": {"base_url": f"{url}/api/"}}
        monkeypatch.setenv("AIRFLOW_CONN_SLACK_MODELS", json.dumps(hook))
        monkeypatch.setenv("AIRFLOW_CONN_SLACK_API", json.dumps(api))
        monkeypatch.setenv("AIRFLOW__API__BASE_URL", "https://airflow.example.com/base/")
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture
def tell(flights_spec, tmp_path):
    """Tell of an incident whose cause is full of what Slack takes for markup."""
    ledger = Ledger(f"sqlite:///{tmp_path / 'artifacts' / 'ledger.db'}")
    signal = {"name": "data_drift", "verdict": "drifted", "detail": "dest <!channel> & {{ 7 * 7 }} moved"}
    ledger.append("flights", "signals", "1", {"data_check": "passed", "measured": {"data_drift": signal}}, at=NOW)

    def run(**targets):
        spec = flights_spec.model_copy(update={"notify": NotifySpec.model_validate({"targets": targets})})
        artifacts = str(tmp_path / "artifacts")
        operator = NotifyOperator(task_id="notify", spec=spec, now=NOW.isoformat(), artifacts_uri=artifacts)
        return operator.execute({"run_id": "r1"})["told"]

    return run


def webhook(**more):
    words = {"text": "{{ title }}", "blocks": BLOCKS}
    arguments = {"slack_webhook_conn_id": "slack_models", **words, **more}
    return {"notifier": f"{PROVIDER}.slack_webhook.SlackWebhookNotifier", "arguments": arguments}


def channel():
    arguments = {"slack_conn_id": "slack_api", "channel": "#models", "text": "{{ title }}", "blocks": BLOCKS}
    return {"notifier": f"{PROVIDER}.slack.SlackNotifier", "arguments": arguments}


def test_a_webhook_gets_title_and_block_with_cause_and_link(tell, slack):
    tell(team=webhook())

    [(path, _, body)] = slack.got
    [block] = body["blocks"]
    assert (path, body["text"]) == (f"/services/{WEBHOOK}", "flights: drift")
    assert block["text"]["type"] == "mrkdwn"
    assert block["text"]["text"].splitlines() == [
        "drift, since 2013-03-01 05:00 UTC: dest &lt;!channel&gt; &amp; {{ 7 * 7 }} moved",
        LINK,
    ]


def test_a_channel_gets_the_same_by_slacks_api(tell, slack):
    tell(team=channel())

    [(path, brought, body)] = slack.got
    assert (path, brought) == ("/api/chat.postMessage", f"Bearer {API}")
    assert (body["channel"], body["text"]) == ("#models", "flights: drift")
    assert json.loads(body["blocks"])[0]["text"]["text"].endswith(LINK)


def test_no_secret_is_in_a_message_or_its_record(tell, slack, tmp_path):
    tell(team=webhook(), api=channel())

    events = Ledger(f"sqlite:///{tmp_path / 'artifacts' / 'ledger.db'}").events("flights")
    assert "secret" not in json.dumps([event.payload for event in events])
    assert "secret" not in json.dumps([body for _, _, body in slack.got])


def test_a_refusal_is_one_sentence_without_the_address_and_is_tried_again(tell, slack):
    slack.status = 404
    with pytest.raises(NoticeFailed, match="2 of 2 messages about flights not sent") as raised:
        tell(team=webhook(), api=channel())
    assert "secret" not in str(raised.value)

    slack.status = 200
    assert set(tell(team=webhook(), api=channel())) == {"team", "api"}
    assert tell(team=webhook(), api=channel()) == {}
