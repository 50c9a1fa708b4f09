"""Issuing reports in somebody's name: each version has its row in the admin log."""

from datetime import datetime

from sqlalchemy.orm import Session

from service.admin.log import Act, Actor, State, acting
from service.districts.models import DistrictReport
from service.districts.reports import issued
from service.districts.reports import issuing as publishing
from service.transparency import Log


def issue(
    session: Session,
    who: Actor,
    log: Log,
    division_code: str,
    period: str,
    *,
    now: datetime,
    reason: str | None = None,
    version: int | None = None,
) -> DistrictReport:
    """Issue a report (``service.districts.reports.issuing.issue``), signed by the log's key."""

    def state() -> State:
        found = issued.listed_versions(session, division_code, period)
        return {"versions": found} if found else None

    return acting(
        session,
        who,
        Act("district_report.issue", "district_report", f"{division_code} {period}", programme="*"),
        state=state,
        work=lambda: publishing.issue(
            session,
            log.signer(session),
            division_code,
            period,
            by=who.name,
            now=now,
            reason=reason,
            version=version,
        ),
        now=now,
    )
