"""One simulated rate, and whether it is what is promised."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from math import sqrt
from typing import Any

LEVEL, POWER = 0.05, 0.8


@dataclass(frozen=True)
class Figure:
    """How often something passes, or fails, in a world.

    ``wanted`` is "at most" the ``stated`` rate, "at least" it, or None where nothing is promised. ``offered`` says
    whether the gate may be set so in such a world; where it may not, the rate shows why.
    """

    test: str
    world: str
    rows: int
    units: str
    goal: str
    what: str
    rate: float
    repeats: int
    stated: float | None
    wanted: str | None
    offered: bool = True

    @property
    def error(self) -> float:
        """Monte-Carlo standard error: of the stated rate, where it is held against one."""
        rate = self.rate if self.stated is None else self.stated
        return sqrt(rate * (1 - rate) / self.repeats)

    @property
    def ok(self) -> bool:
        """Whether the rate is within two Monte-Carlo errors of what is promised."""
        if not self.offered or self.wanted is None or self.stated is None:
            return True
        beyond = self.rate - self.stated if self.wanted == "at most" else self.stated - self.rate
        return beyond <= 2 * self.error

    def to_dict(self) -> dict[str, Any]:
        """Turn into a JSON object."""
        return {"part": "tests", **asdict(self), "mc_error": self.error, "ok": self.ok}

    def __str__(self) -> str:
        promise = f"{self.wanted} {self.stated:.0%}" if self.wanted else "no promise"
        mark = "" if self.ok else "  <-- not kept"
        mark = mark if self.offered else "  (not offered)"
        return (
            f"{self.test:16} {self.world:24} {self.rows:5} rows, {self.units:6} {self.goal:9} {self.what:26} "
            f"{self.rate:6.1%}  {promise}{mark}"
        )
