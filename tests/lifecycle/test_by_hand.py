"""A version that somebody asks for serves only after it has proved what every other has to prove."""

from __future__ import annotations

import pytest

from airflow_mlops.errors import DeploymentMisuse, ModelUnusable, PromotionFrozen
from airflow_mlops.lifecycle.by_hand import ByHand
from airflow_mlops.lifecycle.reconcile import reconcile

from .conftest import ALIAS, MOMENT, NAME, alias, champion, forked


@pytest.fixture
def on_record(registered, ledger, evaluation):
    """Register a model and record it as the operators do."""

    def give(seed, *, verdict="pass"):
        model = registered(seed)
        ledger.append(NAME, "register", model.digest, model.to_dict(), at=MOMENT)
        judged = {**evaluation(0, verdict).to_dict(), "model_id": model.id}
        ledger.append(NAME, "evaluate", f"e{seed}", {"model": model.to_dict(), **judged}, at=MOMENT)
        return model

    return give


@pytest.fixture
def by_hand(client, store, ledger, small_spec):
    def make(rule="adopt", **limits):
        register = small_spec.register_.model_copy(update={"by_hand": rule})
        deploy = small_spec.deploy.model_copy(update=limits)
        spec = small_spec.model_copy(update={"register_": register, "deploy": deploy})
        return ByHand(spec, store, ledger, client, MOMENT, "manual__2", trial=forked)

    return make


def ask(work, version):
    return work.promote(version, by="me", reason="a test", patience_s=1)


def test_a_promotion_by_hand_says_who_and_why(on_record, by_hand, ledger, client):
    on_record(0)
    on_record(1)
    ask(by_hand(), "1")

    deployed = ask(by_hand(), "2")

    assert (deployed.promoted, deployed.previous_version) == (True, "1")
    payload = ledger.events(NAME, kind="promotion")[-1].payload
    assert (payload["cause"], payload["by"], payload["reason"]) == ("by hand", "me", "a test")
    assert alias(client) == "2"
    assert not ask(by_hand(), "2").promoted


def test_what_was_never_registered_or_failed_or_is_frozen_is_refused(on_record, by_hand, ledger):
    on_record(0, verdict="fail")
    on_record(1)
    frozen = {"scope": "version", "version": "2", "frozen": True, "reason": "it was wrong", "by": "me"}
    ledger.append(NAME, "freeze", "2", frozen, at=MOMENT)

    with pytest.raises(DeploymentMisuse, match="knows no version 7 of flights; it knows 1, 2"):
        ask(by_hand(), "7")
    with pytest.raises(DeploymentMisuse, match="version 1 of flights did not pass its evaluation e0"):
        ask(by_hand(), "1")
    with pytest.raises(PromotionFrozen, match=r"version 2 of flights is frozen since .* by me \(it was wrong\)"):
        ask(by_hand(), "2")

    assert champion(ledger) is None


def test_an_alias_moved_by_hand_is_adopted_where_the_spec_says_so(on_record, by_hand, ledger, client):
    on_record(0)
    on_record(1)
    work = by_hand()
    ask(work, "1")
    client.set_registered_model_alias(NAME, ALIAS, "2")

    adopted = work.settle(reconcile(ledger, client, work.spec, at=MOMENT))

    assert (adopted.version, adopted.epoch) == ("2", 2)
    assert alias(client) == "2"
    assert ledger.events(NAME, kind="promotion")[-1].payload["by"] == "somebody in MLflow"
    assert not reconcile(ledger, client, work.spec, at=MOMENT).by_hand


def test_an_adopted_version_that_cannot_serve_is_set_back_and_said(on_record, by_hand, ledger, client, caplog):
    on_record(0)
    on_record(1)
    ask(by_hand(), "1")
    client.set_registered_model_alias(NAME, ALIAS, "2")
    strict = by_hand(max_memory_mb=1e-6)

    assert strict.settle(reconcile(ledger, client, strict.spec, at=MOMENT)) is None

    assert (champion(ledger), alias(client)) == ("1", "1")
    assert [event.payload["settled"] for event in ledger.events(NAME, kind="hand_change")] == ["adopt", "restore"]
    assert "Version 2 is not adopted, and the alias is set back: version 2 of flights may not serve" in caplog.text
    with pytest.raises(ModelUnusable, match="max_memory_mb"):
        ask(strict, "2")
