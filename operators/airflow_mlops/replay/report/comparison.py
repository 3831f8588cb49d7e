"""Whether one policy is worse than another."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from airflow_mlops.replay.noise import difference

if TYPE_CHECKING:
    from airflow_mlops.replay.noise import Difference
    from airflow_mlops.replay.plays import Table
    from airflow_mlops.replay.report.found import Entry
    from airflow_mlops.spec.loop_sections import Policy


@dataclass(frozen=True)
class Comparison:
    """Whether a second policy is worse than a first, and why, as sentences."""

    first: str
    second: str
    difference: Difference
    is_worse: bool
    reasons: tuple[str, ...]


def compared(table: Table, first: Entry, second: Entry, looks: int) -> Comparison:
    """Hold a second policy against a first, by their losses and by the second's budget of so many looks."""
    found = difference(second.losses, first.losses, seed=table.spec.train.seed)
    metric, reasons = table.board.matrix.metric, []
    sure = f"from {found.low:+.4f} to {found.high:+.4f}, each bound at 97.5 %, {found.windows} windows"
    if found.is_worse:
        reasons.append(
            f"{second.candidate.name} is worse than {first.candidate.name}: {metric} {second.score.loss:.4f} against "
            f"{first.score.loss:.4f}, {found.mean:+.4f} a window ({sure})"
        )
    allowed = most_trainings(second.candidate.policy, looks)
    if allowed is not None and second.score.trainings > allowed:
        reasons.append(
            f"{second.candidate.name} trains {second.score.trainings} times in {looks} looks, and its budget allows "
            f"{allowed}"
        )
    if reasons:
        return Comparison(first.candidate.name, second.candidate.name, found, True, tuple(reasons))
    calm = (
        f"{second.candidate.name} is not shown to be worse than {first.candidate.name}: {metric} "
        f"{second.score.loss:.4f} against {first.score.loss:.4f}, {found.mean:+.4f} a window ({sure}), with "
        f"{second.score.trainings} trainings against {first.score.trainings}"
    )
    return Comparison(first.candidate.name, second.candidate.name, found, False, (calm,))


def most_trainings(policy: Policy, looks: int) -> int | None:
    """Return how many trainings a policy's budget allows in so many looks; None where it has none."""
    budget = getattr(policy, "budget", None)
    return None if budget is None else math.ceil(budget.start + budget.share * looks)
