"""What a drift report found of a column, in plain words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_mlops.loop.effects import TOTAL_VARIATION
from airflow_mlops.loop.payloads import number

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_mlops.loop.effects import Effect

# What a model without any knowledge gets, and from where on two windows are hardly alike.
_NOTHING, _ALL_BUT_TOLD = 0.5, 0.9


def effect_words(effect: Effect) -> str:
    """Say how far a column has moved, and whether chance could have done it."""
    chance = "chance could do that" if effect.low <= 0 else "more than chance does"
    if effect.method == TOTAL_VARIATION:
        return f"{effect.value:.0%} of the rows would have to change their category; {chance}"
    return f"up to {effect.value:.0%} more of the rows lie below some value; {chance}"


def domain_words(domain: Mapping[str, Any]) -> str | None:
    """Say how well a classifier tells the two windows apart by all columns together; None where none was asked."""
    auc, low = number(domain, "auc"), number(domain, "low")
    if auc is None or low is None:
        return None
    asked = (
        f"A classifier that sees all columns together tells rows of now from those of the reference with AUC {auc:.2f}"
    )
    if low <= _NOTHING:
        return f"{asked} ({_NOTHING} is guessing): it cannot be shown that they differ."
    degree = "nearly always" if auc >= _ALL_BUT_TOLD else "more often than not"
    return f"{asked} ({_NOTHING} is guessing, at least {low:.2f} is sure): {degree} it is right."
