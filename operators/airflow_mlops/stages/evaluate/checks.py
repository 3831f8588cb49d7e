"""All checks of the full gate, put together from what the models answered and what else is known of them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, get_args

from airflow_mlops.loop.gate import GateVerdict, Ranking, guard_check, judge, verdict_of, worst_slice_check
from airflow_mlops.loop.gate.check import Group
from airflow_mlops.stages.evaluate.behaviour import behaviour_checks
from airflow_mlops.stages.evaluate.cost import cost_checks
from airflow_mlops.stages.evaluate.predictions import row_losses
from airflow_mlops.stages.evaluate.provenance import gain_check, leak_check, rows_check
from airflow_mlops.stages.evaluate.sanity import sanity_checks
from airflow_mlops.stages.evaluate.seen import seen_check
from airflow_mlops.stages.evaluate.slices import slices_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import numpy as np
    import pandas as pd

    from airflow_mlops.loop.gate import Check
    from airflow_mlops.spec import ModelSpec
    from airflow_mlops.spec.gate_sections import GateSpec, Guard
    from airflow_mlops.stages.evaluate.evidence import Evidence
    from airflow_mlops.stages.evaluate.predictions import Predictions
    from airflow_mlops.stages.evaluate.seen import Seen


@dataclass(frozen=True, slots=True)
class Judged:
    """What the gate looks at.

    Attributes
    ----------
    rows : DataFrame
        Held-out rows that no model has trained on, in order of time.
    target : ndarray of shape (n_rows,)
        What happened.
    predictions : mapping of str to Predictions
        By who made them: challenger, baseline and perhaps champion.
    losses : mapping of str to ndarray of shape (n_rows,)
        In ``metric``.
    blocks : ndarray of shape (n_rows,) or None
        The block of time of each row.
    known : mapping of str to tuple
        Classes that challenger and champion can answer.
    """

    rows: pd.DataFrame
    target: np.ndarray
    predictions: Mapping[str, Predictions]
    losses: Mapping[str, np.ndarray]
    metric: str
    blocks: np.ndarray | None
    known: Mapping[str, tuple[Any, ...]]


def full_gate(judged: Judged, spec: ModelSpec, challenger: Any, evidence: Evidence, seen: Seen) -> GateVerdict:
    """Make every check that the spec asks for and that can be made.

    Parameters
    ----------
    judged : Judged
        Rows, answers and losses.
    spec : ModelSpec
        Its section evaluate.gate.
    challenger : estimator
        Asked the behaviour cases.
    evidence : Evidence
        What else is known.
    seen : Seen
        Which rows were left out.

    Raises
    ------
    GateMisuse
        A loss, a test or a measure does not fit the task.
    MissingExtra
        A library of the extra ``gate`` is not installed.
    """
    compared = _compare(judged, spec)
    further = [
        *_guards(judged, spec),
        *_worst_slice(judged, spec),
        *_fairness(judged, spec),
        *_behaviour(judged, spec, challenger, evidence),
        *_sanity(judged, spec),
        *provenance_checks(judged, spec, evidence, seen),
        *(cost_checks(evidence.costs, spec.evaluate.gate.cost) if spec.evaluate.gate.cost else ()),
    ]
    return with_checks(compared, further)


def with_checks(verdict: GateVerdict, further: list[Check]) -> GateVerdict:
    """Add checks to a verdict: all have to pass, and the reasons of those that failed come first."""
    order = {group: place for place, group in enumerate(get_args(Group))}
    checks = tuple(sorted((*verdict.checks, *further), key=lambda check: order[check.group]))
    by_verdict = sorted(checks, key=lambda check: ("fail", "not enough labels", "pass").index(check.verdict))
    said = [check.sentence for check in by_verdict if check.verdict != "pass" or check in verdict.checks]
    return replace(verdict, verdict=verdict_of(checks), reasons=tuple(dict.fromkeys(said)), checks=checks)


def _settings(gate: GateSpec, spec: ModelSpec) -> dict[str, Any]:
    return {
        "confidence": gate.confidence,
        "resamples": gate.resamples,
        "min_rows": gate.min_rows,
        "seed": spec.train.seed,
    }


def _compare(judged: Judged, spec: ModelSpec) -> GateVerdict:
    gate = spec.evaluate.gate
    return judge(
        judged.losses["challenger"],
        baseline=judged.losses["baseline"],
        champion=judged.losses.get("champion"),
        blocks=judged.blocks,
        metric=judged.metric,
        margin=gate.margin,
        test=gate.test,
        goal=gate.goal,
        ranking=_ranking(judged) if gate.test == "delong" else None,
        **_settings(gate, spec),
    )


def _ranking(judged: Judged) -> Ranking | None:
    """Return the scores that DeLong's test ranks; None where a model gives no probabilities of two classes."""
    said = judged.predictions
    if any(each.probabilities is None or len(each.classes) != 2 for each in said.values()):
        return None
    scores = {name: each.probabilities[:, 1] for name, each in said.items() if each.probabilities is not None}
    positive = judged.target == said["challenger"].classes[1]
    return Ranking(positive, scores["challenger"], scores["baseline"], scores.get("champion"))


def _guards(judged: Judged, spec: ModelSpec) -> Iterator[Check]:
    gate = spec.evaluate.gate
    if "champion" not in judged.predictions:
        return
    for guard in gate.guards:
        metric = guard.metric or judged.metric
        losses = {
            name: row_losses(metric, judged.target, judged.predictions[name]) for name in ("challenger", "champion")
        }
        yield guard_check(
            _name(guard, metric),
            losses["challenger"],
            losses["champion"],
            mask=None if guard.column is None else _where(judged.rows[guard.column], guard.value),
            blocks=judged.blocks,
            metric=metric,
            margin=guard.margin,
            **_settings(gate, spec),
        )


def _name(guard: Guard, metric: str) -> str:
    where = "all rows" if guard.column is None else f"{guard.column} = {guard.value}"
    return f"guard: {where}" + (f", {metric}" if guard.metric else "")


def _where(column: pd.Series, value: Any) -> np.ndarray:
    if value is None:
        return column.isna().to_numpy()
    # Files give a number as text, and a whole number as one with a point.
    same = column.astype("object") == value
    return (same | (column.astype("str") == str(value))).to_numpy()


def _worst_slice(judged: Judged, spec: ModelSpec) -> Iterator[Check]:
    settings = spec.evaluate.gate.worst_slice
    if settings is None or "champion" not in judged.losses:
        return
    slices = slices_of(judged.rows, settings.columns or spec.features.columns, settings)
    if slices:
        yield worst_slice_check(
            judged.losses["challenger"],
            judged.losses["champion"],
            slices,
            blocks=judged.blocks,
            metric=judged.metric,
            margin=settings.margin,
            min_rows=settings.min_rows,
            false_alarms=settings.false_alarms,
            seed=spec.train.seed,
        )


def _fairness(judged: Judged, spec: ModelSpec) -> tuple[Check, ...]:
    settings = spec.evaluate.gate.fairness
    if settings is None or not settings.columns:
        return ()
    from airflow_mlops.stages.evaluate.fairness import fairness_checks

    sides = [name for name in ("challenger", "champion") if name in judged.predictions]
    return fairness_checks(
        {name: judged.rows[name].to_numpy() for name in settings.columns},
        judged.target,
        {name: judged.predictions[name] for name in sides},
        {name: judged.losses[name] for name in sides},
        settings=settings,
        confidence=spec.evaluate.gate.confidence,
        blocks=judged.blocks,
    )


def _behaviour(judged: Judged, spec: ModelSpec, challenger: Any, evidence: Evidence) -> list[Check]:
    if evidence.behaviour is None:
        return []
    return behaviour_checks(
        challenger,
        judged.rows,
        evidence.behaviour,
        columns=spec.features.columns,
        classes=judged.predictions["challenger"].classes,
    )


def _sanity(judged: Judged, spec: ModelSpec) -> list[Check]:
    return sanity_checks(
        judged.predictions["challenger"],
        judged.target,
        coverage=spec.evaluate.gate.coverage,
        known=judged.known.get("challenger", ()),
        champion_known=judged.known.get("champion"),
    )


def provenance_checks(judged: Judged, spec: ModelSpec, evidence: Evidence, seen: Seen) -> list[Check]:
    """Check where the challenger's strength comes from."""
    gate = spec.evaluate.gate
    found = [
        seen_check(seen, most=gate.max_seen),
        rows_check(evidence.challenger, evidence.champion, least=gate.min_rows_share),
        gain_check(judged.losses, evidence.champion.metrics, metric=judged.metric, most=gate.max_gain),
        leak_check(
            judged.rows,
            judged.target,
            judged.losses,
            columns=spec.features.columns,
            champion_columns=evidence.champion.columns,
            metric=judged.metric,
            classes=judged.predictions["challenger"].classes,
        ),
    ]
    return [check for check in found if check is not None]
