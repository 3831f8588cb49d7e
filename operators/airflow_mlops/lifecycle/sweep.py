"""Delete what retention lets go of, and record what was deleted.

A folder loses its manifest first, so that nobody reads one that is half gone. The record is written last: a run that
was killed half-way leaves none, so the next one plans the same again and finds a part of it done.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from airflow_mlops.artifacts import MANIFEST, digest_json
from airflow_mlops.errors import LedgerMisuse
from airflow_mlops.lifecycle.reconcile import registered_name
from airflow_mlops.lifecycle.retention import KIND, PART, Inventory, Item, RetentionPlan, plan, read_inventory

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mlflow import MlflowClient

    from airflow_mlops.artifacts import ArtifactStore
    from airflow_mlops.ledger import Ledger
    from airflow_mlops.spec import ModelSpec

log = logging.getLogger(__name__)

_GONE = ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE")
_KEY_LENGTH = 16


@dataclass(frozen=True)
class Sweep:
    """One model's retention at a moment of event time.

    ``predictions`` are the files of its prediction log, and the time of each one's last row. ``clock`` is the time that
    files are marked with, by which a run may be at work still; None: that of this machine.
    """

    spec: ModelSpec
    store: ArtifactStore
    ledger: Ledger
    client: MlflowClient
    at: datetime
    predictions: Mapping[str, datetime] = field(default_factory=dict)
    clock: datetime | None = None

    def plan(self) -> RetentionPlan:
        """Say what goes and what is kept, and delete nothing.

        Raises
        ------
        LedgerMisuse
            The spec has no section ``retention``.
        """
        name = self.spec.name
        if self.spec.retention is None:
            raise LedgerMisuse(f"the spec of {name} has no section retention, so nothing is deleted; add one.")
        events = self.ledger.events(name)
        return plan(
            self.ledger.state(name),
            events,
            self.spec,
            now=self.at,
            predictions=self.predictions,
            inventory=self._inventory(),
        )

    def _inventory(self) -> Inventory:
        return read_inventory(self.store, self.spec.name, clock=self.clock or datetime.now(UTC))

    def apply(self, *, by: str) -> RetentionPlan:
        """Delete what goes, and append one event that lists it.

        Parameters
        ----------
        by : str
            Who asked for it.
        """
        found = self.plan()
        if not found.goes:
            return found
        name = registered_name(self.ledger.state(self.spec.name), self.spec)
        for item in found.goes:
            if item.uri is None:
                self._delete_version(name, item.name)
            elif item.kind != PART:
                self._delete_stored(item.uri)
        deleted = self._without_parts_in_use(found)
        self._record(deleted.goes, by=by)
        return deleted

    def _without_parts_in_use(self, found: RetentionPlan) -> RetentionPlan:
        """Delete parts, unless a run that went on meanwhile made a snapshot that refers to one."""
        parts = [item for item in found.goes if item.kind == PART]
        if not parts:
            return found
        named = {uri for uris in self._inventory().named.values() for uri in uris}
        for item in parts:
            if item.uri is not None and item.uri not in named:
                # First what lies beside it: a part that is left alone is found again.
                for beside in self.store.fs.glob(f"{self.store.path(item.uri)}.*"):
                    self.store.fs.rm(beside)
                self._delete_stored(item.uri)
        return replace(found, goes=tuple(item for item in found.goes if item.kind != PART or item.uri not in named))

    def _record(self, items: tuple[Item, ...], *, by: str) -> None:
        deleted = [{"kind": item.kind, "name": item.name, "reason": item.reason} for item in items]
        key = f"{self.at.isoformat()}:{digest_json(deleted)[:_KEY_LENGTH]}"
        settings = self.spec.retention.model_dump(mode="json") if self.spec.retention else {}
        payload = {"by": by, "reason": "retention", "deleted": deleted, "settings": settings}
        self.ledger.append(self.spec.name, KIND, key, payload, at=self.at)

    def _delete_stored(self, uri: str) -> None:
        if not uri.startswith(f"{self.store.uri(self.spec.name)}/"):
            log.warning("%s is not in the folder of %s and is left alone", uri, self.spec.name)
            return
        self.store.delete(f"{uri}/{MANIFEST}")
        self.store.delete(uri)

    def _delete_version(self, name: str, version: str) -> None:
        """Delete a version and the logged model that holds its files; MLflow's own clean-up frees the space."""
        from mlflow.exceptions import MlflowException

        try:
            logged = self.client.get_model_version(name, version).model_id
            if logged:
                self.client.delete_logged_model(logged)
            self.client.delete_model_version(name, version)
        except MlflowException as error:
            if error.error_code not in _GONE:
                raise
