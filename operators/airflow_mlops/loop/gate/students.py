"""Student's t and the normal distribution, and how many degrees of freedom a variance between units has."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_mlops.extras import require

if TYPE_CHECKING:
    import numpy as np

# With more units the distribution is normal for all that matters here.
_MOST = 1e6


def degrees(units: int, *, is_block: bool) -> float:
    """Return the degrees of freedom taken for a variance between so many units.

    Blocks of time next to each other share something still, so their variance is too small; half of the degrees widens
    the interval by a fifth with seven blocks and by next to nothing with fifty. `docs/statistics.md` has the rates.
    """
    return max(1.0, (units - 1) / 2 if is_block else units - 1.0)


def quantile(probability: float | np.ndarray, df: float | np.ndarray) -> np.ndarray:
    """Return the quantile of Student's t."""
    from scipy.special import stdtrit

    return stdtrit(_capped(df), probability)


def below(value: float | np.ndarray, df: float | np.ndarray) -> np.ndarray:
    """Return the probability that Student's t is at most ``value``."""
    from scipy.special import stdtr

    return stdtr(_capped(df), value)


def _capped(df: float | np.ndarray) -> np.ndarray:
    import numpy as np

    require("scipy", extra="gate", needed_by="the gate")
    return np.minimum(df, _MOST)
