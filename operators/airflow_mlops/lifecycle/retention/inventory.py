"""What is stored in a model's folder, read in one listing."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any

from airflow_mlops.artifacts import MANIFEST

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from airflow_mlops.artifacts import ArtifactStore

# What a run has written within this time it may still be working with.
AT_WORK = timedelta(days=1)
# Folders of these hold one folder each thing, complete when its manifest is there.
_SHELVES = ("snapshots", "features", "models")
# Folders beside the snapshots that are none: each of their files is whole by itself.
_PARTS, _WRITING, _INDEX = "parts", "writing", "index"
# Filesystems have a word each for when a file was written.
_WRITTEN = ("mtime", "LastModified", "last_modified", "updated", "created")


@dataclass(frozen=True)
class Inventory:
    """What is stored of a model, and when it was written.

    Attributes
    ----------
    root : str
        URI of the model's folder.
    clock : datetime
        When it was listed, by the clock that marks files.
    files : mapping of str to datetime
        When each file was written, by URI.
    named : mapping of str to tuple of str
        Parts that the manifest of each snapshot names, by the URI of its folder.
    """

    root: str
    clock: datetime
    files: Mapping[str, datetime]
    named: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @cached_property
    def _newest(self) -> dict[str, datetime]:
        """Say of each folder when the newest of the files directly in it was written."""
        found: dict[str, datetime] = {}
        for uri, written in self.files.items():
            folder = uri.rpartition("/")[0]
            found[folder] = max(written, found.get(folder, written))
        return found

    def is_there(self, folder: str) -> bool:
        """Tell whether a folder is complete."""
        return f"{folder}/{MANIFEST}" in self.files

    def is_snapshot(self, uri: str) -> bool:
        """Tell whether a file lies in the folder of a snapshot."""
        return (self._thing(uri) or "").startswith(f"{self.root}/snapshots/")

    def is_at_work(self, uri: str) -> bool:
        """Tell whether a file, or one directly in a folder, was written so lately that a run may still need it."""
        written = self.files.get(uri) or self._newest.get(uri)
        return written is not None and self.clock - written <= AT_WORK

    def parts(self) -> Iterator[str]:
        """Give the files that snapshots share."""
        for uri in self.files:
            if self._is_in(uri, _PARTS) and not self._belongs(uri) and not uri.endswith(".tmp"):
                yield uri

    def orphans(self) -> Iterator[tuple[str, str]]:
        """Give what killed processes left, file or folder, with what is wrong about it."""
        folders: set[str] = set()
        for uri in self.files:
            if uri.endswith(".tmp") or self._is_in(uri, _WRITING):
                yield uri, "a file that was never finished"
            elif self._is_in(uri, _PARTS):
                if (part := self._belongs(uri)) and part not in self.files:
                    yield uri, "it belongs to a part that is gone"
            elif (folder := self._thing(uri)) and folder not in folders:
                folders.add(folder)
                if not self.is_there(folder):
                    yield folder, "it has no manifest: the run that made it was killed"

    def _thing(self, uri: str) -> str | None:
        """Return the folder of the snapshot, features or model that a file lies in."""
        shelf, _, rest = uri.removeprefix(f"{self.root}/").partition("/")
        name, _, file = rest.partition("/")
        if shelf not in _SHELVES or not file or (shelf == "snapshots" and name in (_PARTS, _WRITING, _INDEX)):
            return None
        return f"{self.root}/{shelf}/{name}"

    def _is_in(self, uri: str, folder: str) -> bool:
        return uri.startswith(f"{self.root}/snapshots/{folder}/")

    @staticmethod
    def _belongs(uri: str) -> str | None:
        """Return the part that a file, such as its profile, lies beside."""
        folder, _, name = uri.rpartition("/")
        part, end, beside = name.partition(".parquet.")
        return f"{folder}/{part}.parquet" if end and beside else None


def read_inventory(store: ArtifactStore, name: str, *, clock: datetime) -> Inventory:
    """List what is stored of a model; manifests are read only where snapshots may share parts.

    Parameters
    ----------
    store : ArtifactStore
        Where it is.
    name : str
        Of the model.
    clock : datetime
        Now, by the clock.

    Raises
    ------
    ArtifactCorrupt
        A manifest is not JSON, so that nobody knows which parts it names.
    """
    root = store.uri(name)
    try:
        listed = store.fs.find(store.path(root), detail=True)
    except FileNotFoundError:
        listed = {}
    files = {f"{store.protocol}://{path}": _written(facts, clock) for path, facts in listed.items()}
    found = Inventory(root, clock, files)
    if not any(found.parts()):
        return found
    snapshots = [uri.rpartition("/")[0] for uri in files if uri.endswith(f"/{MANIFEST}") and found.is_snapshot(uri)]
    named = {folder: _named(store.manifest(folder) or {}) for folder in snapshots}
    return replace(found, named=named)


def _named(manifest: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(part["uri"] for part in manifest.get("parts") or ())


def _written(facts: Mapping[str, Any], clock: datetime) -> datetime:
    """Read when a file was written; one of which nobody knows that counts as new."""
    value = next((facts[word] for word in _WRITTEN if facts.get(word) is not None), None)
    if isinstance(value, int | float):
        return datetime.fromtimestamp(value, UTC)
    if isinstance(value, str):
        value = datetime.fromisoformat(value)
    if not isinstance(value, datetime):
        return clock
    return value if value.tzinfo else value.replace(tzinfo=UTC)
