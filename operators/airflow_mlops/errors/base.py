"""The two families of errors, and those that any part may raise."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence


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
