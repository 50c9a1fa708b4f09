"""The cards that money is to be put onto: each kept until its order is final, sealed like every
personal value, under a field of that order.

Whoever opens one for the gateway leaves a record, as always (``service.identity.vault``).
"""

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import LiteralString
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from ledgers.bulk import together
from service.identity.keyring import Keyring
from service.identity.models import PersonalValue
from service.identity.vault import (
    Reader,
    Value,
    add_people,
    data_keys,
    read_values_of,
    write_values,
)

READER = Reader("gateway:top-up", "gateway", "top_up")
_FORGET: LiteralString = (
    "DELETE FROM personal_value WHERE holder_id = %(holder)s AND field = %(field)s"
)


def lock_owner(session: Session, keyring: Keyring, holder_id: UUID, *, now: datetime) -> None:
    """Let nobody close the account meanwhile; raises AccountClosed when it is closed already.

    Before the accounts are locked: closing takes its locks in this order, too.
    """
    add_people(session, keyring, [holder_id], now=now)
    data_keys(session, keyring, [holder_id], locked=True)


def keep(
    session: Session,
    keyring: Keyring,
    holder_id: UUID,
    order_id: UUID,
    card_number: str,
    *,
    now: datetime,
) -> bool:
    """Keep the card of an open order; False where another card is kept for it already.

    The caller has locked the owner, then the owner's accounts.
    """
    key = _key(keyring, order_id, card_number)
    query = select(PersonalValue.value_key).where(
        PersonalValue.holder_id == holder_id, PersonalValue.field == _field(order_id)
    )
    if (kept := session.scalars(query).one_or_none()) is not None:
        return kept == key
    value = Value(holder_id, _field(order_id), card_number, key)
    write_values(session, keyring, [value], now=now)
    return True


def open_cards(
    session: Session, keyring: Keyring, orders: Collection[tuple[UUID, UUID]], now: datetime
) -> Mapping[UUID, str]:
    """The cards of orders, given as (holder, order), by order; those that are still kept."""
    by_field = {_field(order_id): order_id for _, order_id in orders}
    holders = {holder_id for holder_id, _ in orders}
    if not holders:
        return {}
    found = read_values_of(session, keyring, holders, by_field, reader=READER, now=now)
    return {by_field[field]: card for cards in found.values() for field, card in cards.items()}


def forget(session: Session, holder_id: UUID, order_id: UUID) -> None:
    """Nobody needs it any more."""
    together(session, (_FORGET, {"holder": holder_id, "field": _field(order_id)}))


def _field(order_id: UUID) -> str:
    return f"top_up_card/{order_id}"


def _key(keyring: Keyring, order_id: UUID, card_number: str) -> bytes:
    """By which the same card is known again without opening it."""
    return keyring.value_key("top-up card", f"{order_id}\n{card_number}")
