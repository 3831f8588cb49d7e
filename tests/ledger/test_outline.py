"""A state in outline is the state, with less of what nobody shows."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from airflow_mlops.errors import LedgerCorrupt, LedgerUnavailable
from airflow_mlops.ledger.tables import events_table

START = datetime(2013, 3, 1, 5, tzinfo=UTC)
HELD = {"scope": "version", "by": "ada", "reason": "a 'test' of 100 %"}


@pytest.fixture
def lived(ledger):
    """A model with a committee, an adopted version, a rollback, freezes and a shadow."""
    day = iter(range(100))

    def moment():
        return START + timedelta(days=next(day))

    def registered(version, **more):
        model = {"version": version, "id": f"m{version}", "digest": f"d{version}", "features": {"rows": 9}, **more}
        ledger.append("m", "register", model["digest"], model, at=moment())
        return model

    def promoted(version, **payload):
        ledger.promote("m", version, expected_epoch=ledger.state("m").epoch, payload=payload, at=moment())

    promoted("adopted", model={"version": "adopted", "digest": "d0"})
    promoted("1", model=registered("1", members={}), cause="retrain")
    promoted("2", model=registered("2", members={"m1": 0.5, "mü": 0.5}), cause="retrain")
    promoted("1", model={"version": "1"}, cause="rollback", rollback={"replaced": "2", "reason": 'worse "by far"'})
    registered("3")
    ledger.append("m", "role", "shadow", {"version": "3", "role": "shadow"}, at=moment())
    ledger.append("m", "freeze", "2", {**HELD, "version": "2", "frozen": True}, at=moment())
    ledger.append("m", "freeze", "loop", {**HELD, "scope": "loop", "frozen": True}, at=moment())
    return ledger


def test_an_outline_is_the_state_with_less_in_each_version(lived):
    outline, state = lived.outline("m"), lived.state("m")

    assert replace(outline.state, versions={}) == replace(state, versions={})
    bare = [
        {name: replace(each, payload={}) for name, each in found.versions.items()} for found in (outline.state, state)
    ]
    assert bare[0] == bare[1]
    assert outline.state.champion.payload == state.champion.payload
    for name, version in outline.state.versions.items():
        assert version.payload.items() <= state.versions[name].payload.items()
    assert outline.state.versions["2"].payload["members"] == {"m1": 0.5, "mü": 0.5}


def test_promotions_in_outline_tell_versions_causes_and_rollbacks(lived):
    promotions = lived.outline("m").promotions

    assert [(each.payload["version"], each.payload.get("cause")) for each in promotions] == [
        ("adopted", None), ("1", "retrain"), ("2", "retrain"), ("1", "rollback"),
    ]  # fmt: skip
    assert promotions[3].payload["rollback"] == {"replaced": "2", "reason": 'worse "by far"'}
    assert [each.epoch for each in promotions] == [1, 2, 3, 4]


def test_a_model_of_which_nothing_is_on_record_has_an_empty_outline(ledger):
    assert ledger.outline("m").state == ledger.state("m")


def test_a_missing_promotion_is_named(lived):
    with lived._database.write() as connection:
        connection.execute(events_table.delete().where(events_table.c.epoch == 2))

    with pytest.raises(LedgerCorrupt, match="the promotion of epoch 2 is missing"):
        lived.outline("m")


def test_a_payload_that_is_no_json_is_an_error_of_the_ledger(lived):
    with lived._database.write() as connection:
        connection.execute(events_table.update().where(events_table.c.epoch == 2).values(payload='{"version": '))

    with pytest.raises((LedgerCorrupt, LedgerUnavailable)):
        lived.outline("m")
