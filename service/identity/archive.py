"""An export as a zip, made while it is sent: what is in the making is in memory, and no more.

With each file go its count of records and its SHA-256 (``manifest.json``, the last one: without it
the zip is not whole), and a README in Chinese and English.
"""

import hashlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Any
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

import msgspec
from sqlalchemy.orm import Session

from service.identity.exported import FILES, File
from service.identity.exporting import Row, Whose

FORMAT = "tanhui-export-1"
CHUNK_BYTES = 64 * 1024
_encode = msgspec.json.Encoder().encode


class _Outlet:
    """Where the zip is written to; nobody can go back in it."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self.waiting_bytes = 0

    def write(self, data: bytes) -> int:
        self._parts.append(bytes(data))
        self.waiting_bytes += len(data)
        return len(data)

    def flush(self) -> None:
        """It goes out when it is taken."""

    def close(self) -> None:
        """Nothing is behind it."""

    def take(self) -> bytes:
        taken = b"".join(self._parts)
        self._parts, self.waiting_bytes = [], 0
        return taken


def archive(
    snapshot: Callable[[], AbstractContextManager[Session]], whose: Whose, *, now: datetime
) -> Iterator[bytes]:
    """The zip in chunks; all files are of the moment of the one ``snapshot`` that it takes."""
    out = _Outlet()
    told: list[dict[str, Any]] = []
    with snapshot() as session, ZipFile(out, "w", ZIP_DEFLATED) as zipped:
        zipped.writestr(_info("README.txt", now), readme())
        for file in FILES:
            digest, size, count = hashlib.sha256(), 0, 0
            with zipped.open(_info(file.name, now), "w") as member:
                for piece, records in _pieces(file, file.rows(session, whose)):
                    member.write(piece)
                    digest.update(piece)
                    size, count = size + len(piece), count + records
                    if out.waiting_bytes >= CHUNK_BYTES:
                        yield out.take()
            told.append(
                {
                    "name": file.name,
                    "records": count,
                    "bytes": size,
                    "sha256": digest.hexdigest(),
                }
            )
        manifest = {
            "format": FORMAT,
            "holder_id": whose.holder_id,
            "made_at": now,
            "files": told,
        }
        zipped.writestr(_info("manifest.json", now), msgspec.json.format(_encode(manifest)))
    yield out.take()


def readme() -> bytes:
    """What each file is, in both languages."""
    lines = [
        "碳惠个人数据导出 · Export of personal data",
        "",
        "本压缩包含系统保存的关于您的全部数据，均为同一时刻。.ndjson 每行一条；.json 为列表。",
        "单位见名称：*_mg_co2e 为毫克二氧化碳当量，*_points 及 unit 为 point 的 amount 为积分，",
        "*_s 为秒；quantity 为行为的基本单位（步、次、米、克、瓦时、秒、毫升）。时间按 RFC 3339。",
        "工作人员姓名、口令和密钥不在其中。manifest.json 列出每个文件的条数和 SHA-256。",
        "",
        "All that is held about you, as of one moment. .ndjson has one JSON record a line, .json a",
        "list. Units are in the names: *_mg_co2e milligrams of CO2e, *_points and amounts of the",
        "unit point whole points, *_s seconds; quantity is in the behaviour's base unit (step, m,",
        "g, Wh, s, ml, count). Instants are RFC 3339. Staff's names, secrets, keys are left out.",
        "manifest.json has the count of records and the SHA-256 of each file.",
        "",
    ]
    for file in FILES:
        lines += [f"{file.name}", f"    {file.says.zh}", f"    {file.says.en}"]
    return ("\n".join(lines) + "\n").encode()


def _pieces(file: File, rows: Iterator[Row]) -> Iterator[tuple[bytes, int]]:
    """The file's bytes piece by piece, each with how many records it holds."""
    if file.name.endswith(".ndjson"):
        for row in rows:
            yield _encode(row) + b"\n", 1
        return
    before = b"[\n"
    for row in rows:
        yield before + _encode(row), 1
        before = b",\n"
    yield b"[]\n" if before == b"[\n" else b"\n]\n", 0


def _info(name: str, now: datetime) -> ZipInfo:
    info = ZipInfo(name, now.timetuple()[:6])
    info.compress_type = ZIP_DEFLATED
    info.external_attr = 0o600 << 16
    return info
