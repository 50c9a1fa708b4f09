"""The read side: a resident's activities, newest first, each with its why."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from activities.models import Activity

PAGE_MAX = 200


@dataclass(frozen=True, slots=True)
class Page:
    """``next_before`` asks for the page after this one; None at the end."""

    activities: Sequence[Activity]
    next_before: UUID | None


def page(session: Session, holder_id: UUID, *, before: UUID | None = None, limit: int = 50) -> Page:
    """Up to ``limit`` (1..PAGE_MAX) activities received before ``before``, newest first."""
    assert 0 < limit <= PAGE_MAX
    query = select(Activity).where(Activity.holder_id == holder_id)
    if before is not None:
        query = query.where(Activity.id < before)
    rows = list(session.scalars(query.order_by(Activity.id.desc()).limit(limit + 1)))
    return Page(rows[:limit], rows[limit - 1].id if len(rows) > limit else None)
