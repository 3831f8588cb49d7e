"""A promotion on trial: does it lose more than the version before would have lost on the same rows."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Self

from airflow_mlops.loop.signal import Signal

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime, timedelta

    import numpy as np

    from airflow_mlops.loop.signal import Verdict
    from airflow_mlops.loop.signals import Quality, Signals
    from airflow_mlops.spec.control_sections import Bake

BAKE = "bake"
# Rows of a day resemble each other, so days are what is counted; of fewer nobody knows how much days differ.
FEWEST_DAYS = 3
# Of a 99th percentile.
_SLOW = 0.01


@dataclass(frozen=True, slots=True)
class DayLosses:
    """What the rows of one day lost: as they were answered, and as the version before would have answered them.

    ``square`` is the sum of the squared differences of the rows.
    """

    day: int
    rows: int
    served: float
    before: float
    square: float


@dataclass(frozen=True, slots=True)
class Against:
    """The losses of one window's rows that the version of ``epoch`` answered, beside those of ``version`` before it."""

    epoch: int
    version: str
    days: tuple[DayLosses, ...]

    @classmethod
    def measured(cls, epoch: int, version: str, losses: tuple[np.ndarray, np.ndarray], days: np.ndarray) -> Self:
        """Add up rows by day.

        Parameters
        ----------
        epoch, version
            Whose answers they are, and who is asked beside it.
        losses : tuple of two ndarray of shape (n_rows,)
            Of what was served, and of the version before.
        days : ndarray of int of shape (n_rows,)
            The day of each row.
        """
        import numpy as np

        served, before = losses
        found, place = np.unique(days, return_inverse=True)
        sums = [np.bincount(place, weights=each) for each in (served, before, (served - before) ** 2)]
        rows = np.bincount(place)
        return cls(
            epoch,
            version,
            tuple(
                DayLosses(int(day), int(count), *(float(each) for each in totals))
                for day, count, *totals in zip(found, rows, *sums, strict=True)
            ),
        )

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> Self:
        """Read back what `dataclasses.asdict` wrote."""
        return cls(value["epoch"], value["version"], tuple(DayLosses(**day) for day in value["days"]))


def losses_since(epoch: int, qualities: Iterable[Quality]) -> list[DayLosses]:
    """Put together the days of several windows, each day once: as it was measured on most rows.

    Parameters
    ----------
    epoch : int
        Of the promotion that is watched; what others answered is left out.
    qualities : iterable of Quality
        Sound windows in the order of their looks; they may overlap.
    """
    days: dict[int, DayLosses] = {}
    for quality in qualities:
        if quality.against is None or quality.against.epoch != epoch:
            continue
        for day in quality.against.days:
            if day.day not in days or day.rows >= days[day.day].rows:
                days[day.day] = day
    return [days[day] for day in sorted(days)]


def bake_at(signals: Signals, looks: Sequence[Signals], settings: Bake, *, since: datetime, min_labels: int) -> Signal:
    """Judge the promotion that a look is made at, on all sound windows since.

    Parameters
    ----------
    signals : Signals
        What the look measured.
    looks : sequence of Signals
        Those before, oldest first.
    settings : Bake
        Of the spec.
    since : datetime
        Of the promotion.
    min_labels : int
        Fewer labelled rows say nothing.
    """
    ours = [look for look in looks if look.epoch == signals.epoch]
    sound = [look for look in (*ours, signals) if look.data_check in ("passed", "warning")]
    qualities = [each for look in sound for each in (*look.reopened, look.quality) if each is not None]
    return bake_signal(
        losses_since(signals.epoch, qualities),
        settings,
        since=since,
        until=max((each.end for each in qualities), default=since),
        earlier=[look.measured[BAKE] for look in ours if BAKE in look.measured],
        min_labels=min_labels,
    )


def bake_signal(
    days: Sequence[DayLosses],
    settings: Bake,
    *,
    since: datetime,
    until: datetime,
    earlier: Sequence[Signal] = (),
    min_labels: int = 1,
) -> Signal:
    """Judge the rise of the served loss over what the version before would have lost on the same rows.

    The rise is *shown* where its lower bound is above ``deploy.bake.loss``. Each look tests all rows so far, so the
    error is spent: a look may use as much of ``1 - confidence`` as the share of the bake window that has passed since
    the last test, and all looks together use no more than the whole. What was shown once stays shown.

    Parameters
    ----------
    days : sequence of DayLosses
        From `losses_since`.
    settings : Bake
        Limit, confidence, window.
    since : datetime
        Of the promotion.
    until : datetime
        Up to where in event time rows were judged.
    earlier : sequence of Signal
        Bake signals of earlier looks at this promotion, oldest first.
    min_labels : int
        Fewer rows say nothing.

    References
    ----------
    Lan, DeMets (1983), Discrete Sequential Boundaries for Clinical Trials, Biometrika 70(3): an error that is spent by
    the time that has passed; here each look pays for itself (Bonferroni), which needs no joint distribution.
    """
    rows = sum(day.rows for day in days)
    end = min(until, since + settings.window)
    signal = Signal(BAKE, None, "unknown", rows=rows, start=since, end=end, limit=settings.loss)
    if broken := next((each for each in reversed(earlier) if each.verdict == "drifted"), None):
        return replace(broken, end=max(end, broken.end or end))
    before = sum(day.before for day in days)
    if rows < min_labels or len(days) < FEWEST_DAYS or before <= 0:
        return replace(signal, detail=f"not enough data: {rows} labelled rows on {len(days)} days since the promotion")
    value, error, freedom = _rise(days, before)
    alpha = _allowed(settings, since, end, earlier)
    if alpha <= 0:
        return replace(_last(earlier, signal), end=end)
    reach = _quantile(freedom, alpha) * error
    low = value - reach
    said = (
        f"what serves loses {value:+.1%} of what the version before would have lost on {rows:,} rows of {len(days)} "
        f"days, at least {low:+.1%} by {1 - alpha:.2%} confidence at this look; {settings.loss:.0%} is the limit"
    )
    verdict: Verdict = "drifted" if low > settings.loss else "watch" if value > settings.loss else "stable"
    return replace(signal, value=value, verdict=verdict, low=low, high=value + reach, detail=said)


def _rise(days: Sequence[DayLosses], before: float) -> tuple[float, float, float]:
    """Return the relative rise, its standard error by days, and the degrees of freedom of that.

    References
    ----------
    Cochran (1977), Sampling Techniques, chapter 6: the ratio estimator and its variance, here over days as clusters.
    """
    import numpy as np

    from airflow_mlops.loop.clusters import long_run_variance, sureness

    served = np.array([day.served for day in days])
    told = np.array([day.before for day in days])
    rows = sum(day.rows for day in days)
    ratio = served.sum() / before
    clustered = float(long_run_variance((served - ratio * told)[:, None])[0])
    # Independent rows vary at least as much as this; days may seem alike by chance alone.
    squares = sum(day.square for day in days) - (served.sum() - before) ** 2 / rows
    error = float(np.sqrt(max(clustered, squares, 0.0))) / before
    # Days next to each other share something still; half of the degrees widens the bound where days are few.
    return float(ratio - 1), error, sureness(len(days)) / 2


def _allowed(settings: Bake, since: datetime, end: datetime, earlier: Sequence[Signal]) -> float:
    """Return the part of the error that this look may spend."""
    tested = [each.end for each in earlier if each.end is not None and each.value is not None]
    last = max(tested, default=since)
    return (1 - settings.confidence) * max(0.0, (min(end, since + settings.window) - last) / settings.window)


def _last(earlier: Sequence[Signal], signal: Signal) -> Signal:
    return next((each for each in reversed(earlier) if each.value is not None), signal)


def _quantile(freedom: float, alpha: float) -> float:
    from scipy.special import stdtrit

    return float(stdtrit(max(1.0, freedom), 1 - alpha))


def is_watched(now: datetime, since: datetime, settings: Bake, *, wait: timedelta) -> bool:
    """Tell whether a look belongs to the trial of a promotion: labels of its bake window may still come due."""
    return since <= now < since + settings.window + wait


def server_signal(settings: Bake, *, requests: int, failed: int, slow: int | None = None) -> Signal:
    """Judge what the server has counted since it answers with the promoted version.

    It is asked every few seconds, so the test may be made after every request: each share is held against its limit by
    a mixture of likelihood ratios. While the share is within its limit, the mixture ever exceeds
    ``1 / (1 - confidence)`` with a probability of no more than ``1 - confidence``.

    Parameters
    ----------
    settings : Bake
        Limits, confidence, and how many requests say something.
    requests : int
        All of them.
    failed : int
        Not answered by the server's fault, or with a number that is not finite.
    slow : int, optional
        Slower than ``deploy.bake.latency_ms``; one in a hundred may be.

    References
    ----------
    Robbins (1970), Statistical Methods Related to the Law of the Iterated Logarithm, The Annals of Mathematical
    Statistics 41(5): mixtures of likelihood ratios, and Ville's inequality.
    """
    if requests < settings.min_requests:
        return Signal(BAKE, None, "unknown", detail=f"not enough data: {requests} requests since the promotion")
    enough = 1 / (1 - settings.confidence)
    share = failed / requests
    said = [f"{share:.1%} of {requests:,} requests failed by the server's fault ({settings.errors:.0%} may)"]
    broken = [said[0]] if _evidence(failed, requests, settings.errors) >= enough else []
    if slow is not None:
        late = f"{slow / requests:.1%} of {requests:,} requests took longer than {settings.latency_ms:g} ms (1% may)"
        said.append(late)
        broken += [late] if _evidence(slow, requests, _SLOW) >= enough else []
    return Signal(
        BAKE, share, "drifted" if broken else "stable", limit=settings.errors, detail="; ".join(broken or said)
    )


def _evidence(count: int, of: int, limit: float) -> float:
    """Weigh shares above a limit, all alike, against the limit itself."""
    from math import exp, log, log1p

    from scipy.special import betainc, betaln

    above = 1 - float(betainc(count + 1, of - count + 1, limit))
    if above <= 0:
        return 0.0
    mixed = log(above) + float(betaln(count + 1, of - count + 1)) - log1p(-limit)
    return exp(min(700.0, mixed - count * log(limit) - (of - count) * log1p(-limit)))


def joined(losses: Signal | None, server: Signal) -> Signal:
    """Make one signal of what the looks found and what the server counted: the worse of both.

    Its ``rows`` are those of the looks where these broke it: then the data check may hold what it asks for.
    """
    if losses is None or server.verdict == "drifted":
        return server
    if losses.verdict == "unknown" and server.verdict != "unknown":
        return server
    if server.verdict == "unknown" and losses.verdict != "unknown":
        return losses
    return replace(losses, detail="; ".join(part for part in (losses.detail, server.detail) if part))
