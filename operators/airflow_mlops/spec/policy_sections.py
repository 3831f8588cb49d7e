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
    """Most trainings since the first champion, whoever asked for them; a refused one counts as any other."""

    start: int = Field(
        2, ge=0, description="A training may be asked for while there were fewer than start + share x looks."
    )
    share: float = Field(0.06, ge=0, le=1, description="See start; a look is one run of the monitor.")
    trainings: int | None = Field(None, ge=0, description="And while there were fewer than this in 30 days.")
    seconds: float | None = Field(None, gt=0, description="And while they took fewer seconds than this in 30 days.")
    money: float | None = Field(None, gt=0, description="And while they cost less than this in 30 days; needs rate.")
    rate: float | None = Field(None, gt=0, description="What an hour of training costs.")


class Circuit(Section):
    """When the loop stops asking, and a person is called."""

    refusals: int = Field(
        4, ge=1, description="After so many trainings in a row whose version did not come to serve, no further one."
    )
    promotions: int = Field(
        12, ge=2, description="After so many promotions of earlier versions within `within`, no further one of them."
    )
    within: float = Field(16, ge=2, description="Windows in which these promotions are counted.")


class Correction(Section):
    """The one number that is added to what is served, from the newest labels."""

    rows: float = Field(250, gt=0, description="Labelled rows that count as much as 'no correction': it shrinks.")
    windows: int = Field(4, ge=1, le=16, description="Labelled windows it is measured on.")
    bound: float = Field(
        1.0,
        gt=0,
        description="How far it may move at one look, in logits, or in mean absolute deviations of a regression's "
        "target. Beyond that it stays, and the policy warns: the labels are to be looked at first.",
    )


# Of the default price.
_LONGEST = 30.0


class VersionsPolicy(Section):
    """What the policies have in common that choose among versions already trained."""

    price: float = Field(
        1.0,
        gt=0,
        description="What a training costs, in units of a fresh model's loss of one window: so much excess loss is "
        "worth one. Threshold and longest follow from it where they are not given.",
    )
    threshold: float | None = Field(None, gt=0, description="Excess loss that asks for a training; default: price.")
    allowance: float = Field(0.5, ge=0, description="Part of the usual change from window to window that is noise.")
    shortest: float = Field(2, ge=0, description="Windows from one training to the next, at least.")
    longest: float | None = Field(
        None,
        gt=0,
        description="Windows after which a training is asked for whatever was lost; default: 30 at the default price, "
        "and as its square root.",
    )
    growth: float = Field(
        0.4,
        gt=0,
        description="And sooner in a young model: at this relative_age, the age as a part of all labelled windows and "
        "ten more.",
    )
    train: Rule | None = Field(
        None, description="When to train, in place of price, threshold, longest and growth; shortest still holds."
    )
    warn: Rule | None = Field(
        None, description="When to warn; default: data_drift, prediction_drift or data_quality is drifted."
    )
    windows: tuple[Window, ...] = Field(("mix",), min_length=1, description="Training windows, in turn.")
    pool: int = Field(16, ge=1, le=64, description="Latest trained versions that may serve.")
    memory: float = Field(0.8, gt=0, lt=1, description="What a window counts, as a part of the one after it.")
    trust: float = Field(
        0.02,
        ge=0,
        description="A version is believed beforehand to lose less than what serves by this part of it; its windows "
        "outweigh that as they come.",
    )
    prior: float = Field(3, gt=0, description="So many windows count as much as what is believed beforehand.")
    correction: Correction | None = Field(default_factory=Correction, description="null: none.")
    budget: Budget = Field(default_factory=Budget, description="Most trainings.")
    cooldown: Duration = Field(timedelta(0), description="No training sooner than this after the last one that ended.")
    quiet_hours: Annotated[tuple[Hour, Hour], AfterValidator(_differ)] | None = Field(
        None,
        description="From one hour of the clock, UTC, up to another no training is asked for: [22, 6] is the night.",
    )
    circuit: Circuit = Field(default_factory=Circuit, description="When a person is called.")

    @property
    def interval(self) -> float:
        """Windows after which a training is asked for whatever was lost.

        Where the loss grows evenly with age, the interval that costs least grows with the square root of a training's
        price, as an order's size does with what an order costs.

        References
        ----------
        Harris (1913), How Many Parts to Make at Once, Factory 10(2): the square-root formula.
        """
        if self.longest is not None:
            return self.longest
        return float(_LONGEST * (self.price / type(self).model_fields["price"].default) ** 0.5)


class CommitteePolicy(VersionsPolicy):
    """Serve a weighted committee of earlier versions, re-weighed as their losses become known."""

    kind: Literal["committee"] = "committee"
    members: int = Field(3, ge=1, le=8, description="Most versions that serve together.")
    sharpness: float = Field(
        12, gt=0, description="A loss that is higher by 1 / sharpness of the served one gives 1 / e of the weight."
    )
    tolerance: float = Field(0.02, ge=0, le=1, description="Weights that would move by no more than this in all stay.")


class SinglePolicy(VersionsPolicy):
    """Serve one version, the best of the latest as their losses become known."""

    kind: Literal["single"] = "single"
    price: float = Field(0.25, gt=0, description=VersionsPolicy.model_fields["price"].description)
    shortest: float = Field(3, ge=0, description=VersionsPolicy.model_fields["shortest"].description)
    pool: int = Field(8, ge=1, le=64, description=VersionsPolicy.model_fields["pool"].description)
    trust: float = Field(0.15, ge=0, description=VersionsPolicy.model_fields["trust"].description)
    prior: float = Field(1, gt=0, description=VersionsPolicy.model_fields["prior"].description)
    margin: float = Field(0.01, ge=0, description="What serves stays, unless another loses less by this part.")


class RulesPolicy(VersionsPolicy):
    """Serve the newest version, trained when a rule says so; price, longest, pool and their like are not read."""

    kind: Literal["rules"] = "rules"
    train: Rule = Field(description="When to train.")
    windows: tuple[Window, ...] = Field(("all",), min_length=1, description="Training windows, in turn.")
    correction: Correction | None = Field(None, description="null: none.")
