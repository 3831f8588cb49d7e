"""How many held-out rows a margin takes, by how much two models differ on a row and on a day."""

from __future__ import annotations

from math import ceil, inf
from typing import Any

from airflow_mlops.loop.gate.students import quantile

# Relative to the champion's loss.
MARGINS = (0.0, 0.01, 0.02, 0.05)
GAINS = (0.0, 0.02, 0.05)
SPREADS = (0.1, 0.3, 0.6, 1.0)
CONFIDENCE, POWER = 0.95, 0.8
_MOST_ROWS = 10_000_000


def table() -> list[dict[str, Any]]:
    """Print and return the rows at which a challenger passes in four of five judgements, each row independent."""
    print("SD of a row's difference | " + " | ".join(f"margin {m:.0%}, {g:.0%} better" for m in MARGINS for g in GAINS))
    found = []
    for spread in SPREADS:
        line = []
        for margin in MARGINS:
            for gain in GAINS:
                rows = rows_needed(spread, margin, gain)
                line.append("never" if rows is None else f"{rows:,}")
                found.append(
                    {"part": "margins", "spread": spread, "margin": margin, "gain": gain, "rows": rows, "ok": True}
                )
        print(f"{spread:.1f} | " + " | ".join(line))
    return found


def rows_needed(spread: float, margin: float, gain: float) -> int | None:
    """Return the least number of independent rows at which a gain is shown with power 0.8; None where none is enough.

    Parameters
    ----------
    spread : float
        Standard deviation of a row's difference in loss, as a part of the champion's mean loss.
    margin : float
        Of the gate, goal not_worse.
    gain : float
        By which part the challenger's loss is lower.
    """
    distance = margin + gain
    if distance <= 0:
        return None
    z = float(quantile(CONFIDENCE, inf) + quantile(POWER, inf))
    return min(_MOST_ROWS, ceil((z * spread / distance) ** 2))
