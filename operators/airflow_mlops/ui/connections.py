"""Who may know the name of a connection: those who may read it in Airflow."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from airflow.api_fastapi.app import get_auth_manager
from airflow.api_fastapi.auth.managers.models.resource_details import ConnectionDetails
from airflow.api_fastapi.common.db.common import SessionDep
from airflow.api_fastapi.core_api.security import GetUserDep
from airflow.models.connection import Connection
from fastapi import Depends

from airflow_mlops.hooks.model_server import ModelServerHook

if TYPE_CHECKING:
    from collections.abc import Iterable


class ConnectionNames:
    """The names of connections that the user may know; another may tell of a model that they may not see."""

    def __init__(self, user: GetUserDep, session: SessionDep) -> None:
        self._user = user
        self._session = session

    def hidden(self, conn_ids: Iterable[str]) -> set[str]:
        """Return those that are not told; the default name is in the documentation."""
        return {each for each in conn_ids if each != ModelServerHook.default_conn_name and not self._may_read(each)}

    def _may_read(self, conn_id: str) -> bool:
        team = Connection.get_team_name(conn_id, session=self._session)
        details = ConnectionDetails(conn_id=conn_id, team_name=team)
        return get_auth_manager().is_authorized_connection(method="GET", details=details, user=self._user)


ConnectionNamesDep = Annotated[ConnectionNames, Depends(ConnectionNames)]
