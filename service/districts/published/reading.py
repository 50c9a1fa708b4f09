"""Issued months as dashboards, comparisons and open data read them: the latest version of each.

A report never changes, so what was read of one is kept by its hash, without the tables that only
the report itself shows.
"""

from collections import OrderedDict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date
from threading import Lock

from sqlalchemy import func, select, tuple_
from sqlalchemy.orm import Session

from activities.catalogue.models import Division, DivisionMerge
from service.districts.models import DistrictReport
from service.districts.reports.contents import Content, decoded
from service.districts.reports.periods import Period

DISTRICT = 6  # Digits of a district's code.
KEPT_MAX = 512  # Months, a process; of a district with 20 towns one is some hundred kilobytes.
_MONTH = len("2026-10")


@dataclass(frozen=True, slots=True)
class Month:
    """An issued month; ``content`` without ``by_time``, methods and differences."""

    division_code: str
    period: str
    version: int
    sha256: bytes
    content: Content


_kept: OrderedDict[bytes, Content] = OrderedDict()
_lock = Lock()


def months(session: Session, divisions: Collection[str], period: Period) -> list[Month]:
    """The latest version of each issued month of districts, in the order of district and month.

    ``divisions`` are codes of districts, or what their codes begin with. Two statements at most.
    """
    one = DistrictReport
    names = [month.name for month in period.months()]
    newest: dict[tuple[str, str], tuple[int, bytes]] = {}
    for code in divisions:
        rows = session.execute(
            select(one.division_code, one.period, one.version, one.content_sha256)
            .where(one.division_code >= code, one.division_code < _after(code))
            .where(one.period.in_(names))
            .order_by(one.division_code, one.period, one.version)
        )
        newest |= {(row[0], row[1]): (row[2], row[3]) for row in rows}
    contents = _contents(session, newest)
    return [
        Month(division, name, version, sha256, contents[sha256])
        for (division, name), (version, sha256) in sorted(newest.items())
    ]


def _after(prefix: str) -> str:
    """What every code that begins with ``prefix`` is below: codes are digits."""
    return prefix + ":"


def _contents(
    session: Session, newest: dict[tuple[str, str], tuple[int, bytes]]
) -> dict[bytes, Content]:
    with _lock:
        found = {sha: _kept[sha] for _, sha in newest.values() if sha in _kept}
        for sha in found:
            _kept.move_to_end(sha)
    one = DistrictReport
    unread = [(*key, version) for key, (version, sha) in newest.items() if sha not in found]
    if unread:
        wanted = tuple_(one.division_code, one.period, one.version).in_(unread)
        for sha, content in session.execute(select(one.content_sha256, one.content).where(wanted)):
            found[sha] = _short(decoded(content))
    with _lock:
        _kept.update(found)
        while len(_kept) > KEPT_MAX:
            _kept.popitem(last=False)
    return found


def _short(content: Content) -> Content:
    content["by_time"], content["methods"], content["differences"] = [], [], []
    content["indicators"] = {}
    return content


def first_months(session: Session, divisions: Collection[str]) -> dict[str, date]:
    """The first day of the first month that was issued of each district."""
    one = DistrictReport
    found: dict[str, date] = {}
    for code in divisions:
        rows = session.execute(
            select(one.division_code, func.min(one.first_day))
            .where(one.division_code >= code, one.division_code < _after(code))
            .where(one.version == 1, func.length(one.period) == _MONTH)
            .group_by(one.division_code)
        )
        found |= {row[0]: row[1] for row in rows}
    return found


def districts_of(session: Session, division: Division) -> Sequence[str]:
    """Whose reports hold a division's figures: codes of districts, or what these begin with.

    A town's are its district's, and those of what the district became part of.
    """
    if division.level != "town":
        return [division.code]
    rows = session.execute(select(DivisionMerge.code, DivisionMerge.into_code))
    merges = {row[0]: row[1] for row in rows}
    found = [division.code[:DISTRICT]]
    while (into := merges.get(found[-1])) is not None and into not in found:
        found.append(into)
    return found
