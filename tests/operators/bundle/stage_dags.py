"""DAGs of one task each, whose operators fail or store a report on purpose."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from airflow.sdk import DAG

from airflow_mlops.errors import DataCheckFailed, TrackingUnavailable
from airflow_mlops.operators.base import StageOperator
from airflow_mlops.operators.links import DataDocsLink, MlflowRunLink
from airflow_mlops.refs import ReportRef

if TYPE_CHECKING:
    from airflow.sdk import Context

SPEC = str(Path(__file__).parents[3] / "dags" / "specs" / "flights.yaml")
FOLDER = "flights/reports/validate/0123abcd"


class Check(StageOperator):
    """Store a report, and fail afterwards where it is told to."""

    stage = "validate"
    operator_extra_links: ClassVar = (DataDocsLink(), MlflowRunLink())

    def __init__(self, *, error: Exception | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.error = error

    def run_stage(self, context: Context) -> ReportRef:
        """Store a page, and remember where."""
        folder = self.store.uri(FOLDER)
        self.report_uri = f"{folder}/report.html"
        self.store.write_bytes(self.report_uri, b"<p>fine</p>")
        self.store.complete(folder, {"id": "0123abcd"})
        self.record(context, "0123abcd", {"html": self.report_uri})
        if self.error:
            raise self.error
        return ReportRef("0123abcd", folder, self.stage, "passed", self.report_uri)


ERRORS = {
    "nothing": None,
    "permanent": DataCheckFailed("12 rows have no carrier; mend the source."),
    "transient": TrackingUnavailable("the bucket did not answer."),
    "unknown": OSError("disk"),
}

for kind, error in ERRORS.items():
    with DAG(f"raises_{kind}", schedule=None) as dag:
        Check(task_id="check", spec=SPEC, now="2013-03-01T05:00:00Z", error=error, retries=1, retry_delay=timedelta(0))
    globals()[dag.dag_id] = dag
