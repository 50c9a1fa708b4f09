"""Donation projects: who receives for them, how many points they ask for, how many they have.

Kept here: a project's merchant and goal stay; its texts may change, and it closes and opens again.
Certificates are not made here.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from rewards.errors import UnknownMerchant
from rewards.merchants import merchants
from rewards.models import DonationProject, Offer, Redemption
from rewards.offers.budget_errors import GoalNotPositive, ProjectReused, UnknownProject


class NewProject(NamedTuple):
    """``id`` is made by the client; ``goal_points`` is above zero."""

    id: UUID
    programme_holder_id: UUID
    merchant_id: UUID
    name_zh: str
    name_en: str
    text_zh: str
    text_en: str
    goal_points: int


def put(
    session: Session, new: NewProject, *, closed: bool = False, made_by: str, now: datetime
) -> DonationProject:
    """Open a project, change its texts, close it or open it again; a retry changes nothing.

    Raises GoalNotPositive, UnknownMerchant (also another programme's), MerchantEnded,
    ProjectReused.
    """
    if new.goal_points <= 0:
        raise GoalNotPositive(new.goal_points)
    found = session.get(DonationProject, new.id, with_for_update=True, populate_existing=True)
    if found is None:
        merchant = merchants.get_open(session, new.merchant_id)
        if merchant.programme_holder_id != new.programme_holder_id:
            raise UnknownMerchant(new.merchant_id)
        found = DonationProject(**new._asdict(), made_by=made_by, made_at=now)
        session.add(found)
    is_ = NewProject(*(getattr(found, name) for name in NewProject._fields))
    if is_._replace(text_zh=new.text_zh, text_en=new.text_en) != new:
        raise ProjectReused(new.id)
    found.text_zh, found.text_en = new.text_zh, new.text_en
    found.closed_at = (found.closed_at or now) if closed else None
    session.flush()
    return found


def get(session: Session, project_id: UUID) -> DonationProject:
    """The project; raises UnknownProject."""
    found = session.get(DonationProject, project_id)
    if found is None:
        raise UnknownProject(project_id)
    return found


def listed(
    session: Session,
    *,
    programme_holder_id: UUID | None = None,
    after: UUID | None = None,
    limit: int,
) -> Sequence[DonationProject]:
    """Projects by id, closed ones too, of one programme or (None) of all."""
    query = select(DonationProject).order_by(DonationProject.id).limit(limit)
    if programme_holder_id is not None:
        query = query.where(DonationProject.programme_holder_id == programme_holder_id)
    if after is not None:
        query = query.where(DonationProject.id > after)
    return session.scalars(query).all()


def progress(session: Session, programme_holder_id: UUID) -> dict[UUID, int]:
    """By project, the points that residents have given and not got back. It reads every donation:
    for whoever asks often, remembered for a while.
    """
    query = (
        select(Offer.project_id, func.sum(Redemption.spent_points))
        .join(Redemption, Redemption.offer_id == Offer.id)
        .where(
            Offer.programme_holder_id == programme_holder_id,
            Offer.kind == "donation",
            Redemption.state == "done",
        )
        .group_by(Offer.project_id)
    )
    return {project_id: int(points) for project_id, points in session.execute(query) if project_id}
