"""A decision as the ledger holds it, told for people: its rules with their values, what was read, and its shadow."""

from __future__ import annotations

from dataclasses import dataclass

# A route answers with these records, and its types are read when it is made.
from datetime import datetime  # noqa: TC003
from typing import TYPE_CHECKING, Any

from airflow_mlops.lifecycle.version_record import MemberRecord, member_records
from airflow_mlops.loop.history import DECISION, SHADOW, SIGNALS
from airflow_mlops.loop.rule_tree import TreeNode, read_tree
from airflow_mlops.loop.signal_words import Reading, readings_of
from airflow_mlops.loop.standing_tree import standing_trees

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_mlops.events import Event
    from airflow_mlops.ledger.reader import LedgerReader

# Looks over which a policy in shadow is compared with the one that decides.
COMPARED_LOOKS = 50
_TITLES = {"train": "When to train", "warn": "When to warn"}


@dataclass(frozen=True, slots=True)
class Tree:
    """One rule of a policy, with the value of every node; ``is_written`` where the policy has it as a rule."""

    name: str
    title: str
    root: TreeNode
    is_written: bool


@dataclass(frozen=True, slots=True)
class Agreement:
    """Of the last looks with a policy in shadow, how often each would have trained."""

    looks: int
    both: int
    only_live: int
    only_shadow: int
    neither: int


@dataclass(frozen=True, slots=True)
class ShadowRecord:
    """What a policy in shadow decided on the same facts, and how often it agreed lately."""

    action: str
    held_by: str | None
    reasons: tuple[str, ...]
    counterfactual: str
    trees: tuple[Tree, ...]
    agreement: Agreement


@dataclass(frozen=True, slots=True)
class DecisionRecord:
    """One decision, and all that it rests on.

    ``at`` is event time, ``recorded_at`` the clock's. ``older`` and ``newer`` are the keys of the decisions beside it.
    ``window`` names the rows of the training that is asked for. ``correction`` is what is to be added to the answers.
    ``rows`` are those that the look had, by snapshot.
    """

    key: str
    at: datetime
    recorded_at: datetime
    action: str
    held_by: str | None
    cause: str | None
    reasons: tuple[str, ...]
    counterfactual: str
    champion_version: str | None
    epoch: int | None
    window: str | None
    weights: tuple[MemberRecord, ...]
    correction: float | list[float] | None
    trees: tuple[Tree, ...]
    readings: tuple[Reading, ...]
    data_check: str | None
    rows: int | None
    rows_start: str | None
    rows_end: str | None
    shadow: ShadowRecord | None
    run: str | None
    older: str | None
    newer: str | None


def decision_record(ledger: LedgerReader, name: str, key: str | None = None) -> DecisionRecord | None:
    """Tell a decision; None where there is none of this key, or none at all.

    Parameters
    ----------
    ledger : LedgerReader
        Where it is.
    name : str
        Of the model.
    key : str, optional
        Of the decision; default: the last one.

    Raises
    ------
    LedgerCorrupt
        It was changed, or cut off.
    """
    event = _event(ledger, name, key)
    if event is None:
        return None
    measured = ledger.find(name, SIGNALS, str(event.payload.get("signals") or event.key))
    signals = measured.payload if measured else {}
    before = ledger.newest(name, kinds=(DECISION,), before=event.seq, limit=1)
    after = ledger.next_of(name, DECISION, after=event.seq)
    return _told(event, signals, _weights(ledger, name, event.payload), _shadow(ledger, event, signals), before, after)


def _event(ledger: LedgerReader, name: str, key: str | None) -> Event | None:
    if key is not None:
        return ledger.find(name, DECISION, key)
    ledger.expect_whole_end(name)
    return next(iter(ledger.newest(name, kinds=(DECISION,), limit=1)), None)


def _told(
    event: Event,
    signals: Mapping[str, Any],
    weights: tuple[MemberRecord, ...],
    shadow: ShadowRecord | None,
    before: list[Event],
    after: Event | None,
) -> DecisionRecord:
    said = event.payload
    rows = (signals.get("inputs") or {}).get("rows") or {}
    correction = said.get("correction")
    return DecisionRecord(
        key=event.key,
        at=event.at,
        recorded_at=event.recorded_at,
        action=said["action"],
        held_by=said.get("held_by"),
        cause=said.get("cause"),
        reasons=tuple(said.get("reasons") or ()),
        counterfactual=said.get("counterfactual") or "",
        champion_version=said.get("champion_version"),
        epoch=said.get("epoch"),
        window=said.get("window"),
        weights=weights,
        correction=correction.get("value") if correction else None,
        trees=_trees(said, signals),
        readings=readings_of(said, signals),
        data_check=signals.get("data_check"),
        rows=rows.get("rows"),
        rows_start=rows.get("start"),
        rows_end=rows.get("end"),
        shadow=shadow,
        run=event.run,
        older=before[0].key if before else None,
        newer=after.key if after else None,
    )


def _trees(said: Mapping[str, Any], signals: Mapping[str, Any]) -> tuple[Tree, ...]:
    written = said.get("tree") or {}
    if written:
        return tuple(Tree(name, _TITLES.get(name, name), read_tree(node), True) for name, node in written.items())
    drawn = standing_trees(said, signals)
    return tuple(Tree(name, _TITLES[name], node, False) for name, node in drawn.items())


def _weights(ledger: LedgerReader, name: str, said: Mapping[str, Any]) -> tuple[MemberRecord, ...]:
    weights = said.get("weights") or {}
    return member_records(ledger, name, ledger.state(name), weights) if weights else ()


def _shadow(ledger: LedgerReader, event: Event, signals: Mapping[str, Any]) -> ShadowRecord | None:
    found = ledger.find(event.model, SHADOW, event.key)
    if found is None:
        return None
    said = found.payload
    return ShadowRecord(
        action=said["action"],
        held_by=said.get("held_by"),
        reasons=tuple(said.get("reasons") or ()),
        counterfactual=said.get("counterfactual") or "",
        trees=_trees(said, signals),
        agreement=_agreement(ledger, event),
    )


def _agreement(ledger: LedgerReader, event: Event) -> Agreement:
    """Compare the two policies over the looks up to this one."""
    shadows = ledger.newest(event.model, kinds=(SHADOW,), before=event.seq + 1, limit=COMPARED_LOOKS)
    first = shadows[-1].seq if shadows else event.seq
    # A look records its shadow's decision before its own; beyond these are looks of a time without a shadow.
    lives = ledger.newest(event.model, kinds=(DECISION,), before=event.seq + 1, limit=COMPARED_LOOKS)
    trained = {live.key: live.payload.get("action") == "retrain" for live in lives if live.seq > first}
    pairs = [(trained[each.key], each.payload.get("action") == "retrain") for each in shadows if each.key in trained]
    return Agreement(
        looks=len(pairs),
        both=pairs.count((True, True)),
        only_live=pairs.count((True, False)),
        only_shadow=pairs.count((False, True)),
        neither=pairs.count((False, False)),
    )
