"""What is true when the story is told: three tables, a chart, and where to look."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from airflow_mlops.demo.records import AUTOMATIC
from airflow_mlops.demo.rehearsal import rehearsed
from airflow_mlops.demo.runs import MODEL, MONITOR
from airflow_mlops.demo.sentences import improved
from airflow_mlops.demo.settings import USER
from airflow_mlops.demo.view import drawn, stop_command

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airflow_mlops.demo.improvement import Improvement, Served
    from airflow_mlops.demo.records import Promotion, Week
    from airflow_mlops.demo.settings import Settings
    from airflow_mlops.demo.story import Ending
    from airflow_mlops.demo.view import View


def show(view: View, settings: Settings, ending: Ending, *, seconds: float) -> None:
    """Print everything that is true at the end."""
    view.line("")
    for line in drawn(ending.weeks):
        view.line(line)
    view.line("")
    view.console.print(versions(ending.promotions, ending.changes))
    view.console.print(decisions(ending.weeks))
    for sentence in verdicts(ending, seconds):
        view.line(sentence)
    view.line("\nLog in to Airflow first, with the user and password below: its links open only then.")
    for name, value in places(settings, ending):
        view.console.print(Text(f"  {name:<26}", style="bold") + Text(value), soft_wrap=True)
    view.line(f"\nEverything keeps running. {stop_command(settings.folder)} stops it; make demo tells the next weeks.")


def versions(promotions: list[Promotion], changes: list[Improvement]) -> Table:
    """Return one line a version: since when it serves, how quality was before and after, and how quick the loop was."""
    table = Table(title="Versions", title_justify="left")
    for heading in ("version", "epoch", "since", "log loss, 2 weeks before -> after", "decision to serving"):
        table.add_column(heading, overflow="fold")
    by_version = {change.version: change for change in changes}
    for promotion in promotions:
        change = by_version.get(promotion.version)
        quality = f"{_loss(change.before)} -> {_loss(change.after)}" if change else "the first one"
        took = f"{promotion.seconds:.0f} s" if promotion.seconds is not None else "started by hand"
        table.add_row(promotion.version, str(promotion.epoch), f"{promotion.since:%d %b}", quality, took)
    return table


def _loss(served: Served | None) -> str:
    return f"{served.loss:.3f}" if served else "?"


def decisions(weeks: list[Week]) -> Table:
    """Return every decision that was more than nothing, or was kept from being one, with its reasons."""
    table = Table(title="Decisions with something to say", title_justify="left")
    for heading in ("as of", "decision", "reasons", "ended"):
        table.add_column(heading, overflow="fold")
    for week in weeks:
        if week.action == "retrain" or week.is_blocked:
            ended = "blocked" if week.is_blocked else week.outcome or ""
            table.add_row(f"{week.now:%d %b}", week.action, "; ".join(week.reasons), ended)
    return table


def verdicts(ending: Ending, seconds: float) -> Iterator[str]:
    """Yield what was checked, one sentence each."""
    champion = ending.champion
    yield f"Version {champion.version} at epoch {champion.epoch}: ledger, MLflow's alias and model server agree."
    yield f"The ledger has {ending.events} events, and its chain is whole."
    yield f"{ending.rows:,} flights in {ending.requests:,} requests, every answer a 200 that names version and epoch."
    for promotion in ending.promotions:
        if promotion.approval != AUTOMATIC:
            yield f"Version {promotion.version} was approved by {promotion.approval}."
    for change in ending.changes:
        yield f"Paired: {improved(change)}."
    if ending.drill is not None and ending.drill.seconds:
        yield rehearsed(ending.drill)
    if ending.repeated:
        yield "The week that was told before was looked at again, and nothing was done twice."
    yield f"All of it took {seconds:.0f} s."


def places(settings: Settings, ending: Ending) -> Iterator[tuple[str, str]]:
    """Yield what can be opened now."""
    yield "Airflow", f"{settings.airflow_url}  (user {USER}, password {settings.password})"
    yield "MLflow", settings.mlflow_url
    yield "Model server", f"{settings.server_url}/status, /openapi.json  (token in {settings.folder}/settings.json)"
    for told in ending.runs:
        failed = " (blocked)" if told.chapter is MONITOR and told.run.state == "failed" else ""
        yield f"{told.run.dag_id}{failed}", f"{settings.airflow_url}/dags/{told.run.dag_id}/runs/{told.run.run_id}"
        for links in told.links.values():
            for name, url in links.items():
                yield f"  {name}", url
    yield "Prediction log", str(settings.artifacts / MODEL / "predictions")
    yield "Files and ledger", str(settings.artifacts)
