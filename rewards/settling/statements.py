"""A merchant's own file of what it took, read line by line.

Kept here: a line that cannot be read refuses the whole file, with its number. Excel's files are
taken as they come: with a byte order mark or in GB 18030, with Chinese headings.
"""

import codecs
import csv
import io
import re
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from decimal import Decimal
from typing import IO, NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo

from rewards.settling.errors import UnreadableStatement

LINES_MAX = 2_000_000
FIELD_MAX = 500
_CHUNK_BYTES = 1024 * 1024
_HEADINGS = {
    "consumption_id": "consumption_id",
    "核销编号": "consumption_id",
    "code": "code",
    "券码": "code",
    "consumed_at": "consumed_at",
    "核销时间": "consumed_at",
    "amount_fen": "amount_fen",
    "金额（分）": "amount_fen",
    "金额(分)": "amount_fen",
    "amount_yuan": "amount_yuan",
    "金额（元）": "amount_yuan",
    "金额(元)": "amount_yuan",
}
# So short that LINES_MAX of them add up to no more than a bigint holds.
_FEN = re.compile(r"[+-]?[0-9]{1,12}")
_YUAN = re.compile(r"[+-]?[0-9]{1,10}(\.[0-9]{1,2})?")
_LOCAL = re.compile(
    r"([0-9]{4})[-/]([0-9]{1,2})[-/]([0-9]{1,2})[ T]([0-9]{1,2}:[0-9]{2}(:[0-9]{2})?)"
)


class Taken(NamedTuple):
    """A line: a consumption by its id, or the code that was taken; one of them."""

    number: int
    consumption_id: UUID | None
    code: str
    consumed_at: datetime
    amount_fen: int


def read_statement(file: IO[bytes], zone: ZoneInfo) -> Iterator[Taken]:
    """The lines of a CSV file that can be sought; times without an offset are of ``zone``.

    Raises:
        UnreadableStatement: the number of the line, and what is wrong with it.
    """
    encoding = _encoding(file)
    file.seek(0)
    text = io.TextIOWrapper(_Kept(file), encoding, newline="")
    rows = csv.reader(text, strict=True)
    try:
        columns = _columns(next(rows, []))
        for row in rows:
            if not any(cell.strip() for cell in row):
                continue
            if rows.line_num > LINES_MAX:
                raise _refusal(
                    rows.line_num, f"超过 {LINES_MAX} 行", f"more than {LINES_MAX} lines"
                )
            yield _taken(rows.line_num, row, columns, zone)
    except csv.Error as error:
        raise _refusal(
            max(rows.line_num, 1), "不是 CSV 格式", f"no line of CSV: {error}"
        ) from error
    finally:
        text.detach()  # The file is the caller's to close.


def _encoding(file: IO[bytes]) -> str:
    """UTF-8, with or without its mark, else GB 18030; raises UnreadableStatement."""
    try:
        _decode(file, "utf-8")
    except UnreadableStatement:
        _decode(file, "gb18030")
        return "gb18030"
    return "utf-8-sig"


def _decode(file: IO[bytes], encoding: str) -> None:
    decoder, number = codecs.getincrementaldecoder(encoding)(), 1
    file.seek(0)
    while True:
        chunk = file.read(_CHUNK_BYTES)
        if (at := chunk.find(b"\x00")) >= 0:
            where = number + chunk.count(b"\n", 0, at)
            raise _refusal(where, "含有 NUL 字节，不是 CSV 文件", "a NUL byte: no CSV file")
        try:
            decoder.decode(chunk, final=not chunk)
        except UnicodeDecodeError as error:
            where = number + error.object.count(b"\n", 0, error.start)
            raise _refusal(
                where, "既非 UTF-8 也非 GB 18030", "neither UTF-8 nor GB 18030"
            ) from error
        if not chunk:
            return
        number += chunk.count(b"\n")


def _refusal(line: int, zh: str, en: str) -> UnreadableStatement:
    return UnreadableStatement(line, why_zh=zh, why_en=en)


class _Kept(io.BufferedReader):
    """Left open when the text around it goes: the file is the caller's."""

    def __init__(self, file: IO[bytes]) -> None:
        super().__init__(file)  # type: ignore[arg-type]

    def close(self) -> None:
        self.detach()


def _columns(heading: Sequence[str]) -> dict[str, int]:
    found: dict[str, int] = {}
    for place, cell in enumerate(heading):
        if (name := _HEADINGS.get(cell.strip().lower())) is not None:
            if name in found:
                raise _refusal(1, f"{name} 列重复", f"two columns {name}")
            found[name] = place
    if "consumption_id" not in found and "code" not in found:
        raise _refusal(1, "缺少 consumption_id 或 code 列", "no column consumption_id or code")
    if "consumed_at" not in found:
        raise _refusal(1, "缺少 consumed_at 列", "no column consumed_at")
    if ("amount_fen" in found) is ("amount_yuan" in found):
        raise _refusal(
            1,
            "须且只能有 amount_fen 或 amount_yuan 之一",
            "one column amount_fen or amount_yuan is needed",
        )
    return found


def _taken(number: int, row: Sequence[str], columns: dict[str, int], zone: ZoneInfo) -> Taken:
    def cell(name: str) -> str:
        place = columns.get(name)
        if place is None or place >= len(row):
            return ""
        if len(row[place]) > FIELD_MAX:
            raise _refusal(number, f"{name} 过长", f"{name}: too long")
        return row[place].strip()

    def read(name: str, value: str, reading: Callable[[str], object]) -> object:
        try:
            return reading(value)
        except (ValueError, ArithmeticError) as error:
            raise _refusal(number, f"{name} 无法识别", f"{name}: cannot be read") from error

    id_, code = cell("consumption_id"), cell("code")
    if not id_ and not code:
        raise _refusal(number, "consumption_id 与 code 均为空", "neither consumption_id nor code")
    consumption_id = read("consumption_id", id_, UUID) if id_ else None
    at = read("consumed_at", cell("consumed_at"), lambda value: _instant(value, zone))
    name, reading = ("amount_fen", _fen) if "amount_fen" in columns else ("amount_yuan", _yuan)
    amount_fen = read(name, cell(name), reading)
    assert isinstance(consumption_id, UUID | None)
    assert isinstance(at, datetime)
    assert isinstance(amount_fen, int)
    return Taken(number, consumption_id, "" if id_ else code, at, amount_fen)


def _instant(value: str, zone: ZoneInfo) -> datetime:
    """With its offset; or of the zone, as spreadsheets write it."""
    if local := _LOCAL.fullmatch(value):
        year, month, day, clock = local.group(1, 2, 3, 4)
        value = f"{year}-{int(month):02}-{int(day):02}T{clock:0>{8 if clock.count(':') > 1 else 5}}"
    found = datetime.fromisoformat(value)
    found = found if found.tzinfo is not None else found.replace(tzinfo=zone)
    if not 2000 <= found.year < 2200:
        raise ValueError(value)
    return found


def _fen(value: str) -> int:
    if not _FEN.fullmatch(value):
        raise ValueError(value)
    return int(value)


def _yuan(value: str) -> int:
    if not _YUAN.fullmatch(value):
        raise ValueError(value)
    return int(Decimal(value).scaleb(2))
