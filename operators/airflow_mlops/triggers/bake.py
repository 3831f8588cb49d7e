"""Watch what was promoted last until its time is up, another version serves, or a guard breaks."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from airflow.triggers.base import BaseTrigger, TriggerEvent

from airflow_mlops.errors import LedgerUnavailable
from airflow_mlops.hooks.ledger import LedgerHook
from airflow_mlops.hooks.model_server import ModelServerHook
from airflow_mlops.lifecycle.bake import BakeTrial
from airflow_mlops.spec import ModelSpec

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

POLL_S = 5.0


class BakeTrigger(BaseTrigger):
    """Read the ledger and ask the server, again and again, until waiting is over.

    The event is a bell and no verdict: whoever is woken measures and judges itself. Nothing is kept here, so a trigger
    that is started anew goes on where the other was.

    Parameters
    ----------
    spec : dict
        Of the model, as JSON.
    epoch : int
        Of the promotion that is watched.
    deadline : str
        ISO 8601 with a zone, of the clock.
    ledger_conn_id : str
        Connection of the ledger...
    artifacts_uri : str or None
        ... and where it is, where there is no such connection.
    poll_s : float
        Seconds between two looks.
    """

    def __init__(
        self,
        spec: dict[str, Any],
        epoch: int,
        deadline: str,
        ledger_conn_id: str,
        artifacts_uri: str | None = None,
        poll_s: float = POLL_S,
    ) -> None:
        super().__init__()
        self.spec = spec
        self.epoch = epoch
        self.deadline = deadline
        self.ledger_conn_id = ledger_conn_id
        self.artifacts_uri = artifacts_uri
        self.poll_s = poll_s

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return what Airflow's database keeps: no secret is in it."""
        names = ("spec", "epoch", "deadline", "ledger_conn_id", "artifacts_uri", "poll_s")
        return f"{type(self).__module__}.{type(self).__qualname__}", {name: getattr(self, name) for name in names}

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Yield one event, which says why the wait is over."""
        deadline = datetime.fromisoformat(self.deadline)
        trial = await asyncio.to_thread(self._trial)
        while datetime.now(UTC) < deadline:
            # In a thread: ledger and server would hold up every other trigger.
            if why := await asyncio.to_thread(self._ended, trial):
                yield TriggerEvent({"why": why})
                return
            await asyncio.sleep(self.poll_s)
        yield TriggerEvent({"why": "the time is up"})

    def _trial(self) -> BakeTrial:
        spec = ModelSpec.model_validate(self.spec)
        ledger = LedgerHook(self.ledger_conn_id, artifacts_uri=self.artifacts_uri).ledger
        server = spec.deploy.server
        return BakeTrial(spec, ledger, (lambda: ModelServerHook(server).client) if server else None)

    def _ended(self, trial: BakeTrial) -> str | None:
        try:
            return trial.ended(self.epoch)
        except LedgerUnavailable as error:
            # A database that is restarted comes back; the deadline tells when it does not.
            self.log.warning("%s", error)
            return None
