"""Ask for a part of a model's page without the rest of Airflow's API server."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_mlops.ui.access import DagFacts, SeenModel, seen_model
from airflow_mlops.ui.connections import ConnectionNames
from airflow_mlops.ui.sources import open_ledger, open_store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from airflow_mlops.artifacts import ArtifactStore
    from airflow_mlops.ledger import Ledger

MODEL = "flights"


class EveryName:
    """The names of connections as somebody knows them who may read all of them."""

    def hidden(self, conn_ids: Iterable[str]) -> set[str]:
        return set()


def asker(part: Any, *, ledger: Ledger, store: ArtifactStore, kinds: tuple[str, ...] = ("monitor",)) -> Callable:
    """Return what asks for an address of one part; the user may read the DAGs of these kinds."""
    from fastapi import FastAPI
    from starlette.testclient import TestClient

    app = FastAPI()
    app.include_router(part.router, prefix="/models/{name}")
    dags = tuple(DagFacts(f"{MODEL}_{kind}", kind, (), ()) for kind in kinds)
    app.dependency_overrides[seen_model] = lambda: SeenModel(MODEL, dags)
    app.dependency_overrides[open_ledger] = lambda: ledger
    app.dependency_overrides[open_store] = lambda: store
    app.dependency_overrides[ConnectionNames] = EveryName
    client = TestClient(app)

    def ask(path: str, *, status: int = 200) -> Any:
        answer = client.get(f"/models/{MODEL}/{path}")
        assert answer.status_code == status, answer.text
        return answer.json()

    return ask
