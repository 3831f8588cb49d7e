"""The part of a model card that says who answers: members, weights, the correction in plain words, and why."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

_SCALES = {"binary": "log-odds", "multiclass": "log-probabilities", "regression": "predictions"}


@dataclass(frozen=True, slots=True)
class MemberFacts:
    """What people want to know of a member.

    ``trained_at`` is in event time; ``window`` says what it learned from, such as ``mix``, or two dates; ``weight`` is
    its share, 0 to 1.
    """

    version: str
    weight: float
    window: str
    trained_at: datetime | None = None


def committee_card(
    members: Sequence[MemberFacts],
    *,
    task: Literal["binary", "multiclass", "regression"],
    target: str,
    correction: float | Sequence[float] = 0.0,
    classes: Sequence[object] = (),
    reasons: Sequence[str] = (),
    trees: int | None = None,
) -> str:
    """Write the section of a committee, or of one corrected version.

    Parameters
    ----------
    members : sequence of MemberFacts
        By falling weight.
    task : {"binary", "multiclass", "regression"}
        What they predict.
    target : str
        Column that they predict; a correction of a regression is in its unit.
    correction : float or sequence of float, default 0
        As the committee has it.
    classes : sequence, optional
        The committee's classes; none for a regression.
    reasons : sequence of str, optional
        Of the decision that made it.
    trees : int, optional
        How many trees the artifact has where it is one model; None where it is a committee of pipelines.

    Returns
    -------
    str
        Markdown that begins with a heading of the second level.
    """
    parts = [
        "## Who answers",
        _opening(members, task),
        _table(members),
        f"**Correction.** {_correction(correction, task, target, classes)}",
        f"**Form.** {_form(members, trees)}",
    ]
    if reasons:
        parts.append("**Why.**\n\n" + "\n".join(f"- {reason}" for reason in reasons))
    return "\n\n".join(parts) + "\n"


def _opening(members: Sequence[MemberFacts], task: str) -> str:
    if len(members) == 1:
        return f"Version {members[0].version} alone. Nothing was trained for this version."
    return (
        f"{len(members)} versions together: the mean of their {_SCALES[task]} by these weights. Nothing was trained "
        "for this version."
    )


def _table(members: Sequence[MemberFacts]) -> str:
    lines = ["| version | weight | trained at | window |", "| --- | --- | --- | --- |"]
    for member in members:
        moment = f"{member.trained_at:%Y-%m-%d %H:%M}" if member.trained_at else "not known"
        cells = (member.version, f"{100 * member.weight:.0f} %", moment, member.window)
        lines.append("| " + " | ".join(cell.replace("|", r"\|") for cell in cells) + " |")
    return "\n".join(lines)


def _correction(correction: float | Sequence[float], task: str, target: str, classes: Sequence[object]) -> str:
    values = [float(correction)] if isinstance(correction, int | float) else [float(value) for value in correction]
    if not any(values):
        return "None."
    if task == "multiclass":
        return _shares(values, classes)
    [value] = values
    if task == "regression":
        return f"Every prediction is {_moved(value)} by {abs(value):.4g}, in the unit of `{target}`."
    examples = " and ".join(f"{_percent(share)} to {_percent(_shifted(share, value))}" for share in (0.1, 0.5))
    return (
        f"The probability of `{target}` = {classes[1] if len(classes) > 1 else 1} is {_moved(value)} for every row, "
        f"from {examples} for instance ({value:+.3g} in log-odds)."
    )


def _shares(values: list[float], classes: Sequence[object]) -> str:
    """Say what becomes of classes that were equally probable."""
    weights = [math.exp(value) for value in values]
    after = [weight / sum(weights) for weight in weights]
    told = ", ".join(
        f"{label} {_percent(share)} ({value:+.3g})" for label, share, value in zip(classes, after, values, strict=True)
    )
    return (
        f"Where all classes were equally probable, at {_percent(1 / len(values))} each, they become: {told}. In "
        "brackets what is added to the log-probability."
    )


def _shifted(share: float, value: float) -> float:
    return 1 / (1 + (1 - share) / share * math.exp(-value))


def _moved(value: float) -> str:
    return "raised" if value > 0 else "lowered"


def _percent(share: float) -> str:
    return f"{100 * share:.3g} %"


def _form(members: Sequence[MemberFacts], trees: int | None) -> str:
    if trees is not None:
        return f"One model of {trees} trees, which answers as the members do together; it needs scikit-learn alone."
    asked = "the member's pipeline" if len(members) == 1 else f"the {len(members)} members' pipelines"
    return f"A committee: {asked}, with the code that adds up what they say; each is asked for every row."
