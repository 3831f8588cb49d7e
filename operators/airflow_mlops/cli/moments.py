"""Times on the command line."""

from __future__ import annotations

from datetime import UTC, datetime


def iso_time(text: str) -> datetime:
    """Read an ISO 8601 time; UTC where it has no zone."""
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
