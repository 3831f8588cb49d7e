"""What a paired test says of one difference."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Bounds:
    """The challenger against one opponent on the same rows.

    Attributes
    ----------
    challenger, opponent : float
        Loss of each.
    low, high : float
        Of the challenger's loss minus the opponent's, each bound one-sided.
    excess_bound : float
        Upper bound of what was tested: the challenger's loss minus ``factor`` times the opponent's.
    p : float
        Of the hypothesis that this excess is zero or more: small speaks for the challenger.
    """

    challenger: float
    opponent: float
    low: float
    high: float
    excess_bound: float
    p: float
