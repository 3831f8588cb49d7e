"""A client of the reference model server: what a deploy asks of it, and one sentence for each way it can go wrong."""

from __future__ import annotations

import json
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from airflow_mlops.errors import ServerRefused, ServerUnavailable
from airflow_mlops.lifecycle.server_status import ServerStatus

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterator, Mapping, Sequence

    import httpx

_CONNECT_S, _ANSWER_S = 3.0, 30.0
_TAIL = 400

# Too slow, too early, too many: the same request may be answered a moment later.
_BUSY = (408, 425, 429)


@dataclass(frozen=True)
class ServerAddress:
    """Where a server is, and what it is to be shown.

    ``name`` is how sentences call it, ``verify`` False, or a file with the authority that signed its certificate.
    ``answer_s`` is the longest wait for an answer, in seconds.
    """

    url: str
    token: str | None = field(default=None, repr=False)
    verify: bool | str = True
    name: str = "the model server"
    answer_s: float = _ANSWER_S

    def options(self) -> dict[str, Any]:
        """Return the arguments of a client of httpx, for calls that wait and for those that do not.

        Raises
        ------
        ServerRefused
            The token cannot be sent, or the authority's file cannot be read.
        """
        import httpx

        headers = {"Authorization": f"Bearer {self._sendable}"} if self.token else {}
        return {
            "base_url": self.url,
            "headers": headers,
            "timeout": httpx.Timeout(self.answer_s, connect=min(_CONNECT_S, self.answer_s)),
            "verify": self._trust,
        }

    @property
    def _sendable(self) -> str:
        """The token; httpx would write one that no header can carry into its error."""
        token = (self.token or "").strip()
        if not (token.isascii() and token.isprintable()):
            raise ServerRefused(f"the token for {self.name} holds a character that no request can carry; mend it.")
        return token

    @cached_property
    def _trust(self) -> ssl.SSLContext | bool:
        """Made once: reading the certificates of all authorities takes a tenth of a second."""
        if self.verify is False or not self.url.startswith("https://"):
            return False
        import ssl

        import httpx

        try:
            return (
                ssl.create_default_context(cafile=self.verify)
                if isinstance(self.verify, str)
                else (httpx.create_ssl_context())
            )
        except OSError as error:
            raise ServerRefused(
                f"the certificate authority for {self.name} cannot be read from {self.verify}: {error}."
            ) from error


class ServerClient:
    """Ask a model server; nothing is kept open between two calls.

    Parameters
    ----------
    address : ServerAddress
        Where it is.
    """

    def __init__(self, address: ServerAddress) -> None:
        self.address = address

    def __repr__(self) -> str:
        return f"ServerClient({self.address.url})"

    @property
    def name(self) -> str:
        """How sentences call the server."""
        return self.address.name

    def status(self) -> ServerStatus:
        """Ask what the server serves.

        Raises
        ------
        ServerUnavailable
            It does not answer, or answers that it cannot.
        ServerRefused
            It refuses the token, or is no model server.
        """
        import httpx

        with httpx.Client(**self.address.options()) as client, self._own_errors():
            return self._read_status(client.get("/status"))

    async def astatus(self) -> ServerStatus:
        """Ask the same without holding up the event loop.

        Raises
        ------
        ServerUnavailable, ServerRefused
            As for `status`.
        """
        import asyncio

        import httpx

        options = await asyncio.to_thread(self.address.options)
        async with httpx.AsyncClient(**options) as client:
            with self._own_errors():
                return self._read_status(await client.get("/status"))

    @contextmanager
    def replay(self, model: str, version: str) -> Iterator[Replay]:
        """Open one connection for many predictions of a version that is asked by its name."""
        import httpx

        with httpx.Client(**self.address.options()) as client:
            yield Replay(self, client, model, version)

    def _read_status(self, response: httpx.Response) -> ServerStatus:
        try:
            return ServerStatus.from_dict(self.read(response))
        except (KeyError, TypeError, AttributeError) as error:
            raise self._stranger(response, "answers /status with something else") from error

    def read(self, response: httpx.Response) -> Any:
        """Return the JSON of an answer.

        Raises
        ------
        ServerUnavailable
            The server says that it cannot answer, or is busy.
        ServerRefused
            It refuses, or what answers is no model server.
        """
        status = response.status_code
        if status in (401, 403):
            raise ServerRefused(
                f"{self.name} refuses the token (status {status}); set the password of the connection to the token "
                "that the server was started with.",
                status=status,
            )
        message = _message(response)
        if status >= 500 or status in _BUSY:
            said = f": {message}" if message else ""
            raise ServerUnavailable(f"{self.name} cannot answer just now (status {status}{said}).")
        if status >= 400 and message:
            raise ServerRefused(f"{self.name} refuses (status {status}): {message}", status=status)
        if not response.is_success:
            raise self._stranger(response, f"answers {response.url.path} with status {status}")
        try:
            return response.json()
        except ValueError as error:
            raise self._stranger(response, f"answers {response.url.path} with a page") from error

    def _stranger(self, response: httpx.Response, what: str) -> ServerRefused:
        return ServerRefused(
            f"{self.name} {what} and is no model server of `airflow-mlops serve`; is this the address of MLflow or of "
            "another service? Mend host, port and schema of the connection.",
            status=response.status_code,
        )

    @contextmanager
    def _own_errors(self) -> Iterator[None]:
        """Turn what a broken connection raises into our own error."""
        import httpx

        try:
            yield
        except httpx.ConnectError as error:
            raise ServerUnavailable(f"{self.name} cannot be reached ({_first_line(error)}); is it running?") from error
        except (httpx.TransportError, OSError) as error:
            raise ServerUnavailable(f"{self.name} does not answer ({type(error).__name__}).") from error
        except httpx.InvalidURL as error:
            raise ServerRefused(f"{self.name} has an address that is none: {_first_line(error)}.") from error


@dataclass(frozen=True)
class Replay:
    """An open connection to one version."""

    server: ServerClient
    client: httpx.Client = field(repr=False)
    model: str
    version: str

    def predict(self, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> list[Any]:
        """Let the version answer rows.

        Parameters
        ----------
        columns : sequence of str
            Of the rows.
        rows : sequence of rows
            Values that JSON knows.

        Raises
        ------
        ServerUnavailable
            The server does not answer, or cannot.
        ServerRefused
            It refuses the rows, does not know the version, or is another kind of server.
        """
        body = json.dumps({"dataframe_split": {"columns": list(columns), "data": [list(row) for row in rows]}})
        path = f"/models/{self.model}/versions/{self.version}/invocations"
        with self.server._own_errors():
            response = self.client.post(path, content=body, headers={"Content-Type": "application/json"})
        answer = self.server.read(response)
        if not isinstance(answer, dict) or not isinstance(answer.get("predictions"), list):
            raise ServerRefused(f"{self.server.name} answers rows without predictions; is it another kind of server?")
        return answer["predictions"]


def _message(response: httpx.Response) -> str | None:
    """Return the sentence of a model server's own error; None where the answer is none of its own."""
    try:
        error: Mapping[str, Any] = response.json()["error"]
        return str(error["message"])[:_TAIL]
    except (ValueError, KeyError, TypeError):
        return None


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0].rstrip(".") or type(error).__name__
