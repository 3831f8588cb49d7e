"""Did a category change its name? One that was always there is gone, and a new one has its share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

# Of a value that was always there: its least share in a part of the reference, and the fewest rows in which it would
# be expected, for fewer may all be missing by chance.
LEAST_SHARE, LEAST_ROWS = 0.02, 20
# Parts of the reference that must show it: one that is there in some only may be a month, and the next has another.
LEAST_PARTS = 4
# What seldom changes its value, such as a month, is a clock; where new texts come all the time none is renamed.
LEAST_CHANGES, MOST_NOVELTY = 30, 0.3
# Values that come in turns, as the days of a week do, are each away for a while: so many turns must lie in a batch.
TURNS = 2
# What is left of a value that is gone, as a share of what is expected: a few rows may still have the old name.
LEFT = 0.02
# How far beyond the shares it had in parts of the reference a value may be under its new name; a part of them.
BEYOND = 0.25
# And so many standard errors of a share in so many rows.
ERRORS = 3.0


@dataclass(frozen=True, slots=True)
class Rename:
    """The value ``old`` is gone, and ``new``, never seen before, has the share it had."""

    old: str
    new: str
    before: float
    now: float

    def __str__(self) -> str:
        """Say it with both shares."""
        return f"{self.old!r} ({self.before:.0%} at training) is gone, and {self.new!r} is new with {self.now:.0%}"


def renamed(now: dict[str, Any], then: dict[str, Any]) -> list[Rename]:
    """Find values of a text column that came back under another name, the most common first.

    Parameters
    ----------
    now, then : dict
        What the facts say of the column, and those of the reference with all its values. One that was stored before
        facts had ``shares`` shows nothing.
    """
    if then.get("changes", LEAST_CHANGES) < LEAST_CHANGES or (then.get("novelty") or 0.0) > MOST_NOVELTY:
        return []
    rows = sum(now["values"].values())
    if rows < TURNS * _turn(then):
        return []
    new = {value: count / rows for value, count in now["values"].items() if value not in then["values"]}
    found = []
    for old, shares in then.get("shares", {}).items():
        if len(shares) < LEAST_PARTS or len(then["values"]) < 2 or not _is_gone(old, shares, now, rows):
            continue
        before = sum(shares) / len(shares)
        candidates = [value for value, share in new.items() if _fits(share, shares, rows)]
        if candidates:
            nearest = min(candidates, key=lambda value: abs(new[value] - before))
            found.append(Rename(old, nearest, before, new.pop(nearest)))
    return found


def _turn(then: dict[str, Any]) -> float:
    """Return the rows in which each value comes once, as long as values stay."""
    stays = sum(then["values"].values()) / max(1, then.get("changes", LEAST_CHANGES))
    return len(then["values"]) * stays


def _is_gone(value: str, shares: list[float], now: dict[str, Any], rows: int) -> bool:
    expected = min(shares) * rows
    return min(shares) >= LEAST_SHARE and expected >= LEAST_ROWS and now["values"].get(value, 0) <= LEFT * expected


def _fits(share: float, shares: list[float], rows: int) -> bool:
    middle = sum(shares) / len(shares)
    chance = ERRORS * (middle * (1 - middle) / rows) ** 0.5
    return (1 - BEYOND) * min(shares) - chance <= share <= (1 + BEYOND) * max(shares) + chance
