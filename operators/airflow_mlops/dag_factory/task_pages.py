"""What the people who watch Airflow read: the page of each task."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_mlops.dag_factory.action_pages import ACTION_PAGES, Page
from airflow_mlops.spec.durations import format_duration

if TYPE_CHECKING:
    from datetime import timedelta

    from airflow_mlops.spec import ModelSpec


_PAGES = {
    **ACTION_PAGES,
    "bake": Page(
        title="Watch the new version",
        does="Waits without a worker slot until the watch after the last promotion is over, another version serves, or "
        "a guard is broken. Then measures, and lets the policy decide.",
        leaves="One event `bake` in the ledger: *held* or *broken*, with the numbers; where broken, a `decision` too.",
        failure="Ledger or Airflow's connections are away. The champion serves on, unwatched by this task; the "
        "looks of `{name}_monitor` go on comparing it.",
        action="Bring the ledger back and clear this task: the end of its wait follows from the promotion.",
    ),
    "request": Page(
        title="Find out who asks",
        does="Reads the ledger: was this run started by the clock, by a decision of the monitor, or by a person? What "
        "it finds fixes *now* and the training window for every task of this run.",
        leaves="One event `request` in the ledger: cause, reason and moment.",
        failure="*Skipped*, with everything after it, is **not** a failure: the decision was served by another run or "
        "is out of date, or a person asked again soon after a training. The last line of the log says which. Red "
        "mostly means that the ledger is away.",
        action="Skipped: nothing. To train all the same, start `{name}_retrain` by its form. Red: bring the ledger "
        "back and clear this task; it gets the same answer as before.",
    ),
    "ingest": Page(
        title="Ingest rows",
        does="Reads the rows of the last {window} before *now* from the source and freezes them as a snapshot.",
        leaves="`{name}/snapshots/<id>/` in the artifact store: the rows as Parquet and a manifest with digest, "
        "schema, number of rows and time range. The same rows give the same snapshot, and nothing is written twice.",
        failure="No row in the window, a column missing, a source that is away, or a file that cannot be read. "
        "Nothing was trained, and the champion serves on.",
        action="Look at the sentence at the end of the log. When the data was late, clear this task after it has "
        "landed. When it says that a column is missing, ask the source's owner before you change the spec.",
    ),
    "ingest_labels": Page(
        title="Ingest labels",
        does="Reads the labels that were known at *now* from their own source and freezes them as a snapshot.",
        leaves="`{name}/snapshots/<id>/` in the artifact store, as for rows.",
        failure="The label source is away, or has none for this window. The champion serves on.",
        action="Clear this task when the labels have arrived.",
    ),
    "validate": Page(
        title="Check the data",
        does="Checks the snapshot against the expectations of the spec, and against what the champion was trained on.",
        leaves="`{name}/reports/validate/<id>/`: a short JSON verdict and a page to read; failing rows in "
        "`{name}/quarantine/`.",
        failure="Red means that the data broke a critical rule. Nothing after this task has run, and the champion "
        "serves on.",
        action="Open the report by the button above. Wrong data: have it mended at its source and clear the run "
        "from *Ingest rows*. Right data and a rule that no longer holds: change the suite beside the spec, in a "
        "review.",
    ),
    "features": Page(
        title="Build features",
        does="Joins rows with their labels, holds back the last {holdout} for the exam, and fits the transformer "
        "on the rest.",
        leaves="`{name}/features/<id>/`: the feature matrix, the fitted transformer and the held-out rows.",
        failure="No labelled row is left, or a derived column cannot be computed. The champion serves on.",
        action="Check that labels of this window have arrived; then clear this task.",
    ),
    "train": Page(
        title="Train the challenger",
        does="Fits `{estimator}` with seed {seed} on everything before the held-out rows.",
        leaves="`{name}/models/<id>/`: the model with its features inside, and the golden rows that *Deploy* replays.",
        failure="The estimator refused its parameters, or ran out of memory or time. The champion serves on.",
        action="Memory or time: raise `resources.train` in the spec. Parameters: mend `train.params`.",
    ),
    "weigh": Page(
        title="Weigh the versions",
        does="After a training: weighs the new version with those trained before, by what each would have lost in the "
        "labelled windows before the held-out rows. Where nothing was trained: takes the weights of the decision. "
        "Either way it measures the correction on the newest labels, and makes one model of it all. Where nothing was "
        "trained, *Judge* asks only whether it is sane, near to what serves, and not worse on those labelled windows.",
        leaves="`{name}/models/<id>/`: a committee as one model, with the golden rows of its newest member; nothing "
        "new where one version is to serve as it is. One event `weigh` in the ledger.",
        failure="A version or a scorecard is gone from the artifact store, or versions do not answer in the same way. "
        "*Upstream failed* means that the training failed. The champion serves on.",
        action="Restore what the log names and clear this task; it weighs the same again.",
    ),
    "backtest": Page(
        title="Replay the history",
        does="Trains, once, every model that the history could have had, and plays the policies of the spec, and the "
        "one of this run's form, on them by the code that decides live. Nothing that serves is touched.",
        leaves="`{name}/reports/backtest/<id>/`: the report as JSON and as a page; trained models in a cache, from "
        "which the next run goes on.",
        failure="The history is empty or too short, a policy has faults, or no training was possible.",
        action="Read the sentence at the end of the log; give a longer history or mend the policy in the form.",
    ),
    "reproduce": Page(
        title="Train the version again",
        does="Trains a version a second time, from the snapshots and the spec that were recorded with it, and compares "
        "what the two predict for the golden and the held-out rows. The second model is thrown away.",
        leaves="One event `reproduction` in the ledger: same or different, and by how much.",
        failure="*Predicts something else*: a library changed its results, the code that makes features changed, or a "
        "training is not deterministic. *Cannot be trained again*: a snapshot is gone or was changed. The champion "
        "serves on.",
        action="The sentence at the end of the log names the first part that differs, and the libraries of another "
        "version. Restore what is gone; else retrain, so that what serves can be made again.",
    ),
    "evaluate": Page(
        title="Judge it against the champion",
        does="Puts challenger and champion before the same held-out rows and decides whether the challenger may "
        "serve.{light}",
        leaves="`{name}/reports/evaluate/<id>/`: metrics, slices, plots and the verdict; the same in the MLflow run.",
        failure="A refused challenger is **not** a failure: this task stays green and the next two are skipped. "
        "Red means that judging itself broke; the champion serves on.",
        action="Open the report for the reasons of a refusal. If MLflow was away, clear this task.",
    ),
    "register": Page(
        title="Register the version",
        does="Gives the challenger a version number in MLflow, with its data, its code and its metrics, and writes its "
        "model card: open it by the button **Model card**.",
        leaves="A version of the registered model `{registered}`. The same model gets the same version again.",
        failure="*Skipped* means refused: read the reasons in the log or in the report of *Judge*. Red mostly "
        "means that MLflow is away.",
        action="Bring MLflow back and clear this task; no second version will appear.",
    ),
    "approve": Page(
        title="Approve",
        does="Lets the version go on by itself, or asks a person: where it carries a risk that the spec wants approved "
        "({needs}), where an error budget is spent, or where the form of this run says so. It waits without a worker.",
        leaves="One event `approval` in the ledger: who, why, and about which risks; the same as tags on the version "
        "in MLflow. Nobody is asked twice about the same version and evaluation.",
        failure="An answer without a reason, or by somebody who may not give it, does not count and turns this task "
        "red. A rejection is **not** a failure: *Deploy* is skipped, the run is green, and the champion serves on. "
        "So is no answer within {expires}.",
        action="Waiting: open **Required Actions**, read, answer, and say why. Red: clear this task, and it asks "
        "again. Rejected: nothing; the next training is judged and asked about anew.",
    ),
    "approve_second": Page(
        title="Approve, second person",
        does="Asks a second person, neither the first one nor who started this run. Where nobody had to be asked it "
        "lets the version go on.",
        leaves="One event `approval` in the ledger that names both, and tags on the version in MLflow.",
        failure="An answer without a reason, or by one of those two, does not count and turns this task red. A "
        "rejection skips *Deploy*, and the run is green.",
        action="As for *Approve*; the answer of the first person stays on record.",
    ),
    "deploy": Page(
        title="Deploy the version",
        does="Loads the version afresh from MLflow, replays {golden} golden rows, checks latency and memory, and "
        "only then makes it the champion.",
        leaves="One promotion in the ledger, and the alias `champion` in MLflow, which follows it.",
        failure="The version could not be loaded, predicts something else than in training, or is too slow; or "
        "somebody promoted another version meanwhile. The old champion serves on.",
        action="Promoted meanwhile: start the DAG again, which judges it afresh. Else read the log and mend the "
        "spec or the environment; a cleared task never promotes twice.",
    ),
    "drift": Page(
        title="Compare with the training data",
        does="Compares the fresh snapshot, column by column, with the one the champion was trained on.",
        leaves="`{name}/reports/drift/<id>/`: scores and verdict as JSON. A page with the distributions only where "
        "something drifted, where `drift.report` is *always*, or where *Draw the drift report* asked for it.",
        failure="A *drifted* verdict is **not** a failure, and *skipped* means that there is no champion yet. "
        "*Upstream failed* means that the rows failed their check: there is nothing to draw, and the run is red.",
        action="Drifted: open the page, and find out whether the world changed or the source did. What follows from "
        "it is decided in *Decide*, not here.",
    ),
    "reconcile": Page(
        title="Show in MLflow what serves",
        does="Compares MLflow's aliases and tags with the ledger and writes what differs. An alias that somebody moved "
        "there is settled as `register.by_hand` of the spec says.",
        leaves="Aliases, `mlops.role` on each version, and an event `hand_change` for each change by hand.",
        failure="MLflow is away, or was shown a later promotion than this ledger knows: then an older copy of the "
        "ledger was restored. What serves does not change, and *Decide* does not wait for this task.",
        action="MLflow away: nothing, the next look does it. An older ledger: restore the newest backup before "
        "anything is promoted.",
    ),
    "notify": Page(
        title="Tell people",
        does="Tells the targets of the section `notify` what went wrong and which questions wait for a person: each "
        "once, what one look found in one message, and nothing that a pause or a promotion explains.",
        leaves="One event `notice` in the ledger for each message that was sent.",
        failure="A notifier did not send its message; the log says which, and why. The run's state does not depend "
        "on this task, and what was not told is told by the next look.",
        action="Mend the connection that the target names and clear this task. What was told is not told again.",
    ),
    "decide": Page(
        title="Decide",
        does="Measures how well the served predictions were whose labels have become due, how far rows and "
        "predictions have moved, and how old the champion is. Then the policy of the spec decides: {decisions}.",
        leaves="The events `signals` and `decision` in the ledger, and `{name}/reports/decide/<id>/`: a page with "
        "reasons, a chart of the loss and what would have changed the decision. {rings} the asset `{name}/retrain`.",
        failure="It runs also where rows are missing or bad, and then says what held it back. Red means that the "
        "ledger, the artifact store or a version that served is out of reach. The champion serves on.",
        action="Open the page by the button **Decision**. Red: bring back what is missing and clear this task; it "
        "decides on the same facts.",
    ),
    "score": Page(
        title="Score the rows",
        does="Loads the champion from the artifact store, checks its bytes, and predicts every row of the snapshot.",
        leaves="`{name}/scores/<version>-<snapshot>/`: one Parquet table with key, time, predictions, version and "
        "snapshot in each row. The same version and snapshot are not scored twice.",
        failure="There is no champion yet, or it is gone or changed. No table was written.",
        action="No champion: run `{name}_retrain` first, then clear this task.",
    ),
}


def task_title(task_id: str) -> str:
    """Return the display name of a task."""
    return _PAGES[task_id].title


def task_page(task_id: str, spec: ModelSpec, window: timedelta | None = None) -> str:
    """Return the page of a task in Markdown; ``window`` where it is another than ``ingest.window``."""
    page = _PAGES[task_id]
    sections = (
        ("What it does", page.does),
        ("What it leaves behind", page.leaves),
        ("What a failure means", page.failure),
        ("What to do", page.action),
    )
    facts = {
        "name": spec.name,
        "window": format_duration(window or spec.ingest.window),
        "holdout": format_duration(spec.evaluate.holdout),
        "estimator": spec.train.estimator,
        "seed": spec.train.seed,
        "registered": spec.registered_model,
        "golden": spec.deploy.golden_rows,
        **_approval(spec),
        **_decisions(spec),
    }
    return "\n\n".join(f"**{heading}.** {text.format(**facts)}" for heading, text in sections)


def _approval(spec: ModelSpec) -> dict[str, str]:
    if spec.approval is None:
        return {"needs": "none", "expires": "no time"}
    return {"needs": ", ".join(spec.approval.needs) or "none", "expires": format_duration(spec.approval.expires)}


def _decisions(spec: ModelSpec) -> dict[str, str]:
    """Name what the policy of a spec may decide, and what of it rings."""
    if not spec.retrain.weighs_versions:
        return {"decisions": "nothing, warn, or retrain", "rings": "*Retrain* rings", "light": ""}
    return {
        "decisions": "nothing, warn, recalibrate, re-weigh, re-elect, roll back, retrain, or call a person",
        "rings": "*Retrain*, and what makes a version of those already trained, ring",
        "light": " Where nothing was trained, they are compared on the labelled windows that were weighed on.",
    }
