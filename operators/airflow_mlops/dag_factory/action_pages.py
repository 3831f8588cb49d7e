"""What the tasks of the actions DAG say of themselves to whoever opens them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Page:
    """Four answers for somebody who was woken up by a red task."""

    title: str
    does: str
    leaves: str
    failure: str
    action: str


def _freeze_page(title: str, does: str) -> Page:
    return Page(
        title=title,
        does=does,
        leaves="One event `freeze` in the ledger with who and why; none where it was so already.",
        failure="The version is not known, or the ledger is away. Nothing was changed.",
        action="Read the last line of the log; name a version that it lists. Ledger away: clear the task later.",
    )


def _policy_page(title: str, does: str) -> Page:
    return Page(
        title=title,
        does=does,
        leaves="One event `override` in the ledger with who and why; none where it was so already.",
        failure="The ledger is away. Nothing was changed.",
        action="Clear the task when the ledger answers.",
    )


ACTION_PAGES = {
    "choose": Page(
        title="Choose the action",
        does="Goes on with the task that the form names; the others are skipped.",
        leaves="Nothing.",
        failure="The form was filled in by a program and names no action.",
        action="Start the DAG again by its form.",
    ),
    "roll_back": Page(
        title="Roll back",
        does="Makes the last version that served well champion again: tried out, loaded and probed first. The bad one "
        "is frozen.",
        leaves="A `promotion` with the cause *rollback* and a `freeze` beside it, in one transaction; MLflow's alias "
        "and the model server follow.",
        failure="*Skipped* is not a failure: nothing was broken, or another action was chosen. Red: no version is left "
        "to go back to, the server or the ledger is away, somebody promoted another version meanwhile, or this is a "
        "second click. What served goes on serving.",
        action="Read the last line of the log. When a service was away, clear this task; it finds what it has done. To "
        "go further back on purpose, name the version that has to go.",
    ),
    "retrain": Page(
        title="Retrain",
        does="Starts a run of `{name}_retrain` with the reason of the form.",
        leaves="That run; the button of this task leads to it.",
        failure="Airflow did not take the run.",
        action="Start `{name}_retrain` by its own form.",
    ),
    "freeze": _freeze_page(
        "Freeze", "Holds a version, or every promotion but a rollback, until somebody unfreezes it."
    ),
    "unfreeze": _freeze_page("Unfreeze", "Lets a version be promoted again, or all promotions go on."),
    "pause": _freeze_page(
        "Pause the loop",
        "From now on `{name}_monitor` asks for nothing and `{name}_retrain` trains only for a person. What serves goes "
        "on serving.",
    ),
    "resume": _freeze_page("Resume the loop", "Lets monitor and schedule ask for trainings again."),
    "use_shadow_policy": _policy_page(
        "Use the policy in shadow",
        "From its next look on `{name}_monitor` decides by `retrain.shadow`, and `retrain.policy` only records. It "
        "holds until the section `retrain` of the spec changes.",
    ),
    "use_own_policy": _policy_page(
        "Use the spec's own policy", "Lets `retrain.policy` decide again, from the next look."
    ),
    "drill": Page(
        title="Rehearse a rollback",
        does="Has the version before serve for a moment, measures how long that takes, and puts the champion back. "
        "Nothing is frozen.",
        leaves="One event `drill` in the ledger with the seconds of each part, and two promotions with the cause "
        "*drill*: the same version serves before and after.",
        failure="*Skipped* is **not** a failure: there is no second version that could serve, or a challenger is about "
        "to. Red: restoring took longer than `drill.limit`, or the version before cannot serve, so that a rollback "
        "would not work either.",
        action="Read the parts in the log: a long *probe* is a server that had to load the version, a long *server* "
        "one that polls the ledger slowly. A red drill that was killed is put right by the next one.",
    ),
}
