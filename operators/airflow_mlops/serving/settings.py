"""What a model server is told when it starts."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import TYPE_CHECKING

from airflow_mlops.errors import ServerMisuse

if TYPE_CHECKING:
    from pathlib import Path

MEBIBYTE = 1024 * 1024


@dataclass(frozen=True, slots=True)
class ServerSettings:
    """Where a server listens, what it serves, and its limits.

    Parameters
    ----------
    models : tuple of str
        Names of specs.
    host, port
        Where to listen; port 0 takes a free one.
    token : str, optional
        What a request has to bring; a host that is not loopback needs one.
    poll_s : float
        Seconds between two looks at the ledger: for so long an old version may still answer.
    timeout_s : float
        Longest time of a request, its body and its wait for other requests included.
    max_body_mb : float
        Largest body of a request, in MiB.
    max_rows : int
        Most rows of a request.
    max_waiting_rows : int
        Most rows that wait for the model at once, over all requests.
    batch_rows : int
        Requests that wait are predicted together up to this many rows.
    prediction_log : bool
        Whether answered predictions are logged.
    log_folder : Path, optional
        Where open segments of the log go; default: beside the artifacts where these are on a local path.
    """

    models: tuple[str, ...]
    host: str = "127.0.0.1"
    port: int = 8000
    token: str | None = field(default=None, repr=False)
    poll_s: float = 1.0
    timeout_s: float = 30.0
    max_body_mb: float = 10.0
    max_rows: int = 10_000
    max_waiting_rows: int = 20_000
    batch_rows: int = 1024
    prediction_log: bool = True
    log_folder: Path | None = None

    def check(self) -> None:
        """Refuse what no server should be started with.

        Raises
        ------
        ServerMisuse
            A limit is not positive or not finite, fewer rows may wait than a request may have, the port is none, or the
            token cannot be sent in a header.
        ServerMisuse
            It would answer other machines, and anybody on them.
        """
        limits = ("poll_s", "timeout_s", "max_body_mb", "max_rows", "batch_rows")
        wrong = [
            f"{name} {getattr(self, name):g}"
            for name in limits
            if not (getattr(self, name) > 0 and math.isfinite(getattr(self, name)))
        ]
        if wrong:
            raise ServerMisuse(f"a server's limits are above zero and finite, and it was given {', '.join(wrong)}.")
        if not 0 <= self.port <= 65535:
            raise ServerMisuse(f"a port is between 0 and 65535, and it was given {self.port}.")
        if self.max_waiting_rows < self.max_rows:
            raise ServerMisuse(
                f"{self.max_waiting_rows} rows may wait, and one request may have {self.max_rows}: it would always be "
                "refused. Raise --max-waiting-rows or lower --max-rows."
            )
        self._check_token()

    def _check_token(self) -> None:
        if self.token is not None and not (self.token and self.token.isascii() and self.token.isprintable()):
            raise ServerMisuse(
                "the server's token is empty or holds what is not printable ASCII, and could not be sent in a header; "
                "set the environment variable that --token-env names to another."
            )
        if self.token is None and not is_loopback(self.host):
            raise ServerMisuse(
                f"a server on {self.host} answers other machines and needs a token: set the environment variable that "
                "--token-env names, or listen on 127.0.0.1."
            )


def is_loopback(host: str) -> bool:
    """Tell whether only this machine can reach a host."""
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"
