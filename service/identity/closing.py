"""Closing an account: who leaves is forgotten, and what they did stays true without them.

The rule (docs/app.md, "Export and close"): what is open is settled first, or refused with what it
is; points that remain lapse at once, a debt with them; the data key is destroyed and the values
with it; outside ids are free for a new account; the CO2e that was saved stays as a fact of nobody.
One transaction, and safe to repeat.

Locks are taken in the order resident, person, accounts, vouchers, stock.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import LiteralString
from uuid import UUID

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from activities.closing import leave
from ledgers.bulk import array_of, together
from ledgers.closing import close_holder, closed, erase
from ledgers.holds import active_holds, end_overdue
from ledgers.models import Hold
from rewards.redeeming.closing import Bought, bought, forfeit
from rewards.tills.code_devices import end_devices
from rewards.voucher_codes import Codes
from service.admin.log import State
from service.admin.objects import Object, programme_of
from service.identity import cards
from service.identity.errors import ChildrenLeft, OpenOrders, UnknownCard
from service.identity.family import delegations
from service.identity.keyring import Keyring
from service.identity.logins import sessions
from service.identity.models import Person

NOBODY = UUID(int=0)
ERASED_AT_ONCE = 200


@dataclass(frozen=True, slots=True)
class Wish:
    """Who closes, and how. ``actor`` as in a posting: ``holder:…`` or a staff's name."""

    actor: str
    from_address: str
    request_id: str | None = None
    forfeit_vouchers: bool = False


@dataclass(frozen=True, slots=True)
class Closure:
    """What closing came to: points that lapsed, a debt that was let go, vouchers given up."""

    closed_at: datetime
    lapsed_points: int
    forgiven_points: int
    forfeited_vouchers: int


def close(session: Session, holder_id: UUID, wish: Wish, *, codes: Codes, now: datetime) -> Closure:
    """Close an account for good; closing it again finishes what is left and answers the same.

    ``codes`` tells which vouchers are theirs (``rewards.redeeming.closing``).

    Raises:
        ChildrenLeft: the holder is the guardian of children under fourteen.
        OpenOrders: points are held, a top-up is on its way, or vouchers are unused that the holder
            does not give up.
        Nothing is written then: the caller rolls back.

    Some statements, however much there is, but for the vouchers.
    """
    left = leave(session, holder_id, actor=wish.actor, now=now)
    person, known = _lock_person(session, holder_id, now)
    if children := delegations.children_of(session, holder_id, now=now):
        raise ChildrenLeft(children)
    end_overdue(session, holder_id, now=now)
    orders = bought(session, holder_id, codes=codes)
    unused = [one for one in orders if one.voucher_state == "unused"]
    pending = [one for one in orders if one.redemption.state == "pending"]
    kept = [] if wish.forfeit_vouchers else unused
    _refuse_open(active_holds(session, holder_id), pending, kept)
    if left is not None:
        close_holder(
            session,
            holder_id,
            issuer_id=left.issuer_id,
            actor=wish.actor,
            now=now,
            request_id=wish.request_id,
        )
    if person.closed_at is None or not known:
        sessions.record_event(session, holder_id, "closed", from_address=wish.from_address, now=now)
    _forget(session, holder_id, now)
    delegations.end_all(session, holder_id, now=now)
    end_devices(session, holder_id, now=now)
    forfeited = forfeit(session, unused, by=wish.actor, now=now)
    session.refresh(person)
    assert person.closed_at is not None
    booked = closed(session, holder_id)
    before = sum(one.voucher_state == "lapsed" for one in orders)
    return Closure(
        person.closed_at, booked.lapsed_points, booked.forgiven_points, before + len(forfeited)
    )


def close_by_card(
    session: Session,
    keyring: Keyring,
    holder_id: UUID,
    number: str,
    wish: Wish,
    *,
    codes: Codes,
    now: datetime,
) -> Closure:
    """``close`` at the desk: the card shows that the resident is there and wants it. Closed once,
    there is no card any more that could be shown, and the answer is the same.

    Raises UnknownCard for a card that is not this resident's, and what ``close`` raises.
    """
    person = session.get(Person, holder_id, populate_existing=True)
    is_open = person is None or person.closed_at is None
    if is_open and cards.get_holder(session, keyring, number) != holder_id:
        raise UnknownCard
    return close(session, holder_id, wish, codes=codes, now=now)


def account(session: Session, holder_id: UUID) -> Object:
    """A resident's account, for the admin log."""

    def state() -> State:
        person = session.get(Person, holder_id, populate_existing=True)
        return {"closed_at": person.closed_at if person else None}

    return Object("resident", str(holder_id), programme_of(session, holder_id), holder_id, state)


def _lock_person(session: Session, holder_id: UUID, now: datetime) -> tuple[Person, bool]:
    """With whether they were known: who never gave personal data is a person all the same, so that
    the closing is kept.
    """
    (added,) = together(session, (_ADD_PERSON, {"holder": holder_id, "now": now}))
    query = select(Person).where(Person.holder_id == holder_id).with_for_update()
    person = session.scalars(query, execution_options={"populate_existing": True}).one()
    return person, added.rowcount == 0


def _refuse_open(
    holds: Sequence[Hold], pending: Sequence[Bought], unused: Sequence[Bought]
) -> None:
    if holds or pending or unused:
        raise OpenOrders(
            holds=[(hold.id, hold.amount, hold.deadline_at) for hold in holds],
            top_ups=[_order(one) for one in pending],
            vouchers=[_order(one) for one in unused],
        )


def _order(one: Bought) -> tuple[UUID, UUID, datetime]:
    return one.redemption.id, one.redemption.offer_id, one.redemption.redeemed_at


def _forget(session: Session, holder_id: UUID, now: datetime) -> None:
    """The key first, so that whatever else is kept of it opens nothing."""
    parameters = {"holder": holder_id, "now": now}
    _, keys = together(session, (_CLOSE_PERSON, parameters), (_VALUE_KEYS, parameters))
    named = {"keys": array_of(sorted(f'"\\\\x{key.hex()}"' for (key,) in keys))}
    together(
        session,
        (_FREE_IDS, parameters | named),
        (_FREE_OLD_IDS, parameters),
        (_FORGET_VALUES, parameters),
    )
    sessions.end_all(session, holder_id, "closed", now=now)
    together(session, (_FORGET_TOKENS, parameters), (_FORGET_DEVICES, parameters))


_ADD_PERSON: LiteralString = """
    INSERT INTO person (holder_id, registered_at, closed_at) VALUES (%(holder)s, %(now)s, %(now)s)
    ON CONFLICT DO NOTHING
"""
_CLOSE_PERSON: LiteralString = """
    UPDATE person SET data_key = NULL, master_key_id = NULL, minor_until = NULL,
        terms_version = NULL, real_name_at = NULL, real_name_by = NULL, closed_at = %(now)s
    WHERE holder_id = %(holder)s AND closed_at IS NULL
"""
_VALUE_KEYS: LiteralString = """
    SELECT value_key FROM personal_value WHERE holder_id = %(holder)s AND value_key <> ''
"""
_FREE_IDS: LiteralString = """
    DELETE FROM outside_id
    WHERE value_key = ANY(CAST(%(keys)s AS bytea[])) AND holder_id = %(holder)s
"""
# Of the release before: read as a whole while there are some, and soon there are none.
_FREE_OLD_IDS: LiteralString = "DELETE FROM subject WHERE holder_id = %(holder)s"
_FORGET_VALUES: LiteralString = "DELETE FROM personal_value WHERE holder_id = %(holder)s"
_FORGET_TOKENS: LiteralString = "DELETE FROM refresh_token WHERE person_id = %(holder)s"
_FORGET_DEVICES: LiteralString = """
    UPDATE login_session SET device_name = '' WHERE person_id = %(holder)s AND device_name <> ''
"""

# --- What waits for the log -----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Erased:
    """How many closed accounts were looked at and erased; where to go on."""

    looked: int
    erased: int
    after: UUID


_TO_ERASE = text("""
    SELECT holder_id FROM person
    WHERE closed_at IS NOT NULL AND erased_at IS NULL AND holder_id > :after
    ORDER BY holder_id LIMIT :limit
""")
_ERASED = text("UPDATE person SET erased_at = :now WHERE holder_id = :holder")


def erase_closed(
    session: Session, *, now: datetime, after: UUID = NOBODY, limit: int = ERASED_AT_ONCE
) -> Erased:
    """Destroy the secrets of the next ``limit`` closed accounts of which all postings are sealed;
    the others wait. Safe to repeat and to kill. Done when fewer than ``limit`` were looked at.
    """
    holders = session.scalars(_TO_ERASE, {"after": after, "limit": limit}).all()
    erased = 0
    for holder_id in holders:
        if erase(session, holder_id):
            session.execute(_ERASED, {"holder": holder_id, "now": now})
            erased += 1
    return Erased(len(holders), erased, holders[-1] if holders else after)
