"""The airline's side of the demonstration: it asks the model server about every flight, a few hundred at once."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import httpx

from airflow_mlops.errors import DemoFailed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import pyarrow as pa

ROWS_A_REQUEST = 500


@dataclass(frozen=True, slots=True)
class Answers:
    """What came back for a week: how many rows and requests, and which versions at which epochs answered."""

    rows: int
    requests: int
    served_by: frozenset[tuple[str, int]]

    @property
    def versions(self) -> str:
        """Name the versions, in order."""
        return " and ".join(sorted({version for version, _ in self.served_by}, key=int))


class ServerClient:
    """Talk to the model server as its users do.

    Parameters
    ----------
    url : str
        Its address.
    token : str
        What it asks for.
    """

    def __init__(self, url: str, token: str) -> None:
        self.url = url
        self._client = httpx.Client(
            base_url=url, headers={"Authorization": f"Bearer {token}"}, timeout=30, trust_env=False
        )

    def status(self, model: str) -> dict[str, Any]:
        """Return what the server says of a model."""
        return self._answer("GET", "/status").json()["models"].get(model, {})

    def ask(
        self, model: str, rows: pa.Table, *, columns: list[str], progress: Callable[[int], None] = lambda _: None
    ) -> Answers:
        """Send rows in requests of a few hundred.

        Parameters
        ----------
        model : str
            Who shall answer.
        rows : Table
            Of any length.
        columns : list of str
            What is sent of them: features, and what names a row.
        progress : callable
            Told the rows answered so far.

        Raises
        ------
        DemoFailed
            An answer was not a 200, or did not hold one prediction a row with version and epoch.
        """
        served_by, answered, requests = set(), 0, 0
        for part in rows.select(columns).to_batches(max_chunksize=ROWS_A_REQUEST):
            answer = self._answer("POST", f"/models/{model}/invocations", json=_split(part)).json()
            if len(answer["predictions"]) != part.num_rows or answer["epoch"] is None:
                raise DemoFailed(
                    f"the model server answered {len(answer['predictions'])} predictions of version "
                    f"{answer['version']} at epoch {answer['epoch']} to {part.num_rows} rows"
                )
            served_by.add((str(answer["version"]), int(answer["epoch"])))
            answered, requests = answered + part.num_rows, requests + 1
            progress(answered)
        return Answers(answered, requests, frozenset(served_by))

    def _answer(self, method: str, path: str, **options: Any) -> httpx.Response:
        try:
            answer = self._client.request(method, path, **options)
        except httpx.TransportError as error:
            raise DemoFailed(f"the model server at {self.url} did not answer {method} {path}: {error}") from error
        if answer.status_code != httpx.codes.OK:
            raise DemoFailed(f"the model server answered {answer.status_code} to {method} {path}: {answer.text[:300]}")
        return answer


def _split(part: pa.RecordBatch) -> dict[str, Any]:
    """Write rows in the form MLflow calls ``dataframe_split``."""
    columns = [[_plain(value) for value in column] for column in part.to_pydict().values()]
    return {"dataframe_split": {"columns": part.schema.names, "data": list(_rows(columns))}}


def _rows(columns: list[list[Any]]) -> Iterator[list[Any]]:
    return (list(row) for row in zip(*columns, strict=True))


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else value
