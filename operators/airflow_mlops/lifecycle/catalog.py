"""Which snapshots of a model there are, or were known at a moment, and who uses them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any

from airflow_mlops.errors import ArtifactMissing, LedgerMisuse, NoChampion
from airflow_mlops.loop.history import SIGNALS, TRAIN
from airflow_mlops.refs import SnapshotRef

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from airflow_mlops.artifacts import ArtifactStore
    from airflow_mlops.events import Event, ModelState
    from airflow_mlops.ledger import Ledger
    from airflow_mlops.spec import ModelSpec

INGEST = "ingest"
# Fewer letters of an id than this may be anything.
_SHORTEST = 4


@dataclass(frozen=True, slots=True)
class Entry:
    """A snapshot on record, and who uses it.

    Attributes
    ----------
    ref : SnapshotRef
        Where it is.
    holds : {"rows", "labels"}
        What its rows are.
    at, recorded_at : datetime
        Moment of the run that stored it, and the clock's time of writing.
    size : int or None
        Bytes of its files, those of parts that other snapshots share included; None where they are in a lake, or gone.
    is_stored : bool
        Whether all its files are there; of a lake, whether the manifest is.
    versions : tuple of str
        Versions that were trained on it, members of committees included.
    is_champions : bool
        Whether one of them serves.
    rollback : tuple of str
        Those of them that a rollback may go back to.
    looked_at : datetime or None
        The last look of the monitor at it.
    """

    ref: SnapshotRef
    holds: str
    at: datetime
    recorded_at: datetime
    size: int | None
    is_stored: bool
    versions: tuple[str, ...] = ()
    is_champions: bool = False
    rollback: tuple[str, ...] = ()
    looked_at: datetime | None = None

    def to_dict(self) -> dict[str, Any]:
        """Turn into JSON; times are ISO 8601."""
        facts = ("id", "uri", "digest", "start", "end", "rows", "columns", "lake", "source_version")
        return {
            **{name: getattr(self.ref, name) for name in facts},
            "holds": self.holds,
            "bytes": self.size,
            "parts": len(self.ref.parts),
            "at": self.at.isoformat(),
            "recorded_at": self.recorded_at.isoformat(),
            "stored": self.is_stored,
            "versions": list(self.versions),
            "champion": self.is_champions,
            "rollback": list(self.rollback),
            "looked_at": self.looked_at and self.looked_at.isoformat(),
        }


@dataclass(frozen=True)
class Catalog:
    """The snapshots of one model.

    Parameters
    ----------
    name : str
        Of the spec.
    store : ArtifactStore
        Where they are.
    ledger : Ledger
        Names them, and those who use them.
    as_of : datetime, optional
        What was known at this event time; default: all that is on record.
    """

    name: str
    store: ArtifactStore
    ledger: Ledger
    as_of: datetime | None = None

    def entries(
        self, *, start: datetime | None = None, end: datetime | None = None, holds: str | None = None
    ) -> list[Entry]:
        """List snapshots, the newest first.

        Parameters
        ----------
        start, end : datetime, optional
            Only those with rows from ``start`` on, and before ``end``.
        holds : {"rows", "labels"}, optional
            Only those.
        """
        found = [
            event
            for event in self._ingests
            if (holds is None or _holds(event) == holds) and _overlaps(event.payload, start, end)
        ]
        return [self._entry(event) for event in found]

    def entry(self, which: str) -> Entry:
        """Find one snapshot of rows by its id, the first letters of it, or the word ``newest``.

        Raises
        ------
        ArtifactMissing
            There is none, or several begin with these letters.
        """
        if which == "newest":
            rows = [event for event in self._ingests if _holds(event) == "rows"]
            if not rows:
                raise ArtifactMissing(f"{self.name} had no snapshot{self._then}; run its ingest task first.")
            return self._entry(rows[0])
        found = [event for event in self._ingests if event.payload["id"] == which] or [
            event for event in self._ingests if len(which) >= _SHORTEST and event.payload["id"].startswith(which)
        ]
        if len(found) != 1:
            said = f"{len(found)} snapshots of {self.name} begin with {which!r}" if found else self._no(which)
            raise ArtifactMissing(f"{said}; airflow-mlops data list {self.name} names them.")
        return self._entry(found[0])

    def champions(self) -> list[Entry]:
        """Find the snapshots that what serves was trained on, in the order of its training set.

        Raises
        ------
        NoChampion
            Nothing serves, or what serves was adopted, without a training on record.
        """
        champion = self._state.champion
        if champion is None:
            raise NoChampion(f"{self.name} had no champion{self._then}; name a snapshot.")
        payload = champion.payload.get("model") or {}
        snapshots = {
            each["id"]: each for model in self._trained(payload) for each in _features(model).get("snapshots", ())
        }
        if not snapshots:
            raise NoChampion(f"version {champion.version} of {self.name} has no training on record; name a snapshot.")
        known = {event.payload["id"]: event for event in self._ingests}
        # A version that was brought from another deployment was trained on rows that nobody ingested here.
        return [
            self._entry(known[name]) if name in known else self._foreign(SnapshotRef.from_dict(each), champion.since)
            for name, each in snapshots.items()
        ]

    def recorded_spec(self) -> ModelSpec | None:
        """Read the spec that was kept with the model that was trained last, where it is still there."""
        from airflow_mlops.spec.record import spec_of_record

        for event in reversed(self._events):
            if event.kind == TRAIN and event.payload.get("uri"):
                manifest = self.store.manifest(event.payload["uri"])
                if manifest and manifest.get("spec"):
                    return spec_of_record(manifest["spec"])
        return None

    # What is on record

    @cached_property
    def _events(self) -> list[Event]:
        events = self.ledger.events(self.name, as_of=self.as_of)
        if not events and self.name not in (known := self.ledger.models()):
            raise LedgerMisuse(f"the ledger knows no model {self.name!r}; it knows {', '.join(known) or 'none'}.")
        return events

    @cached_property
    def _state(self) -> ModelState:
        return self.ledger.state(self.name, as_of=self.as_of)

    @cached_property
    def _ingests(self) -> list[Event]:
        """Events of snapshots, the newest first; a snapshot that was stored twice counts once."""
        found = {event.payload["id"]: event for event in self._events if event.kind == INGEST}
        return sorted(found.values(), key=lambda event: (event.at, event.seq), reverse=True)

    @cached_property
    def _models(self) -> dict[str, Mapping[str, Any]]:
        return {event.payload["id"]: event.payload for event in self._events if event.kind == TRAIN}

    def _trained(self, model: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
        """Give the trained models that a model is made of; itself, where it was trained."""
        if not model.get("members"):
            yield self._models.get(str(model.get("id")), model)
        for member in model.get("members") or ():
            if member in self._models:
                yield self._models[member]

    @cached_property
    def _users(self) -> dict[str, list[str]]:
        """Say of each snapshot which versions were trained on it."""
        found: dict[str, list[str]] = {}
        for version in self._state.versions.values():
            for model in self._trained(version.payload.get("model") or version.payload):
                features = _features(model)
                for each in (*features.get("snapshots", ()), *features.get("label_snapshots", ())):
                    users = found.setdefault(each["id"], [])
                    if version.version not in users:
                        users.append(version.version)
        return found

    @cached_property
    def _looks(self) -> dict[str, datetime]:
        found: dict[str, datetime] = {}
        for event in self._events:
            if event.kind == SIGNALS:
                for each in (event.payload.get("inputs") or {}).values():
                    if each:
                        found[each["id"]] = max(event.at, found.get(each["id"], event.at))
        return found

    # Entries

    def _entry(self, event: Event) -> Entry:
        ref = SnapshotRef.from_dict(event.payload)
        versions = tuple(self._users.get(ref.id, ()))
        champion = self._state.champion
        known = self._state.versions
        size, is_stored = self._size(ref)
        return Entry(
            ref=ref,
            holds=_holds(event),
            at=event.at,
            recorded_at=event.recorded_at,
            size=size,
            is_stored=is_stored,
            versions=versions,
            is_champions=champion is not None and champion.version in versions,
            rollback=tuple(each for each in versions if known[each].role == "retired" and known[each].served),
            looked_at=self._looks.get(ref.id),
        )

    def _foreign(self, ref: SnapshotRef, at: datetime) -> Entry:
        size, is_stored = self._size(ref)
        version = self._state.champion.version if self._state.champion else ""
        return Entry(ref, "rows", at, at, size, is_stored, versions=(version,), is_champions=True)

    def _size(self, ref: SnapshotRef) -> tuple[int | None, bool]:
        sizes = [self._sizes.get(self.store.path(uri)) for uri, _ in ref.files]
        has_manifest = self.store.path(f"{ref.uri}/manifest.json") in self._sizes
        if not sizes or any(size is None for size in sizes):
            return None, has_manifest and not sizes
        return sum(size for size in sizes if size is not None), has_manifest

    @cached_property
    def _sizes(self) -> dict[str, int]:
        """Read the sizes of all files of snapshots in one listing."""
        folder = self.store.path(self.store.uri(self.name, "snapshots"))
        try:
            listed = self.store.fs.find(folder, detail=True)
        except FileNotFoundError:
            return {}
        return {name: int(facts.get("size") or 0) for name, facts in listed.items()}

    def _no(self, which: str) -> str:
        return f"{self.name} had no snapshot {which!r}{self._then}"

    @property
    def _then(self) -> str:
        return f" at {self.as_of.isoformat()}" if self.as_of else ""


def _features(model: Mapping[str, Any]) -> Mapping[str, Any]:
    return model.get("features") or {}


def _holds(event: Event) -> str:
    return str(event.payload.get("part") or "rows")


def _overlaps(payload: Mapping[str, Any], start: datetime | None, end: datetime | None) -> bool:
    """Compare with the first and the last time of the rows, both of which belong to it."""
    first, last = (_moment(payload[name]) for name in ("start", "end"))
    return (end is None or first < end) and (start is None or last >= start)


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
