"""The versions of a model as rows of a list, with the challengers that did not become one."""

from __future__ import annotations

from dataclasses import dataclass

# A route answers with these records, and its types are read when it is made.
from datetime import datetime  # noqa: TC003
from typing import TYPE_CHECKING, Any

from airflow_mlops.loop.history import EVALUATE
from airflow_mlops.refs import PASSED

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_mlops.events import Event
    from airflow_mlops.ledger.history import Approval, Stretch
    from airflow_mlops.ledger.reader import LedgerReader

# Roles of what was judged and is no version.
REFUSED, JUDGED = "refused", "judged"


@dataclass(frozen=True, slots=True)
class VersionRow:
    """A version, or a challenger that did not become one.

    ``id`` names it in addresses: the version, else the id of its evaluation. ``role`` is that of the ledger, "refused"
    where the gate refused it, or "judged" where it passed and was not registered. ``made`` is "trained", "committee",
    "corrected" or "adopted". ``at`` is event time. ``services`` counts its stretches as champion; ``since`` and
    ``until`` are those of the last, and ``until`` is None for what serves.
    """

    id: str
    version: str | None
    role: str
    made: str
    at: datetime
    estimator: str | None
    rows: int | None
    window: str | None
    verdict: str | None
    gate: str | None
    approval: str | None
    services: int
    since: datetime | None
    until: datetime | None


class Versions:
    """Everything of a model that was registered or judged.

    Parameters
    ----------
    ledger : LedgerReader
        Knows it.
    name : str
        Of the model.

    Raises
    ------
    LedgerCorrupt
        An event that matters was changed, or the end of the chain was cut off.
    """

    def __init__(self, ledger: LedgerReader, name: str) -> None:
        self.state = ledger.state(name)
        self.history = ledger.history(name)
        evaluations = ledger.events(name, kind=EVALUATE)
        self._evaluations = {str(each.payload.get("id")): each for each in evaluations}
        self._by_digest: dict[str, Event] = {}
        for each in evaluations:
            self._by_digest.setdefault(_digest(model_of(each)), each)
            if each.payload.get("verdict") in PASSED:
                self._by_digest[_digest(model_of(each))] = each
        known = {_digest(payload_of(each.payload)) for each in self.state.versions.values()}
        self._apart = {
            str(each.payload.get("id")): each for each in evaluations if _digest(model_of(each)) not in known
        }

    def page(self, *, limit: int, offset: int) -> tuple[list[VersionRow], int]:
        """Return a page of rows, the newest first, and how many there are."""
        times = [(each.at, version) for version, each in self.state.versions.items()]
        times += [(each.at, name) for name, each in self._apart.items()]
        # Sorted upwards, what was registered last of one moment is last, and so the newest.
        ordered = sorted(times, key=lambda each: each[0])[::-1]
        found = (self.row(name) for _, name in ordered[offset : offset + limit])
        return [row for row in found if row is not None], len(ordered)

    def row(self, name: str) -> VersionRow | None:
        """Return the row of a version, or of a challenger by its evaluation; None where there is none."""
        if name in self.state.versions:
            return self._version(name)
        return self._challenger(self._apart[name]) if name in self._apart else None

    def evaluation(self, name: str) -> Event | None:
        """Return how a version was judged before it was registered, or a challenger."""
        if name in self._apart:
            return self._apart[name]
        payload = self.state.versions[name].payload
        named = self._evaluations.get(str(payload.get("evaluation")))
        return named or self._by_digest.get(_digest(payload_of(payload)))

    def services(self, version: str) -> list[Stretch]:
        """List the stretches of a version as champion."""
        return [each for each in self.history.stretches if each.version == version]

    def _version(self, version: str) -> VersionRow:
        known, judged, services = self.state.versions[version], self.evaluation(version), self.services(version)
        approvals: list[Approval] = [each for each in self.history.approvals if each.version == version]
        model = payload_of(known.payload)
        return VersionRow(
            id=version,
            version=version,
            role=known.role,
            made=_made(model),
            at=known.at,
            **_trained(model),
            verdict=judged.payload.get("verdict") if judged else None,
            gate=judged.payload.get("gate", "full") if judged else None,
            approval=approvals[-1].answer if approvals else None,
            services=len(services),
            since=services[-1].since if services else None,
            until=services[-1].until if services else None,
        )

    def _challenger(self, judged: Event) -> VersionRow:
        verdict, model = judged.payload.get("verdict"), model_of(judged)
        return VersionRow(
            id=str(judged.payload.get("id")),
            version=None,
            role=JUDGED if verdict in PASSED else REFUSED,
            made=_made(model),
            at=judged.at,
            **_trained(model),
            verdict=verdict,
            gate=judged.payload.get("gate", "full"),
            approval=None,
            services=0,
            since=None,
            until=None,
        )


def model_of(judged: Event) -> dict[str, Any]:
    """Return the model that an evaluation judged."""
    return judged.payload.get("model") or {}


def payload_of(payload: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the model of a version's payload: itself, or inside it where it was adopted."""
    return payload.get("model") or payload


def _digest(model: Mapping[str, Any]) -> str:
    return str(model.get("digest"))


def _made(model: Mapping[str, Any]) -> str:
    if len(model.get("members") or ()) > 1:
        return "committee"
    if model.get("members"):
        return "corrected"
    return "trained" if model.get("features") else "adopted"


def _trained(model: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "estimator": model.get("estimator"),
        "rows": model.get("rows"),
        "window": (model.get("features") or {}).get("window"),
    }
