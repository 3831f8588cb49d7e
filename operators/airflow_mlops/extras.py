"""Say in one sentence which extra is missing, before a stage begins its work."""

from __future__ import annotations

from importlib.util import find_spec

from airflow_mlops.errors import MissingExtra


def require(module: str, *, extra: str, needed_by: str, library: str | None = None) -> None:
    """Check that a library of an extra is installed, without importing it.

    Parameters
    ----------
    module : str
        Top-level name to import: ``evidently``.
    extra : str
        Extra of this distribution that brings it: ``drift``.
    needed_by : str
        Stage or command that asks.
    library : str, optional
        The library as people call it; default ``module``.

    Raises
    ------
    MissingExtra
        The library is not installed.

    Examples
    --------
    >>> require("json", extra="none", needed_by="train")
    """
    if find_spec(module) is None:
        raise MissingExtra(library or module, extra=extra, needed_by=needed_by)
