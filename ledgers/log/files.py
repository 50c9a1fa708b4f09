"""Files that a reader sees whole or not at all, and that survive a loss of power once settled.

One process writes below a folder at a time; the caller sees to that.
"""

import ctypes
import os
from collections.abc import Callable
from pathlib import Path

READ_BYTES_MAX = 1_000_000  # A note at its largest; a bundle of our leaves has 30,000 bytes.

# Measured with 1,600 files (one run of 200,000 leaves) on ext4: fsync of each adds 0.4 to 0.7 s,
# one syncfs 0.1 s; os.sync is as fast, but tells of no errors. As syncfs waits for whatever else
# the file system has to write, a run of few files, every minute, syncs its own one by one.
MANY_FILES = 64
_libc = ctypes.CDLL(None, use_errno=True)
_CAN_SYNC_AT_ONCE = hasattr(_libc, "syncfs")

_UNFINISHED = ".unfinished"  # One name for all: what a killed run left is written over.


class Files:
    """Writes files below ``folder``; ``settle`` makes all of them durable."""

    def __init__(self, folder: Path, expected: int) -> None:
        """``expected``: about how many files there will be, which decides how they are synced."""
        self._folder = folder
        self._at_once = expected >= MANY_FILES and _CAN_SYNC_AT_ONCE
        self._touched: set[Path] = set()
        self._unfinished = str(folder / _UNFINISHED)
        folder.mkdir(parents=True, exist_ok=True)

    def write(self, path: str, content: bytes) -> None:
        """Put ``content`` at ``path``. What is there already is kept if it is the same."""
        target = self._folder / path
        if target.parent not in self._touched:
            target.parent.mkdir(parents=True, exist_ok=True)
            self._touched.add(target.parent)
        if self._is_there(target, content):
            return
        unfinished = os.open(self._unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
        with open(unfinished, "wb", buffering=0) as file:
            left = memoryview(content)
            while left:  # A single write may stop short when the disk is nearly full.
                left = left[file.write(left) :]
            self._sync(unfinished)
        os.rename(self._unfinished, target)

    def _is_there(self, target: Path, content: bytes) -> bool:
        """A run repeated does not replace what readers may have open, but does not trust it."""
        try:
            found = os.open(target, os.O_RDONLY)
        except FileNotFoundError:
            return False
        with open(found, "rb", buffering=0) as file:
            if file.read(len(content) + 1) != content:
                return False
            self._sync(found)
        return True

    def _sync(self, file: int) -> None:
        if not self._at_once:
            os.fsync(file)

    def settle(self) -> None:
        """Return when all that was written would be found after a loss of power.

        Raises:
            OSError: it could not be; nothing may be published that relies on these files.
        """
        if self._at_once:
            _with_folder(self._folder, _syncfs)
            return
        # Also the folders above, where a run that was killed may have made the lower ones.
        folders = {self._folder, self._folder.parent}
        for touched in self._touched:
            between = touched.relative_to(self._folder).parts
            folders.update(self._folder.joinpath(*between[:end]) for end in range(len(between) + 1))
        for folder in folders:
            _with_folder(folder, os.fsync)


def _with_folder(folder: Path, sync: Callable[[int], None]) -> None:
    opened = os.open(folder, os.O_RDONLY)
    try:
        sync(opened)
    finally:
        os.close(opened)


def _syncfs(folder: int) -> None:
    if _libc.syncfs(folder):
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))


def read_file(folder: Path, path: str) -> bytes | None:
    """The content of a file, or None where there is none; never more than READ_BYTES_MAX + 1."""
    try:
        with (folder / path).open("rb", buffering=0) as file:
            return file.read(READ_BYTES_MAX + 1)
    except FileNotFoundError:
        return None
