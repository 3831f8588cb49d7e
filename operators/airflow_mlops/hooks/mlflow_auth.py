"""How a connection's credentials and TLS options reach MLflow's requests, and nothing else.

MLflow takes credentials from the process environment, which every child process and thread would see. It also asks
header providers, found by their entry point, for headers of each request; ours reads them from a context variable, so
that they exist only in the context that a hook has bound, and only for that hook's host.

TLS options and the limits of retrying have no such way in. They are no secrets: they stand in the environment while a
call lasts, and what stood there before is put back.
"""

from __future__ import annotations

import os
import sys
import threading
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from airflow_mlops.errors import TrackingUnavailable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

# Long enough for an upload of a large model in another thread, short enough to be noticed.
_WAIT_S = 120.0

TLS_SETTINGS = ("MLFLOW_TRACKING_INSECURE_TLS", "MLFLOW_TRACKING_SERVER_CERT_PATH")


@dataclass(frozen=True, slots=True)
class Credentials:
    """Headers for one origin (scheme, host and port)."""

    origin: str
    headers: Mapping[str, str] = field(repr=False)


_bound: ContextVar[Credentials | None] = ContextVar("mlflow_credentials", default=None)


class ConnectionHeaders:
    """MLflow's request-header provider: the headers of the connection that the calling context has bound.

    It has the two methods of ``mlflow.tracking.request_header.abstract_request_header_provider.RequestHeaderProvider``
    without inheriting: MLflow loads entry points while it is itself being imported.
    """

    def in_context(self) -> bool:
        """Tell whether the calling context has bound a connection with credentials."""
        return _bound.get() is not None

    def request_headers(self) -> dict[str, str]:
        """Return the bound headers where the request goes to their host, else none."""
        credentials = _bound.get()
        if credentials is None or origin_of(_destination()) != credentials.origin:
            return {}
        return dict(credentials.headers)


def _destination() -> str:
    """Return the URL of the request that MLflow is making.

    A provider is not told where its headers will go, and an artifact may lie on another server than the tracking
    server. The URL is a local variable of the caller's caller, ``mlflow.utils.rest_utils.http_request``. Where it is
    not found there, the answer is empty, and no header is sent: the server then says 401.
    """
    frame = sys._getframe(2)
    for _ in range(3):
        if frame is None:
            break
        if frame.f_code.co_name == "http_request":
            return str(frame.f_locals.get("url", ""))
        frame = frame.f_back  # type: ignore[assignment]
    return ""


def origin_of(url: str) -> str:
    """Return scheme, host and port of a URL in one form."""
    parts = urlsplit(url)
    port = parts.port or {"http": 80, "https": 443}.get(parts.scheme)
    return f"{parts.scheme}://{(parts.hostname or '').lower()}:{port}"


def install() -> None:
    """Register the provider where MLflow has not found its entry point: in a source tree that is not installed."""
    from mlflow.tracking.request_header import registry

    known = registry._request_header_provider_registry
    if not any(isinstance(provider, ConnectionHeaders) for provider in known):
        known.register(ConnectionHeaders)


@contextmanager
def bind(credentials: Credentials | None) -> Iterator[None]:
    """Let MLflow's requests of this context carry these headers; None sends none, inside another binding too."""
    token = _bound.set(credentials)
    try:
        yield
    finally:
        _bound.reset(token)


class _Environment:
    """Settings in the process environment, shared by all threads that want the same ones."""

    def __init__(self) -> None:
        self.changed = threading.Condition()
        self.settings: dict[str, str] = {}
        self.before: dict[str, str | None] = {}
        self.users: list[int] = []

    def enter(self, settings: dict[str, str]) -> None:
        me = threading.get_ident()
        with self.changed:
            # A thread that waited for itself would wait for ever.
            wait_s = 0.0 if me in self.users else _WAIT_S
            if not self.changed.wait_for(lambda: not self.users or self.settings == settings, timeout=wait_s):
                raise TrackingUnavailable(
                    "two MLflow connections with different TLS options are in use at once in one process; use one "
                    "after the other, or give both the same options."
                )
            if not self.users:
                self._set(settings)
            self.users.append(me)

    def _set(self, settings: dict[str, str]) -> None:
        self.settings = settings
        # The limits of retrying are ours only where whoever runs Airflow has set none.
        changes = {name: value for name, value in settings.items() if name in TLS_SETTINGS or name not in os.environ}
        self.before = {name: os.environ.get(name) for name in changes}
        os.environ.update(changes)

    def leave(self) -> None:
        with self.changed:
            self.users.remove(threading.get_ident())
            if not self.users:
                for name, value in self.before.items():
                    if value is None:
                        os.environ.pop(name, None)
                    else:
                        os.environ[name] = value
                self.changed.notify_all()


_environment = _Environment()


@contextmanager
def call_settings(settings: Mapping[str, str]) -> Iterator[None]:
    """Hold non-secret settings in the environment for the duration of a call.

    Raises
    ------
    TrackingUnavailable
        Another thread holds other values for too long.
    """
    if not settings:
        yield
        return
    _environment.enter(dict(settings))
    try:
        yield
    finally:
        _environment.leave()
