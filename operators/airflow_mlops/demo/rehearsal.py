"""The demonstration's drill: a rollback is rehearsed on the stack's own server, by the form that people use."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_mlops.demo.runs import MODEL, Chapter, expect_success, follow, start, with_links
from airflow_mlops.errors import DemoFailed
from airflow_mlops.events import DRILL
from airflow_mlops.refs import DrillRef

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime
    from pathlib import Path

    from airflow_mlops.demo.airflow_api import AirflowApi
    from airflow_mlops.demo.records import Promotion
    from airflow_mlops.demo.runs import Told
    from airflow_mlops.demo.view import Stage
    from airflow_mlops.events import Event

ACTIONS = Chapter(dag_id=f"{MODEL}_actions", tasks=("choose", "drill"))


def drill_act(
    stage: Stage,
    api: AirflowApi,
    now: datetime,
    champion: Callable[[], Promotion],
    watch: Callable[[Told], None],
    logs: Path,
) -> Told:
    """Rehearse a rollback before people's eyes; the champion is the same before and after.

    Raises
    ------
    DemoFailed
        The drill failed, there was nothing to rehearse, or another version serves after it.
    """
    stage.act(
        "Fourth act: a drill",
        "Somebody presses the button of a rollback, as a drill: the version before answers for a moment, and the "
        "champion is put back. Nobody is left without an answer meanwhile.",
    )
    before = champion()
    run_id = start(api, ACTIONS, now.isoformat(), action="drill", reason="the demonstration rehearses a rollback")
    told = follow(api, ACTIONS, run_id, watch)
    # The other actions of the form are skipped.
    expect_success(api, told, logs=logs, may_skip=True)
    if not told.results.get("drill"):
        raise DemoFailed("the drill rehearsed nothing, although two versions have served", log=logs)
    if champion().version != before.version:
        raise DemoFailed(f"version {before.version} served before the drill, and another one after it", log=logs)
    stage.say(rehearsed(DrillRef.from_dict(told.results["drill"])))
    return with_links(api, told)


def last_drill(events: Sequence[Event]) -> DrillRef | None:
    """Return what the last drill came to."""
    found = [event for event in events if event.kind == DRILL]
    return DrillRef.from_dict({"model": MODEL, **found[-1].payload}) if found else None


def rehearsed(drill: DrillRef) -> str:
    """Say how long restoring took."""
    return (
        f"A rollback was rehearsed: version {drill.version} answered {drill.seconds['total']:.1f} s after it was asked "
        f"for in place of version {drill.replaced}, which then served again ({drill.limit_s:g} s are allowed)."
    )
