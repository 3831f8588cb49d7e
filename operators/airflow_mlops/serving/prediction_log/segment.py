"""One open file of the log: locked by its writer, appended to in single writes."""

from __future__ import annotations

import fcntl
import os
import threading
import time
from typing import TYPE_CHECKING

from airflow_mlops.serving.prediction_log.places import new_segment_name

if TYPE_CHECKING:
    from pathlib import Path


class Segment:
    """A file of sealed lines that this process alone writes.

    The lock is the kernel's and ends with the process, however it ends: whoever can take it may compact the file.

    Parameters
    ----------
    folder : Path
        Made where it is missing.

    Raises
    ------
    OSError
        Folder or file cannot be made.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.path, self._file = _create_locked(folder)
        self.opened = time.monotonic()
        self.rows = self.size = 0
        self._is_torn = False
        self._is_synced = self._is_named = False
        self._disk = threading.Lock()

    def append(self, payload: bytes, rows: int) -> None:
        """Hand whole lines to the operating system in one write; take back what did not fit.

        Raises
        ------
        OSError
            The disk is full or the file cannot be written.
        """
        # A line that could not be taken back is ended here, so that it spoils itself only.
        whole = b"\n" + payload if self._is_torn else payload
        try:
            written = os.write(self._file, whole)
            while written < len(whole):
                written += os.write(self._file, whole[written:])
        except OSError:
            self._take_back()
            raise
        self._is_torn = False
        # After the write, or a sync in between would count as done what it did not see.
        self._is_synced = False
        self.rows += rows
        self.size += len(whole)

    def _take_back(self) -> None:
        try:
            os.ftruncate(self._file, self.size)
        except OSError:
            self._is_torn = True
            self.size = os.fstat(self._file).st_size

    def sync(self) -> None:
        """Have the disk hold everything appended so far.

        Raises
        ------
        OSError
            The disk failed.
        """
        with self._disk:
            if self._is_synced or self._file < 0:
                return
            # Set before: an append during the call is then seen as not synced.
            self._is_synced = True
            try:
                os.fsync(self._file)
                if not self._is_named:
                    sync_folder(self.path.parent)
                    self._is_named = True
            except OSError:
                self._is_synced = False
                raise

    def close(self) -> None:
        """Give the lock back."""
        with self._disk:
            if self._file >= 0:
                os.close(self._file)
                self._file = -1


def _create_locked(folder: Path) -> tuple[Path, int]:
    while True:
        path = folder / new_segment_name()
        file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL, 0o640)
        try:
            fcntl.flock(file, fcntl.LOCK_EX)
            if os.fstat(file).st_nlink:
                return path, file
        except OSError:
            os.close(file)
            raise
        # Between opening and locking, another server took the empty file for one left behind.
        os.close(file)


def sync_folder(folder: Path) -> None:
    """Have the disk hold the names in a folder."""
    file = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(file)
    finally:
        os.close(file)
