"""The lifecycle as a DAG written by hand: eight tasks, the usual imports inside each."""

from __future__ import annotations

from airflow.sdk import dag, task

from benchmarks.lifecycle import work


@dag(schedule=None, params={"folder": "", "name": "", "tracking_uri": ""}, max_active_runs=1)
def handwritten_lifecycle() -> None:
    """Ingest to deploy on two months of flights, then drift on June."""
    folder, name, tracking_uri = "{{ params.folder }}", "{{ params.name }}", "{{ params.tracking_uri }}"
    paths = task(work.ingest)(folder)
    checked = task(work.validate)(folder, paths["reference"])
    made = task(work.features)(folder, paths["reference"])
    model = task(work.train)(folder, made)
    metrics = task(work.evaluate)(folder, made, model)
    version = task(work.register)(folder, name, tracking_uri, model, paths["reference"], metrics)
    deployed = task(work.deploy)(folder, name, tracking_uri, version)
    checked >> made
    deployed >> task(work.drift)(folder, name, tracking_uri, paths)


handwritten_lifecycle()
