"""The demonstration's approver: answers over REST where a run waits for a person, as one would by the button."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow_mlops.demo.airflow_api import AirflowApi
    from airflow_mlops.demo.runs import Told

# Why the first version may serve, as its approver puts it.
REASON = "nothing serves yet, and it beats the simple baseline"


# Airflow 3.3 fails a task that is answered before its scheduler has seen that the task's process ended, which on busy
# cores takes seconds; no person reads evidence that quickly.
READING_S = 10.0


def answering(
    api: AirflowApi, watch: Callable[[Told], None], clock: Callable[[], float] = time.monotonic
) -> Callable[[Told], None]:
    """Return a watch that also approves whatever has waited for an answer as long as one reads."""
    seen: dict[tuple[str, str, int], float] = {}

    def look(told: Told) -> None:
        watch(told)
        for task in told.run.tasks:
            if task.state != "awaiting_input":
                continue
            since = seen.setdefault((told.run.run_id, task.task_id, task.tries), clock())
            if clock() - since >= READING_S:
                api.approve(told.run.dag_id, told.run.run_id, task.task_id, reason=REASON)

    return look
