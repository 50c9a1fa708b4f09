"""Who redeems: what decides which offers are for them."""

from typing import LiteralString
from uuid import UUID

from sqlalchemy.orm import Session

from ledgers.bulk import together
from rewards.redeeming.buyers import Buyer

_LIVES: LiteralString = """
    SELECT programme.holder_id, programme.zone, participant.division_code
    FROM participant JOIN programme ON programme.code = participant.programme_code
    WHERE participant.holder_id = %(holder_id)s
"""
_CONSENTS: LiteralString = """
    SELECT scene_code FROM consent WHERE holder_id = %(holder_id)s AND withdrawn_at IS NULL
"""


def buyer_of(session: Session, holder_id: UUID) -> Buyer:
    """A resident as the offers see them, closed accounts too; one round trip.

    Who takes part nowhere has no programme: nothing is for them.
    """
    of = {"holder_id": holder_id}
    lives, consents = together(session, (_LIVES, of), (_CONSENTS, of))
    if (found := lives.fetchone()) is None:
        return Buyer(holder_id, None)
    issuer_id, zone, division_code = found
    scene_codes = frozenset(code for (code,) in consents.fetchall())
    return Buyer(holder_id, issuer_id, zone, division_code, scene_codes)
