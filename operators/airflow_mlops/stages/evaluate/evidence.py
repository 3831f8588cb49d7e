"""What is known of challenger and champion besides what they answer: rows trained on, costs, how good one once was."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    import numpy as np

    from airflow_mlops.spec.behaviour_file import Behaviour


@dataclass(frozen=True, slots=True)
class TrainedOn:
    """The rows that one trained version was made of.

    Attributes
    ----------
    columns : tuple of str
        What ``numbers`` are hashed from.
    numbers : ndarray or None
        Sorted, from `stages.fingerprints`; None of a version from before they were kept.
    until : datetime or None
        It trained on rows before this moment only; used where there are no numbers.
    """

    columns: tuple[str, ...] = ()
    numbers: np.ndarray | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Origin:
    """What is known of a model besides its answers.

    Attributes
    ----------
    rows : int or None
        Rows trained on; of a committee, of the member with most.
    trained_on : tuple of TrainedOn
        One for each trained version in it.
    columns : frozenset of str or None
        Raw columns it takes.
    metrics : mapping of str to float
        Of the evaluation that promoted it: its own by name, the baseline's with a prefix.
    """

    rows: int | None = None
    trained_on: tuple[TrainedOn, ...] = ()
    columns: frozenset[str] | None = None
    metrics: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Costs:
    """What a model costs on this machine; None is what was not measured.

    ``latency_ms`` is the median time of one row, ``memory_mb`` what loading and predicting adds, ``size_mb`` the stored
    bytes.
    """

    latency_ms: float | None = None
    memory_mb: float | None = None
    size_mb: float | None = None


@dataclass(frozen=True, slots=True)
class Evidence:
    """Everything that *evaluate* weighs beside answers to held-out rows; what is missing is not checked.

    Attributes
    ----------
    challenger, champion : Origin
        Where they come from.
    costs : mapping of str to Costs
        By "challenger" and "champion".
    behaviour : Behaviour or None
        The cases beside the spec.
    notes : tuple of str
        What could not be found out.
    """

    challenger: Origin = field(default_factory=Origin)
    champion: Origin = field(default_factory=Origin)
    costs: Mapping[str, Costs] = field(default_factory=dict)
    behaviour: Behaviour | None = None
    notes: tuple[str, ...] = ()
