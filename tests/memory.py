"""Where servers of the tests keep their data: in memory, if there is room."""

import os
import shutil
from pathlib import Path

MEMORY = Path("/dev/shm")  # noqa: S108


def in_memory(needed_bytes: int) -> Path | None:
    """A folder in memory with so much room; None where there is none, for the usual one.

    A copied database is a thousand files: half a second of a disk's work, a twentieth of that here.
    """
    roomy = MEMORY.is_dir() and shutil.disk_usage(MEMORY).free > needed_bytes
    return MEMORY if roomy and os.access(MEMORY, os.W_OK) else None
