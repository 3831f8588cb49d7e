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
    from collections.abc import Iterable, Sequence

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
    """Ask model servers for their status.

    Parameters
    ----------
    patience_s : float
        How long to wait while another reader's question is under way: a server that answers a byte at a time holds up
        one thread of the API server, and not all of them.
    """

    def __init__(self, *, patience_s: float = 2 * _ANSWER_S) -> None:
        self._patience_s = patience_s
        self._lock = Lock()
        self._known: dict[str, tuple[float, Said | None]] = {}

    def ask(self, conn_ids: Iterable[str]) -> list[Said]:
        """Return what each server said at most ten seconds ago; a connection that does not exist is passed over."""
        wanted = sorted(set(conn_ids))
        if self._lock.acquire(timeout=self._patience_s):
            try:
                self._renew(wanted)
            finally:
                self._lock.release()
        known = [self._known[each][1] if each in self._known else _slow(each) for each in wanted]
        return [said for said in known if said is not None]

    def _renew(self, wanted: Sequence[str]) -> None:
        now = time.monotonic()
        old = [each for each in wanted if now - self._known.get(each, (-_FRESH_S, None))[0] > _FRESH_S]
        if old:
            with ThreadPoolExecutor(len(old)) as pool:
                answers = list(pool.map(_ask, old))
            self._known.update({each: (time.monotonic(), one) for each, one in zip(old, answers, strict=True)})


def _slow(conn_id: str) -> Said:
    return Said(conn_id, None, f"{_named(conn_id)} has not answered within seconds; it is asked again")


def _named(conn_id: str) -> str:
    """Call a server by its connection, and not by its address, which a page's reader may not be meant to know."""
    return f"the model server of connection {conn_id!r}"


def server_connections(session: Session) -> list[str]:
    """List the connections of model servers in Airflow's database, and the one of the default name."""
    stored = select(Connection.conn_id).where(Connection.conn_type == ModelServerHook.conn_type)
    found = session.scalars(stored.order_by(Connection.conn_id).limit(_MOST_SERVERS))
    return sorted({ModelServerHook.default_conn_name, *found})


def _ask(conn_id: str) -> Said | None:
    from airflow_mlops.lifecycle.server_client import ServerClient

    try:
        address = ModelServerHook(conn_id).client.address
        shown = replace(address, name=_named(conn_id), answer_s=_ANSWER_S)
        return Said(conn_id, ServerClient(shown).status(), None)
    except AirflowNotFoundException:
        return None
    except (ServerUnavailable, ServerRefused) as error:
        return Said(conn_id, None, without_places(str(error)))
