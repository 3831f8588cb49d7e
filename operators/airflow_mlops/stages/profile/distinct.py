"""How many different values, in a few kilobytes: exact at first, then the smallest fingerprints or a HyperLogLog."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np

# Fingerprints kept of numbers; the relative error of the count is about one by the root of it.
KEPT = 4096
NUMBERS_ERROR = KEPT**-0.5
_HIGHEST = 2**64 - 1
# Numbers mixed at a time: what the steps leave behind stays in the processor's cache.
_BLOCK = 16_384
# HyperLogLog of texts: 2**12 registers, in DataSketches' most accurate form.
LOG_REGISTERS = 12
TEXTS_ERROR = 1.04 * 2 ** (-LOG_REGISTERS / 2)


def smallest(values: np.ndarray, kept: np.ndarray) -> np.ndarray:
    """Return the smallest fingerprints of some distinct numbers and of those kept so far.

    References
    ----------
    Bar-Yossef, Jayram, Kumar, Sivakumar and Trevisan (2002), Counting distinct elements in a data stream: the k-th
    smallest of uniform fingerprints tells how many there are. DataSketches' Theta sketch is the same; it takes one
    number at a time, which is ten times as slow as the rest of a profile.
    """
    import numpy as np

    highest = kept[-1] if len(kept) == KEPT else _HIGHEST
    # Fingerprints are uniform: with eight deviations to spare, enough of so many lie up to here.
    likely = (KEPT + 8 * KEPT**0.5) / max(len(values), 1)
    limit = min(highest, np.uint64(likely * 2.0**64)) if likely < 1 else highest
    prints = _fingerprints_up_to(values, limit)
    if limit < highest and len(prints) < KEPT:
        prints = _fingerprints_up_to(values, highest)
    return smallest_of([kept, prints])


def smallest_of(several: Sequence[np.ndarray]) -> np.ndarray:
    """Return the smallest of several sets of fingerprints, ascending."""
    import numpy as np

    ordered = np.sort(np.concatenate(several))
    is_first = np.ones(len(ordered), dtype=bool)
    is_first[1:] = ordered[1:] != ordered[:-1]
    return ordered[is_first][:KEPT]


def estimate(kept: np.ndarray) -> float:
    """Return how many different numbers left these smallest fingerprints."""
    return float(len(kept)) if len(kept) < KEPT else (KEPT - 1) / (float(kept[-1]) / 2.0**64)


def _fingerprints_up_to(values: np.ndarray, limit: int | np.uint64) -> np.ndarray:
    """Return the fingerprints that are not above a limit."""
    import numpy as np

    found = []
    for start in range(0, len(values), _BLOCK):
        prints = _fingerprints(values[start : start + _BLOCK])
        found.append(prints[prints <= np.uint64(limit)])
    return np.concatenate(found) if found else np.array([], dtype=np.uint64)


def _fingerprints(values: np.ndarray) -> np.ndarray:
    """Mix the bits of each number; the same on every machine (splitmix64, Steele, Lea and Flood 2014)."""
    import numpy as np

    bits = (values + 0.0).view(np.uint64)  # minus zero is zero
    with np.errstate(over="ignore"):
        bits += np.uint64(0x9E3779B97F4A7C15)
        for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
            bits ^= bits >> np.uint64(shift)
            bits *= np.uint64(factor)
    bits ^= bits >> np.uint64(31)
    return bits
