"""The assets that join the DAGs of one model, by name.

Airflow shows them on its Assets page in two groups: ``dataset`` and ``model``. A name is a function of the model's name
alone, so a DAG in another file, or in another repository, can wait for one. An event is a bell, not a fact: it is rung
again when a task is repeated. What is true stands in the ledger.
"""

from __future__ import annotations

from airflow.sdk import Asset, AssetAlias

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


def _asset(name: str, what: str, *, group: str) -> Asset:
    return Asset(name=f"{name}/{what}", uri=f"{SCHEME}://{name}/{what}", group=group)
