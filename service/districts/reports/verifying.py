"""Verifying an issued report: its hash, its signature, and its figures from the books again."""

import hashlib
from dataclasses import dataclass
from typing import NoReturn

from sqlalchemy.orm import Session

from ledgers.log.errors import NoteInvalid
from ledgers.log.notes import VerifierKey, open_note
from service.districts.errors import ReportDoesNotVerify, ReportNotIssued
from service.districts.models import DistrictReport
from service.districts.plans import indicators
from service.districts.reports import changes
from service.districts.reports.contents import Content, decoded, encoded
from service.districts.reports.issuing import (
    earlier_of,
    issued,
    latest_months,
    month_content,
    signed_text,
    summary_content,
)
from service.districts.reports.monthly import Earlier, Facts
from service.districts.reports.periods import Period, district_of, period_of
from service.districts.rollups import reading as rollups


@dataclass(frozen=True, slots=True)
class Verified:
    """A report whose hash and signature are right. ``recomputed``: its figures were made again from
    the books, to the same bytes; False where later changes are in the books by now.
    """

    report: DistrictReport
    recomputed: bool


def verify(
    session: Session,
    verifier: VerifierKey,
    division_code: str,
    period: str,
    *,
    version: int | None = None,
) -> Verified:
    """Check a version of a report; None: the latest.

    Locks the roll-ups' reader until the transaction ends. The reported values of indicators are
    taken from the report, since plans are corrected; all else is made again.

    Raises:
        UnknownDivision, NotADistrict, ReportNotIssued.
        ReportDoesNotVerify: which part is not what was issued.
    """
    district_of(session, division_code)
    versions = issued(session, division_code, period)
    number = len(versions) if version is None else version
    if not 1 <= number <= len(versions):
        raise ReportNotIssued(division_code, period)
    row = versions[number - 1]
    _check_seal(row, verifier)
    if number < len(versions):
        return Verified(row, recomputed=False)
    content = decoded(row.content)
    facts = Facts(
        version=number,
        reason=row.reason,
        as_of=row.as_of,
        issued_at=row.issued_at,
        log_size=row.log_size,
        checkpoint=content["checkpoint"],
    )
    made = _made_again(session, period_of(period), content, facts, earlier_of(versions[:-1]))
    if made is None:
        return Verified(row, recomputed=False)
    made["indicators"] = content["indicators"]
    observed = indicators.section(session, division_code, period, row.as_of, made).get("observed")
    if encoded(made) != row.content or observed != content["indicators"].get("observed"):
        _fail(row, "its figures do not recompute from the books")
    return Verified(row, recomputed=True)


def _check_seal(row: DistrictReport, verifier: VerifierKey) -> None:
    if hashlib.sha256(row.content).digest() != row.content_sha256:
        _fail(row, "its content does not have its hash")
    try:
        note = open_note(row.signature, [verifier])
    except NoteInvalid as error:
        _fail(row, f"signature: {error.reason}")
    if note.text != signed_text(row.division_code, row.period, row.version, row.content):
        _fail(row, "another text is signed")


def _made_again(
    session: Session, period: Period, content: Content, facts: Facts, earlier: Earlier | None
) -> Content | None:
    """The same report from what is in the books; None where they say something later."""
    code = content["division"]["code"]
    division = district_of(session, code)
    if period.kind != "month":
        months = latest_months(session, division, period)
        used = [(each["period"], each["sha256"]) for each in content["months"]]
        if used != [(month["period"], sha256.hex()) for month, sha256 in months]:
            return None
        return summary_content(division, period, facts, months, earlier)
    reached = rollups.reader_index(session, lock=True)
    since = content["log_size"]
    if changes.late(session, content["divisions"], period, since, reached):
        return None
    return month_content(session, division, period, facts, earlier)


def _fail(row: DistrictReport, why: str) -> NoReturn:
    raise ReportDoesNotVerify(row.division_code, row.period, row.version, why)
