"""Cron expressions, checked when the spec is read: Airflow would refuse the whole DAG file at the first bad one."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator


def check_cron(value: str) -> str:
    """Return the expression when it is one.

    Raises
    ------
    ValueError
        The text is neither five fields nor a preset such as ``@daily``.
    """
    from croniter import croniter

    is_preset = value in ("@hourly", "@daily", "@weekly", "@monthly", "@quarterly", "@yearly")
    if not is_preset and (len(value.split()) != 5 or not croniter.is_valid(value)):
        raise ValueError(
            f"{value!r} is not a cron expression; write minute, hour, day, month and weekday, such as '0 3 * * 1' for "
            "Mondays at three, or a preset such as @daily"
        )
    return value


Cron = Annotated[str, AfterValidator(check_cron)]
