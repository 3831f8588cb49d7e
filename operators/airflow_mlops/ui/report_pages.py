"""Addresses of a model's stored reports, for links from its page."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from airflow_mlops.errors import ArtifactMissing
from airflow_mlops.report_access import admitted, report_path

if TYPE_CHECKING:
    from airflow_mlops.artifacts import ArtifactStore
    from airflow_mlops.ui.access import SeenModel


@dataclass(frozen=True, slots=True)
class ReportPages:
    """The reports of one model that its user may open, by way of the DAG ``dag_id``; None: by way of none."""

    store: ArtifactStore
    dag_id: str | None

    @classmethod
    def of(cls, store: ArtifactStore, model: SeenModel) -> Self:
        """Find a DAG that the user may read and that made reports of the model."""
        return cls(store, admitted(store, model.name, (dag.dag_id for dag in model.dags)))

    def address(self, uri: Any) -> str | None:
        """Return the address of a report below Airflow's own; None where there is no page, or none for this user."""
        if self.dag_id is None or not isinstance(uri, str):
            return None
        try:
            return report_path(self.store, self.dag_id, uri)
        except ArtifactMissing:
            # It was kept in another store, which this server does not know.
            return None
