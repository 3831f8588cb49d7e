"""Rules over whom the loop tells: templates that can be filled in, no secrets, and notifiers that exist."""

from __future__ import annotations

import inspect
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from airflow_mlops.spec.sections import ModelSpec

    Location = tuple[str | int, ...]
    Broken = tuple[Location, str]
    Found = tuple[str, Location, str]

_SECRET = re.compile(r"passw|secret|token|credential|api.?key|^pwd$|webhook.?url", re.IGNORECASE)
# An address that lets whoever knows it write, as those of Slack, Teams and Discord do, or one with a password in it.
_WRITABLE = re.compile(r"https?://(\S*hooks?\.|\S*/(web)?hooks?/|[^\s/@]+:[^\s/@]+@)|xox[abp]-", re.IGNORECASE)


def secrets(spec: ModelSpec) -> Iterator[Broken]:
    """Refuse arguments that look like a password, or like an address that whoever knows it may write to."""
    for name, target in spec.notify.targets.items() if spec.notify else ():
        yield from _secrets_of(target.arguments, ("notify", "targets", name, "arguments"))


def _secrets_of(value: Any, at: Location) -> Iterator[Broken]:
    advice = "keep it in an Airflow connection and name that by its id"
    if isinstance(value, dict):
        for name, inner in value.items():
            if _SECRET.search(str(name)) and not str(name).endswith("_conn_id"):
                yield (*at, name), f"{name!r} looks like a secret; {advice}"
            else:
                yield from _secrets_of(inner, (*at, name))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _secrets_of(inner, (*at, index))
    elif isinstance(value, str) and _WRITABLE.search(value):
        yield at, f"the text holds an address or token that lets whoever knows it write; {advice}"


def notifiers(spec: ModelSpec, roots: tuple[Path, ...]) -> Iterator[Found]:
    """Check that each notifier exists and takes its arguments."""
    # What imports knows the rules, of which these are some.
    from airflow_mlops.spec.imports import NotImportable, import_object

    for name, target in spec.notify.targets.items() if spec.notify else ():
        at = ("notify", "targets", name)
        try:
            made_by = import_object(target.notifier, roots=roots)
        except NotImportable as error:
            yield "error", (*at, "notifier"), str(error)
            continue
        if not callable(getattr(made_by, "notify", None)):
            yield "error", (*at, "notifier"), f"{target.notifier} is no notifier: it has no method 'notify'"
            continue
        try:
            inspect.signature(made_by).bind(**target.arguments)
        except TypeError as error:
            yield "error", (*at, "arguments"), f"{target.notifier} does not take these: {error}"


def tells_nobody_of_changes(spec: ModelSpec, roots: tuple[Path, ...]) -> Iterator[Found]:
    """Warn where people are asked for approval and no target is told so."""
    if spec.notify is None or spec.approval is None:
        return
    if all(target.of and "approval" not in target.of for target in spec.notify.targets.values()):
        yield (
            "warning",
            ("notify", "targets"),
            "no target is told that a person is asked, though there is a section approval; add 'approval' to its 'of'",
        )
