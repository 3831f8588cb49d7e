"""Where versions serve: a target loads one aside, lets it be tried, and then makes it serve."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Protocol

from airflow_mlops.lifecycle.isolated import run_isolated
from airflow_mlops.stages.deploy import Limits, ServabilityReport

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Candidate:
    """A version on its way to serving: its MLflow folder, already checked, and golden rows on local disk."""

    model: str
    version: str
    folder: Path
    golden: Path
    expected: list[Any]


@dataclass(frozen=True, slots=True)
class TargetStatus:
    """What a target serves, as it says itself; None before anything."""

    version: str | None = None
    epoch: int = 0


class Target(Protocol):
    """What a deploy asks of whatever serves. Every method may be called again after a crash."""

    def prepare(self, candidate: Candidate) -> None:
        """Load a version aside; it answers nobody yet who does not name it."""

    def replay(self, candidate: Candidate, limits: Limits, *, timeout_s: float) -> ServabilityReport:
        """Send the golden rows to the version loaded aside."""

    def swap(self, candidate: Candidate, *, epoch: int) -> None:
        """Let the version answer everybody, from this epoch on."""

    def status(self) -> TargetStatus:
        """Tell what serves."""


class LocalProcess:
    """No server: a version is loaded in a child process for the length of its trial.

    It shares no object with whoever trained the model. Who scores in batches reads the champion from the ledger.
    """

    def __init__(self) -> None:
        self._status = TargetStatus()

    def prepare(self, candidate: Candidate) -> None:
        """Do nothing: there is nobody to load it for."""

    def replay(self, candidate: Candidate, limits: Limits, *, timeout_s: float) -> ServabilityReport:
        """Load the version in a child process and replay its golden rows there.

        Raises
        ------
        ModelUnusable
            It cannot be loaded, crashed, or took too long.
        """
        inputs = {
            "model": str(candidate.folder),
            "rows": str(candidate.golden),
            "expected": candidate.expected,
            "limits": asdict(limits),
        }
        return ServabilityReport.from_dict(run_isolated({"stage": "deploy", "inputs": inputs}, timeout_s=timeout_s))

    def swap(self, candidate: Candidate, *, epoch: int) -> None:
        """Note what serves."""
        self._status = TargetStatus(candidate.version, epoch)

    def status(self) -> TargetStatus:
        """Tell what was swapped in last."""
        return self._status
