"""What people do with settlements, each one transaction with its row in the admin log: for the API
and for the command.
"""

from collections.abc import Callable
from datetime import date, datetime

from sqlalchemy.orm import Session

from rewards.errors import UnknownMerchant
from rewards.models import Merchant, Settlement
from rewards.settling import settlements
from rewards.settling.drafting import Key, begin
from rewards.settling.periods import Period
from service.admin.log import Actor
from service.admin.objects import acting_on
from service.db import Database
from service.settling import drafts
from service.settling.logged import of_settlement

Step = Callable[[Session], Settlement]


def draft(
    database: Database,
    who: Actor,
    key: Key,
    days: tuple[date, date],
    *,
    now: datetime,
    seconds: float | None = None,
) -> Settlement:
    """Close a period and claim its lines for so long (None: a request's time); ``drafting`` where
    there are more.
    """

    def work(session: Session) -> Settlement:
        merchant = session.get(Merchant, key.merchant_id)
        if merchant is None or merchant.programme_holder_id is None:
            raise UnknownMerchant(key.merchant_id)
        period = Period(*days, drafts.zone_of(session, merchant.programme_holder_id))
        return begin(session, key, period, actor=who.name, now=now)

    _done(database, who, "settlement.draft", key, work, now)
    return drafts.go_on(database, key, now=now, seconds=seconds)


def confirm(database: Database, who: Actor, key: Key, *, now: datetime) -> Settlement:
    """The merchant agrees."""

    def work(session: Session) -> Settlement:
        return settlements.confirm(session, key, actor=who.name, now=now)

    return _done(database, who, "settlement.confirm", key, work, now)


def dispute(database: Database, who: Actor, key: Key, *, reason: str, now: datetime) -> Settlement:
    """The merchant does not agree."""

    def work(session: Session) -> Settlement:
        return settlements.dispute(session, key, reason=reason, actor=who.name, now=now)

    return _done(database, who, "settlement.dispute", key, work, now)


def approve(database: Database, who: Actor, key: Key, *, now: datetime) -> Settlement:
    """The second person agrees."""

    def work(session: Session) -> Settlement:
        return settlements.approve(session, key, actor=who.name, now=now)

    return _done(database, who, "settlement.approve", key, work, now)


def pay(
    database: Database, who: Actor, key: Key, *, payment_reference: str, now: datetime
) -> Settlement:
    """It was paid."""

    def work(session: Session) -> Settlement:
        return settlements.pay(
            session,
            key,
            payment_reference=payment_reference,
            actor=who.name,
            now=now,
            request_id=who.request_id or None,
        )

    return _done(database, who, "settlement.pay", key, work, now)


def void(
    database: Database,
    who: Actor,
    key: Key,
    *,
    now: datetime,
    seconds: float | None = None,
) -> Settlement:
    """Take it back, and free its lines for so long (None: a request's time); what is left is the
    job's.
    """

    def work(session: Session) -> Settlement:
        return settlements.void(session, key)

    _done(database, who, "settlement.void", key, work, now)
    return drafts.go_on(database, key, now=now, seconds=seconds)


def _done(
    database: Database, who: Actor, what: str, key: Key, step: Step, now: datetime
) -> Settlement:
    def work(session: Session) -> Settlement:
        about = of_settlement(session, key)
        return acting_on(session, who, what, about, lambda: step(session), now=now)

    return database.transact(work)
