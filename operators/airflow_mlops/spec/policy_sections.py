"""What decides between trainings: when to train, which of the versions already trained serve, and within what."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from airflow_mlops.spec.durations import Duration
from airflow_mlops.spec.rule_sections import Rule
from airflow_mlops.spec.section import Section

Window = Literal["all", "recent", "mix"]
Hour = Annotated[int, Field(ge=0, le=23)]


def _differ(hours: tuple[int, int]) -> tuple[int, int]:
    if hours[0] == hours[1]:
        raise ValueError(f"quiet hours from {hours[0]} to {hours[1]} are none or all of a day; give two hours")
    return hours


class Budget(Section):
    """Most trainings that a policy may ask for; a refused one counts as any other."""

    start: int = Field(2, ge=0, description="So many trainings are allowed from the first day.")
    share: float = Field(0.06, ge=0, le=1, description="And so many more for each look of the monitor.")
    trainings: int | None = Field(None, ge=0, description="Most trainings in 30 days.")
    seconds: float | None = Field(None, gt=0, description="Most seconds of training in 30 days.")
    money: float | None = Field(None, gt=0, description="Most money in 30 days, at the rate.")
    rate: float | None = Field(None, gt=0, description="What an hour of training costs.")


class Circuit(Section):
    """When the loop stops asking, and a person is called."""

    refusals: int = Field(4, ge=1, description="So many trainings in a row that brought no better version.")
    promotions: int = Field(12, ge=2, description="So many promotions of trained versions within `within` flap.")
    within: int = Field(16, ge=2, description="Looks in which the promotions are counted.")


class Correction(Section):
    """The one number that is added to what is served, from the newest labels."""

    rows: float = Field(250, gt=0, description="Labelled rows that count as much as 'no correction': it shrinks.")
    windows: int = Field(4, ge=1, le=50, description="Labelled windows it is measured on.")
    bound: float = Field(
        1.0,
        gt=0,
        description="Largest one, in logits, or in mean absolute deviations of a regression's target. Beyond it, the "
        "data is looked at instead.",
    )


class VersionsPolicy(Section):
    """What the policies have in common that choose among versions already trained."""

    price: float = Field(
        1.0,
        gt=0,
        description="What a training is worth: so much loss beyond that of a fresh model, added up, in units of a "
        "fresh model's loss of one window. Threshold, longest and budget follow from it where they are not given.",
    )
    threshold: float | None = Field(None, gt=0, description="Excess loss that asks for a training; default: price.")
    allowance: float = Field(0.5, ge=0, description="Part of the usual change from window to window that is noise.")
    shortest: float = Field(2, ge=0, description="Windows that lie at least between two trainings.")
    longest: float | None = Field(
        None, gt=0, description="Windows after which a training is asked for whatever was lost."
    )
    growth: float = Field(
        0.4, gt=0, description="And sooner in a young model: after so large a part of the windows there have been."
    )
    train: Rule | None = Field(None, description="When to train, in place of threshold, longest and growth.")
    warn: Rule | None = Field(None, description="When to warn; default: drift of the data or of the predictions.")
    windows: tuple[Window, ...] = Field(("mix",), min_length=1, description="Training windows, in turn.")
    pool: int = Field(16, ge=1, le=64, description="Latest trained versions that may serve.")
    memory: float = Field(0.8, gt=0, lt=1, description="How much less a window counts than the one after it.")
    trust: float = Field(
        0.02, ge=0, description="How much better than what serves a version without a window is taken to be."
    )
    prior: float = Field(3, gt=0, description="So many windows that prior belief counts for.")
    correction: Correction | None = Field(default_factory=Correction, description="null: none.")
    budget: Budget = Field(default_factory=Budget, description="Most trainings.")
    cooldown: Duration = Field(timedelta(0), description="No training sooner than this after the last one that ended.")
    quiet_hours: Annotated[tuple[Hour, Hour], AfterValidator(_differ)] | None = Field(
        None, description="Hours of the clock, UTC, from and to, in which no training is asked for."
    )
    circuit: Circuit = Field(default_factory=Circuit, description="When a person is called.")


class CommitteePolicy(VersionsPolicy):
    """Serve a weighted committee of up to three earlier versions, re-weighed at each look."""

    kind: Literal["committee"] = "committee"
    members: int = Field(3, ge=1, le=8, description="Most versions that serve together.")
    sharpness: float = Field(12, gt=0, description="How fast a version's weight falls with its loss.")
    tolerance: float = Field(0.02, ge=0, le=1, description="Weights that move by less in all are left as they are.")


class SinglePolicy(VersionsPolicy):
    """Serve one version, re-elected among the latest at each look."""

    kind: Literal["single"] = "single"
    price: float = Field(0.4, gt=0, description=VersionsPolicy.model_fields["price"].description)
    shortest: float = Field(3, ge=0, description=VersionsPolicy.model_fields["shortest"].description)
    pool: int = Field(8, ge=1, le=64, description=VersionsPolicy.model_fields["pool"].description)
    trust: float = Field(0.15, ge=0, description=VersionsPolicy.model_fields["trust"].description)
    prior: float = Field(1, gt=0, description=VersionsPolicy.model_fields["prior"].description)
    margin: float = Field(0.01, ge=0, description="What serves stays, unless another is better by this part.")


class RulesPolicy(VersionsPolicy):
    """Serve the newest version, trained when rules of one's own say so."""

    kind: Literal["rules"] = "rules"
    train: Rule = Field(description="When to train.")
    windows: tuple[Window, ...] = Field(("all",), min_length=1, description="Training windows, in turn.")
    correction: Correction | None = Field(None, description="null: none.")
