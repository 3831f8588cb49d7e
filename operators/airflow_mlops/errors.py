"""Every error raised on purpose.

Two families decide what Airflow does next: `Permanent` fails the task at once, because a retry would meet the same
input; `Transient` is retried, because the input may be fine and only a service was not.

Each class keeps its facts as attributes and builds its own sentence: what happened, the numbers, what to do.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from airflow_mlops.lifecycle.server_status import Awaited


class MLOpsError(Exception):
    """Root of all errors of this package."""

    def __reduce__(self) -> tuple[Any, ...]:
        """Travel between processes with facts and sentence, though the constructors take facts by keyword."""
        return type(self).__new__, (type(self), *self.args), self.__dict__


class Permanent(MLOpsError):
    """The same input will fail again: do not retry."""


class Transient(MLOpsError):
    """A service was away or slow: a retry may succeed."""


class MissingExtra(Permanent):
    """A stage needs a library that is not installed.

    Parameters
    ----------
    library : str
        What could not be imported, as people call it.
    extra : str
        The extra of this distribution that brings it.
    needed_by : str
        The stage or command that asked.
    """

    def __init__(self, library: str, *, extra: str, needed_by: str) -> None:
        self.library, self.extra, self.needed_by = library, extra, needed_by
        super().__init__(
            f"{needed_by} needs {library}, which is not installed; install airflow-provider-mlops[{extra}]."
        )


class SpecError(Permanent):
    """A spec file cannot be used; the sentence lists every fault with file, line, key and value.

    Parameters
    ----------
    message : str
        All faults as text.
    faults : sequence of Finding
        The same, for code: path, line, column, key, message.
    """

    def __init__(self, message: str, *, faults: Sequence[object] = ()) -> None:
        self.faults = tuple(faults)
        super().__init__(message)


class NotAReference(Permanent):
    """An operator was given something else than the reference it needs."""

    def __init__(self, value: object, *, wanted: str) -> None:
        self.value, self.wanted = value, wanted
        super().__init__(
            f"expected a {wanted}, got {str(value)[:100]!r}. Give this task the output of the task that makes it; if "
            "that task was skipped or its result was cleared, run it again."
        )


class SourceUnavailable(Transient):
    """The data source did not answer."""


class SourceUnreadable(Permanent):
    """The data source answered with something that is not the table the spec describes."""


class MissingColumns(Permanent):
    """Columns the spec names are not in the data."""

    def __init__(self, missing: Sequence[str], *, present: Sequence[str], where: str) -> None:
        self.missing, self.present, self.where = tuple(missing), tuple(present), where
        super().__init__(
            f"{where} has no column {', '.join(map(repr, missing))}; it has {', '.join(map(repr, present))}. "
            "Rename the column in the source, or mend the name in the spec."
        )


class EmptyWindow(Permanent):
    """No row lies in the window."""

    def __init__(self, *, start: datetime, end: datetime, rows_read: int, span: tuple[str, str] | None = None) -> None:
        self.start, self.end, self.rows_read, self.span = start, end, rows_read, span
        seen = f"; the source's times run from {span[0]} to {span[1]}" if span else ""
        super().__init__(
            f"no row between {start.isoformat()} and {end.isoformat()} ({rows_read} rows read{seen}). "
            "Check the DAG parameter 'now' and ingest.window, or wait until the data has landed."
        )


class ArtifactMissing(Permanent):
    """Nothing complete is stored at a URI."""


class ArtifactCorrupt(Permanent):
    """Stored bytes do not match their digest or cannot be read."""


class DataCheckFailed(Permanent):
    """A critical expectation or check of a snapshot failed; nothing downstream may use it."""


class TrainingSetUnusable(Permanent):
    """Rows, labels or target are there, but cannot be put together or trained on."""


class EmptyTrainingSet(Permanent):
    """No labelled row is left to train on."""

    def __init__(self, *, rows_in: int, rows_dropped: int, target: str) -> None:
        self.rows_in, self.rows_dropped, self.target = rows_in, rows_dropped, target
        super().__init__(
            f"nothing to train on: {rows_in} rows came in and {rows_dropped} had no usable {target!r}. Check that the "
            "labels of this window have arrived, or mend data.target or train.window."
        )


class EmptyHoldout(Permanent):
    """No labelled row is left to judge a model on."""

    def __init__(self, *, start: datetime, end: datetime, rows_in: int, target: str) -> None:
        self.start, self.end, self.rows_in, self.target = start, end, rows_in, target
        super().__init__(
            f"nothing to judge on: {rows_in} rows lie between {start.isoformat()} and {end.isoformat()} and none has a "
            f"known {target!r}. Wait for the labels, move 'now', or lengthen evaluate.holdout beyond data.label_delay."
        )


class TransformerUnusable(Permanent):
    """Derivations or transformer fail on the training rows, or give something no estimator takes."""


class EstimatorUnusable(Permanent):
    """The estimator of a spec cannot be made, or refuses the data."""


class ModelUnusable(Permanent):
    """A stored model cannot be loaded, or does not predict what it predicted when it was trained."""


class GateMisuse(Permanent):
    """The gate was asked for a loss it does not know, or for rows that do not belong together."""


class NothingToCompare(Permanent):
    """Two windows have no column that can be compared, or there is no window to compare with."""


class TrackingUnavailable(Transient):
    """MLflow did not answer."""


class TrackingRefused(Permanent):
    """MLflow answered, but refuses: wrong credentials, missing rights, or a deleted experiment."""


class LedgerUnavailable(Transient):
    """The ledger's database did not answer."""


class LedgerCorrupt(Permanent):
    """The chain of events of a model is cut or changed."""


class LedgerMisuse(Permanent):
    """The ledger was asked for something it cannot do, or its connection cannot be used."""


class PromotionConflict(Permanent):
    """The champion moved between evaluation and promotion."""

    def __init__(self, *, model: str, version: str, expected_epoch: int, epoch: int) -> None:
        self.model, self.version, self.expected_epoch, self.epoch = model, version, expected_epoch, epoch
        super().__init__(
            f"version {version} of {model} was judged against epoch {expected_epoch}, but the ledger is at epoch "
            f"{epoch}: somebody promoted in between. The champion stays; run retrain again to judge it afresh."
        )


class DeploymentMisuse(Permanent):
    """A version may not be deployed with what it came with."""


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


class SignalsUnusable(Permanent):
    """Signals, or what they are measured from, are not what the loop can decide on."""


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


class NoChampion(Permanent):
    """Something is asked of the champion, and nothing was promoted yet."""


class LabelsUnusable(Permanent):
    """Labels contradict each other, or arrived before what they are about."""


class HistoryUnusable(Permanent):
    """A history cannot be replayed, or what was made of it is not there or not complete."""


class CommitteeUnusable(Permanent):
    """Trained versions cannot be put together into one committee."""


class CalibrationUnusable(Permanent):
    """Past windows give no thresholds; the sentence says why, and what would."""
