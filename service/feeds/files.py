"""Files of events: opened, unpacked and looked through before any of them is imported.

Kept here: of a file that is no text in its encoding, or that unpacks to more than a file of events
can be, nothing is imported, and one line says where it goes wrong.
"""

import codecs
import gzip
import io
import os
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, NamedTuple, cast

from service.errors import CommandRefused

LINE_MAX_BYTES = 1024 * 1024  # A line that is longer is none: the file is something else.
RATIO_MAX = 250  # Repetitive rows pack to a hundredth; a bomb to a thousandth and less.
ALWAYS_BYTES = 16 * 1024 * 1024
_CHUNK_BYTES = 1024 * 1024
_DEFECTS = (EOFError, zlib.error, gzip.BadGzipFile, zipfile.BadZipFile, RuntimeError)


class UnreadableFile(CommandRefused):
    """Nothing was imported; the text says why, in one line."""


class Opened(NamedTuple):
    """The text of a file, and how many of its bytes, as they lie on the disk, were read."""

    text: io.TextIOWrapper
    read_bytes: Callable[[], int]


@dataclass(frozen=True, slots=True)
class EventFile:
    """A file of events: text, or one text packed as ``.gz`` or ``.zip``."""

    path: Path
    encoding: str = "utf-8"

    @property
    def is_ndjson(self) -> bool:
        """By the name without the packing; in a zip, by the zip's."""
        packed = self.path.suffix.lower() in (".gz", ".zip")
        name = Path(self.path.stem) if packed else self.path
        return name.suffix.lower() in (".ndjson", ".jsonl")

    def check(self) -> None:
        """Look through all of it; raises UnreadableFile naming the line."""
        decoder = codecs.getincrementaldecoder(self.encoding)()
        number, length = 1, 0
        with self._unpacked() as (stream, _):
            while chunk := stream.read(_CHUNK_BYTES):
                if (at := chunk.find(b"\x00")) >= 0:
                    self._refuse(number + chunk.count(b"\n", 0, at), "a NUL byte: this is no text")
                self._decode(decoder, chunk, number)
                first = chunk.find(b"\n")
                length += len(chunk) if first < 0 else first
                if length > LINE_MAX_BYTES:
                    self._refuse(number, f"longer than {LINE_MAX_BYTES:,} bytes")
                if first >= 0:
                    length = len(chunk) - chunk.rfind(b"\n") - 1
                number += chunk.count(b"\n")
            self._decode(decoder, b"", number)

    @contextmanager
    def opened(self) -> Iterator[Opened]:
        """The text from its beginning, without a byte order mark."""
        with self._unpacked() as (stream, raw):
            encoding = "utf-8-sig" if self.encoding == "utf-8" else self.encoding
            text = io.TextIOWrapper(stream, encoding, newline="")
            yield Opened(text, lambda: os.lseek(raw.fileno(), 0, os.SEEK_CUR))

    @contextmanager
    def _unpacked(self) -> Iterator[tuple[io.BufferedReader, IO[bytes]]]:
        with ExitStack() as stack:
            with _one_line(self.path):
                raw = stack.enter_context(self.path.open("rb"))
                stream: IO[bytes] = raw
                bytes_max = None
                suffix = self.path.suffix.lower()
                if suffix == ".gz":
                    stream = cast(IO[bytes], stack.enter_context(gzip.GzipFile(fileobj=raw)))
                elif suffix == ".zip":
                    stream = stack.enter_context(self._only_member(zipfile.ZipFile(raw)))
                if stream is not raw:
                    bytes_max = max(ALWAYS_BYTES, RATIO_MAX * os.fstat(raw.fileno()).st_size)
            bounded = _Bounded(self.path, stream, bytes_max)
            yield stack.enter_context(io.BufferedReader(bounded, _CHUNK_BYTES)), raw

    def _only_member(self, archive: zipfile.ZipFile) -> IO[bytes]:
        members = [
            each
            for each in archive.infolist()
            if not each.is_dir() and not each.filename.startswith("__MACOSX/")
        ]
        if len(members) != 1:
            raise UnreadableFile(f"{self.path}: holds {len(members)} files; one is needed")
        if members[0].compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise UnreadableFile(f"{self.path}: packed in a way that is not accepted")
        return archive.open(members[0])

    def _decode(self, decoder: codecs.IncrementalDecoder, chunk: bytes, number: int) -> None:
        try:
            decoder.decode(chunk, final=not chunk)
        except UnicodeDecodeError as error:
            self._refuse(
                number + error.object.count(b"\n", 0, error.start),
                f"not {self.encoding}; a mapping file can name another encoding",
            )

    def _refuse(self, number: int, why: str) -> None:
        raise UnreadableFile(f"{self.path}: line {number}: {why}")


@contextmanager
def _one_line(path: Path) -> Iterator[None]:
    """One line for what is wrong with a file itself."""
    try:
        yield
    except _DEFECTS as error:
        raise UnreadableFile(f"{path}: cut short, damaged or locked") from error
    except OSError as error:
        raise UnreadableFile(f"{path}: {error.strerror or error}") from error


class _Bounded(io.RawIOBase):
    """A stream that is not read further than it may be long (None: as long as it is)."""

    def __init__(self, path: Path, stream: IO[bytes], bytes_max: int | None) -> None:
        self._path, self._stream = path, stream
        self._bytes_max, self._bytes = bytes_max, 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        with _one_line(self._path):
            part = self._stream.read(len(buffer))
        buffer[: len(part)] = part
        self._bytes += len(part)
        if self._bytes_max is not None and self._bytes > self._bytes_max:
            raise UnreadableFile(
                f"{self._path}: unpacks to more than {self._bytes_max:,} bytes:"
                " no file of events does"
            )
        return len(part)
