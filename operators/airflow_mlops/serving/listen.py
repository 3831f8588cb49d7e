"""Run a model server under uvicorn until a signal ends it."""

from __future__ import annotations

import errno
import logging
import os
import signal
import socket
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

from airflow_mlops.errors import ServerMisuse

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import uvicorn

    from airflow_mlops.artifacts import ArtifactStore
    from airflow_mlops.ledger import Ledger
    from airflow_mlops.serving.settings import ServerSettings

# A proxy keeps its connections this long as a rule; a server that closes first loses a request now and then.
_KEEP_ALIVE_S = 75


def serve(
    settings: ServerSettings, *, ledger: Ledger, store: ArtifactStore, announce: Callable[[str], None] = print
) -> None:
    """Listen until SIGTERM or SIGINT; requests in flight are finished first.

    Parameters
    ----------
    settings : ServerSettings
        Where to listen, what to serve.
    ledger, store
        As for `ModelServer`.
    announce : callable
        Told where the server listens.

    Raises
    ------
    ServerMisuse
        The settings cannot work, or the port is taken.
    """
    # Before scikit-learn's own libraries are loaded; a batch is small, and threads would fight with the event loop.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    import uvicorn

    from airflow_mlops.serving.app import make_app
    from airflow_mlops.serving.heads import bounded_protocol
    from airflow_mlops.serving.server import ModelServer

    server = ModelServer(settings, ledger=ledger, store=store)
    listening = _listen(settings)
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    announce(f"http://{host}:{listening.getsockname()[1]}")
    config = uvicorn.Config(
        make_app(server),
        loop="uvloop",
        http=bounded_protocol(head_s=settings.timeout_s),
        ws="none",
        access_log=False,
        log_config=None,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=_KEEP_ALIVE_S,
        timeout_graceful_shutdown=int(settings.timeout_s) + 1,
    )
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
    listener = uvicorn.Server(config)
    with _ended_by_signals(listener):
        listener.run(sockets=[listening])


@contextmanager
def _ended_by_signals(listener: uvicorn.Server) -> Iterator[None]:
    """Let SIGTERM and SIGINT be an end as it should be: uvicorn raises them again when its work is done."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def end(*_: object) -> None:
        listener.should_exit = True

    before = {number: signal.signal(number, end) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _listen(settings: ServerSettings) -> socket.socket:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((settings.host.strip("[]"), settings.port))
    except OSError as error:
        listening.close()
        raise ServerMisuse(
            f"cannot listen on {settings.host}:{settings.port}: {error.strerror or error}. {_hint(error)}"
        ) from error
    listening.listen(2048)
    return listening


def _hint(error: OSError) -> str:
    if isinstance(error, socket.gaierror) or error.errno == errno.EADDRNOTAVAIL:
        return "Choose a --host that is an address of this machine."
    if error.errno in (errno.EACCES, errno.EPERM):
        return "Ports below 1024 need a privilege; choose another --port."
    return "Choose another --port."
