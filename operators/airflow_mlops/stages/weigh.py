"""Make one model of trained versions: the versions' own where one serves alone, else a committee or its trees."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from airflow_mlops.errors import CommitteeUnusable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd

    from airflow_mlops.stages.committee import Committee

Kind = Literal["trained", "corrected", "committee"]
Shift = float | tuple[float, ...] | list[float]


@dataclass(frozen=True, slots=True)
class Weighed:
    """What is to serve.

    ``kind`` is "trained" where one version serves alone as it is, "corrected" where only the correction is new.
    ``weights`` are the members' by model id, the largest first, with a sum of 1. ``correction`` has one number, or one
    a class in the order of ``classes``. ``trees`` counts those of a model that holds all of them; None of any other.
    """

    model: Any
    kind: Kind
    weights: dict[str, float]
    correction: float | list[float]
    classes: tuple[Any, ...]
    trees: int | None = None


def weigh(
    models: Mapping[str, Any],
    weights: Mapping[str, float],
    *,
    task: Literal["binary", "multiclass", "regression"],
    correction: Shift = 0.0,
    classes: Sequence[Any] = (),
    rows: pd.DataFrame | None = None,
) -> Weighed:
    """Put trained versions together.

    Parameters
    ----------
    models : mapping of str to estimator
        Fitted models that take raw columns, by model id. Not modified.
    weights : mapping of str to float
        By model id; a version of weight zero is left out.
    task : {"binary", "multiclass", "regression"}
        What they predict.
    correction : float or sequence of float, default=0.0
        Added on the scale on which a committee adds, `link_of`.
    classes : sequence, optional
        Those that the correction has one number each for; needed in a multiclass task.
    rows : DataFrame, optional
        Raw rows on which a model that holds all trees has to answer as its members do together.

    Raises
    ------
    CommitteeUnusable
        The versions cannot answer together: see `assemble_committee`; or the correction has no number for a class that
        they know.
    """
    from airflow_mlops.stages.committee import assemble_committee
    from airflow_mlops.stages.tree_artifact import as_one_model, tree_count

    used = {name: models[name] for name, weight in weights.items() if weight > 0}
    plain = assemble_committee(used, task=task, weights={name: weights[name] for name in used})
    own = _own_correction(plain, correction, classes)
    shares = dict(zip(plain.versions or (), plain.weights, strict=True))
    known = () if task == "regression" else tuple(plain.classes_.tolist())
    if len(used) == 1 and not _is_any(own):
        return Weighed(plain.members[0], "trained", shares, own, known)
    committee = assemble_committee(used, task=task, weights=shares, correction=own)
    joined = as_one_model(committee, rows)
    return Weighed(
        model=committee if joined is None else joined,
        kind="committee" if len(used) > 1 else "corrected",
        weights=shares,
        correction=own,
        classes=known,
        trees=None if joined is None else tree_count(joined),
    )


def _own_correction(committee: Committee, correction: Shift, classes: Sequence[Any]) -> float | list[float]:
    """Return the numbers of the committee's own classes: scorecards may know more of them than its members do."""
    if not isinstance(correction, list | tuple):
        return float(correction) if committee.task != "multiclass" else [float(correction)] * len(committee.classes_)
    by_class = dict(zip(classes, correction, strict=True))
    own = committee.classes_.tolist()
    if missing := [label for label in own if label not in by_class]:
        raise CommitteeUnusable(
            f"the correction has no number for the class {missing[0]!r}, which a member knows; measure it on answers "
            "of all members."
        )
    mean = sum(by_class[label] for label in own) / len(own)
    return [float(by_class[label] - mean) for label in own]


def _is_any(correction: float | list[float]) -> bool:
    return any(correction) if isinstance(correction, list) else correction != 0
