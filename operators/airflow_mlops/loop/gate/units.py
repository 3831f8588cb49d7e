"""What counts as one piece of evidence: a row, or a block of time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_mlops.spec.gate_sections import FEWEST_BLOCKS

if TYPE_CHECKING:
    import numpy as np


def units_of(rows: int, blocks: np.ndarray | None) -> np.ndarray:
    """Give each row the number of what it goes together with: its block, or itself."""
    import numpy as np

    return np.arange(rows) if blocks is None else np.unique(blocks, return_inverse=True)[1]


def too_few_blocks(count: int) -> str | None:
    """Say that there are too few blocks, and what to do; None where there are enough."""
    if count >= FEWEST_BLOCKS:
        return None
    return (
        f"the held-out rows lie in {count} {'block' if count == 1 else 'blocks'} of time, and fewer than "
        f"{FEWEST_BLOCKS} say nothing of how much blocks differ; lengthen evaluate.holdout, or shorten "
        "evaluate.gate.block"
    )
