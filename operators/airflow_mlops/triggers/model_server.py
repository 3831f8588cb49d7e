"""Wait until a model server has loaded a version, or has swapped to it."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from airflow.triggers.base import BaseTrigger, TriggerEvent

from airflow_mlops.errors import ServerRefused, ServerUnavailable
from airflow_mlops.hooks.model_server import ModelServerHook
from airflow_mlops.lifecycle.server_status import Awaited

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from airflow_mlops.lifecycle.server_client import ServerClient

POLL_S = 0.5


class ModelServerTrigger(BaseTrigger):
    """Look at ``/status`` until waiting is over: done, failed, or late.

    The event is a bell and no verdict: whoever is woken asks the server itself.

    Parameters
    ----------
    conn_id : str
        Connection of the model server; its token is read where the trigger runs.
    awaited : dict
        Fields of `Awaited`.
    deadline : str
        ISO 8601 with a zone, of the clock.
    poll_s : float
        Seconds between two looks.
    """

    def __init__(self, conn_id: str, awaited: dict[str, Any], deadline: str, poll_s: float = POLL_S) -> None:
        super().__init__()
        self.conn_id = conn_id
        self.awaited = awaited
        self.deadline = deadline
        self.poll_s = poll_s

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return what Airflow's database keeps: no secret is in it."""
        arguments = {
            "conn_id": self.conn_id,
            "awaited": self.awaited,
            "deadline": self.deadline,
            "poll_s": self.poll_s,
        }
        return f"{type(self).__module__}.{type(self).__qualname__}", arguments

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Yield one event, which says why the wait is over."""
        try:
            yield TriggerEvent({"why": await self._wait(await self._client())})
        except ServerRefused as error:
            yield TriggerEvent({"why": str(error)})

    async def _client(self) -> ServerClient:
        """Read the connection in a thread: reading it here would hold up every other trigger."""
        return await asyncio.to_thread(lambda: ModelServerHook(self.conn_id).client)

    async def _wait(self, client: ServerClient) -> str:
        awaited, deadline = Awaited(**self.awaited), datetime.fromisoformat(self.deadline)
        is_away = False
        while datetime.now(UTC) < deadline:
            try:
                if awaited.has_ended(await client.astatus()):
                    return f"{client.name} has news"
                is_away = False
            except ServerUnavailable as error:
                # A server that is being replaced comes back; the deadline tells when it does not.
                if not is_away:
                    self.log.warning("%s", error)
                is_away = True
            await asyncio.sleep(self.poll_s)
        return "the time is up"
