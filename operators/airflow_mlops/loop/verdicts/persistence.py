"""One look in the light of those before it.

A fact is *beyond* where its value is at its limit or above it. One look beyond is worth watching; *drifted* is said
where `BEYOND` of the last `LOOKS` looks were, for a single window is often a chance, a holiday, or a storm.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from airflow_mlops.loop.signal import Signal, Verdict

# Share of looks that a verdict may call beyond where nothing has changed, and how many of them make it drifted.
FALSE_ALARMS = 0.01
BEYOND, LOOKS = 2, 3


def is_beyond(signal: Signal) -> bool | None:
    """Tell whether a look was beyond its limit; None where it could not be told."""
    if signal.verdict == "unknown" or signal.value is None or signal.limit is None:
        return None
    return signal.value >= signal.limit


def persistent(looks: Iterable[bool | None], *, beyond: int = BEYOND, of: int = LOOKS) -> Verdict:
    """Judge the newest of several looks in the light of those before it.

    Parameters
    ----------
    looks : iterable of bool or None
        Whether each was beyond its limit, oldest first; None where that could not be told, which counts for nothing.
    beyond, of : int
        So many of the last so many looks that could tell make ``drifted``, one of them makes ``watch``.
    """
    every = list(looks)
    if not every or every[-1] is None:
        return "unknown"
    last = [look for look in every if look is not None][-of:]
    if sum(last) >= beyond:
        return "drifted"
    return "watch" if any(last) else "stable"


def with_past(signal: Signal, past: Iterable[Signal], *, beyond: int = BEYOND, of: int = LOOKS) -> Signal:
    """Give a signal the verdict that it has in the light of earlier ones, oldest first; other names are passed over."""
    earlier = [is_beyond(one) for one in past if one.name == signal.name]
    verdict = persistent([*earlier, is_beyond(signal)], beyond=beyond, of=of)
    # What is worth watching by itself, such as one column of many, stays so.
    return replace(signal, verdict="watch" if verdict == "stable" and signal.verdict == "watch" else verdict)
