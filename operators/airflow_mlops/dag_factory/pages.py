"""What the people who watch Airflow read: the page of each DAG."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_mlops.spec.control_sections import Bake
from airflow_mlops.spec.durations import format_duration

if TYPE_CHECKING:
    from airflow_mlops.spec import ModelSpec


def retrain_page(spec: ModelSpec) -> str:
    """Return the page of a retrain DAG in Markdown."""
    return f"""# Retrain {spec.name}

{spec.description or "No description in the spec."}

Reads the last {format_duration(spec.ingest.window)} of rows, checks them, trains a challenger, and lets it replace the
champion **only if** it is not worse on rows that neither has seen. Owner: **{spec.owner}**.

| what starts it | when |
| --- | --- |
| the schedule | {_cron(spec.retrain.schedule, absent="never: the spec has none")} |
| the asset `{spec.name}/retrain` | `{spec.name}_monitor` decided so; or another DAG, or a person, asks |
| *Trigger* above | any time; every field of the form may stay as it is |

The first task asks the ledger why the run was started. A ring of the asset whose decision was served already, or is out
of date, ends there: the run is green and everything in it is skipped.

**Whatever turns red here, the champion goes on serving.** Each task has a page that says what to do.
Clearing a task, or the whole run, is always safe: what is done already is found again and not done twice.

Green run, *Register the version* and *Deploy the version* skipped: the challenger was refused. The report of *Judge it
against the champion* says why.
{_cheap_runs(spec)}"""


def ingest_page(spec: ModelSpec) -> str:
    """Return the page of an ingest DAG in Markdown."""
    part, late = format_duration(spec.ingest.part or spec.ingest.window), format_duration(spec.ingest.late)
    return f"""# Ingest {spec.name}

{spec.description or "No description in the spec."}

A run for each partition, {_cron(spec.ingest.schedule, absent="")}: it reads the part of {part} that has ended by then,
and those before it for whose late rows it is time ({late}), and stores them. Every other DAG of this model finds them
stored and reads only what is new. Owner: **{spec.owner}**.

Fill in history with `airflow backfill create --dag-id {spec.name}_ingest --from-date A --to-date B`; read days again
whose source was corrected with `--reprocess-behavior completed`. Order does not matter, and clearing is always safe.

*Ingest rows* skipped: the part has no rows. Nothing is trained here, and what serves is not touched.
"""


def bake_page(spec: ModelSpec) -> str:
    """Return the page of a bake DAG in Markdown."""
    bake = spec.deploy.bake or Bake()
    late = f", 99 % of them within {bake.latency_ms:g} ms" if bake.latency_ms else ""
    return f"""# Bake of {spec.name}

{spec.description or "No description in the spec."}

Starts after each promotion and watches the new version for {format_duration(bake.watch)} of the clock, without a worker
slot: no more than {bake.errors:.0%} of requests may fail by the server's fault{late}. For
{format_duration(bake.window)} of event time each look of `{spec.name}_monitor` also compares it with the version before
on the same labelled rows; where it is shown to lose more than {bake.loss:.0%} on top, the monitor rings this DAG.
Owner: **{spec.owner}**.

*Roll back* skipped: nothing broke, or what serves was gone back to and is not on trial. *Roll back* green: the version
before serves again, and the bad one is frozen. A restart of scheduler or triggerer changes nothing; clearing is safe.
"""


def _cheap_runs(spec: ModelSpec) -> str:
    if not spec.retrain.weighs_versions:
        return ""
    return """
Green run, everything from *Ingest rows* to *Train the challenger* skipped: nothing had to be trained. The monitor asked
for other weights, or another correction, of versions already trained; *Weigh the versions* made one model of them,
and a lighter gate judged it.
"""


def monitor_page(spec: ModelSpec) -> str:
    """Return the page of a monitor DAG in Markdown."""
    source = "the server's prediction log" if spec.reads_prediction_log else "asking the versions that served again"
    delay, window = format_duration(spec.data.label_delay), format_duration(spec.monitor_window)
    return f"""# Monitor {spec.name}

{spec.description or "No description in the spec."}

Each look takes the last {window} of rows whose labels are due ({delay} after the event), finds what was answered by
{source}, and joins the labels that have arrived. *Decide* weighs that, and data quality, drift and age. Owner:
**{spec.owner}**. Runs: {_monitor_starts(spec)}.

| decision | what it means | what happens |
| --- | --- | --- |
| nothing | the champion is as good as it should be | nothing |
| warn | data have moved, or something was held back | read the page of *Decide*; nothing is trained |
| retrain | excess loss or age asks for it, or nothing serves yet | the asset rings, `{spec.name}_retrain` starts |
{_cheap_decisions(spec)}
Every decision has its reasons and its counterfactual: what would have had to be different. While the reason lasts, each
look rings again, so a ring that gets lost does no harm; `{spec.name}_retrain` serves each decision once.

**Nothing here changes what serves.** A red *Check the data* means that the data is broken: the decision is then held
back by the data check, and the run is red so that somebody looks. Policy: `{spec.retrain.policy.kind}`.
"""


def _cheap_decisions(spec: ModelSpec) -> str:
    """Return further rows of the table, each with its line's end."""
    if not spec.retrain.weighs_versions:
        return ""
    asks = f"the asset rings, `{spec.name}_retrain` starts and trains nothing"
    rows = [
        f"| re-weigh, re-elect, roll back | earlier versions would have served better lately | {asks} |",
        f"| recalibrate | the newest labels move the correction | {asks} |",
        "| call | trainings bring nothing better, or versions take turns | a person has to look |",
    ]
    return "\n".join(rows) + "\n"


def score_page(spec: ModelSpec) -> str:
    """Return the page of a score DAG in Markdown."""
    return f"""# Score {spec.name}

{spec.description or "No description in the spec."}

Writes the champion's predictions for the last {format_duration(spec.score_window)} of rows to a table. Owner:
**{spec.owner}**. Runs: {_cron(spec.score.schedule, absent="when you start it")}.

The tables lie below `{spec.name}/scores/` in the artifact store, one folder for each version and snapshot. A run on
rows that are scored already writes nothing. Rows that fail their check are not scored.
"""


def actions_page(spec: ModelSpec) -> str:
    """Return the page of an actions DAG in Markdown."""
    return f"""# Act on {spec.name}

Press *Trigger*, choose an action, say why. Your name and the reason stay on record. Owner: **{spec.owner}**.

| action | what happens |
| --- | --- |
| roll back | the last version that served well serves again, and the present one is frozen |
| retrain | `{spec.name}_retrain` starts |
| freeze, unfreeze | a version may not be promoted, or may again; or no promotion but a rollback goes through |
| pause, resume | the loop asks for nothing by itself, or does again; what serves goes on serving |
| drill | a rollback is rehearsed and measured; the same version serves before and after |
| reproduce | a version is trained again from its record and compared |
{_policy_actions(spec)}
**In a hurry: leave everything as it is, give a reason, and press the button.** A second click soon after does not go
one version further. The handbook is `docs/rollback.md`.
"""


def _policy_actions(spec: ModelSpec) -> str:
    """Return a further row of the table with its line's end, where there is a policy in shadow."""
    if spec.retrain.shadow is None:
        return ""
    return "| use shadow policy, use own policy | the policy in shadow decides, or the spec's own again |\n"


def drill_page(spec: ModelSpec) -> str:
    """Return the page of a drill DAG in Markdown."""
    return f"""# Drill for {spec.name}

Rehearses a rollback on what really serves: the version before answers for a moment, then the champion is put back.
Fails where that takes longer than {format_duration(spec.drill.limit)}. Owner: **{spec.owner}**. Runs:
{_cron(spec.drill.schedule, absent="when you start it")}.

The task is skipped where there is nothing to go back to, or where a challenger that passed its gate is about to serve.
"""


def backtest_page(spec: ModelSpec) -> str:
    """Return the page of a backtest DAG in Markdown."""
    return f"""# Backtest {spec.name}

Replays the history of **{spec.name}**: what its policy, the one in shadow, and one that you give in the form would have
trained, cost, gained and missed. The code is that of the live decision; nothing that serves is touched.

The report opens by the button of the task; `docs/backtest.md` says what its numbers mean. Owner: **{spec.owner}**.
"""


def reproduce_page(spec: ModelSpec) -> str:
    """Return the page of a reproduction DAG in Markdown."""
    return f"""# Reproduce {spec.name}

Trains a version of **{spec.name}** a second time, from the snapshots and the spec that were recorded with it, and
compares what the two predict. Nothing that serves is touched, and nothing is stored but the result, an event in the
ledger. Owner: **{spec.owner}**. Runs: {_cron(spec.reproduce.schedule, absent="when you start it")}.

Red with *predicts something else*: `docs/reproduce.md` says what to look at. The champion serves on.
"""


def broken_page(faults: str) -> str:
    """Return the page of the DAG that stands in for a spec with faults."""
    return f"""# This spec cannot be used

Its DAGs come back by themselves, with their history, at the next parse after the file is mended. Check it with
`airflow-mlops lint FILE`.

```
{faults}
```

Models already deployed are not touched: they go on serving, but are neither retrained nor monitored until then.
"""


def _monitor_starts(spec: ModelSpec) -> str:
    monitor = spec.monitor
    starts = [f"by the clock, {_cron(monitor.schedule, absent='')}"] if monitor.schedule else []
    starts += [f"when the asset `{monitor.asset}` has news"] if monitor.asset else []
    starts += [f"when the file `{monitor.marker}` appears"] if monitor.marker else []
    starts += [f"when files land at `{monitor.files.uri}`"] if monitor.files else []
    return "; ".join(starts) or "when you start it"


def _cron(schedule: str | None, *, absent: str) -> str:
    return f"`{schedule}` (UTC)" if schedule else absent
