"""Prolonging: a hold whose outside step takes longer than its deadline."""

from datetime import datetime, timedelta
from typing import LiteralString
from uuid import UUID

from sqlalchemy.orm import Session

from ledgers.bulk import together
from ledgers.errors import DeadlineOutOfBounds, HoldEnded
from ledgers.funds import lock_holder
from ledgers.holds import DAYS_MAX, get_hold
from ledgers.models import Hold

_PROLONG: LiteralString = """
    UPDATE hold SET deadline_at = %(deadline_at)s
    WHERE holder_id = %(holder)s AND id = %(id)s AND state = 'held'
"""


def prolong(
    session: Session, *, holder_id: UUID, hold_id: UUID, deadline_at: datetime, now: datetime
) -> Hold:
    """Let a hold last until a later deadline. What it covers stays as it is: a debt that came
    meanwhile is not paid from it, as it would be were it released and reserved again.

    Raises:
        UnknownHold: this holder has no such hold.
        HoldEnded: it has ended, or its deadline has passed.
        DeadlineOutOfBounds: more than DAYS_MAX days from now, or earlier than it is.

    Locks the holder's accounts.
    """
    lock_holder(session, holder_id)
    hold = get_hold(session, holder_id, hold_id)
    if hold.ended_at is not None:
        raise HoldEnded(hold.id, hold.state, hold.ended_at)
    if hold.deadline_at <= now:
        raise HoldEnded(hold.id, "lapsed", hold.deadline_at)
    if not hold.deadline_at <= deadline_at <= now + timedelta(days=DAYS_MAX):
        raise DeadlineOutOfBounds(deadline_at, DAYS_MAX)
    together(session, (_PROLONG, {"deadline_at": deadline_at, "holder": holder_id, "id": hold_id}))
    return get_hold(session, holder_id, hold_id)
