"""Numbers that people and machines write where a value is unknown, such as -999."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_mlops.stages.validate.findings import Finding, Severity, failed
from airflow_mlops.stages.validate.suite.sets import quoted

if TYPE_CHECKING:
    import numpy as np

SENTINELS = frozenset(
    [-1, -9, -99, -999, -9999, -99999, -999999, 99, 999, 9999, 99999, 999999, -32768, 32767, 2147483647, -2147483648]
)
# Fewer than this share of rows, or than three rows, may be chance where one is no proof.
SENTINEL_SHARE, FEW = 0.001, 3
# From here down a code below zero is no small difference.
SMALL_CODE = 99
# Of all values beyond one end of the reference's range, the share that is the code: a real tail has many values.
SENTINEL_PURITY = 0.9
# Of the other values hardly any is whole, and there are enough of them to say so.
HARDLY_WHOLE, ENOUGH = 0.05, 20
# Zero stands for unknown in so many rows, where the least value at training was this part of the median, and nothing
# lies between zero and half of it.
ZEROS, ZEROS_MARK, FAR, STEPS = 0.3, 0.1, 0.25, 20
# Counts do not go down to -1 from here without the numbers between.
NOT_SMALL = 10


def code_check(values: np.ndarray, name: str, then: dict[str, Any], keep: int) -> Finding | None:
    """Find a code that makes up all that lies beyond an end of the range at training.

    Parameters
    ----------
    values : ndarray of shape (n_rows,)
        The column, NaN where it is null.
    name : str
        Of the column.
    then : dict
        What the facts of the reference say of it.
    keep : int
        Positions of failing rows that are kept.
    """
    import numpy as np

    known = values[~np.isnan(values)]
    found = np.intersect1d(known, np.array(sorted(SENTINELS), dtype=float))
    for code in found[(found < then["min"]) | (found > then["max"])].tolist():
        count = int((known == code).sum())
        least = 1 if _is_proof(code, known, then) else max(FEW, SENTINEL_SHARE * len(known))
        if count < least or not _is_apart(code, count, known, then) or not _is_code(code, known, then):
            continue
        rows = tuple(int(row) for row in np.flatnonzero(values == code)[:keep])
        text = f"{name!r} is {code:g} in {count} of {len(known)} rows, and was never outside "
        text += f"{then['min']:g} to {then['max']:g} at training"
        facts = {"failing": count, "rows": rows, "condition": f"{quoted(name)} = {code!r}"}
        return failed("no code for unknown", name, "critical", text, observed=code, **facts)
    return None


def _is_apart(code: float, count: int, known: np.ndarray, then: dict[str, Any]) -> bool:
    """Tell whether the code is all there is beyond that end of the range, or lies far from the rest of it."""
    import numpy as np

    beyond = known[known < then["min"]] if code < then["min"] else known[known > then["max"]]
    others = beyond[beyond != code]
    is_alone = not len(others) or np.abs(others - code).min() > then["max"] - then["min"]
    # Most of what lies below zero where nothing ever did: that other rows left the range as well explains none.
    is_impossible = then["min"] >= 0 and code <= -SMALL_CODE and 2 * count > int((known < 0).sum())
    is_impossible |= then["is_whole"] and then["min"] >= NOT_SMALL and _is_jump(code, known, then)
    return bool(count >= SENTINEL_PURITY * len(beyond) or is_alone or is_impossible)


def _is_jump(code: float, known: np.ndarray, then: dict[str, Any]) -> bool:
    """Tell whether the code is all there is below half of the least value at training."""
    below = known[known < then["min"] / 2]
    return bool(code < 0 and len(below) and (below == code).all())


def zero_check(values: np.ndarray, name: str, then: dict[str, Any], keep: int) -> Finding | None:
    """Find zeros that stand for unknown: values at training were far above zero, and so are all others now.

    Parameters
    ----------
    values : ndarray of shape (n_rows,)
        The column, NaN where it is null.
    name : str
        Of the column.
    then : dict
        What the facts of the reference say of it.
    keep : int
        Positions of failing rows that are kept.
    """
    import numpy as np

    known = values[~np.isnan(values)]
    middle = then["quantiles"][len(then["quantiles"]) // 2]
    if not then["min"] > FAR * middle > 0 or 0 < len(then.get("steps") or ()) <= STEPS:
        return None
    count = int((known == 0).sum())
    # All zero is a sensor that died, or a shop that closed; a value between leads down to zero by itself.
    if count < max(FEW, ZEROS_MARK * len(known)) or count == len(known) or (known[known != 0] < then["min"] / 2).any():
        return None
    text = f"{name!r} is 0 in {count} of {len(known)} rows, and was {then['min']:g} to {then['max']:g} at training"
    facts = {"failing": count, "rows": tuple(np.flatnonzero(values == 0)[:keep].tolist())}
    severity: Severity = "critical" if count >= ZEROS * len(known) else "warning"
    condition = f"{quoted(name)} = 0"
    return failed("no code for unknown", name, severity, text, observed=0, condition=condition, **facts)


def _is_code(code: float, known: np.ndarray, then: dict[str, Any]) -> bool:
    """Tell whether a number that a column may reach by itself is a code in this one."""
    # What was below zero before, or has decimals as a rule, reaches -1 and -9 by itself: but not one and the same
    # whole number again and again where hardly any other is whole.
    if -SMALL_CODE < code < 0 and not (then["is_whole"] and then["min"] >= 0):
        return _is_odd(code, known)
    return not 0 < code < 1000 or code > then["max"] + (then["max"] - then["min"]) / 2


def _is_proof(code: float, known: np.ndarray, then: dict[str, Any]) -> bool:
    """Tell whether one row is enough: a code below zero where that cannot be, or far from all that was."""
    width = then["max"] - then["min"]
    if code >= 0 or code >= then["min"]:
        return False
    if then["min"] >= 0 and width > 0:
        # Whole numbers that go down to -1 by themselves take the steps before it too.
        is_count = then["is_whole"] and bool((known[known < then["min"]] == code).all())
        if is_count or then["min"] - code > width:
            return True
    if code > -SMALL_CODE:
        return False
    is_only = then["min"] >= 0 and int((known < 0).sum()) == int((known == code).sum())
    far = width + max(abs(then["max"]), abs(then["min"]))
    return bool(is_only or _is_odd(code, known) or code < then["min"] - far)


def _is_odd(code: float, known: np.ndarray) -> bool:
    """Tell whether the code is a whole number among others that hardly ever are."""
    import numpy as np

    others = known[known != code]
    return len(others) >= ENOUGH and float((others == np.round(others)).mean()) <= HARDLY_WHOLE
