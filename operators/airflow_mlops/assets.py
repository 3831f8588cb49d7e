"""The assets that join the DAGs of one model, by name.

Airflow shows them on its Assets page in three groups: ``dataset``, ``model`` and ``drift``. A name is a function of the
model's name alone, so a DAG in another file, or in another repository, can wait for one.
"""

from __future__ import annotations

from airflow.sdk import Asset, AssetAlias

SCHEME = "x-mlops"


def snapshot_asset(name: str) -> Asset:
    """Return the asset that says: a new snapshot of this model's rows has passed its checks."""
    return _asset(name, "snapshot", group="dataset")


def champion_asset(name: str) -> Asset:
    """Return the asset that says: another version serves from now on."""
    return _asset(name, "champion", group="model")


def retrain_asset(name: str) -> Asset:
    """Return the asset that asks for a retraining; the retrain DAG is scheduled by it."""
    return _asset(name, "retrain", group="model")


def drift_asset(name: str) -> Asset:
    """Return the asset that says: the rows have drifted from those the champion was trained on."""
    return _asset(name, "drift", group="drift")


def drift_alias(name: str) -> AssetAlias:
    """Return the outlet through which a task emits `drift_asset` only when there is drift.

    A plain outlet emits each time its task succeeds; through an alias nothing is emitted until the task says so.
    """
    return AssetAlias(f"{name}/drift", group="drift")


def _asset(name: str, what: str, *, group: str) -> Asset:
    return Asset(name=f"{name}/{what}", uri=f"{SCHEME}://{name}/{what}", group=group)
