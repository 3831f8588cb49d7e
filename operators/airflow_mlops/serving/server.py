"""A model server without its HTTP side: follows the ledger, predicts, writes down, and says how it is."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from airflow_mlops import __version__
from airflow_mlops.errors import RequestRefused
from airflow_mlops.serving.batching import Batcher
from airflow_mlops.serving.follower import Follower
from airflow_mlops.serving.metrics import Metrics, Tally
from airflow_mlops.serving.recording import LogRecorder

if TYPE_CHECKING:
    from airflow_mlops.artifacts import ArtifactStore
    from airflow_mlops.ledger import Ledger
    from airflow_mlops.serving.loaded import LoadedVersion
    from airflow_mlops.serving.settings import ServerSettings
    from airflow_mlops.serving.slots import Served


class ModelServer:
    """Serve the champions of some models.

    Parameters
    ----------
    settings : ServerSettings
        What to serve, and limits.
    ledger : Ledger
        Says who serves.
    store : ArtifactStore
        Holds the models.

    Raises
    ------
    ServerMisuse
        The settings cannot work.
    PredictionLogMisuse
        The artifacts are not on a local path, and no folder for the prediction log was named.
    """

    def __init__(self, settings: ServerSettings, *, ledger: Ledger, store: ArtifactStore) -> None:
        from airflow_mlops.serving.prediction_log import PredictionLog

        settings.check()
        self.settings = settings
        self.metrics = Metrics()
        self.follower = Follower(ledger, store, settings.models, poll_s=settings.poll_s, metrics=self.metrics)
        prediction_log = PredictionLog(store, folder=settings.log_folder) if settings.prediction_log else None
        self.recorder = LogRecorder(prediction_log, self.metrics)
        self.batcher = Batcher(
            self.recorder,
            self.metrics,
            max_waiting_rows=settings.max_waiting_rows,
            batch_rows=settings.batch_rows,
            timeout_s=settings.timeout_s,
        )
        self._started_at = datetime.now(UTC)

    def start(self) -> None:
        """Begin to follow and to predict."""
        self.recorder.start()
        self.batcher.start()
        self.follower.start()

    def close(self) -> None:
        """Answer what waits, then hand over the log."""
        self.follower.close()
        self.batcher.close()
        self.recorder.close()

    # Who answers

    def model_named(self, model: str | None) -> str:
        """Return a served model's name; it may be left out where there is one.

        Raises
        ------
        RequestRefused
            It is not served here, or several are and none was named.
        """
        served = self.follower.served
        if model in served:
            return str(model)
        names = ", ".join(served)
        if model is None:
            if len(served) == 1:
                return next(iter(served))
            raise RequestRefused(f"several models are served here; add ?model= with one of {names}.", kind="no_model")
        raise RequestRefused(
            f"no model {model[:60]!r} is served here; there is {names}.", status=404, kind="unknown_model"
        )

    def version_of(self, model: str, version: str | None) -> LoadedVersion:
        """Return who answers: one snapshot, to be used for the whole request.

        Raises
        ------
        RequestRefused
            There is no champion yet, or the version named is not in memory.
        """
        served = self.follower.served[model]
        if version is None:
            if served.champion is None:
                raise RequestRefused(str(served.reason), status=503, kind="no_champion")
            return served.champion
        if version not in served.versions:
            loaded = ", ".join(sorted(served.versions)) or "none"
            raise RequestRefused(
                f"version {version[:60]!r} of {model} is not loaded; loaded: {loaded}.",
                status=404,
                kind="unknown_version",
            )
        return served.versions[version]

    # How it is

    def not_ready(self) -> list[str]:
        """Say of each model that does not serve why; behind a token only that, for whoever asks need not bring it."""
        missing = {name: served.reason for name, served in self.follower.served.items() if served.champion is None}
        if self.settings.token is not None:
            return [f"{name} is not ready; /status says why." for name in missing]
        return list(map(str, missing.values()))

    def failures(self) -> list[str]:
        """Say what has ended or hangs though the server goes on."""
        follower = None if self.follower.is_alive else "the server's follower has ended; start it anew."
        return [reason for reason in (self.batcher.failure(), follower) if reason]

    def status(self) -> dict[str, Any]:
        """Say what is served, what is in memory, and what is wrong."""
        return {
            "server": {
                "version": __version__,
                "started_at": self._started_at.isoformat(),
                "poll_s": self.settings.poll_s,
                "ledger": self.follower.ledger_says,
                "prediction_log": self.recorder.status(),
            },
            "models": {
                name: _status(served, self.metrics.tallies.get(name)) for name, served in self.follower.served.items()
            },
        }


def _status(served: Served, tally: Tally | None) -> dict[str, Any]:
    champion = served.champion
    return {
        "state": "serving" if champion else "empty",
        "version": champion.version if champion else None,
        "epoch": champion.epoch if champion else None,
        "since": served.since.isoformat() if served.since else None,
        "swapped_at": served.swapped_at.isoformat() if served.swapped_at else None,
        "reason": served.reason,
        "answered": tally.to_dict() if tally else None,
        "loaded": [slot.to_dict() for slot in served.slots],
    }
