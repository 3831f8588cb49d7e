"""Where streams come from: folders that are named, or packages that are installed."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from benchmarks.streams import packaged_streams, read_stream

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from benchmarks.streams import Stream

TABLE = "data.parquet"


@dataclass(frozen=True, slots=True)
class Source:
    """A stream that was not read yet: a table of millions of rows is not kept while others are."""

    name: str
    read: Callable[[], Stream]


def from_folders(folders: Sequence[Path], *, rows_per_batch: int | None, label_delay: int) -> list[Source]:
    """Name the streams of folders; a folder of such folders stands for all of them.

    Folders of the same name get that of the folder they lie in before theirs.
    """
    found: list[Path] = []
    for folder in (path.parent if path.name == TABLE else path for path in folders):
        inner = [] if (folder / TABLE).exists() else sorted(path.parent for path in folder.glob(f"*/{TABLE}"))
        found += inner or [folder]
    found = [*{path.resolve(): path.resolve() for path in found}]
    names = [path.name for path in found]
    return [
        Source(
            path.name if names.count(path.name) == 1 else f"{path.parent.name}/{path.name}",
            partial(read_stream, path, rows_per_batch=rows_per_batch, label_delay=label_delay),
        )
        for path in found
    ]


def from_packages(*, label_delay: int) -> tuple[list[Source], list[str]]:
    """Name the streams of installed packages, and say which are not there."""
    streams, skipped = packaged_streams(label_delay=label_delay)
    return [Source(stream.name, lambda stream=stream: stream) for stream in streams], skipped
