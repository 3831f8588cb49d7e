"""Whom a spec tells: notifiers that exist, arguments they take, and no secrets."""

from __future__ import annotations

import shutil

import pytest
import yaml

from airflow_mlops.spec.lint import lint
from tests.conftest import ROOT

SPECS = ROOT / "dags" / "specs"
SMTP = "airflow.providers.smtp.notifications.smtp.SmtpNotifier"


@pytest.fixture
def lint_with(tmp_path):
    """Lint the flights spec with one target, and return the findings about it as text."""

    def findings(notifier=SMTP, arguments=None, **more):
        folder = tmp_path / "specs"
        shutil.copytree(SPECS, folder, dirs_exist_ok=True)
        spec = yaml.safe_load((SPECS / "flights.yaml").read_text())
        target = {"notifier": notifier, "arguments": arguments or {"to": "a@example.com"}, **more.pop("target", {})}
        (folder / "flights.yaml").write_text(yaml.safe_dump({**spec, "notify": {"targets": {"team": target}}, **more}))
        return [f"{each.key}: {each.message}" for each in lint(folder / "flights.yaml") if each.key[:6] == "notify"]

    return findings


def test_a_target_that_can_be_told_has_no_finding(lint_with):
    assert lint_with(arguments={"to": "a@example.com", "subject": "{{ title }}", "smtp_conn_id": "mail"}) == []


@pytest.mark.parametrize(
    ("arguments", "key"),
    [
        ({"to": "a", "password": "x"}, "password"),
        ({"to": "a", "custom_headers": {"X-Api-Key": "x"}}, "custom_headers.X-Api-Key"),
        ({"to": "a", "subject": "https://hooks.slack.com/services/T0/B0/x"}, "subject"),
        ({"to": "a", "subject": "https://discord.com/api/webhooks/1/x"}, "subject"),
        ({"to": ["https://me:word@example.com"]}, "to[0]"),
    ],
)
def test_an_argument_that_looks_like_a_secret_is_refused(lint_with, arguments, key):
    [finding] = lint_with(arguments=arguments)

    assert finding.startswith(f"notify.targets.team.arguments.{key}: ")
    assert "keep it in an Airflow connection" in finding


def test_a_connection_is_named_whatever_its_key(lint_with):
    target = {"slack_token_conn_id": "slack", "to": "a"}

    assert not any("looks like a secret" in finding for finding in lint_with(arguments=target))


def test_a_notifier_that_is_not_there_is_named(lint_with):
    [finding] = lint_with(notifier=f"{SMTP}s")

    assert finding.startswith("notify.targets.team.notifier: ")
    assert "did you mean 'SmtpNotifier'?" in finding


def test_what_is_no_notifier_is_refused(lint_with):
    [finding] = lint_with(notifier="datetime.datetime")

    assert finding == "notify.targets.team.notifier: datetime.datetime is no notifier: it has no method 'notify'"


def test_arguments_that_a_notifier_does_not_take_are_refused(lint_with):
    [finding] = lint_with(arguments={"subject": "{{ title }}"})

    assert finding.startswith(f"notify.targets.team.arguments: {SMTP} does not take these: missing a required argument")


def test_a_kind_that_nobody_knows_is_refused(lint_with):
    assert "'drift'" in " ".join(lint_with(target={"of": ["drifts"]}))


def test_people_who_are_asked_and_not_told_are_warned_of(lint_with):
    [finding] = lint_with(target={"of": ["drift"]}, approval={"needs": ["first_version"]})

    assert finding.startswith("notify.targets: no target is told that a person is asked")
