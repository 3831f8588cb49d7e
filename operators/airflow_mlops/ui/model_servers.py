"""What the model servers say of themselves, asked side by side and kept for some seconds."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from threading import Lock
from typing import TYPE_CHECKING

from airflow.models.connection import Connection
from airflow.sdk.exceptions import AirflowNotFoundException
from sqlalchemy import select

from airflow_mlops.errors import ServerRefused, ServerUnavailable
from airflow_mlops.hooks.model_server import ModelServerHook
from airflow_mlops.ui.failures import without_places

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlalchemy.orm import Session

    from airflow_mlops.lifecycle.server_status import ServerStatus

# More would wait for one another.
_MOST_SERVERS = 10
# A page that is watched by several people asks a server no more often than this; and waits no longer than that.
_FRESH_S, _ANSWER_S = 10.0, 2.0


@dataclass(frozen=True, slots=True)
class Said:
    """What one server said; ``trouble`` is why there is nothing."""

    conn_id: str
    status: ServerStatus | None
    trouble: str | None


class ModelServers:
    """Ask model servers for their status."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._known: dict[str, tuple[float, Said | None]] = {}

    def ask(self, conn_ids: Iterable[str]) -> list[Said]:
        """Return what each server said at most ten seconds ago; a connection that does not exist is passed over."""
        wanted = sorted(set(conn_ids))
        with self._lock:
            old = [each for each in wanted if time.monotonic() - self._known.get(each, (-_FRESH_S, None))[0] > _FRESH_S]
            if old:
                with ThreadPoolExecutor(len(old)) as pool:
                    answers = list(pool.map(_ask, old))
                self._known.update({each: (time.monotonic(), one) for each, one in zip(old, answers, strict=True)})
            return [said for each in wanted if (said := self._known[each][1]) is not None]


def server_connections(session: Session) -> list[str]:
    """List the connections of model servers in Airflow's database, and the one of the default name."""
    stored = select(Connection.conn_id).where(Connection.conn_type == ModelServerHook.conn_type)
    found = session.scalars(stored.order_by(Connection.conn_id).limit(_MOST_SERVERS))
    return sorted({ModelServerHook.default_conn_name, *found})


def _ask(conn_id: str) -> Said | None:
    from airflow_mlops.lifecycle.server_client import ServerClient

    try:
        address = ModelServerHook(conn_id).client.address
        # The page names the connection and not the address, which its reader may not be meant to know.
        shown = replace(address, name=f"the model server of connection {conn_id!r}", answer_s=_ANSWER_S)
        return Said(conn_id, ServerClient(shown).status(), None)
    except AirflowNotFoundException:
        return None
    except (ServerUnavailable, ServerRefused) as error:
        return Said(conn_id, None, without_places(str(error)))
