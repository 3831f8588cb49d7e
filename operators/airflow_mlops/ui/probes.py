"""Asking several parts at once whether they answer, without waiting for any of them for long."""

from __future__ import annotations

import logging
import ssl
import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from http.client import HTTPException
from threading import Lock, Thread
from typing import TYPE_CHECKING, Any
from urllib.error import HTTPError
from urllib.request import HTTPRedirectHandler, HTTPSHandler, build_opener

from airflow_mlops.errors import MLOpsError
from airflow_mlops.ui.failures import without_places

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

log = logging.getLogger(__name__)

_KNOCK_S = 2.0
_SERVER_FAULT = 500


@dataclass(frozen=True, slots=True)
class Probe:
    """A part: its name, how a sentence begins with it, and how it is asked.

    ``ask`` returns what is wrong in a sentence, None where the part answers. ``absent`` are errors which mean that the
    part is not configured, so that nothing is wrong with it.
    """

    part: str
    subject: str
    ask: Callable[[], str | None]
    absent: tuple[type[Exception], ...] = ()


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found of a part; ``since`` is when it was first missed, None where it answers."""

    part: str
    ok: bool
    sentence: str
    since: datetime | None = None


class Prober:
    """Ask all parts side by side, and keep what they said for some seconds.

    A part that hangs holds one thread, and is not asked a second time until that one has come back.

    Parameters
    ----------
    patience_s : float
        Longest wait for all parts together, in seconds.
    fresh_s : float
        How long an answer counts, in seconds.
    """

    def __init__(self, *, patience_s: float = 3.0, fresh_s: float = 10.0) -> None:
        self._patience_s = patience_s
        self._fresh_s = fresh_s
        self._lock = Lock()
        self._asking: dict[str, _Asking] = {}
        self._found: tuple[float, list[Finding]] | None = None
        self._missed: dict[str, datetime] = {}

    def look(self, probes: Sequence[Probe]) -> list[Finding]:
        """Return what is known of each part that is used, at most ``fresh_s`` old."""
        with self._lock:
            if self._found is None or time.monotonic() - self._found[0] > self._fresh_s:
                found = self._ask(probes)
                self._found = (time.monotonic(), found)
            return self._found[1]

    def _ask(self, probes: Sequence[Probe]) -> list[Finding]:
        hanging = {part: asking for part, asking in self._asking.items() if asking.is_alive}
        self._asking = {probe.part: hanging.get(probe.part) or _Asking(probe) for probe in probes}
        until = time.monotonic() + self._patience_s
        found = [asking.finding(until) for asking in self._asking.values()]
        now = datetime.now(UTC)
        self._missed = {each.part: self._missed.get(each.part, now) for each in found if each and not each.ok}
        return [replace(each, since=self._missed.get(each.part)) for each in found if each]


class _Asking:
    """One probe in a thread, which does not keep a process alive that wants to end."""

    def __init__(self, probe: Probe) -> None:
        self._probe = probe
        self._finding: list[Finding | None] = []
        self._thread = Thread(target=self._run, daemon=True, name=f"ask {probe.part}")
        self._thread.start()

    @property
    def is_alive(self) -> bool:
        return self._thread.is_alive()

    def finding(self, until: float) -> Finding | None:
        self._thread.join(max(until - time.monotonic(), 0))
        if self._finding:
            return self._finding[0]
        if self._thread.is_alive():
            return self._away("does not answer within seconds; it is asked again")
        # It ended by an error that nobody foresaw, which Python has written to the log.
        return self._away("could not be asked; the log of the API server says why")

    def _run(self) -> None:
        try:
            wrong = self._probe.ask()
        except self._probe.absent:
            self._finding = [None]
        except MLOpsError as error:
            log.warning("%s is away: %s", self._probe.part, error)
            self._finding = [Finding(self._probe.part, ok=False, sentence=without_places(str(error)))]
        except OSError as error:
            # Its text may hold an address with a password in it.
            self._finding = [self._away(f"does not answer ({type(error).__name__})")]
        else:
            sentence = wrong or f"{self._probe.subject} answers."
            self._finding = [Finding(self._probe.part, ok=wrong is None, sentence=sentence)]

    def _away(self, what: str) -> Finding:
        return Finding(self._probe.part, ok=False, sentence=f"{self._probe.subject} {what}.")


def knock(url: str, *, subject: str, verify: bool | str = True) -> str | None:
    """Ask a server without credentials; any answer but one of its own faults will do.

    Parameters
    ----------
    url : str
        Address, http or https.
    subject : str
        How the sentence calls the server; the address is not told.
    verify : bool or str, default=True
        False, or the file of the authority that signed the server's certificate.

    Returns
    -------
    str or None
        What is wrong.
    """
    opener = build_opener(HTTPSHandler(context=_trust(verify)), _Stay())
    try:
        opener.open(url, timeout=_KNOCK_S).close()
    except HTTPError as error:
        error.close()
        return f"{subject} answers with status {error.code}." if error.code >= _SERVER_FAULT else None
    except (OSError, HTTPException) as error:
        cause = getattr(error, "reason", error)
        return f"{subject} does not answer ({type(cause).__name__}); check that it runs and can be reached from here."
    return None


def _trust(verify: bool | str) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=verify if isinstance(verify, str) else None)
    if verify is False:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


class _Stay(HTTPRedirectHandler):
    """An answer that points elsewhere is an answer: nobody is led away from the configured address."""

    def redirect_request(self, *args: Any, **kwargs: Any) -> None:
        return None
