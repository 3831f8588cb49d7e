"""What may be deleted, read off the ledger and a listing: pure, so that a dry run and the real one say the same.

Of what is complete only what the ledger names is ever deleted: a folder that nobody recorded is left alone.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from airflow_mlops.events import APPROVAL, REGISTER, version_of
from airflow_mlops.lifecycle.retention.files import judged_files
from airflow_mlops.lifecycle.retention.items import FEATURES, KIND, SNAPSHOT, VERSION, Item, RetentionPlan
from airflow_mlops.loop.committee import WINDOWS
from airflow_mlops.loop.history import EVALUATE, SIGNALS, TRAIN
from airflow_mlops.refs import PASSED

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from datetime import datetime, timedelta

    from airflow_mlops.events import Event, ModelState, Version
    from airflow_mlops.lifecycle.retention.inventory import Inventory
    from airflow_mlops.spec import ModelSpec

_MADE = (TRAIN, "weigh")
# Final answers of people about a version; before one its bytes are needed still.
_ANSWERED = ("approved", "rejected", "automatic")


def plan(
    state: ModelState,
    events: Iterable[Event],
    spec: ModelSpec,
    *,
    now: datetime,
    predictions: Mapping[str, datetime],
    inventory: Inventory,
) -> RetentionPlan:
    """Say what may be deleted, and why the rest may not.

    Parameters
    ----------
    state : ModelState
        Of the model.
    events : iterable of Event
        All of the model, in order.
    spec : ModelSpec
        With its section ``retention``; without one nothing goes.
    now : datetime
        Event time.
    predictions : mapping of str to datetime
        Files of the prediction log by URI, and the time of each one's last row.
    inventory : Inventory
        What is stored of the model: parts, what killed runs left, and what runs may be working with.
    """
    if spec.retention is None:
        return RetentionPlan()
    keeping = _Keeping(state, tuple(events), spec, now, inventory)
    gone = keeping.gone()
    judged = [
        (item, reason)
        for item, reason in keeping.judged(predictions)
        if (item.kind, item.name) not in gone or (item.kind == SNAPSHOT and inventory.is_there(str(item.uri)))
    ]
    kept = {str(item.uri): reason for item, reason in judged if item.kind == SNAPSHOT and reason}
    goes = {str(item.uri) for item, reason in judged if reason is None}
    judged += judged_files(inventory, tuple(keeping.referred(kept)), needed=set(keeping.folders_needed), goes=goes)
    return RetentionPlan(
        tuple(item for item, reason in judged if reason is None),
        tuple(replace(item, reason=reason) for item, reason in judged if reason is not None),
    )


@dataclass
class _Keeping:
    """One model's things, and what each is kept for."""

    state: ModelState
    events: tuple[Event, ...]
    spec: ModelSpec
    now: datetime
    inventory: Inventory
    models: dict[str, Mapping[str, Any]] = field(init=False)
    known: dict[str, Mapping[str, Any]] = field(init=False)
    needed: dict[str, str] = field(init=False)
    folders_needed: dict[str, str] = field(init=False)

    def __post_init__(self) -> None:
        made = [event for event in self.events if event.kind in _MADE and event.payload.get("id")]
        self.models = {event.payload["id"]: event.payload for event in made}
        # A version that came from another deployment was not made here.
        versions = {_id(each): each.payload.get("model") or each.payload for each in self.state.versions.values()}
        self.known = {**versions, **self.models}
        self.needed = dict(self._models_needed())
        self.folders_needed = self._folders_needed()

    def judged(self, predictions: Mapping[str, datetime]) -> Iterator[tuple[Item, str | None]]:
        """Give each thing with the reason to keep it, or None."""
        yield from self._models()
        yield from self._by_age()
        limit = self.spec.retention.predictions if self.spec.retention else None
        for uri, last in sorted(predictions.items()):
            yield Item("predictions", uri.rpartition("/")[2], _older(limit), uri), self._young(last, limit)

    def gone(self) -> set[tuple[str, str]]:
        """Return what earlier runs deleted and nothing has made anew since."""
        found: set[tuple[str, str]] = set()
        for event in self.events:
            if event.kind == KIND:
                found |= {(each["kind"], each["name"]) for each in event.payload["deleted"]}
            elif event.kind in _MADE:
                found.discard(("model", str(event.payload.get("id"))))
        return found

    def referred(self, kept: Mapping[str, str]) -> Iterator[tuple[Mapping[str, Any], str]]:
        """Give the references to snapshots that are kept, each with the reason.

        Parameters
        ----------
        kept : mapping of str to str
            Reasons of snapshots that are kept, by URI.
        """
        for event in self.events:
            if event.kind == "ingest" and event.payload.get("uri") in kept:
                yield event.payload, kept[event.payload["uri"]]
        # A reference may name a snapshot that no run here has ingested.
        for name in self.needed:
            for each in _snapshots((self.known.get(name) or {}).get("features") or {}):
                yield each, self.folders_needed[each["uri"]]

    # Models

    def _models(self) -> Iterator[tuple[Item, str | None]]:
        limit = self.spec.retention.versions if self.spec.retention else 0
        why = f"never served, and not among the newest {limit}"
        for name, payload in self.models.items():
            item = Item("model", name, why, payload["uri"])
            yield item, self.needed.get(name) or self._at_work(payload["uri"])
        for version in self.state.versions.values():
            if not version.served:
                yield Item(VERSION, version.version, why), self.needed.get(str(version.payload.get("id")))

    def _models_needed(self) -> Iterator[tuple[str, str]]:
        """Give each model id that is needed, with the reason that counts most last."""
        reasons: dict[str, str] = {}
        settings = self.spec.retention
        newest = settings.versions if settings else 0
        trained = [event.payload["id"] for event in self.events if event.kind == TRAIN]
        # Only policies that weigh versions have a pool of them; the one in shadow may decide from the next look on.
        retrain = self.spec.retrain
        pool = max(newest, *(getattr(policy, "pool", 0) for policy in (retrain.policy, retrain.shadow)))
        reasons |= dict.fromkeys(list(dict.fromkeys(trained))[-pool:], f"among the newest {pool} trained")
        versions = list(self.state.versions.values())
        reasons |= {_id(each): f"among the newest {newest} versions" for each in versions[-newest:]}
        reasons |= self._awaited()
        reasons |= {_id(each): _served_reason(each) for each in versions if each.served or each.role == "shadow"}
        members: dict[str, str] = {}
        for name, reason in reasons.items():
            for member in (self.known.get(name) or {}).get("members") or {}:
                members.setdefault(member, f"a member of model {name}, {reason}")
        yield from {**members, **reasons}.items()

    def _awaited(self) -> dict[str, str]:
        """Return models of open decisions, of verdicts that may still be deployed, and of questions to people."""
        found: dict[str, str] = {}
        decision = self.state.last.get("decision")
        for name in (decision.payload.get("weights") or {}) if decision else {}:
            found[name] = "the last decision weighs it"
        for event in self.events:
            payload = event.payload
            if event.kind == EVALUATE and payload.get("verdict") in PASSED and payload.get("epoch") == self.state.epoch:
                found[str(payload.get("model_id"))] = "it passed against what serves now"
        answers: dict[str, str] = {}
        for event in self.events:
            if event.kind == APPROVAL:
                answers[str(version_of(event.payload))] = event.payload["answer"]
        for version, answer in answers.items():
            if answer not in _ANSWERED and version in self.state.versions:
                found[_id(self.state.versions[version])] = "a person is asked about it"
        return found

    # What goes by age

    def _by_age(self) -> Iterator[tuple[Item, str | None]]:
        settings = self.spec.retention
        if settings is None:
            return
        limits = {"scores": settings.predictions, "features": settings.snapshots, "snapshot": settings.snapshots}
        seen: dict[tuple[str, str], datetime] = {}
        for event in self.events:
            for kind, uri in _named(event):
                seen[kind, uri] = event.at
        for (kind, uri), at in seen.items():
            limit = limits.get(kind, settings.reports)
            item = Item(kind, uri.rpartition("/")[2], _older(limit), uri)
            reason = self.folders_needed.get(uri) or self._young(at, limit)
            yield item, reason or (self._at_work(uri) if kind in (SNAPSHOT, FEATURES) else None)

    def _folders_needed(self) -> dict[str, str]:
        """Return what kept models were made of and judged by, and what the next look reads."""
        found: dict[str, str] = {}
        kept_snapshots: dict[str, str] = {}
        for name in self.needed:
            features = (self.known.get(name) or {}).get("features") or {}
            for each in _snapshots(features):
                found[each["uri"]] = kept_snapshots[each["id"]] = f"model {name} was trained on it"
            if features.get("uri"):
                found[features["uri"]] = f"model {name} was made of it"
        newest_looks = [event for event in self.events if event.kind == SIGNALS][-WINDOWS:]
        for event in newest_looks:
            found |= {uri: "one of the newest looks reads it" for _, uri in _named(event)}
            inputs = event.payload.get("inputs") or {}
            found |= {each["uri"]: "one of the newest looks read it" for each in inputs.values() if _is_stored(each)}
        for event in self.events:
            for _, uri in _named(event):
                if event.kind == EVALUATE and event.payload.get("model_id") in self.needed:
                    found[uri] = f"it judged model {event.payload['model_id']}"
                elif (event.payload.get("snapshot") or {}) and _snapshot(event) in kept_snapshots:
                    found[uri] = f"it is about snapshot {_snapshot(event)}"
        return found

    def _at_work(self, uri: str) -> str | None:
        return "written less than a day ago" if self.inventory.is_at_work(uri) else None

    def _young(self, at: datetime, limit: timedelta | None) -> str | None:
        return "not old enough" if limit is None or self.now - at <= limit else None


def _named(event: Event) -> Iterator[tuple[str, str]]:
    """Give the kind and URI of what an event says was stored; models are not among them."""
    payload = event.payload
    kinds = {"ingest": "snapshot", "features": "features", "score": "scores"}
    uri = payload.get("uri") or (payload.get("ref") or {}).get("uri")
    if event.kind in kinds and uri:
        yield kinds[event.kind], uri
    elif event.kind not in (*_MADE, REGISTER):
        page = payload.get("html_uri")
        if report := uri or (page.rpartition("/")[0] if page else None):
            yield "report", report
    if quarantine := payload.get("quarantine"):
        yield "quarantine", quarantine
    for quality in (payload.get("quality"), *(payload.get("reopened") or ())):
        if isinstance(quality, dict) and (quality.get("scorecard") or {}).get("uri"):
            yield "scorecard", quality["scorecard"]["uri"]


def _id(version: Version) -> str:
    return str(version.payload.get("id"))


def _served_reason(version: Version) -> str:
    word = {"champion": "serves", "shadow": "is the shadow of", "frozen": "served, and is frozen as"}
    return f"{word.get(version.role, 'served, and may be gone back to as')} version {version.version}"


def _snapshot(event: Event) -> str | None:
    named = event.payload.get("snapshot")
    return str(named.get("id")) if isinstance(named, dict) else None if named is None else str(named)


def _snapshots(features: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    yield from features.get("snapshots") or ()
    yield from features.get("label_snapshots") or ()


def _is_stored(value: object) -> bool:
    return isinstance(value, dict) and "uri" in value


def _older(limit: timedelta | None) -> str:
    return f"older than {limit.days} days" if limit else ""
