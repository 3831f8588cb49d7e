"""The DAG by which a person acts on a model: a form, and one task for each action."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.providers.standard.operators.trigger_dagrun import TriggerDagRunOperator
from airflow.sdk import DAG, Param

from airflow_mlops.dag_factory.pages import actions_page
from airflow_mlops.dag_factory.settings import dag_settings, loaded, now_param, task_settings, version_template
from airflow_mlops.operators.act import ChooseActionOperator, FreezeOperator, OverrideOperator
from airflow_mlops.operators.drill import DrillOperator
from airflow_mlops.operators.reproduce import ReproduceOperator
from airflow_mlops.operators.rollback import RollbackOperator
from airflow_mlops.spec.loop_sections import weighs_versions

if TYPE_CHECKING:
    from pathlib import Path

    from airflow.sdk import BaseOperator

    from airflow_mlops.spec import ModelSpec

ACTIONS = ("roll back", "retrain", "freeze", "unfreeze", "pause", "resume", "drill", "reproduce")
# Only where the spec has a policy in shadow.
POLICIES = ("use shadow policy", "use own policy")
_REASON = "{{ params.reason }}"
_VERSION, _TO = version_template("version"), version_template("to")


def actions_dag(spec: ModelSpec | str | Path) -> DAG:
    """Make the actions DAG of a spec: ``{name}_actions``, by its form only.

    Parameters
    ----------
    spec : ModelSpec, str or Path
        The spec, or its file.

    Raises
    ------
    SpecError
        The file has faults.
    """
    spec = loaded(spec)
    with DAG(
        **dag_settings(spec, "actions", actions_page(spec)),
        schedule=None,
        description=f"Roll back, retrain, freeze or pause {spec.name} by hand",
        params=_form(spec),
    ) as dag:
        settings = task_settings(spec, "act", "choose")
        del settings["spec"]
        ChooseActionOperator(**settings) >> [
            RollbackOperator(of_version=_VERSION, to=_TO, reason=_REASON, **task_settings(spec, "act", "roll_back")),
            _retrain(spec),
            *_freezes(spec),
            *_overrides(spec),
            DrillOperator(**task_settings(spec, "act", "drill")),
            # As it is a training, it runs where trainings run.
            ReproduceOperator(version=_VERSION, **task_settings(spec, "train", "reproduce")),
        ]
    return dag


def _form(spec: ModelSpec) -> dict[str, Param]:
    return {
        "action": Param(
            "roll back",
            type="string",
            enum=[*ACTIONS, *(POLICIES if spec.retrain.shadow else ())],
            title="Action",
            **_policies(spec),
            description="'roll back' brings the last version that served well back and freezes the present one; Dag "
            "Docs says what the others do.",
        ),
        "version": Param(
            None,
            type=["string", "null"],
            title="Version",
            description="roll back: the version that has to go, which protects from a second click; empty: what "
            "serves. freeze, unfreeze: which one. reproduce: which one; empty: the champion.",
        ),
        "to": Param(
            None,
            type=["string", "null"],
            title="Roll back to",
            description="Only for roll back: the version that shall serve; empty: the last one that served well.",
        ),
        "scope": Param(
            "version",
            type="string",
            enum=["version", "promotions"],
            title="What to freeze",
            description="Only for freeze and unfreeze: one version, or every promotion but a rollback.",
        ),
        "reason": Param(
            None,
            type="string",
            minLength=1,
            maxLength=400,
            # Spaces alone would be refused by the task, a minute later.
            pattern=r"\S",
            title="Reason",
            description="Why; kept on record with your name.",
        ),
        "now": now_param(spec),
    }


def _policies(spec: ModelSpec) -> dict[str, Any]:
    """Tell the model's page, as a further word of the form's schema, which two policies the spec has now."""
    from airflow_mlops.lifecycle.override import section_digest

    retrain = spec.retrain
    if retrain.shadow is None:
        return {}
    pair = {"own": retrain.policy, "shadow": retrain.shadow}
    told = {name: {"kind": each.kind, "weighs": weighs_versions(each)} for name, each in pair.items()}
    return {"policies": {**told, "retrain": section_digest(spec)}}


def _retrain(spec: ModelSpec) -> BaseOperator:
    settings = task_settings(spec, "act", "retrain")
    del settings["spec"]
    asked = "(dag_run.triggering_user_name or 'somebody') ~ ': ' ~ params.reason"
    conf: Any = f"{{{{ {{'reason': {asked}, 'now': params.now}} | tojson }}}}"
    return TriggerDagRunOperator(
        trigger_dag_id=f"{spec.name}_retrain", conf=conf, openlineage_inject_parent_info=False, **settings
    )


def _freezes(spec: ModelSpec) -> list[BaseOperator]:
    tasks: list[BaseOperator] = []
    for task_id, frozen in (("freeze", True), ("unfreeze", False)):
        tasks.append(
            FreezeOperator(
                frozen=frozen,
                scope="{{ params.scope }}",
                version=_VERSION,
                reason=_REASON,
                **task_settings(spec, "act", task_id),
            )
        )
    for task_id, frozen in (("pause", True), ("resume", False)):
        tasks.append(FreezeOperator(frozen=frozen, scope="loop", reason=_REASON, **task_settings(spec, "act", task_id)))
    return tasks


def _overrides(spec: ModelSpec) -> list[BaseOperator]:
    if spec.retrain.shadow is None:
        return []
    return [
        OverrideOperator(policy=policy, reason=_REASON, **task_settings(spec, "act", f"use_{policy}_policy"))
        for policy in ("shadow", "own")
    ]
