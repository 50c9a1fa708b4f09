"""Reports that were issued, as they are read; ``service.districts.reports.issuing`` issues them."""

from datetime import date
from typing import Any

from sqlalchemy import Date, Row, case, cast, func, literal, select
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.orm import Session

from service.districts.errors import ReportNotIssued
from service.districts.models import DistrictReport

_ERA = literal(date.min, Date)
_KINDS = 4  # More than there are kinds of periods that begin on the same day.
# One number a period, by which a list goes on: later ones are higher, a year above its January.
_PLACE = cast(DistrictReport.first_day - _ERA, DistrictReport.log_size.type) * _KINDS + case(
    (func.length(DistrictReport.period) == len("2026"), 2),
    (func.strpos(DistrictReport.period, "Q") > 0, 1),
    else_=0,
)


def get(
    session: Session, division_code: str, period: str, version: int | None = None
) -> DistrictReport:
    """A version of a report; None: the latest. Raises ReportNotIssued."""
    query = select(DistrictReport).where(
        DistrictReport.division_code == division_code, DistrictReport.period == period
    )
    if version is not None:
        query = query.where(DistrictReport.version == version)
    found = session.scalars(query.order_by(DistrictReport.version.desc()).limit(1)).first()
    if found is None:
        raise ReportNotIssued(division_code, period)
    return found


def listed(
    session: Session, division_code: str, *, before: int | None = None, limit: int
) -> list[Row[Any]]:
    """The latest version of each period of a division without its content, the latest period first.

    Each row has ``place``, by which ``before`` goes on.
    """
    one = DistrictReport
    place = _PLACE.label("place")
    query = (
        select(
            one.division_code, one.period, one.version, one.first_day, one.as_of, one.log_size,
            one.issued_at, one.issued_by, one.reason, one.content_sha256, place,
        )
        .where(one.division_code == division_code)
        .ext(distinct_on(place))
        .order_by(place.desc(), one.version.desc())
    )  # fmt: skip
    if before is not None:
        query = query.where(before > _PLACE)
    return list(session.execute(query.limit(limit)))


def listed_versions(session: Session, division_code: str, period: str) -> list[dict[str, Any]]:
    """The versions of a report, as the admin log tells them."""
    one = DistrictReport
    rows = session.execute(
        select(one.version, one.content_sha256, one.issued_by, one.reason)
        .where(one.division_code == division_code, one.period == period)
        .order_by(one.version)
    )
    return [
        {"version": version, "sha256": digest.hex(), "issued_by": by, "reason": reason}
        for version, digest, by, reason in rows
    ]
