"""Tell Prometheus what the ledger knows of all models: one reading a scrape, over HTTP or once as text."""

from __future__ import annotations

import gzip
import hmac
import logging
import signal
import socket
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from socketserver import ThreadingMixIn
from typing import TYPE_CHECKING, Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

from airflow_mlops.errors import LedgerCorrupt, LedgerMisuse, LedgerUnavailable, ServerMisuse
from airflow_mlops.lifecycle.metrics.text import CONTENT_TYPE, written
from airflow_mlops.lifecycle.metrics.told import Sample, incident_samples, samples_of
from airflow_mlops.loop.incidents import TOLD_OF, incidents_of
from airflow_mlops.serving.settings import is_loopback

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

    from airflow_mlops.ledger.reader import LedgerReader

log = logging.getLogger(__name__)

METRICS_PATH, HEALTH_PATH = "/metrics", "/health"
# Reading incidents may take so long of a scrape: those of models that wait are told by the next ones.
_INCIDENTS_S = 0.5
# The last events from which a model's incidents are told.
_EVENTS = 40
# A client that does not say what it wants, or does not take its answer, is let go.
_CLIENT_S = 10


class LedgerMetrics:
    """Read the ledger when Prometheus asks; a ledger that is away is told as such.

    Parameters
    ----------
    ledger : LedgerReader
        Of the models.
    incidents_s : float
        Longest time of a scrape that goes into incidents, which are told from events.
    """

    def __init__(self, ledger: LedgerReader, *, incidents_s: float = _INCIDENTS_S) -> None:
        self._ledger, self._incidents_s = ledger, incidents_s
        # By model: as of which event, and what was told; None where an event on the way was changed.
        self._incidents: dict[str, tuple[int, list[Sample] | None]] = {}
        self._said: str | None = None
        self._lock = threading.Lock()

    def text(self) -> str:
        """Read the ledger once, and write everything as Prometheus reads it."""
        # Two that ask at the same moment wait for each other: what is kept between scrapes is written by one.
        with self._lock:
            return written(self._read())

    def _read(self) -> list[Sample]:
        started = time.perf_counter()
        try:
            found = self._told()
        except (LedgerUnavailable, LedgerCorrupt, LedgerMisuse) as error:
            self._say(str(error))
            return [Sample("mlops_ledger_up", (), 0.0)]
        self._say(None)
        seconds = time.perf_counter() - started
        return [Sample("mlops_ledger_up", (), 1.0), Sample("mlops_ledger_read_seconds", (), seconds), *found]

    def _told(self) -> list[Sample]:
        if self._ledger.is_missing:
            raise LedgerMisuse(f"there is no ledger at {self._ledger!r}; the first task of a DAG makes one.")
        names = self._ledger.models()
        found = self._ledger.overviews(names)
        # Half of a history would count up once more, and every alarm on an increase would ring.
        whole = {
            name: overview
            for name, overview in found.told.items()
            if name not in found.behind and name not in found.faults
        }
        self._read_incidents(whole)
        samples = [Sample("mlops_ledger_models", (), float(len(names)))]
        for name in names:
            is_broken = name in found.faults or self._incidents.get(name, (0, []))[1] is None
            samples += [
                Sample("mlops_ledger_broken", (name,), float(is_broken)),
                Sample("mlops_ledger_behind_events", (name,), float(found.behind.get(name, 0))),
            ]
        for name, overview in whole.items():
            samples += samples_of(name, overview)
        return samples + [sample for _, told in self._incidents.values() for sample in told or ()]

    def _read_incidents(self, overviews: Mapping[str, Mapping[str, Any]]) -> None:
        """Read those of models that have changed since they were read last, as long as there is time."""
        self._incidents = {name: kept for name, kept in self._incidents.items() if name in overviews}
        until = time.perf_counter() + self._incidents_s
        for name, overview in overviews.items():
            kept = self._incidents.get(name)
            if (kept is None or kept[0] != overview["seq"]) and time.perf_counter() < until:
                self._incidents[name] = (overview["seq"], self._incidents_of(name))

    def _incidents_of(self, name: str) -> list[Sample] | None:
        try:
            events = self._ledger.newest(name, kinds=TOLD_OF, limit=_EVENTS)
        except LedgerCorrupt as error:
            # Of one model only: the others are told as ever.
            log.warning("The incidents of %s are not told: %s", name, error)
            return None
        return list(incident_samples(name, incidents_of(events, is_whole=len(events) < _EVENTS)))

    def _say(self, what: str | None) -> None:
        """Log what is wrong once, and that it is over."""
        if what == self._said:
            return
        if what is None:
            log.info("The ledger answers again.")
        else:
            log.warning("The ledger is told as away: %s", what)
        self._said = what


@dataclass(frozen=True, slots=True)
class ExporterSettings:
    """Where an exporter listens; a host that is not loopback needs a token, and port 0 takes a free one."""

    host: str = "127.0.0.1"
    port: int = 9108
    token: str | None = field(default=None, repr=False)

    def check(self) -> None:
        """Refuse what no exporter should be started with.

        Raises
        ------
        ServerMisuse
            The port is none, the token cannot be sent in a header, or other machines could ask without one.
        """
        if not 0 <= self.port <= 65535:
            raise ServerMisuse(f"a port is between 0 and 65535, and it was given {self.port}.")
        if self.token is not None and not (self.token.isascii() and self.token.isprintable() and self.token):
            raise ServerMisuse(
                "the exporter's token is empty or holds what is not printable ASCII, and could not be sent in a "
                "header; set the environment variable that --token-env names to another."
            )
        if self.token is None and not is_loopback(self.host):
            raise ServerMisuse(
                f"an exporter on {self.host} answers other machines and needs a token: set the environment variable "
                "that --token-env names, or listen on 127.0.0.1."
            )


def text_of(ledger: LedgerReader) -> str:
    """Write all metrics as a scrape gets them, with the incidents of every model."""
    return LedgerMetrics(ledger, incidents_s=float("inf")).text()


def export(settings: ExporterSettings, *, ledger: LedgerReader, announce: Callable[[str], None] = print) -> None:
    """Answer scrapes until the process is ended.

    Parameters
    ----------
    settings : ExporterSettings
        Where to listen.
    ledger : LedgerReader
        Of the models.
    announce : callable
        Told where it listens.

    Raises
    ------
    ServerMisuse
        The settings cannot work, or the port is taken.
    """
    server = listening(settings, ledger=ledger)
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    announce(f"http://{host}:{server.server_port}{METRICS_PATH}")
    with server, _ended_by_signals(server):
        server.serve_forever()


def listening(settings: ExporterSettings, *, ledger: LedgerReader) -> WSGIServer:
    """Return a server that listens; `serve_forever` answers.

    Raises
    ------
    ServerMisuse
        As for `export`.
    """
    settings.check()
    kind = _ServerV6 if ":" in settings.host else _Server
    try:
        server = kind((settings.host.strip("[]"), settings.port), _Handler)
    except OSError as error:
        raise ServerMisuse(
            f"cannot listen on {settings.host}:{settings.port}: {error.strerror or error}. Choose another --port, or a "
            "--host that is an address of this machine."
        ) from error
    server.set_app(guarded(LedgerMetrics(ledger).text, token=settings.token))
    return server


@contextmanager
def _ended_by_signals(server: WSGIServer) -> Iterator[None]:
    """Let SIGTERM and SIGINT be an end as it should be; the first process of a container knows none by itself."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def end(*_: object) -> None:
        # It waits for the loop that this handler interrupts.
        threading.Thread(target=server.shutdown).start()

    before = {number: signal.signal(number, end) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def guarded(metrics: Callable[[], str], *, token: str | None) -> WSGIApplication:
    """Answer the two addresses that there are, metrics only to those who bring the token."""

    def answer(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if environ["REQUEST_METHOD"] not in ("GET", "HEAD"):
            return _said(start_response, HTTPStatus.METHOD_NOT_ALLOWED, ("Allow", "GET, HEAD"))
        if environ["PATH_INFO"] == HEALTH_PATH:
            return _said(start_response, HTTPStatus.OK)
        if token is not None and not _brings(environ, token):
            return _said(start_response, HTTPStatus.UNAUTHORIZED, ("WWW-Authenticate", "Bearer"))
        if environ["PATH_INFO"] != METRICS_PATH:
            return _said(start_response, HTTPStatus.NOT_FOUND)
        return _told(environ, start_response, metrics())

    return answer


def _told(environ: WSGIEnvironment, start_response: StartResponse, text: str) -> Iterable[bytes]:
    """Answer with the text, packed where the client takes that: it shrinks to a twentieth."""
    body, headers = text.encode(), [("Content-Type", CONTENT_TYPE)]
    if "gzip" in environ.get("HTTP_ACCEPT_ENCODING", ""):
        body = gzip.compress(body, compresslevel=1)
        headers.append(("Content-Encoding", "gzip"))
    start_response("200 OK", [*headers, ("Content-Length", str(len(body)))])
    return [body]


def _brings(environ: WSGIEnvironment, token: str) -> bool:
    scheme, _, brought = environ.get("HTTP_AUTHORIZATION", "").partition(" ")
    # The server reads headers as Latin-1, so that nothing else can be in them.
    return scheme.lower() == "bearer" and hmac.compare_digest(brought.strip().encode("latin-1"), token.encode())


def _said(start_response: StartResponse, status: HTTPStatus, *headers: tuple[str, str]) -> Iterable[bytes]:
    body = f"{status.phrase}\n".encode()
    length = ("Content-Length", str(len(body)))
    start_response(f"{status.value} {status.phrase}", [("Content-Type", "text/plain; charset=utf-8"), length, *headers])
    return [body]


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _ServerV6(_Server):
    address_family = socket.AF_INET6


class _Handler(WSGIRequestHandler):
    timeout = _CLIENT_S

    def log_message(self, format: str, *arguments: Any) -> None:
        """Log no scrape: there is one every few seconds."""
