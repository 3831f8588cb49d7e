"""Options of every command by which a person changes something: why, who asks, when, and by which spec."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from airflow_mlops.cli.moments import iso_time
from airflow_mlops.errors import LedgerMisuse, Permanent

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from airflow_mlops.spec import ModelSpec


def add_reason(parser: ArgumentParser) -> None:
    """Add why; it is kept on record beside who."""
    parser.add_argument("--reason", required=True, metavar="TEXT", help="why; kept on record beside the name")
    add_name(parser)


def add_name(parser: ArgumentParser) -> None:
    """Add who asks."""
    parser.add_argument("--by", default=login_name(), metavar="NAME", help="who asks; default: the login name")


def add_moment(parser: ArgumentParser) -> None:
    """Add the moment in event time."""
    parser.add_argument("--now", type=iso_time, metavar="TIME", help="event time, ISO 8601; default: the clock")


def add_spec(parser: ArgumentParser) -> None:
    """Add the spec of the model."""
    parser.add_argument("--spec", type=Path, required=True, metavar="FILE", help="spec of the model")


def refuse_to_overwrite(*paths: Path | None, force: bool) -> None:
    """Stop before a file that is there already would be written over; None is no file.

    Raises
    ------
    Permanent
        One is there, and ``force`` was not given.
    """
    for path in paths:
        if path and path.exists() and not force:
            raise Permanent(f"{path} is there already; use --force to write over it, or another name.")


def login_name() -> str:
    """Return who types the command, as the operating system names them."""
    import getpass

    try:
        return getpass.getuser()
    except (KeyError, OSError):
        # A container may run under a number that has no name.
        return f"uid {os.getuid()}"


def moment_of(options: Namespace) -> datetime:
    """Return the event time that was given, else that of the clock."""
    return options.now or datetime.now(UTC)


def spec_of(options: Namespace) -> ModelSpec:
    """Read the spec, which has to be of the model that is named.

    Raises
    ------
    LedgerMisuse
        It is another model's.
    SpecError
        It has faults.
    """
    from airflow_mlops.spec import load_spec

    spec = load_spec(options.spec)
    if spec.name != options.model:
        raise LedgerMisuse(f"{options.spec} is the spec of {spec.name}, not of {options.model}; name the right file.")
    return spec
