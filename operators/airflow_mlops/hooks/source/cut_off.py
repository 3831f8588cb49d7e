"""Does a text file end in the middle of its last value? Then all its values are there, and the last one is wrong."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from airflow_mlops.errors import SourceUnreadable

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

# Bytes at the end of a file whose rows show what a last value looks like.
_TAIL = 1 << 16
# A last value that is shorter than all but this share of the others is cut.
SHORT = 0.1
_NUMBER = re.compile(r"[-+]?\d*\.?\d*")


def check_end(file: Path, *, delimiter: str, quote: str) -> None:
    """Refuse a file that has no line break at its end and a last value unlike the last ones of the rows before.

    A line break alone may be missing: some programs write none.

    Raises
    ------
    SourceUnreadable
        The last value is shorter than nine tenths of the others, is the beginning of another text, or is missing where
        no other is.
    """
    with file.open("rb") as opened:
        opened.seek(max(0, file.stat().st_size - _TAIL))
        tail = opened.read().decode("utf-8", "replace")
    if tail.endswith(("\n", "\r")):
        return
    lines = tail.splitlines()[1:]
    values = [line.rpartition(delimiter)[2].strip().strip(quote) for line in lines]
    if len(values) > 1 and _is_cut(values[-1], values[:-1]):
        raise SourceUnreadable(
            f"{file.name} ends in the middle of its last value, {values[-1]!r} (the row before has {values[-2]!r}), "
            "and without a line break: the file is cut. Copy it again, whole."
        )


def _is_cut(last: str, others: Sequence[str]) -> bool:
    if not last:
        return all(others)
    lengths = sorted(len(value) for value in others if value)
    if not lengths or last in others:
        return False
    is_short = len(last) < lengths[int(SHORT * len(lengths))]
    return is_short or (not _NUMBER.fullmatch(last) and any(value.startswith(last) for value in others))
