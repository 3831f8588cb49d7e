"""What others use as triggers: Evidently's verdict on a batch's rows, and river's detectors on the errors served."""

from __future__ import annotations

import json
import warnings
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    import pandas as pd

    from airflow_mlops.replay.board import Model
    from benchmarks.loop.looked_at import LookedAt

DRIFT_SHARE = 0.5
# What Evidently 0.7.23 is known to raise on columns that it cannot compare.
_UNCOMPARABLE = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError)
_EVERY = 20


def missing() -> list[str]:
    """Say in one sentence each which rows are left out because a library is not there, and what to install."""
    rows = {"river": "ADWIN and Page-Hinkley", "evidently": "Evidently's verdict"}
    return [
        f"{name} is not installed, so the rows of {row} are left out; install it with: pip install {name}"
        for name, row in rows.items()
        if find_spec(name) is None
    ]


@dataclass
class Detector:
    """A detector of river with its own defaults, begun anew with each version.

    Parameters
    ----------
    kind : {"ADWIN", "PageHinkley"}
        Its class.

    References
    ----------
    Bifet, Gavaldà (2007), Learning from Time-Changing Data with Adaptive Windowing, SIAM Data Mining: ADWIN.
    Page (1954), Continuous Inspection Schemes, Biometrika 41(1/2).
    """

    kind: str
    _detector: Any = None

    def asks(self, look: int, champion: Model, errors: np.ndarray) -> bool:
        """Feed the errors, row by row; a change found in any of them asks for a training."""
        if self._detector is None:
            self.trained()
        found = False
        for error in errors.tolist():
            self._detector.update(error)
            found = found or self._detector.drift_detected
        return found

    def trained(self) -> None:
        """Forget the errors of the version before."""
        from river import drift

        self._detector = getattr(drift, self.kind)()


@dataclass
class Evidently:
    """The verdict of Evidently's ``DataDriftPreset``: half of the columns or more have drifted.

    It compares a batch with rows the champion was trained on, 500 of each. Verdicts are kept by model and batch.

    Parameters
    ----------
    seen : LookedAt
        The rows.
    path : Path
        Where verdicts are kept.
    """

    seen: LookedAt
    path: Path
    failed: int = 0
    _shares: dict[str, float | None] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.path.exists():
            self._shares = json.loads(self.path.read_text())

    def asks(self, look: int, champion: Model, errors: np.ndarray) -> bool:
        """Compare, or read what was compared before; what Evidently cannot compare asks for nothing."""
        key = f"{champion[1]}-{look}"
        if key not in self._shares:
            self._shares[key] = drifted_share(self.seen.batches[look], self.seen.trained_on[champion[1]])
            if len(self._shares) % _EVERY == 0:
                self.keep()
        share = self._shares[key]
        self.failed += share is None
        return share is not None and share >= DRIFT_SHARE

    def trained(self) -> None:
        """Do nothing: the champion says what to compare with."""

    def keep(self) -> None:
        """Write the verdicts, whole or not at all."""
        unfinished = self.path.with_suffix(".part")
        unfinished.write_text(json.dumps(self._shares))
        unfinished.replace(self.path)


def drifted_share(current: pd.DataFrame, reference: pd.DataFrame) -> float | None:
    """Return the share of columns that drifted; None where Evidently cannot say.

    It raises on columns without any value, so these are left out, as its users have to.
    """
    from evidently import Report
    from evidently.metrics import DriftedColumnsCount

    known = [name for name in current if current[name].notna().any() and reference[name].notna().any()]
    if not known or not len(current):
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            # The first metric of the preset, and all of its verdict; the others draw.
            report = Report([DriftedColumnsCount(drift_share=DRIFT_SHARE)]).run(current[known], reference[known])
            return float(report.dict()["metrics"][0]["value"]["share"])
    except _UNCOMPARABLE:
        return None
