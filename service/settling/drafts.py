"""Drafting within a time: what a request does not finish, the job ``draft_settlements`` does.

Each slice is a transaction of its own, so a kill at any point loses one at most, and whoever comes
next goes on.
"""

import time
from datetime import datetime
from functools import partial
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.orm import Session

from activities.catalogue.models import Programme
from rewards.models import Settlement
from rewards.settling.drafting import (
    DRAFTING,
    LINES_A_SLICE,
    VOID,
    Key,
    claim_slice,
    finish_draft,
    free_slice,
    get_settlement,
    unfinished,
)
from rewards.settling.periods import Period
from service.db import Database

REQUEST_S = 5.0  # Ten slices or so; what is left is the job's.


def zone_of(session: Session, programme_holder_id: object) -> ZoneInfo:
    """Of the programme whose own holder this is."""
    query = select(Programme.zone).where(Programme.holder_id == programme_holder_id)
    return ZoneInfo(session.scalars(query).one())


def period_of(session: Session, settlement: Settlement) -> Period:
    """The days of a settlement, in its programme's zone."""
    zone = zone_of(session, settlement.programme_holder_id)
    return Period(settlement.period_from, settlement.period_to, zone)


def go_on(
    database: Database,
    key: Key,
    *,
    now: datetime,
    seconds: float | None = None,
    lines_a_slice: int = LINES_A_SLICE,
) -> Settlement:
    """Claim what is to be claimed, or free what is to be freed, until it is done or the time is
    over (None: a request's); the settlement as it stands then.
    """
    deadline = time.monotonic() + (REQUEST_S if seconds is None else seconds)
    found = database.transact(lambda session: get_settlement(session, key))
    if found.state == DRAFTING:
        found = _claim(database, found, now, deadline, lines_a_slice)
    while found.state == VOID and found.lines > 0 and time.monotonic() < deadline:
        database.transact(lambda session: free_slice(session, key, lines_max=lines_a_slice))
        found = database.transact(lambda session: get_settlement(session, key))
    return found


def _claim(
    database: Database, settlement: Settlement, now: datetime, deadline: float, lines_a_slice: int
) -> Settlement:
    key, after = Key(settlement.merchant_id, settlement.id), None
    period = database.transact(lambda session: period_of(session, settlement))
    while time.monotonic() < deadline:
        work = partial(claim_slice, key=key, period=period, after=after, lines_max=lines_a_slice)
        done = database.transact(work)
        if (after := done.after) is None:
            return database.transact(lambda session: finish_draft(session, key, now=now))
    return settlement


def finish_all(database: Database, *, now: datetime, seconds: float) -> int:
    """What was left unfinished, the oldest first, within the time; answers how many are done."""
    deadline, done = time.monotonic() + seconds, 0
    for key in database.transact(unfinished):
        left = deadline - time.monotonic()
        if left <= 0:
            break
        found = go_on(database, key, now=now, seconds=left)
        done += is_finished(found)
    return done


def is_finished(settlement: Settlement) -> bool:
    """Whether it has all lines that it will have."""
    return settlement.state != DRAFTING and (settlement.state != VOID or settlement.lines == 0)
