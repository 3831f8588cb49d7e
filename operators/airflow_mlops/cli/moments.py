"""Times on the command line."""

from __future__ import annotations

from argparse import ArgumentTypeError
from datetime import UTC, datetime


def iso_time(text: str) -> datetime:
    """Read an ISO 8601 time; UTC where it has no zone.

    Raises
    ------
    ArgumentTypeError
        It is no time.
    """
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise ArgumentTypeError(
            f"{text!r} is no time; write one such as 2024-03-31 or 2024-03-31T06:00:00+00:00 (UTC without a zone)"
        ) from error
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
