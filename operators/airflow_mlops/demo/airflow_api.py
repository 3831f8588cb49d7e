"""A small client of Airflow's public REST API: log in, trigger, watch, read what tasks returned."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import httpx

from airflow_mlops.errors import DemoFailed

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

DONE = frozenset({"success", "failed"})


@dataclass(frozen=True, slots=True)
class TaskState:
    """One task of a run as Airflow sees it now."""

    task_id: str
    state: str | None
    queued: datetime | None
    start: datetime | None
    end: datetime | None
    tries: int
    display_name: str

    @property
    def seconds(self) -> float | None:
        """How long the task ran; None while it has not ended."""
        return (self.end - self.start).total_seconds() if self.start and self.end else None


@dataclass(frozen=True, slots=True)
class RunState:
    """One run with its tasks, in order of their start."""

    dag_id: str
    run_id: str
    state: str
    queued: datetime
    end: datetime | None
    tasks: tuple[TaskState, ...]

    @property
    def seconds(self) -> float | None:
        """From queued to the end; None while it runs."""
        return (self.end - self.queued).total_seconds() if self.end else None

    def failed(self) -> list[TaskState]:
        """Return the tasks that did not succeed."""
        return [task for task in self.tasks if task.state != "success"]


class AirflowApi:
    """Talk to one Airflow as one user.

    Parameters
    ----------
    url : str
        Address of the API server.
    username, password : str
        Of a user of the simple auth manager.
    """

    def __init__(self, url: str, *, username: str, password: str) -> None:
        self.url = url
        self._login = {"username": username, "password": password}
        self._client = httpx.Client(base_url=url, timeout=30, trust_env=False)

    def wait_for_dag(self, dag_id: str, *, timeout_s: float = 60) -> None:
        """Wait until the DAG processor has read a DAG.

        Raises
        ------
        DemoFailed
            It has not been read in time; the sentence holds the import error where there is one.
        """
        end = time.monotonic() + timeout_s
        while time.monotonic() < end:
            if self.request("GET", f"/api/v2/dags/{dag_id}", missing_is_fine=True):
                return
            time.sleep(0.3)
        errors = self.request("GET", "/api/v2/importErrors").get("import_errors", [])
        said = [f"{error['filename']}: {error['stack_trace'].strip().splitlines()[-1]}" for error in errors]
        why = "; ".join(said) or "no file had an import error"
        raise DemoFailed(f"Airflow did not find the DAG {dag_id} within {timeout_s:.0f} s: {why}")

    def trigger(self, dag_id: str, conf: dict[str, Any]) -> str:
        """Start a run by hand; return its id."""
        # On SQLite the scheduler's clock has whole seconds: a run asked for "now" would wait for the next one.
        past = datetime.now(UTC) - timedelta(seconds=1)
        body = {"logical_date": None, "run_after": past.isoformat(), "conf": conf}
        return self.request("POST", f"/api/v2/dags/{dag_id}/dagRuns", json=body)["dag_run_id"]

    def run_ids(self, dag_id: str, *, states: Sequence[str] = ()) -> list[str]:
        """Return the ids of a DAG's newest runs, newest first; only those in one of ``states`` where some are given."""
        params = {"order_by": "-id", "limit": 50, **({"state": list(states)} if states else {})}
        runs = self.request("GET", f"/api/v2/dags/{dag_id}/dagRuns", params=params)["dag_runs"]
        return [run["dag_run_id"] for run in runs]

    def ring(self, asset: str, extra: dict[str, Any]) -> None:
        """Post an event of an asset, as somebody outside would.

        Raises
        ------
        DemoFailed
            No DAG names this asset.
        """
        found = self.request("GET", "/api/v2/assets", params={"name_pattern": asset})["assets"]
        numbers = [one["id"] for one in found if one["name"] == asset]
        if not numbers:
            raise DemoFailed(f"Airflow knows no asset {asset}")
        self.request("POST", "/api/v2/assets/events", json={"asset_id": numbers[0], "extra": extra})

    def run(self, dag_id: str, run_id: str) -> RunState:
        """Read a run with its tasks."""
        path = f"/api/v2/dags/{dag_id}/dagRuns/{run_id}"
        run = self.request("GET", path)
        tasks = self.request("GET", f"{path}/taskInstances", params={"limit": 100})["task_instances"]
        states = sorted(map(_task, tasks), key=lambda task: (task.start is None, task.start or 0, task.task_id))
        queued = datetime.fromisoformat(run["queued_at"])
        return RunState(dag_id, run_id, run["state"], queued, _time(run["end_date"]), tuple(states))

    def follow(self, dag_id: str, run_id: str, *, timeout_s: float, every_s: float = 0.5) -> Iterator[RunState]:
        """Yield a run's state until it has ended; the last one yielded has ended.

        Raises
        ------
        DemoFailed
            It has not ended in time.
        """
        end = time.monotonic() + timeout_s
        while time.monotonic() < end:
            state = self.run(dag_id, run_id)
            yield state
            if state.state in DONE:
                return
            time.sleep(every_s)
        raise DemoFailed(f"run {run_id} of {dag_id} had not ended after {timeout_s:.0f} s")

    def result(self, dag_id: str, run_id: str, task_id: str) -> Any:
        """Return what a task returned, or None."""
        path = f"/api/v2/dags/{dag_id}/dagRuns/{run_id}/taskInstances/{task_id}/xcomEntries/return_value"
        entry = self.request("GET", path, params={"deserialize": "true"}, missing_is_fine=True)
        return entry.get("value")

    def approve(self, dag_id: str, run_id: str, task_id: str, *, reason: str) -> None:
        """Answer a task that waits for a person: it may go on, and why."""
        path = f"/api/v2/dags/{dag_id}/dagRuns/{run_id}/taskInstances/{task_id}/-1/hitlDetails"
        self.request("PATCH", path, json={"chosen_options": ["Approve"], "params_input": {"reason": reason}})

    def links(self, dag_id: str, run_id: str, task_id: str) -> dict[str, str]:
        """Return the extra links of a task that lead somewhere."""
        path = f"/api/v2/dags/{dag_id}/dagRuns/{run_id}/taskInstances/{task_id}/links"
        links = self.request("GET", path, missing_is_fine=True).get("extra_links", {})
        return {name: url for name, url in links.items() if url}

    def error_lines(self, dag_id: str, run_id: str, task_id: str, tries: int) -> list[str]:
        """Return the messages a failed task logged as errors."""
        path = f"/api/v2/dags/{dag_id}/dagRuns/{run_id}/taskInstances/{task_id}/logs/{max(tries, 1)}"
        log = self.request("GET", path, headers={"Accept": "application/json"}, missing_is_fine=True)
        lines = [line for line in log.get("content", []) if isinstance(line, dict)]
        return [_said(line) for line in lines if line.get("level") in {"error", "critical"}]

    def request(self, method: str, path: str, *, missing_is_fine: bool = False, **options: Any) -> dict[str, Any]:
        """Ask anything of the API, logged in; an answer without a body is an empty dict.

        Raises
        ------
        DemoFailed
            Airflow did not answer, or not with a 2xx.
        """
        if "Authorization" not in self._client.headers and path != "/auth/token":
            token = self.request("POST", "/auth/token", json=self._login)["access_token"]
            self._client.headers["Authorization"] = f"Bearer {token}"
        try:
            answer = self._client.request(method, path, **options)
        except httpx.TransportError as error:
            raise DemoFailed(f"Airflow at {self.url} did not answer {method} {path}: {error}") from error
        if answer.status_code == httpx.codes.NOT_FOUND and missing_is_fine:
            return {}
        if not answer.is_success:
            raise DemoFailed(f"Airflow answered {answer.status_code} to {method} {path}: {answer.text[:300]}")
        return answer.json() if answer.content else {}


def _task(task: dict[str, Any]) -> TaskState:
    return TaskState(
        task_id=task["task_id"],
        state=task["state"],
        queued=_time(task["queued_when"]),
        start=_time(task["start_date"]),
        end=_time(task["end_date"]),
        tries=task["try_number"],
        display_name=task.get("task_display_name") or task["task_id"],
    )


def _time(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def _said(line: dict[str, Any]) -> str:
    details = line.get("error_detail") or []
    return next((f"{one.get('exc_type')}: {one.get('exc_value')}" for one in details), str(line.get("event", "")))
