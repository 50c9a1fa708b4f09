"""Where an outsider reads a log's files: a folder, or an address.

Every file has a bound, and so has the time that an answer may take.
"""

import http.client
import time
import urllib.error
import urllib.request
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from ledgers.log.errors import LogUnreachable
from ledgers.log.files import READ_BYTES_MAX, read_file

TIMEOUT_S = 30
ATTEMPTS = 3
_GONE = (404, 410)
_GZIP = 16 + zlib.MAX_WBITS


class LogSource(Protocol):
    """Where the files of a log are."""

    def read(self, path: str) -> bytes | None:
        """The file at a path of docs/log.md, section 1, or None where there is none.

        Raises:
            LogUnreachable: nobody can tell, or it is larger than any file of a log.
        """
        ...


def open_log(place: str | Path) -> LogSource:
    """The log at a base address (http or https) or in a folder; reads nothing yet."""
    if isinstance(place, str) and place.startswith(("http://", "https://")):
        return _WebLog(place.rstrip("/"))
    return _FolderLog(Path(place))


@dataclass(frozen=True, slots=True)
class _FolderLog:
    folder: Path

    def read(self, path: str) -> bytes | None:
        try:
            return _bounded(path, read_file(self.folder, path))
        except OSError as error:
            raise LogUnreachable(f"{path}: {error.strerror}") from error


@dataclass(frozen=True, slots=True)
class _WebLog:
    base: str

    def read(self, path: str) -> bytes | None:
        for attempt in range(1, ATTEMPTS + 1):
            try:
                return _bounded(path, self._get(path))
            except urllib.error.HTTPError as error:
                error.close()
                if error.code in _GONE:
                    return None
                failure = f"status {error.code}"
            except (OSError, http.client.HTTPException) as error:
                failure = str(error)
            if attempt < ATTEMPTS:
                time.sleep(attempt)
        raise LogUnreachable(f"{self.base}/{path}: {failure}")

    def _get(self, path: str) -> bytes:
        request = urllib.request.Request(  # noqa: S310 -- open_log lets only http and https in.
            f"{self.base}/{path}", headers={"Accept-Encoding": "gzip, identity"}
        )
        with urllib.request.urlopen(request, timeout=TIMEOUT_S) as answer:  # noqa: S310
            body: bytes = answer.read(READ_BYTES_MAX + 1)
            if answer.length and len(body) <= READ_BYTES_MAX:
                raise OSError("the answer was cut short")
            if answer.headers.get("Content-Encoding", "identity") == "identity":
                return body
        return _unzipped(body)


def _unzipped(body: bytes) -> bytes:
    unzip = zlib.decompressobj(_GZIP)
    try:
        content = unzip.decompress(body, READ_BYTES_MAX + 1)
    except zlib.error as error:
        raise OSError("not the gzip that it says it is") from error
    if not unzip.eof and len(content) <= READ_BYTES_MAX:
        raise OSError("the answer was cut short")
    return content


def _bounded(path: str, content: bytes | None) -> bytes | None:
    if content is not None and len(content) > READ_BYTES_MAX:
        raise LogUnreachable(f"{path} has more than {READ_BYTES_MAX} bytes")
    return content
