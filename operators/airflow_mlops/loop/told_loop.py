"""What happens by itself, kind by kind, as sentences."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_mlops.loop.payloads import Sentence, counted, day_span, facts, versioned

if TYPE_CHECKING:
    from collections.abc import Mapping


def _ingest(payload: Mapping[str, Any]) -> str | None:
    rows = counted(payload, "rows", "row")
    part = "Labels" if payload.get("part") == "labels" else "Rows"
    return rows and f"{part} came in: {rows}{day_span(payload)}."


def _validate(payload: Mapping[str, Any]) -> str | None:
    ref = facts(payload, "ref")
    if not ref.get("verdict"):
        return None
    summary = facts(ref, "summary")
    found = [f"{summary[level]} {level}" for level in ("critical", "warning", "info") if summary.get(level)]
    rows, apart = counted(summary, "rows", "row"), counted(summary, "quarantined", "row")
    of = f" of {rows}" if rows else ""
    put = f"; {apart} put in quarantine" if apart and summary["quarantined"] else ""
    return f"The data check{of} says {ref['verdict']}{' (' + ', '.join(found) + ')' if found else ''}{put}."


def _features(payload: Mapping[str, Any]) -> str | None:
    rows = counted(payload, "rows", "row")
    held = counted(payload, "holdout_rows", "row")
    return rows and f"Features were made of {rows}{f', {held} held out' if held else ''}."


def _train(payload: Mapping[str, Any]) -> str | None:
    if not payload.get("id"):
        return None
    rows = counted(payload, "rows", "row")
    estimator = str(payload.get("estimator") or "").rpartition(".")[2]
    return f"A model was trained{f' on {rows}' if rows else ''}{f' ({estimator})' if estimator else ''}."


def _weigh(payload: Mapping[str, Any]) -> str:
    members = facts(payload, "members")
    if members:
        return f"A committee of {len(members)} {'member' if len(members) == 1 else 'members'} was weighed."
    if payload.get("correction"):
        return "A correction of the champion's answers was fitted."
    return "The trained model was weighed and stands alone."


def _evaluate(payload: Mapping[str, Any]) -> str | None:
    verdict = payload.get("verdict")
    if verdict is None:
        return None
    against = f" against v{payload['champion_version']}" if payload.get("champion_version") else ""
    return f"The {payload.get('gate') or 'model'} gate judged a challenger{against}: {verdict}."


def _register(payload: Mapping[str, Any]) -> str:
    return f"{versioned(payload)} was registered."


def _deploy(payload: Mapping[str, Any]) -> str:
    version, outcome = versioned(payload), payload.get("outcome")
    words = {
        "asked": f"{version} was asked to be served.",
        "prepared": f"{version} was handed to the server to be loaded aside.",
        "servable": f"{version} answered its golden rows.",
        "refused": f"{version} was refused by the server's trial.",
        "done": f"{version} is served since epoch {payload.get('epoch')}.",
    }
    return words.get(str(outcome), f"Deploy of {version}: {outcome or 'begun'}.")


def _drift(payload: Mapping[str, Any]) -> str | None:
    verdict, summary = payload.get("verdict"), facts(payload, "summary")
    if verdict is None:
        return None
    moved, of = summary.get("drifted_columns"), summary.get("compared_columns")
    return f"Drift report: {verdict}{f' ({moved} of {of} columns)' if of else ''}."


def _signals(payload: Mapping[str, Any]) -> str:
    measured = facts(payload, "measured")
    drifted = sorted(name for name in measured if facts(measured, name).get("verdict") == "drifted")
    said = f"drifted: {', '.join(name.replace('_', ' ') for name in drifted)}" if drifted else "none drifted"
    return f"{len(measured)} signals were measured, {said}." if measured else "Signals were measured."


def _decision(payload: Mapping[str, Any]) -> str | None:
    action, held = payload.get("action"), payload.get("held_by")
    if action is None:
        return None
    what = "Nothing to do" if action == "nothing" else f"Decision: {str(action).replace('_', ' ')}"
    return f"{what}{f', held by {held}' if held else ''}."


def _shadow_decision(payload: Mapping[str, Any]) -> str:
    return f"The policy in shadow would have decided: {str(payload.get('action')).replace('_', ' ')}."


def _request(payload: Mapping[str, Any]) -> str:
    cause, action = payload.get("cause"), str(payload.get("action") or "retrain").replace("_", " ")
    if cause is None:
        return "The retrain run found nothing to do."
    words = {"decision": "the decision asked for it", "person": "a person asked for it"}
    return f"A run began to {action}: {words.get(str(cause), str(cause))}."


def _promotion(payload: Mapping[str, Any]) -> str:
    version, cause = versioned(payload), payload.get("cause")
    leg = facts(payload, "drill").get("leg")
    if cause == "drill":
        return f"{version} became champion {'again, the drill being over' if leg == 'back' else 'for a drill'}."
    if cause == "rollback":
        return f"{version} became champion again by a rollback."
    return f"{version} became champion{f' ({cause})' if cause else ''}."


def _bake(payload: Mapping[str, Any]) -> str:
    detail = facts(payload, "signal").get("detail")
    verdict = "held" if payload.get("verdict") == "held" else str(payload.get("verdict"))
    return f"The watch after the promotion of {versioned(payload)}: {verdict}{f' ({detail})' if detail else ''}."


def _slo(payload: Mapping[str, Any]) -> str:
    if payload.get("late"):
        return f"A run of {payload['late']} takes longer than the {payload.get('limit')} promised."
    objectives = [each for each in payload.get("objectives") or () if isinstance(each, dict)]
    states = [f"{each.get('objective')} {_budget_state(each)}".replace("_", " ") for each in objectives]
    return f"Error budgets: {', '.join(states) or 'none measured'}."


def _budget_state(objective: Mapping[str, Any]) -> str:
    left = objective.get("left")
    if objective.get("state") == "unknown" or not isinstance(left, int | float):
        return "not enough data"
    return f"{max(left, 0):.0%} left" if left > 0 else "spent"


def _score(payload: Mapping[str, Any]) -> str:
    rows = counted(payload, "rows", "row")
    return f"{versioned(payload)} scored a batch{f' of {rows}' if rows else ''}."


def _backtest(payload: Mapping[str, Any]) -> str:
    tried = len(facts(payload, "summary"))
    return f"A backtest of {tried} {'policy' if tried == 1 else 'policies'} was made."


LOOP_SENTENCES: dict[str, Sentence] = {
    "ingest": _ingest,
    "validate": _validate,
    "features": _features,
    "train": _train,
    "weigh": _weigh,
    "evaluate": _evaluate,
    "register": _register,
    "deploy": _deploy,
    "drift": _drift,
    "signals": _signals,
    "decision": _decision,
    "shadow_decision": _shadow_decision,
    "request": _request,
    "promotion": _promotion,
    "bake": _bake,
    "slo": _slo,
    "score": _score,
    "backtest": _backtest,
}
