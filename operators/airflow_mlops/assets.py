"""The assets that join the DAGs of one model, by name.

Airflow shows them on its Assets page in two groups: ``dataset`` and ``model``. A name is a function of the model's name
alone, so a DAG in another file, or in another repository, can wait for one. An event is a bell, not a fact: it is rung
again when a task is repeated. What is true stands in the ledger.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow.sdk import Asset, AssetAlias, AssetWatcher

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow.sdk.definitions.asset import BaseAsset

SCHEME = "x-mlops"


def snapshot_asset(name: str) -> Asset:
    """Return the asset that says: a new snapshot of this model's rows has passed its checks."""
    return _asset(name, "snapshot", group="dataset")


def champion_asset(name: str) -> Asset:
    """Return the asset that says: a deploy has succeeded; its events name version and epoch."""
    return _asset(name, "champion", group="model")


def retrain_asset(name: str) -> Asset:
    """Return the asset that asks for a retraining; the retrain DAG is scheduled by it."""
    return _asset(name, "retrain", group="model")


def retrain_alias(name: str) -> AssetAlias:
    """Return the outlet through which the monitor asks for a retraining.

    Airflow emits every plain outlet of a task that succeeds; through an alias it emits what was added, and most
    decisions ask for nothing.
    """
    return AssetAlias(name=f"{name}/decision", group="model")


def rollback_asset(name: str) -> Asset:
    """Return the asset that says: the bake of what serves is broken; the bake DAG reads the ledger and goes back."""
    return _asset(name, "rollback", group="model")


def rollback_alias(name: str) -> AssetAlias:
    """Return the outlet through which the monitor rings `rollback_asset`; most looks ask for nothing."""
    return AssetAlias(name=f"{name}/bake", group="model")


def landed_asset(name: str, watchers: Sequence[AssetWatcher]) -> Asset:
    """Return the asset that says: new rows have landed, because one of its watchers saw a file."""
    asset = _asset(name, "landed", group="dataset")
    asset.watchers = list(watchers)
    return asset


def marker_watcher(name: str, marker: str) -> AssetWatcher:
    """Return what watches for a marker file, and deletes it, so that the next one is news again."""
    from airflow.providers.standard.triggers.file import FileDeleteTrigger

    return AssetWatcher(name=f"{name}_marker", trigger=FileDeleteTrigger(filepath=marker, poke_interval=1.0))


def named_asset(text: str, *, model: str) -> BaseAsset:
    """Return the asset that a model's spec waits for: by its URI where that is what it gives, else by its name.

    It is somebody else's, who rings it; where it has our name for rows that have landed, it stands in that group too.
    """
    if "://" in text:
        return Asset.ref(uri=text)
    return Asset(name=text, group="dataset") if text == f"{model}/landed" else Asset(name=text)


def _asset(name: str, what: str, *, group: str) -> Asset:
    return Asset(name=f"{name}/{what}", uri=f"{SCHEME}://{name}/{what}", group=group)
