"""Files that several snapshots share, versions of lakes that must not be cleaned away, and what killed runs left."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_mlops.lifecycle.retention.items import LAKE, ORPHAN, PART, Item

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from airflow_mlops.lifecycle.retention.inventory import Inventory


def judged_files(
    inventory: Inventory,
    referred: Sequence[tuple[Mapping[str, Any], str]],
    *,
    needed: Collection[str],
    goes: Collection[str],
) -> Iterator[tuple[Item, str | None]]:
    """Give each part, lake version and orphan with the reason to keep it, or None.

    Parameters
    ----------
    inventory : Inventory
        What is stored.
    referred : sequence of (mapping, str)
        References to snapshots that are kept, and why.
    needed : collection of str
        Folders that are kept in any case, even where their manifest is lost.
    goes : collection of str
        Folders that go: what their manifests name does not count.
    """
    yield from _parts(inventory, referred, goes)
    yield from _lakes(referred)
    for uri, wrong in inventory.orphans():
        if uri not in goes and not inventory.is_at_work(uri):
            yield Item(ORPHAN, _below(inventory, uri), wrong, uri), "what is kept needs it" if uri in needed else None


def _parts(
    inventory: Inventory, referred: Sequence[tuple[Mapping[str, Any], str]], goes: Collection[str]
) -> Iterator[tuple[Item, str | None]]:
    named: dict[str, str] = {}
    # By the manifests first: they name parts of snapshots that the ledger does not know yet, too.
    for folder, parts in inventory.named.items():
        if folder not in goes:
            named |= dict.fromkeys(parts, f"snapshot {folder.rpartition('/')[2]} refers to it")
    for snapshot, _ in referred:
        uris = [part["uri"] for part in snapshot.get("parts") or ()]
        named |= dict.fromkeys(uris, f"snapshot {snapshot['id']} refers to it")
    for uri in inventory.parts():
        reason = named.get(uri) or ("written less than a day ago" if inventory.is_at_work(uri) else None)
        yield Item(PART, _below(inventory, uri), "no kept snapshot refers to it", uri), reason


def _lakes(referred: Sequence[tuple[Mapping[str, Any], str]]) -> Iterator[tuple[Item, str]]:
    """Name each version once; a model that was trained on it is the reason that counts."""
    found: dict[str, str] = {}
    for snapshot, reason in referred:
        if lake := snapshot.get("lake"):
            name = f"{lake['kind']} {lake.get('uri') or lake.get('table')} version {lake['version']}"
            found[name] = reason
    for name, reason in found.items():
        yield Item(LAKE, name, ""), reason


def _below(inventory: Inventory, uri: str) -> str:
    return uri.removeprefix(f"{inventory.root}/")
