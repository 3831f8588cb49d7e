"""Things that go or are kept."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

    from airflow_mlops.events import Event

# Kind of the ledger's event.
KIND = "retention"
# Kinds of things.
VERSION, SNAPSHOT, FEATURES, PART, LAKE, ORPHAN = (
    *("mlflow version", "snapshot", "features", "part"),
    *("lake version", "orphan"),
)


@dataclass(frozen=True, slots=True)
class Item:
    """One thing: a folder or file by its ``uri``, or a version in MLflow; and why it goes or is kept.

    A version of a lake is only ever kept: it is named for whoever cleans the lake.
    """

    kind: str
    name: str
    reason: str
    uri: str | None = None


@dataclass(frozen=True, slots=True)
class RetentionPlan:
    """What goes, and what is kept though it might have gone by age or number."""

    goes: tuple[Item, ...] = ()
    kept: tuple[Item, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Turn into JSON."""
        return {"goes": [asdict(each) for each in self.goes], "kept": [asdict(each) for each in self.kept]}


def versions_deleted(events: Iterable[Event]) -> set[str]:
    """Return the versions that events of retention say were deleted in MLflow, whose numbers never come again."""
    return {each["name"] for event in events for each in event.payload["deleted"] if each["kind"] == VERSION}
