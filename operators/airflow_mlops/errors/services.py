"""Errors about what runs elsewhere: MLflow, model servers, prediction logs, the demonstration."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_mlops.errors.base import MLOpsError, Permanent, Transient

if TYPE_CHECKING:
    from airflow_mlops.lifecycle.server_status import Awaited


class TrackingUnavailable(Transient):
    """MLflow did not answer."""


class TrackingRefused(Permanent):
    """MLflow answered, but refuses: wrong credentials, missing rights, or a deleted experiment."""


class ServerUnavailable(Transient):
    """The model server did not answer, or cannot do its work just now."""


class ServerRefused(Permanent):
    """The model server refuses the request, does not serve the model, or is another kind of server.

    Parameters
    ----------
    message : str
        What happened, and what to do.
    status : int or None
        Of the answer.
    """

    def __init__(self, message: str, *, status: int | None = None) -> None:
        self.status = status
        super().__init__(message)


class NotReady(Transient):
    """A model server is on its way: it has still to load a version, or to swap to it.

    Parameters
    ----------
    message : str
        What it does now.
    awaited : Awaited
        What has to be so before a further try gets further.
    lasting : type of MLOpsError
        What it is called where waiting has to end.
    advice : str
        What to do then.
    """

    def __init__(self, message: str, *, awaited: Awaited, lasting: type[MLOpsError], advice: str) -> None:
        self.awaited, self.lasting, self.advice = awaited, lasting, advice
        super().__init__(message)


class PredictionLogMisuse(Permanent):
    """A prediction log was given a place it cannot write to."""


class PredictionLogUnwritable(Transient):
    """Predictions could not be written to the prediction log.

    Parameters
    ----------
    model : str
        Whose predictions.
    rows : int
        How many were not logged.
    cause : OSError
        What the operating system said.
    """

    def __init__(self, *, model: str, rows: int, cause: OSError) -> None:
        self.model, self.rows = model, rows
        super().__init__(
            f"{rows} predictions of {model} are not in the prediction log: {cause}. Free disk space or mend the "
            "folder; the next request tries again."
        )


class ServerMisuse(Permanent):
    """A model server is to be started in a way that cannot work, or is not safe."""


class RequestRefused(Permanent):
    """A model server refuses a request.

    Parameters
    ----------
    message : str
        What is wrong with it, in one sentence.
    status : int
        Of HTTP, 400 to 504.
    kind : str
        The same for programs: ``bad_request``, ``too_large``, ...
    """

    def __init__(self, message: str, *, status: int = 400, kind: str = "bad_request") -> None:
        self.status, self.kind = status, kind
        super().__init__(message)


class NoticeFailed(Transient):
    """A notifier did not send what people are to be told; the rest was sent."""


class DemoFailed(MLOpsError):
    """The demonstration did not do what it shows.

    Parameters
    ----------
    what : str
        What did not happen, in one sentence.
    log : Path or None
        Where to read more.
    """

    def __init__(self, what: str, *, log: object = None) -> None:
        self.what, self.log = what.rstrip(". \n"), log
        super().__init__(f"{self.what}. The log is in {log}." if log else f"{self.what}.")
