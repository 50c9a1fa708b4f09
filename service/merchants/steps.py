"""A merchant's steps from a draft to its end, each with its row of the admin log.

Kept here: who has ended has nobody and nothing left that acts for it. Its people's grants end with
their sessions, its systems' keys and its scanners are retired, its webhooks end, in the transaction
in which it does; each leaves a row of its own.
"""

from datetime import datetime
from functools import partial
from uuid import UUID

from sqlalchemy.orm import Session

from rewards.merchants import merchants, scanners
from rewards.merchants.errors import MerchantIsOwed
from rewards.models import Merchant
from rewards.settling.settlements import owed_fen
from rewards.webhooks import endpoints
from service.admin.log import Actor, Done, record_many
from service.admin.objects import acting_on
from service.api_keys import keys
from service.merchants import clerks, objects
from service.webhooks import acts

WHATS = {
    merchants.APPROVED: "merchant.approve",
    merchants.SUSPENDED: "merchant.suspend",
    merchants.ENDED: "merchant.end",
}


def take_step(
    session: Session, who: Actor, merchant_id: UUID, state: str, *, reason: str, now: datetime
) -> Merchant:
    """``rewards.merchants.merchants.take_step`` to one of WHATS. Ended again, it ends what was
    given to it meanwhile.

    Raises MerchantIsOwed, too: who has ended has nobody left to confirm a settlement.
    """
    if state == merchants.ENDED and (owed := owed_fen(session, merchant_id)):
        raise MerchantIsOwed(owed)
    merchant = acting_on(
        session,
        who,
        WHATS[state],
        objects.merchant_step(session, merchant_id, state, reason),
        lambda: merchants.take_step(session, merchant_id, state, now=now),
        now=now,
    )
    if state == merchants.ENDED:
        _end_all(session, who, merchant_id, now)
    return merchant


def _end_all(session: Session, who: Actor, merchant_id: UUID, now: datetime) -> None:
    clerks.end_everybody(session, merchant_id, actor=who, now=now)
    keys.retire_all(session, "merchant", str(merchant_id), actor=who, now=now)
    for endpoint_id in endpoints.live_ids(session, merchant_id):
        acting_on(
            session,
            who,
            "webhook.end",
            acts.webhook(session, merchant_id, endpoint_id),
            partial(endpoints.end, session, merchant_id, endpoint_id, now=now),
            now=now,
        )
    retired = scanners.retire_all(session, merchant_id, now=now)
    done = [
        Done(
            objects.scanner(session, merchant_id, one.id).act("scanner.retire"),
            before=objects.scanner_facts(one) | {"retired_at": None},
            after=objects.scanner_facts(one),
        )
        for one in retired
    ]
    record_many(session, who, done, now=now)
