"""What the gate's test decided, in numbers and in sentences."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Self

from airflow_mlops.loop.gate.check import Check, Verdict, verdict_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow_mlops.loop.gate.bounds import Bounds

Test = Literal["bootstrap", "diebold_mariano", "mcnemar", "delong"]
Goal = Literal["not_worse", "better"]
Opponent = Literal["baseline", "champion"]


@dataclass(frozen=True, slots=True)
class Comparison:
    """The challenger against one opponent on the same rows.

    ``difference`` is the challenger's loss minus the opponent's, with a lower and an upper bound, each one-sided.
    ``excess_bound`` is the upper bound of what was tested: the challenger's loss minus ``1 + margin`` times the
    opponent's, or ``1 - margin`` times it where ``goal`` is "better"; ``p`` is the test's.
    """

    opponent: Opponent
    challenger_loss: float
    opponent_loss: float
    difference: float
    low: float
    high: float
    margin: float
    goal: Goal
    excess_bound: float
    p: float
    passed: bool

    @classmethod
    def of(cls, opponent: Opponent, found: Bounds, *, margin: float, goal: Goal) -> Self:
        """Read the verdict on one opponent from its bounds."""
        return cls(
            opponent=opponent,
            challenger_loss=found.challenger,
            opponent_loss=found.opponent,
            difference=found.challenger - found.opponent,
            low=found.low,
            high=found.high,
            margin=margin,
            goal=goal,
            excess_bound=found.excess_bound,
            p=found.p,
            # To be equal is not to be worse, but it is not to be better either.
            passed=found.excess_bound <= 0 if goal == "not_worse" else found.excess_bound < 0,
        )


@dataclass(frozen=True, slots=True)
class Settings:
    """How a challenger was tested, and on how much."""

    test: Test
    goal: Goal
    metric: str
    n: int
    units: int
    blocked: bool
    resamples: int
    confidence: float


@dataclass(frozen=True, slots=True)
class GateVerdict:
    """What the gate decided, and on what evidence.

    ``reasons`` are the sentences of ``checks``, failed ones first. ``n`` counts rows, ``units`` what counts as one
    piece of evidence: blocks, or rows where ``blocked`` is False.
    """

    verdict: Verdict
    reasons: tuple[str, ...]
    metric: str
    n: int
    units: int
    blocked: bool
    resamples: int
    confidence: float
    comparisons: tuple[Comparison, ...] = field(default=())
    checks: tuple[Check, ...] = field(default=())
    test: Test = "bootstrap"
    goal: Goal = "not_worse"

    def to_dict(self) -> dict[str, Any]:
        """Turn into a JSON object."""
        return asdict(self)


def refused(verdict: Verdict, sentence: str, settings: Settings) -> GateVerdict:
    """Decide without a comparison."""
    name, group = ("labels", "loss") if verdict == "not enough labels" else ("finite loss", "sanity")
    check = Check(name, group, verdict, sentence, rows=settings.n)  # type: ignore[arg-type]
    return GateVerdict(verdict, (sentence,), checks=(check,), **asdict(settings))


def compared(comparisons: Sequence[Comparison], settings: Settings) -> GateVerdict:
    """Put comparisons together: all have to pass."""
    checks = tuple(_check(comparison, settings) for comparison in comparisons)
    ordered = sorted(checks, key=lambda check: check.verdict == "pass")
    return GateVerdict(
        verdict_of(checks),
        tuple(check.sentence for check in ordered),
        comparisons=tuple(comparisons),
        checks=checks,
        **asdict(settings),
    )


def _check(found: Comparison, settings: Settings) -> Check:
    allowed = found.margin if found.goal == "not_worse" else -found.margin
    return Check(
        found.opponent,
        "loss",
        "pass" if found.passed else "fail",
        _sentence(found, settings),
        value=found.difference,
        low=found.low,
        high=found.high,
        limit=allowed * found.opponent_loss,
        rows=settings.n,
        detail={
            "test": settings.test,
            "goal": found.goal,
            "p": found.p,
            "challenger": found.challenger_loss,
            "opponent": found.opponent_loss,
        },
    )


def _sentence(found: Comparison, settings: Settings) -> str:
    return (
        f"{_claim(found)}: {settings.metric} {found.challenger_loss:.4f} against {found.opponent_loss:.4f}, difference "
        f"{found.difference:+.4f} (from {found.low:+.4f} to {found.high:+.4f}, each bound at "
        f"{settings.confidence:.0%}){_advice(found)}"
    )


def _claim(found: Comparison) -> str:
    if found.opponent == "baseline":
        return (
            "the challenger beats the simple baseline"
            if found.passed
            else "the challenger is not shown to beat the simple baseline"
        )
    if found.goal == "not_worse":
        claim = (
            "the challenger is not worse than the champion"
            if found.passed
            else "it is not shown that the challenger is no worse than the champion"
        )
        return f"{claim} by more than {found.margin:.1%}"
    claim = (
        "the challenger is better than the champion"
        if found.passed
        else "it is not shown that the challenger is better than the champion"
    )
    return f"{claim} by more than {found.margin:.1%}" if found.margin else claim


def _advice(found: Comparison) -> str:
    """Say whether more rows could show what was not shown."""
    if found.passed:
        return ""
    allowed = found.margin if found.goal == "not_worse" else -found.margin
    if found.difference < allowed * found.opponent_loss:
        return "; more held-out rows may show it (evaluate.holdout)"
    return "; train on more or other rows or columns"
