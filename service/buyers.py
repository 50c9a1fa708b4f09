"""Who redeems: what decides which offers are for them."""

from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from activities.catalogue.models import Programme
from activities.models import Consent, Participant
from rewards.redeeming.buyers import Buyer


def buyer_of(session: Session, holder_id: UUID) -> Buyer:
    """A resident as the offers see them, closed accounts too; two statements.

    Who takes part nowhere has no programme: nothing is for them.
    """
    query = (
        select(Programme.holder_id, Programme.zone, Participant.division_code)
        .join(Participant, Participant.programme_code == Programme.code)
        .where(Participant.holder_id == holder_id)
    )
    if (found := session.execute(query).one_or_none()) is None:
        return Buyer(holder_id, None)
    consented = select(Consent.scene_code).where(
        Consent.holder_id == holder_id, Consent.withdrawn_at.is_(None)
    )
    return Buyer(holder_id, *found, frozenset(session.scalars(consented)))
