"""The reference model server as a target: it follows the ledger by itself, and a deploy watches it do so."""

from __future__ import annotations

import logging
import time
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

from airflow_mlops.errors import MLOpsError, ModelUnusable, NotReady, ServerRefused, ServerUnavailable
from airflow_mlops.lifecycle.server_status import Awaited
from airflow_mlops.stages.deploy import check_servable

if TYPE_CHECKING:
    import pandas as pd

    from airflow_mlops.lifecycle.server_client import Replay, ServerClient
    from airflow_mlops.lifecycle.server_status import LoadedVersion, ServedModel, ServerStatus, Until
    from airflow_mlops.lifecycle.targets import Candidate
    from airflow_mlops.stages.deploy import Limits, ServabilityReport

log = logging.getLogger(__name__)


class ModelServer:
    """A server that reads *prepared* and *promotion* in the ledger, and loads and swaps by itself.

    Parameters
    ----------
    client : ServerClient
        Of the server.
    """

    def __init__(self, client: ServerClient) -> None:
        self.client = client

    def prepare(self, candidate: Candidate) -> None:
        """Return once the server holds the version.

        Raises
        ------
        NotReady
            It is loading it, or has not seen yet that it should.
        ModelUnusable
            It cannot load it.
        ServerRefused
            It does not serve this model, or refuses the token.
        ServerUnavailable
            It does not answer.
        """
        self._loaded(candidate)

    def replay(self, candidate: Candidate, limits: Limits, *, trial: ServabilityReport) -> ServabilityReport:
        """Send the golden rows over HTTP to the version, by its name.

        The answers must be those of training time; the median over single rows is the whole way there and back. Memory
        is what the server says that loading added, else that of the trial.

        Raises
        ------
        ModelUnusable
            The server refuses the golden rows.
        NotReady
            It has let go of the version meanwhile.
        """
        import numpy as np

        entry = self._loaded(candidate)
        memory = trial.memory_mb if entry.memory_mb is None else entry.memory_mb
        with self.client.replay(candidate.model, candidate.version) as replay:
            report = check_servable(
                lambda frame: np.asarray(self._answers(candidate, replay, frame)),
                candidate.stored.golden.to_pandas(),
                candidate.stored.expected,
                limits=limits,
                clock=time.perf_counter,
                memory_mb=lambda: memory or 0.0,
            )
        log.info(
            "%s answered %d golden rows of version %s: largest difference %s, %.1f ms a row over HTTP, %s MB",
            *(self.client.name, report.rows, candidate.version),
            *(report.max_difference, report.latency_ms, report.memory_mb),
        )
        return report

    def swap(self, candidate: Candidate) -> None:
        """Return once the server has reached the epoch of the version.

        Raises
        ------
        NotReady
            Another version answers still, or the server is away. The promotion stands.
        ModelUnusable
            The server cannot load the version again, and goes on with another one.
        """
        promoted = f"version {candidate.version} of {candidate.model} is promoted at epoch {candidate.epoch}"
        try:
            status = self.client.status()
        except ServerUnavailable as error:
            raise _wait_to_serve(candidate, f"{promoted}, which stands; {error}") from error
        served = self._served(candidate, status)
        if served.epoch >= candidate.epoch:
            return
        entry = served.find(candidate.version, candidate.trained.digest)
        if entry is not None and entry.state == "failed":
            raise ModelUnusable(
                f"{promoted}, but {self.client.name} cannot load it: {_reason(entry)}. {_goes_on(served)}; mend the "
                "reason, or promote another version."
            )
        still = f"{self.client.name} still serves {served.describe()}{_ledger(status)}"
        raise _wait_to_serve(candidate, f"{promoted}, which stands; {still}")

    def _loaded(self, candidate: Candidate) -> LoadedVersion:
        status = self.client.status()
        served = self._served(candidate, status)
        entry = served.find(candidate.version, candidate.trained.digest)
        about = f"version {candidate.version} of {candidate.model}"
        if entry is None:
            # A server that cannot read its ledger may do so later; one that can follows another ledger.
            foreign = ServerRefused if status.ledger == "ok" else ServerUnavailable
            raise _wait_to_load(candidate, f"{self.client.name} does not list {about}{_ledger(status)}", foreign)
        if entry.state == "failed":
            raise ModelUnusable(f"{self.client.name} cannot load {about}: {_reason(entry)}. {_goes_on(served)}.")
        if entry.state == "waiting":
            raise _wait_to_load(candidate, f"{self.client.name} loads others before {about}", ServerUnavailable)
        if entry.state != "loaded":
            # A load that has failed and is tried again says that the store is away, and nothing of the version.
            lasting = ServerUnavailable if entry.reason else ModelUnusable
            trouble = f", not without trouble: {_reason(entry)}" if entry.reason else ""
            raise _wait_to_load(candidate, f"{self.client.name} is loading {about}{trouble}", lasting)
        return entry

    def _served(self, candidate: Candidate, status: ServerStatus) -> ServedModel:
        if candidate.model in status.models:
            return status.models[candidate.model]
        served = ", ".join(sorted(status.models)) or "nothing"
        raise ServerRefused(
            f"{self.client.name} does not serve {candidate.model}; it serves {served}. Start it with this model, or "
            "name another connection in deploy.server."
        )

    def _answers(self, candidate: Candidate, replay: Replay, frame: pd.DataFrame) -> list[Any]:
        columns = list(frame.columns)
        rows = [[_json(value) for value in row] for row in frame.astype(object).to_numpy().tolist()]
        try:
            return replay.predict(columns, rows)
        except ServerRefused as error:
            if error.status == 404:
                about = f"{self.client.name} has let go of version {candidate.version} of {candidate.model}"
                raise _wait_to_load(candidate, about, ServerRefused) from error
            if error.status in (400, 413, 415, 422):
                raise ModelUnusable(
                    f"version {candidate.version} of {candidate.model} does not answer its golden rows: {error}"
                ) from error
            raise


def _wait_to_load(candidate: Candidate, message: str, lasting: type[MLOpsError]) -> NotReady:
    advice = {
        ServerRefused: "Check that it follows this ledger and these artifacts.",
        ServerUnavailable: "Look into its /status and its log, then try this task again.",
        ModelUnusable: "Look into its log, or raise deploy.timeout.",
    }
    return NotReady(f"{message}.", awaited=_awaited(candidate, "loaded"), lasting=lasting, advice=advice[lasting])


def _wait_to_serve(candidate: Candidate, message: str) -> NotReady:
    return NotReady(
        f"{message.rstrip('.')}.",
        awaited=_awaited(candidate, "serving"),
        lasting=ServerUnavailable,
        advice="Mend the server; a further try of this task waits for it again.",
    )


def _awaited(candidate: Candidate, until: Until) -> Awaited:
    return Awaited(candidate.model, candidate.version, candidate.trained.digest, candidate.epoch, until)


def _json(value: Any) -> Any:
    """Return a value of a frame as JSON knows it, without losing a digit; what is missing is null."""
    import pandas as pd

    if pd.api.types.is_scalar(value) and pd.isna(value):
        return None
    return value.isoformat() if isinstance(value, datetime | date) else value


def _reason(entry: LoadedVersion) -> str:
    return (entry.reason or "it gives no reason").rstrip(". ")


def _goes_on(served: ServedModel) -> str:
    return f"It goes on serving {served.describe()}"


def _ledger(status: ServerStatus) -> str:
    return "" if status.ledger == "ok" else f", and cannot read its ledger: {status.ledger.rstrip('.')}"
