"""Whether other weights or another correction may serve, judged on the scorecards they were weighed on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow_mlops.errors import ArtifactMissing
from airflow_mlops.stages.evaluate.light import Shares, judge_change
from airflow_mlops.stages.evaluate.predictions import default_loss

if TYPE_CHECKING:
    from airflow_mlops.artifacts import ArtifactStore
    from airflow_mlops.lifecycle.weighing import Weighing
    from airflow_mlops.loop.light_gate import LightVerdict
    from airflow_mlops.refs import ModelRef


@dataclass(frozen=True, slots=True)
class LightJudgement:
    """The verdict, and what was compared."""

    verdict: LightVerdict
    challenger: Shares
    champion: Shares

    def to_dict(self) -> dict[str, Any]:
        """Turn into JSON."""
        sides = {"challenger": self.challenger, "champion": self.champion}
        return {
            "gate": self.verdict.to_dict(),
            "members": {name: dict(side.weights) for name, side in sides.items()},
            "correction": {name: side.correction for name, side in sides.items()},
        }

    def metrics(self) -> dict[str, float]:
        """Return the losses by name; none where no row could be judged."""
        found = self.verdict
        named = {found.metric: found.challenger_loss, f"champion_{found.metric}": found.champion_loss}
        return {name: loss for name, loss in named.items() if loss is not None}


def judge_lightly(weighing: Weighing, challenger: ModelRef, champion: ModelRef) -> LightJudgement:
    """Compare two models that are made of trained versions.

    Parameters
    ----------
    weighing : Weighing
        The past.
    challenger, champion : ModelRef
        What would serve, and what serves.

    Raises
    ------
    ArtifactMissing, ArtifactCorrupt
        A scorecard, or one of the two, is gone or changed.
    """
    spec = weighing.spec
    windows = weighing.newest_windows()
    metric = windows[-1].metric if windows else (spec.evaluate.gate.metric or default_loss(spec.task))
    new, old = (shares_of(weighing.store, model) for model in (challenger, champion))
    verdict = judge_change(
        weighing.cards(windows),
        new,
        old,
        metric=metric,
        memory=getattr(spec.retrain.policy, "memory", 1.0),
        margin=spec.evaluate.gate.margin,
    )
    return LightJudgement(verdict, new, old)


def shares_of(store: ArtifactStore, model: ModelRef) -> Shares:
    """Return who answers for a model: itself, where it was trained, else its members.

    Raises
    ------
    ArtifactMissing
        Its folder is not complete.
    """
    if not model.members:
        return Shares({model.id: 1.0})
    manifest = store.manifest(model.uri)
    if manifest is None:
        raise ArtifactMissing(f"no complete model is stored at {model.uri}; run weigh again.")
    return Shares(model.members, model.correction or 0.0, manifest["classes"])
