"""The versions of a model as rows of a list, with the challengers that did not become one."""

from __future__ import annotations

from dataclasses import dataclass, replace

# A route answers with these records, and its types are read when it is made.
from datetime import datetime  # noqa: TC003
from typing import TYPE_CHECKING, Any

from airflow_mlops.events import APPROVAL, REGISTER, REQUEST, version_of
from airflow_mlops.ledger.history import history_of
from airflow_mlops.loop.history import EVALUATE
from airflow_mlops.refs import PASSED

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from airflow_mlops.events import Event
    from airflow_mlops.ledger.history import Stretch
    from airflow_mlops.ledger.reader import LedgerReader

# Roles of what was judged and is no version.
REFUSED, JUDGED = "refused", "judged"
# What is read of those that are not shown.
_JUDGED = (("verdict",), ("model", "digest"))
_ANSWER = (("version",), ("answer",))


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
    """Everything of a model that was registered or judged; only what is shown is read whole.

    Parameters
    ----------
    ledger : LedgerReader
        Knows it.
    name : str
        Of the model.

    Raises
    ------
    LedgerCorrupt
        A promotion is missing, or the end of the chain was cut off.
    """

    def __init__(self, ledger: LedgerReader, name: str) -> None:
        self._ledger, self._name = ledger, name
        outline = ledger.outline(name)
        self.state = outline.state
        self._promotions = outline.promotions
        # Where a version is known from: its registration, or the promotion of one that never was registered.
        self._known_by: dict[str, Event] = {}
        for each in outline.events:
            self._known_by.setdefault(str(version_of(each.payload)), each)
        self._evaluations = {event.key: event for event in ledger.abridged(name, EVALUATE, _JUDGED)}
        self._by_digest: dict[str, Event] = {}
        for each in self._evaluations.values():
            self._by_digest.setdefault(_digest(model_of(each)), each)
            if each.payload.get("verdict") in PASSED:
                self._by_digest[_digest(model_of(each))] = each
        known = {_digest(payload_of(each.payload)) for each in self.state.versions.values()}
        self._apart = {name: each for name, each in self._evaluations.items() if _digest(model_of(each)) not in known}
        self._whole: dict[int, Event] = {}

    def page(self, *, limit: int, offset: int) -> tuple[list[VersionRow], int]:
        """Return a page of rows, the newest first, and how many there are.

        Raises
        ------
        LedgerCorrupt
            An event that is shown was changed.
        """
        times = [(each.at, version) for version, each in self.state.versions.items()]
        times += [(each.at, name) for name, each in self._apart.items()]
        # Sorted upwards, what was registered last of one moment is last, and so the newest.
        ordered = sorted(times, key=lambda each: each[0])[::-1]
        shown = [name for _, name in ordered[offset : offset + limit]]
        answers = self._ledger.abridged(self._name, APPROVAL, _ANSWER)
        self._read(shown)
        found = (self._row(name, answers) for name in shown)
        return [row for row in found if row is not None], len(ordered)

    def row(self, name: str) -> VersionRow | None:
        """Return the row of a version, or of a challenger by its evaluation; None where there is none.

        Raises
        ------
        LedgerCorrupt
            An event that is shown was changed.
        """
        self._read([name])
        return self._row(name, self._answers(name))

    def evaluation(self, name: str) -> Event | None:
        """Return how a version was judged before it was registered, or a challenger; it is read with its row."""
        judged = self._judged(name)
        return self._whole.get(judged.seq) if judged else None

    def services(self, version: str) -> list[Stretch]:
        """List the stretches of a version as champion.

        Raises
        ------
        LedgerCorrupt
            A promotion that is shown was changed.
        """
        own = [place for place, each in enumerate(self._promotions) if version_of(each.payload) == version]
        beside = {self._promotions[at].seq for place in own for at in (place, place + 1) if at < len(self._promotions)}
        told = self._ledger.numbered(self._name, sorted(beside))
        runs = {each.run for each in told}
        asked = [each for each in self._ledger.events(self._name, kind=REQUEST) if each.run in runs] if own else []
        stretches = history_of([*told, *asked, *self._answers(version)], model=self._name).stretches
        return [each for each in stretches if each.version == version]

    def _read(self, names: Sequence[str]) -> None:
        """Read whole what is to be shown of some versions and challengers."""
        found = [(name, self._known_by.get(name) if name in self.state.versions else None) for name in names]
        judged = [self._judged(name) for name in names]
        numbers = {each.seq for each in (*(known for _, known in found), *judged) if each is not None}
        self._whole |= {each.seq: each for each in self._ledger.numbered(self._name, sorted(numbers))}
        for name, known in found:
            if known is not None:
                payload = self._whole[known.seq].payload
                payload = payload if known.kind == REGISTER else payload.get("model") or {}
                self.state.versions[name] = replace(self.state.versions[name], payload=payload)

    def _judged(self, name: str) -> Event | None:
        if name in self._apart:
            return self._apart[name]
        if name not in self.state.versions:
            return None
        payload = self.state.versions[name].payload
        named = self._evaluations.get(str(payload.get("evaluation")))
        return named or self._by_digest.get(_digest(payload_of(payload)))

    def _answers(self, version: str) -> list[Event]:
        return self._ledger.keyed(self._name, APPROVAL, f"{version}:")

    def _row(self, name: str, answers: Sequence[Event]) -> VersionRow | None:
        if name in self.state.versions:
            return self._version(name, [each for each in answers if version_of(each.payload) == name])
        judged = self.evaluation(name)
        return self._challenger(judged) if judged else None

    def _version(self, version: str, answers: Sequence[Event]) -> VersionRow:
        known, judged = self.state.versions[version], self.evaluation(version)
        following = [*self._promotions[1:], None]
        services = [
            (each.at, after.at if after else None)
            for each, after in zip(self._promotions, following, strict=False)
            if version_of(each.payload) == version
        ]
        since, until = services[-1] if services else (None, None)
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
            approval=str(answers[-1].payload.get("answer")) if answers else None,
            services=len(services),
            since=since,
            until=until,
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
