"""Where versions serve: a target loads one aside, lets it be tried, and then makes it serve."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Protocol

from airflow_mlops.lifecycle.stored_model import StoredModel

if TYPE_CHECKING:
    from airflow_mlops.artifacts import ArtifactStore
    from airflow_mlops.refs import ModelRef
    from airflow_mlops.stages.deploy import Limits, ServabilityReport


@dataclass(frozen=True)
class Candidate:
    """A version on its way to serving; ``epoch`` is the one it serves from once it is promoted."""

    model: str
    version: str
    epoch: int
    trained: ModelRef
    store: ArtifactStore

    @cached_property
    def stored(self) -> StoredModel:
        """The version's bytes and golden rows, where training left them."""
        return StoredModel.read(self.store, self.trained)


class Target(Protocol):
    """What a deploy asks of whatever serves. Every method may be called again, after a crash or after a wait."""

    def prepare(self, candidate: Candidate) -> None:
        """Have the version loaded aside; it answers nobody yet who does not name it.

        Raises
        ------
        NotReady
            It is being loaded.
        """

    def replay(self, candidate: Candidate, limits: Limits, *, trial: ServabilityReport) -> ServabilityReport:
        """Send the golden rows to the version loaded aside; ``trial`` is what it showed in a process of its own."""

    def swap(self, candidate: Candidate) -> None:
        """Let the promoted version answer everybody.

        Raises
        ------
        NotReady
            Another version answers still.
        """


class LocalProcess:
    """No server: who scores in batches reads the champion from the ledger, and the trial is all there is to see."""

    def prepare(self, candidate: Candidate) -> None:
        """Do nothing: there is nobody to load it for."""

    def replay(self, candidate: Candidate, limits: Limits, *, trial: ServabilityReport) -> ServabilityReport:
        """Return the trial."""
        return trial

    def swap(self, candidate: Candidate) -> None:
        """Do nothing: the ledger's word is enough."""
