"""Which card of a version is the newest: a card's own place says what it says, and not when it was made."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_mlops.errors import ArtifactCorrupt, ArtifactMissing

if TYPE_CHECKING:
    from airflow_mlops.artifacts import ArtifactStore


def name_newest(store: ArtifactStore, name: str, version: str, html_uri: str) -> None:
    """Put on record that a card is a version's newest."""
    if newest_card(store, name, version) != html_uri:
        store.write_json(_place(store, name, version), {"html_uri": html_uri})


def newest_card(store: ArtifactStore, name: str, version: str) -> str | None:
    """Return where the page of a version's newest card is; None where none was named."""
    try:
        return store.read_json(_place(store, name, version)).get("html_uri")
    except (ArtifactMissing, ArtifactCorrupt):
        return None


def _place(store: ArtifactStore, name: str, version: str) -> str:
    return store.uri(name, "cards", f"{version}.json")
