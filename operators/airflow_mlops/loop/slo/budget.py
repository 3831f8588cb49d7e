"""An objective's error budget, and how fast it is burned."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from statistics import median
from typing import TYPE_CHECKING, Any, Literal, Self

from airflow_mlops.loop.signal import Signal

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from airflow_mlops.loop.signal import Verdict

State = Literal["ok", "ticket", "page", "spent", "unknown"]
# The worst first; "unknown" is said as "not enough data".
STATES: tuple[State, ...] = ("spent", "page", "ticket", "ok", "unknown")
# Fewer counts in a window say nothing.
FEWEST = 10
_MONTH = timedelta(days=30)
# Burn rate, long window, short window of a period of 30 days, and what is done about it.
ALERTS: tuple[tuple[float, timedelta, timedelta, Literal["page", "ticket"]], ...] = (
    (14.4, timedelta(hours=1), timedelta(minutes=5), "page"),
    (6.0, timedelta(hours=6), timedelta(minutes=30), "page"),
    (1.0, timedelta(days=3), timedelta(hours=6), "ticket"),
)


@dataclass(frozen=True, slots=True)
class Count:
    """What was good and bad of an objective, as it was known at one moment of event time."""

    at: datetime
    good: int
    bad: int


@dataclass(frozen=True, slots=True)
class Burn:
    """How fast a budget is used in two windows; 1 uses it up exactly in a period, None: not enough data.

    The alert of ``kind`` is on where both are above ``limit``.
    """

    kind: Literal["page", "ticket"]
    limit: float
    long_days: float
    long: float | None
    short: float | None

    @property
    def is_on(self) -> bool:
        """Whether the budget is burned that fast, and still is."""
        return self.rate is not None and self.rate > self.limit

    @property
    def rate(self) -> float | None:
        """The slower of both windows."""
        return None if self.long is None or self.short is None else min(self.long, self.short)


@dataclass(frozen=True, slots=True)
class Budget:
    """Where an objective stands.

    Attributes
    ----------
    objective : str
        ``quality``, ``freshness``, ``completeness``, ``latency`` or ``loop_time``.
    target : float
        Share that has to be good.
    state : {"ok", "ticket", "page", "spent", "unknown"}
        What is to be done about it.
    good, bad : int
        Counted in the period.
    sli : float or None
        Share of good ones; None where there are none.
    left : float or None
        Share of the error budget that is left; below zero where more was missed than may be.
    burns : tuple of Burn
        One for each alert.
    """

    objective: str
    target: float
    state: State
    good: int
    bad: int
    sli: float | None
    left: float | None
    burns: tuple[Burn, ...] = ()

    @property
    def burn(self) -> float | None:
        """The fastest burn rate that two windows agree on."""
        return max((burn.rate for burn in self.burns if burn.rate is not None), default=None)

    @property
    def sentence(self) -> str:
        """Say where it stands."""
        if self.sli is None or self.left is None or self.state == "unknown":
            return f"{self.objective}: not enough data ({self.good + self.bad} counted, {FEWEST} are needed)"
        fast = "" if self.burn is None else f", burning {self.burn:.1f} times as fast as it may"
        left = f"{self.left:.0%} of the error budget is left" if self.left > 0 else "the error budget is spent"
        kept = f"{self.sli:.2%} good of {self.good + self.bad:,} ({self.target:.1%} is promised)"
        return f"{self.objective}: {kept}, {left}{fast}"

    def to_dict(self) -> dict[str, Any]:
        """Turn into JSON."""
        return asdict(self) | {"burns": [asdict(burn) for burn in self.burns]}

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> Self:
        """Read back what `to_dict` wrote."""
        return cls(**{**value, "burns": tuple(Burn(**burn) for burn in value["burns"])})


def budget_of(objective: str, counts: Sequence[Count], *, target: float, period: timedelta, now: datetime) -> Budget:
    """Measure an objective's budget over a period, and its burn rates over pairs of windows.

    The windows are those of the Workbook for 30 days, scaled to the period. A window shorter than the time between two
    looks would be empty; it is widened to hold the newest count.

    Parameters
    ----------
    objective : str
        Its name.
    counts : sequence of Count
        In the order of time.
    target : float
        Share that has to be good.
    period : timedelta
        Over which the budget is counted.
    now : datetime
        The moment, event time.

    References
    ----------
    Beyer, Murphy, Rensin, Kawahara, Thorne (2018), The Site Reliability Workbook, chapter 5, Alerting on SLOs:
    multiwindow, multi-burn-rate alerts.
    """
    known = [count for count in counts if now - period < count.at <= now]
    step = _step(known)
    good, bad = _total(known)
    enough = good + bad >= FEWEST
    share = bad / (good + bad) if good + bad else None
    left = None if share is None else 1 - share / (1 - target)
    scale = period / _MONTH
    burns = tuple(
        Burn(
            kind,
            limit,
            long * scale / timedelta(days=1),
            *(_rate(known, max(window * scale, step), target, now) for window in (long, short)),
        )
        for limit, long, short, kind in ALERTS
    )
    state = _state(burns, left) if enough else "unknown"
    return Budget(objective, target, state, good, bad, None if share is None else 1 - share, left, burns)


def _state(burns: Sequence[Burn], left: float | None) -> State:
    if left is not None and left <= 0:
        return "spent"
    on = {burn.kind for burn in burns if burn.is_on}
    return "page" if "page" in on else "ticket" if "ticket" in on else "ok"


def _step(counts: Sequence[Count]) -> timedelta:
    """Return the usual time between two counts."""
    moments = sorted({count.at for count in counts})
    steps = [(after - before).total_seconds() for before, after in pairwise(moments)]
    return timedelta(seconds=median(steps)) if steps else timedelta(0)


def _total(counts: Sequence[Count]) -> tuple[int, int]:
    return sum(count.good for count in counts), sum(count.bad for count in counts)


def _rate(counts: Sequence[Count], window: timedelta, target: float, now: datetime) -> float | None:
    good, bad = _total([count for count in counts if count.at > now - window])
    return bad / (good + bad) / (1 - target) if good + bad >= FEWEST else None


def slo_signal(budgets: Sequence[Budget]) -> Signal:
    """Give the signal that policies read: the fastest burn rate, and the worst state as a verdict.

    Parameters
    ----------
    budgets : sequence of Budget
        Of all objectives.
    """
    verdicts: dict[State, Verdict] = {
        "spent": "drifted",
        "page": "drifted",
        "ticket": "watch",
        "ok": "stable",
        "unknown": "unknown",
    }
    worst: State = min((budget.state for budget in budgets), key=STATES.index, default="unknown")
    named = [budget.sentence for budget in budgets if budget.state == worst]
    fastest = max((budget.burn for budget in budgets if budget.burn is not None), default=None)
    said = "; ".join(named) if worst != "ok" else "every objective is kept"
    return Signal("slo_burn", fastest, verdicts[worst], detail=said)
