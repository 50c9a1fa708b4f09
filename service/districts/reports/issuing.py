"""Issuing reports: the one place where figures of districts are published, and for ever.

Kept here: a version once issued is never changed, and versions follow each other; its hash is
signed by the log's key. Two who issue at once are put in line by the lock of the roll-ups' reader,
under which nothing is added to them, and the second finds what the first issued. What is issued is
one row in one transaction: whoever is killed before its end has issued nothing.
"""

import base64
import hashlib
from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from activities.catalogue.models import Division
from ledgers.log.notes import SignerKey, sign
from ledgers.models import LogCheckpoint
from service.districts.errors import (
    NothingToReissue,
    PeriodEmpty,
    PeriodNotComplete,
    ReissueReasonNotFitting,
    ReportVersionNotNext,
    ReportVersionReused,
    RollUpsBehind,
)
from service.districts.models import DistrictReport
from service.districts.plans import indicators
from service.districts.reports import monthly, summaries
from service.districts.reports.contents import Checkpoint, Content, Named, decoded, encoded
from service.districts.reports.monthly import Earlier, Facts
from service.districts.reports.periods import (
    Period,
    check_over,
    district_of,
    period_of,
    with_merged,
)
from service.districts.rollups import reading as rollups


def issue(
    session: Session,
    key: SignerKey,
    division_code: str,
    period: str,
    *,
    by: str,
    now: datetime,
    reason: str | None = None,
    version: int | None = None,
) -> DistrictReport:
    """Issue a district's report of a month, quarter or year, or return what was issued.

    Args:
        key: the log's own, by its origin's name.
        period: as it is written (2026-10, 2026-Q3, 2026); raises ValueError for another.
        by: who issues it, as the admin log names people, or the job.
        now: when it is issued.
        reason: why there is another version; None for the first.
        version: the one to issue. None: the first, or with a reason the next.

    A retry (the same version and reason; no reason, where there is one) returns what is there.

    Raises:
        UnknownDivision, NotADistrict, DistrictMerged: of this code there is no report.
        MonthNotOver, PeriodNotOver: it has not ended in Shanghai.
        RollUpsBehind: what was recorded in it is not all summed yet.
        PeriodEmpty: nothing was recorded, and nobody was registered.
        PeriodNotComplete: a quarter's or year's months are not all issued; those of which nothing
            was recorded need not be.
        NothingToReissue: nothing changed, or nothing that may be told.
        ReissueReasonNotFitting, ReportVersionNotNext, ReportVersionReused.

    Locks the roll-ups' reader until the caller's transaction ends.
    """
    span = period_of(period)
    division = district_of(session, division_code)
    check_over(span, now=now)
    log_size = rollups.reader_index(session, lock=True)
    versions = issued(session, division_code, period)
    if (found := _issued_before(versions, version, reason)) is not None:
        return found
    facts = Facts(len(versions) + 1, reason, now, now, log_size, None)
    content = _content(session, division, span, facts, earlier_of(versions), now)
    as_of = datetime.fromisoformat(content["as_of"])
    content["indicators"] = indicators.section(session, division_code, period, as_of, content)
    written = encoded(content)
    row = DistrictReport(
        division_code=division_code,
        period=period,
        version=facts.version,
        first_day=span.first,
        as_of=as_of,
        log_size=content["log_size"],
        issued_at=now,
        issued_by=by,
        reason=reason,
        content=written,
        content_sha256=hashlib.sha256(written).digest(),
        signature=signature(key, division_code, period, facts.version, written),
    )
    session.add(row)
    session.flush()
    return row


def issued(session: Session, division_code: str, period: str) -> list[DistrictReport]:
    """All versions of a report, the first one first."""
    query = select(DistrictReport).where(
        DistrictReport.division_code == division_code, DistrictReport.period == period
    )
    return list(session.scalars(query.order_by(DistrictReport.version)))


def signature(key: SignerKey, code: str, period: str, version: int, content: bytes) -> str:
    """A signed note (C2SP) of a report's hash; its first line is no log's origin."""
    return sign(signed_text(code, period, version, content), key.name, key.private)


def signed_text(code: str, period: str, version: int, content: bytes) -> str:
    """What is signed."""
    digest = hashlib.sha256(content).hexdigest()
    return f"tanhui district report\n{code} {period} v{version}\n{digest}\n"


def _issued_before(
    versions: Sequence[DistrictReport], version: int | None, reason: str | None
) -> DistrictReport | None:
    """The version that is asked for, where there is one; None: it is the next."""
    if version is None:
        version = len(versions) + 1 if reason is not None and versions else 1
    if (version == 1) != (reason is None):
        raise ReissueReasonNotFitting(version)
    if version > len(versions) + 1:
        raise ReportVersionNotNext(len(versions) + 1)
    if version == len(versions) + 1:
        return None
    found = versions[version - 1]
    if found.reason != reason:
        raise ReportVersionReused(version)
    return found


def earlier_of(versions: Sequence[DistrictReport]) -> Earlier | None:
    """The versions, as what comes after them is made from; None: there is none."""
    if not versions:
        return None
    contents = [decoded(each.content) for each in versions]
    return Earlier(contents, versions[-1].content_sha256)


def _content(
    session: Session,
    division: Division,
    period: Period,
    facts: Facts,
    earlier: Earlier | None,
    now: datetime,
) -> Content:
    if period.kind != "month":
        return _summary(session, division, period, facts, earlier)
    as_of = rollups.as_of(session, facts.log_size, now=now)
    if as_of < rollups.start_of(period.beyond):
        raise RollUpsBehind(period.name)
    facts = Facts(
        facts.version,
        facts.reason,
        as_of,
        facts.issued_at,
        facts.log_size,
        checkpoint(session, facts.log_size),
    )
    return month_content(session, division, period, facts, earlier)


def month_content(
    session: Session, division: Division, month: Period, facts: Facts, earlier: Earlier | None
) -> Content:
    """What a month's version says, but for its indicators; see ``monthly``."""
    if earlier is None:
        return monthly.first(session, division, month, facts)
    return monthly.another(session, division, month, facts, earlier)


def _summary(
    session: Session, division: Division, period: Period, facts: Facts, earlier: Earlier | None
) -> Content:
    months = latest_months(session, division, period)
    if earlier is not None:
        used = [(each["period"], each["sha256"]) for each in earlier.content["months"]]
        if used == [(content["period"], sha256.hex()) for content, sha256 in months]:
            raise NothingToReissue(division.code, period.name, too_few=False)
    return summary_content(division, period, facts, months, earlier)


def summary_content(
    division: Division,
    period: Period,
    facts: Facts,
    months: Sequence[summaries.Month],
    earlier: Earlier | None,
) -> Content:
    """What a quarter's or year's version says, but for its indicators: as of its months."""
    last = max((content for content, _ in months), key=lambda each: each["log_size"])
    facts = Facts(
        facts.version,
        facts.reason,
        datetime.fromisoformat(last["as_of"]),
        facts.issued_at,
        last["log_size"],
        last["checkpoint"],
    )
    named = Named(code=division.code, name=division.name_zh)
    return summaries.summary(named, period, facts, months, earlier)


_RECORDED = text("""
    SELECT 1 FROM district_day
    WHERE division_code = ANY(:divisions) AND day >= :first AND day < :beyond
      AND (behaviour_code <> '-' AND (activities, saved_mg_co2e, earned_points) <> (0, 0, 0)
           OR (spent_points, expired_points, vouchers) <> (0, 0, 0))
    LIMIT 1
""")


def is_reported(session: Session, division_code: str, month: Period) -> bool:
    """Whether something was recorded of a month, so that a quarter and a year want its report.

    Where residents were only registered it may be issued, and nothing waits for it.

    Raises DistrictMerged.
    """
    divisions = with_merged(session, division_code, month)
    span = {"divisions": divisions, "first": month.first, "beyond": month.beyond}
    return session.scalar(_RECORDED, span) is not None


def latest_months(
    session: Session, division: Division, period: Period
) -> list[tuple[Content, bytes]]:
    """The latest version of each month of a quarter or year, in order.

    Raises:
        PeriodNotComplete: which months are to be issued first.
        PeriodEmpty: none has anything to report.
    """
    names = [month.name for month in period.months()]
    newest = (
        select(DistrictReport.period, func.max(DistrictReport.version).label("version"))
        .where(DistrictReport.division_code == division.code, DistrictReport.period.in_(names))
        .group_by(DistrictReport.period)
        .subquery()
    )
    rows = session.scalars(
        select(DistrictReport)
        .join(
            newest,
            (DistrictReport.period == newest.c.period)
            & (DistrictReport.version == newest.c.version),
        )
        .where(DistrictReport.division_code == division.code)
        .order_by(DistrictReport.period)
    ).all()
    have = {each.period for each in rows}
    missing = [
        month.name
        for month in period.months()
        if month.name not in have and is_reported(session, division.code, month)
    ]
    if missing:
        raise PeriodNotComplete(division.code, period.name, missing)
    if not rows:
        raise PeriodEmpty(division.code, period.name)
    return [(decoded(each.content), each.content_sha256) for each in rows]


def checkpoint(session: Session, log_size: int) -> Checkpoint | None:
    """The first signed checkpoint that holds all the leaves; None where none is signed yet."""
    found = session.scalar(
        select(LogCheckpoint)
        .where(LogCheckpoint.size >= log_size)
        .order_by(LogCheckpoint.size)
        .limit(1)
    )
    if found is None:
        return None
    origin = found.note.partition("\n")[0]
    root = base64.b64encode(found.root).decode()
    return Checkpoint(origin=origin, size=found.size, root=root)
