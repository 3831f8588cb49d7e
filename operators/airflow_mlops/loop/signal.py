"""A measured fact about a served model, with the verdict on it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal, Self

if TYPE_CHECKING:
    from collections.abc import Mapping

# "unknown" is said as "not enough data".
Verdict = Literal["stable", "watch", "drifted", "unknown"]


@dataclass(frozen=True, slots=True)
class Signal:
    """One fact a rule may ask for.

    Attributes
    ----------
    name : str
        As rules name it.
    value : float or None
        None where it could not be measured.
    verdict : {"stable", "watch", "drifted", "unknown"}
        What the value means; ``unknown`` where there is not enough data.
    low, high : float or None
        Interval of the value; None where it has none, such as an age.
    rows : int
        Rows it was measured on.
    start, end : datetime or None
        Window of these rows.
    maturity : float or None
        Share of the window's labels that had arrived, where it needs labels.
    limit : float or None
        From where on the verdict is ``drifted``.
    detail : str
        One sentence for people.
    """

    name: str
    value: float | None
    verdict: Verdict = "stable"
    low: float | None = None
    high: float | None = None
    rows: int = 0
    start: datetime | None = None
    end: datetime | None = None
    maturity: float | None = None
    limit: float | None = None
    detail: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Turn into JSON; times are ISO 8601."""
        times = {name: found.isoformat() if (found := getattr(self, name)) else None for name in ("start", "end")}
        return asdict(self) | times

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> Self:
        """Read back what `to_dict` wrote."""
        times = {name: datetime.fromisoformat(value[name]) for name in ("start", "end") if value.get(name)}
        return cls(**{**value, **times})
