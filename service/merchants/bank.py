"""Merchants' bank details: sealed by a master key, seen by their last four digits, opened by an
operator who says what for, which the admin log keeps.

Kept here: what is sealed opens for the same merchant only. A rotation of master keys seals it anew
(``service.identity.rewrapping``).
"""

from dataclasses import asdict, dataclass
from datetime import datetime
from uuid import UUID

import msgspec
from sqlalchemy.orm import Session

from rewards.merchants import merchants
from rewards.models import Merchant
from service.admin.log import Act, Actor, record
from service.identity.keyring import Keyring
from service.merchants.errors import NoBankDetails
from service.merchants.programmes import programme_of_merchant


@dataclass(frozen=True, slots=True)
class BankDetails:
    """Where a merchant is paid."""

    account_name: str
    account_number: str
    bank_name: str


def about(merchant_id: UUID) -> bytes:
    """What must be told again to open a merchant's details."""
    return b"bank details\n" + merchant_id.bytes


def put(
    session: Session,
    keyring: Keyring,
    merchant_id: UUID,
    details: BankDetails,
    *,
    actor: Actor,
    now: datetime,
) -> Merchant:
    """Seal a merchant's details; the same again changes nothing, and leaves no row in the log.

    Raises UnknownMerchant, MerchantEnded.
    """
    merchant = merchants.get_open(session, merchant_id)
    if _opened(keyring, merchant) == details:
        return merchant
    before = {"bank_last4": merchant.bank_last4}
    key_id, sealed = keyring.wrap(msgspec.json.encode(asdict(details)), about=about(merchant_id))
    merchant.bank_key_id, merchant.bank_sealed = key_id, sealed
    merchant.bank_last4 = details.account_number[-4:]
    session.flush()
    # Written down even where another account ends in the same four digits.
    after = {"bank_last4": merchant.bank_last4, "changed_at": now}
    act = _act(session, "merchant.set_bank", merchant_id)
    record(session, actor, act, before=before, after=after, now=now)
    return merchant


def opened(
    session: Session,
    keyring: Keyring,
    merchant_id: UUID,
    *,
    purpose: str,
    actor: Actor,
    now: datetime,
) -> BankDetails:
    """The details in clear; each reading is a row of the admin log, with its purpose.

    Raises UnknownMerchant, NoBankDetails.
    """
    merchant = merchants.get(session, merchant_id)
    if (details := _opened(keyring, merchant)) is None:
        raise NoBankDetails(merchant_id)
    after = {"bank_last4": merchant.bank_last4, "purpose": purpose}
    act = _act(session, "merchant.read_bank", merchant_id)
    record(session, actor, act, before=None, after=after, now=now)
    return details


def _opened(keyring: Keyring, merchant: Merchant) -> BankDetails | None:
    if merchant.bank_key_id is None:
        return None
    assert merchant.bank_sealed is not None
    plain = keyring.unwrap(merchant.bank_key_id, merchant.bank_sealed, about=about(merchant.id))
    return msgspec.json.decode(plain, type=BankDetails)


def _act(session: Session, what: str, merchant_id: UUID) -> Act:
    programme = programme_of_merchant(session, merchant_id)
    return Act(what, "merchant", str(merchant_id), programme=programme)
