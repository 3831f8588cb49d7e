"""Faults that a validation gate meets, derived from any good rows."""

from __future__ import annotations

from collections.abc import Iterator  # noqa: TC003

from tests.faults import labels, schema, texts, units, whole, worlds  # noqa: F401 (each registers its faults)
from tests.faults.setting import FAULTS, Case, Setting, as_table, plain

__all__ = ["FAULTS", "Case", "Setting", "as_table", "cases", "plain"]


def cases(setting: Setting, seed: int = 0) -> Iterator[Case]:
    """Give each fault once for each column it can be put into."""
    for number, fault in enumerate(FAULTS):
        yield from fault.cases(setting, seed * 1000 + number)
