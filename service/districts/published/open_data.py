"""Open data: the published figures of all districts, for anybody, in stable columns.

Nothing is told that the latest issued months do not tell. ``docs/open-data.md`` says what the
columns mean, as ``COLUMNS`` does.
"""

import csv
import hashlib
import io
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import func, select, tuple_
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.orm import Session

from service.districts.models import DistrictReport
from service.districts.reports.contents import Content, Figures, PointsRow, Row, decoded

LICENCE = "CC-BY-4.0"
REPORTS_MAX = 50  # Read at once.
_MONTH = len("2026-10")


class Column(NamedTuple):
    """A column of the file; ``kind`` as in Table Schema."""

    name: str
    kind: str
    unit: str
    zh: str
    en: str


COLUMNS = (
    Column("division_code", "string", "", "区县统计用区划代码", "district, statistical code"),
    Column("division_name", "string", "", "区县名称", "district's name"),
    Column("period", "yearmonth", "", "月份，北京时间", "month, in Beijing time"),
    Column("version", "integer", "", "报告版本", "version of the report"),
    Column(
        "table", "string", "",
        "by_town 街镇、by_day 日、by_behaviour 全区、points 积分与券",
        "by_town, by_day, by_behaviour (the whole district), points (spent, expired; vouchers)",
    ),
    Column("town_code", "string", "", "街镇代码；空为全区", "town; empty: the district"),
    Column("town_name", "string", "", "街镇名称", "town's name"),
    Column("day", "date", "", "日；空为全月", "day; empty: the month"),
    Column("behaviour_code", "string", "", "行为；points 为空", "behaviour; empty in points"),
    Column("withheld", "boolean", "", "是否不公布", "whether the figures are withheld"),
    Column("activities", "integer", "count", "活动次数", "verified activities"),
    Column(
        "residents", "integer", "person",
        "参与居民，向下取整到十", "residents behind them, rounded down to tens",
    ),
    Column("saved_mg_co2e", "integer", "mg", "减排量", "CO2e saved"),
    Column("earned_points", "integer", "point", "获得积分", "points earned"),
    Column("spent_points", "integer", "point", "使用积分", "points spent"),
    Column("expired_points", "integer", "point", "到期积分", "points expired"),
    Column("vouchers", "integer", "count", "兑换券", "redemptions with a voucher"),
    Column("as_of", "datetime", "", "截至", "up to when what was recorded is in it"),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Edition:
    """What there is to publish at a moment: so many reports, the last issued then."""

    reports: int
    issued_at: datetime | None

    @property
    def tag(self) -> str:
        """Changes whenever a version is issued."""
        said = f"{self.reports} {self.issued_at and self.issued_at.isoformat()}"
        return hashlib.blake2b(said.encode(), digest_size=16).hexdigest()


class Issued(NamedTuple):
    """The latest version of a district's month."""

    division_code: str
    period: str
    version: int
    sha256: bytes


def edition(session: Session) -> Edition:
    """As of now; one statement."""
    one = DistrictReport
    rows = session.execute(
        select(func.count(), func.max(one.issued_at)).where(func.length(one.period) == _MONTH)
    )
    count, issued_at = rows.one()
    return Edition(count, issued_at)


def dictionary() -> bytes:
    """The data dictionary, as CSV: a row a column."""
    return _csv([("column", "type", "unit", "zh", "en"), *COLUMNS])


def place(report: Issued) -> str:
    """Where a month's lines may be kept; another one when the columns are others."""
    return f"open-data:{_FORM}:{report.sha256.hex()}"


def header() -> bytes:
    """The first line of the figures' file."""
    return _csv([[column.name for column in COLUMNS]])


def issued(session: Session, *, upto: Edition, after: tuple[str, str] | None) -> list[Issued]:
    """The next ``REPORTS_MAX`` districts' months after one, in order, without their contents."""
    if upto.issued_at is None:
        return []
    one = DistrictReport
    place = one.division_code, one.period
    query = (
        select(*place, one.version, one.content_sha256)
        .where(func.length(one.period) == _MONTH, one.issued_at <= upto.issued_at)
        .ext(distinct_on(*place))
        .order_by(*place, one.version.desc())
        .limit(REPORTS_MAX)
    )
    if after is not None:
        query = query.where(tuple_(*place) > after)
    return [Issued(*row) for row in session.execute(query)]


def lines(session: Session, *, of: Collection[Issued]) -> dict[bytes, bytes]:
    """The figures of some months, as lines of the file, by the hash of the report.

    The same report gives the same lines for ever: so they may be kept.
    """
    one = DistrictReport
    wanted = tuple_(one.division_code, one.period, one.version).in_([each[:3] for each in of])
    rows = session.execute(select(one.content_sha256, one.content).where(wanted))
    return {sha256: _csv(list(_rows(decoded(content)))) for sha256, content in rows}


def _rows(content: Content) -> Iterator[Sequence[object]]:
    towns = {town["code"]: town["name"] for town in content["towns"]}
    tables: Sequence[tuple[str, Sequence[Row]]] = (
        ("by_town", content["by_town"]),
        ("by_day", content["by_time"]),
        ("by_behaviour", content["by_behaviour"]),
    )
    for table, rows in tables:
        for row in rows:
            yield _line(content, table, row["town_code"], towns, row, row["figures"])
    for points in content["points"]:
        yield _points_line(content, points, towns)


def _line(
    content: Content,
    table: str,
    town: str | None,
    towns: Mapping[str, str],
    row: Row,
    figures: Figures | None,
) -> Sequence[object]:
    told: list[object] = ["", "", "", ""]
    if figures is not None:
        told = [
            figures["activities"],
            figures["residents"],
            figures["saved_mg_co2e"],
            figures["earned_points"],
        ]
    return [
        *_of(content, table, town, towns, row["at"], row["behaviour_code"]),
        _written(figures is None),
        *told,
        *("", "", ""),
        content["as_of"],
    ]


def _points_line(content: Content, row: PointsRow, towns: Mapping[str, str]) -> Sequence[object]:
    values = [row["spent_points"], row["expired_points"], row["vouchers"]]
    return [
        *_of(content, "points", row["town_code"], towns, None, None),
        _written(None in values),
        *("", "", "", ""),
        *values,
        content["as_of"],
    ]


def _of(
    content: Content,
    table: str,
    town: str | None,
    towns: Mapping[str, str],
    day: str | None,
    behaviour: str | None,
) -> Sequence[object]:
    return [
        content["division"]["code"],
        content["division"]["name"],
        content["period"],
        content["version"],
        table,
        town,
        towns[town] if town else None,
        day,
        behaviour,
    ]


def _written(value: bool) -> str:
    return "true" if value else "false"


def _csv(rows: Sequence[Sequence[object]]) -> bytes:
    """Names of divisions come from the catalogue; no cell begins like a formula."""
    out = io.StringIO()
    csv.writer(out, lineterminator="\r\n").writerows(rows)
    return out.getvalue().encode()


_FORM = hashlib.blake2b(dictionary(), digest_size=8).hexdigest()
