"""Files of reported values: CSV, a row a value, taken whole or not at all.

Each row's id is made of the file's and its place, so the same file under the same id is a retry.
"""

import csv
import io
import re
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import NamedTuple
from uuid import UUID, uuid5

from sqlalchemy import select
from sqlalchemy.orm import Session

from service.districts.models import ReportedValue
from service.districts.plans.errors import Fault, ReportedValueReused, ReportedValuesRefused
from service.districts.plans.reported import SOURCE_MAX, NewValue, enter
from service.districts.plans.thousandths import thousandths
from service.districts.spans import span_of
from service.language import Text

FILE_BYTES_MAX = 1024 * 1024
ROWS_MAX = 2_000
COLUMNS = ("indicator", "period", "value", "unit", "source", "source_date")
DIVISION = "division_code"  # May be left out: the division for which the file is uploaded.
_ENCODINGS = ("utf-8-sig", "gb18030")  # Excel in China saves CSV as the second.
_CONTROLS = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_UNITS = {  # As people write them.
    "％": "%", "千米": "km", "公里": "km", "千瓦时": "kWh", "千克": "kg", "公斤": "kg", "吨": "t",
    "人": "person", "个": "count", "辆": "count", "户": "count",
}  # fmt: skip
_CELL = {"indicator": 64, "period": 16, "value": 32, "unit": 16, "source": SOURCE_MAX} | {
    "source_date": 16,
    DIVISION: 16,
}


class Read(NamedTuple):
    """The values of a file with their lines, and what is wrong with rows that are none."""

    values: list[NewValue]
    lines: list[int | None]
    faults: list[Fault]


def upload(
    session: Session,
    division_code: str,
    file_id: UUID,
    content: bytes,
    *,
    by: str,
    now: datetime,
) -> list[ReportedValue]:
    """Enter the values of a file for a division and those below it; the same again is a retry.

    Raises:
        ReportedValuesRefused: rows that are no values, or none that can be taken; each is named,
            and nothing was written.
        ReportedValueReused: the id stands for a file of other rows.
    """
    read = read_file(division_code, file_id, content)
    if not read.faults:
        _refuse_other(session, division_code, file_id, read)
    return enter(session, read.values, by=by, now=now, lines=read.lines, unread=read.faults)


def entered_of(session: Session, division_code: str, file_id: UUID) -> int:
    """How many values were entered from this file, for the admin log."""
    ids = [_id_of(file_id, row) for row in range(1, ROWS_MAX + 1)]
    query = select(ReportedValue.id).where(
        ReportedValue.division_code.startswith(division_code, autoescape=True),
        ReportedValue.id.in_(ids),
    )
    return len(session.scalars(query).all())


def read_file(division_code: str, file_id: UUID, content: bytes) -> Read:
    """The rows of a file, without a look at the database."""
    try:
        rows = _rows(content)
    except (ValueError, csv.Error) as error:
        why = Text("文件不是可读的 CSV（UTF-8 或 GB 18030）。", f"Not readable as CSV: {error}.")
        raise ReportedValuesRefused([Fault(1, "", why)]) from error
    header = rows[0][1] if rows else []
    missing = [name for name in COLUMNS if header.count(name) != 1]
    unknown = [name for name in header if name not in (*COLUMNS, DIVISION)]
    if missing or unknown or header.count(DIVISION) > 1:
        told = ",".join((*COLUMNS, f"[{DIVISION}]"))
        why = Text(f"首行列名应为 {told}。", f"The first line names the columns: {told}.")
        raise ReportedValuesRefused([Fault(1, ",".join(missing or unknown), why)])
    if not 1 <= len(rows) - 1 <= ROWS_MAX:
        why = Text(f"应有 1 至 {ROWS_MAX} 行。", f"Not 1 to {ROWS_MAX} rows.")
        raise ReportedValuesRefused([Fault(None, "", why)])
    return _values(division_code, file_id, header, rows[1:])


def _rows(content: bytes) -> list[tuple[int, list[str]]]:
    """Lines that hold anything, with their number; the first are the columns' names."""
    if len(content) > FILE_BYTES_MAX:
        raise ValueError(f"it holds more than {FILE_BYTES_MAX:,} bytes")
    reader = csv.reader(io.StringIO(_text(content), newline=""), strict=True)
    rows = [(reader.line_num, [cell.strip() for cell in row]) for row in reader]
    return [(line, row) for line, row in rows if any(row)]


def _text(content: bytes) -> str:
    for encoding in _ENCODINGS[:-1]:
        try:
            return content.decode(encoding)
        except UnicodeDecodeError:
            continue
    return content.decode(_ENCODINGS[-1])


def _values(
    division_code: str, file_id: UUID, header: Sequence[str], rows: Sequence[tuple[int, list[str]]]
) -> Read:
    read, seen = Read([], [], []), dict[tuple[str, str, str], int]()
    for row, (line, cells) in enumerate(rows, 1):
        if len(cells) != len(header):
            why = Text("列数与首行不同。", "Not as many fields as there are columns.")
            read.faults.append(Fault(line, "", why))
            continue
        said = dict(zip(header, cells, strict=True))
        said[DIVISION] = said.get(DIVISION) or division_code
        wrong = _wrong(said, division_code)
        read.faults.extend(Fault(line, *each) for each in wrong)
        if wrong:
            continue
        key = (said[DIVISION], said["indicator"], said["period"])
        if (first := seen.setdefault(key, line)) != line:
            why = Text(f"与第 {first} 行重复。", f"The same as line {first}.")
            read.faults.append(Fault(line, "indicator", why))
            continue
        read.lines.append(line)
        read.values.append(_value(_id_of(file_id, row), said))
    return read


def _wrong(said: Mapping[str, str], division_code: str) -> list[tuple[str, Text]]:
    found = [
        (name, Text(f"不能为空，最多 {most} 个字符，不含控制字符。",
                    f"Empty, longer than {most} characters, or not one line of text."))
        for name, most in _CELL.items()
        if not 1 <= len(said[name]) <= most or _CONTROLS.search(said[name])
    ]  # fmt: skip
    if not said[DIVISION].startswith(division_code):
        found.append(
            (DIVISION, Text(
                f"{said[DIVISION]} 不在 {division_code} 之内。",
                f"{said[DIVISION]} is not within {division_code}.",
            ))
        )  # fmt: skip
    for name, reads, why in (
        ("value", thousandths, Text("不是数字（最多三位小数，不含千位分隔符）。",
                                    "Not a number of at most three places, without separators.")),
        ("period", span_of, Text("应写作 2026、2026-Q3 或 2026-10。",
                                 "Not a period, as in 2026, 2026-Q3 or 2026-10.")),
        ("source_date", _day, Text("应写作 2026-10-31。", "Not a day, as in 2026-10-31.")),
    ):  # fmt: skip
        try:
            reads(said[name])
        except ValueError:
            found.append((name, why))
    return found


def _day(said: str) -> date:
    if not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", said):
        raise ValueError(said)
    return date.fromisoformat(said)


def _value(id_: UUID, said: Mapping[str, str]) -> NewValue:
    return NewValue(
        id_,
        said[DIVISION],
        said["indicator"],
        said["period"],
        thousandths(said["value"]),
        _UNITS.get(said["unit"], said["unit"]),
        said["source"],
        _day(said["source_date"]),
    )


def _id_of(file_id: UUID, row: int) -> UUID:
    return uuid5(file_id, str(row))


def _refuse_other(session: Session, division_code: str, file_id: UUID, read: Read) -> None:
    """A file of fewer or more rows is another file."""
    before = entered_of(session, division_code, file_id)
    if before not in (0, len(read.values)):
        raise ReportedValueReused(file_id)
