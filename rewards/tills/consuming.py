"""The till takes vouchers, each once.

Kept here: a voucher that is taken, its consumption, the line by which the programme owes for it and
what merchants' systems are told of it are one transaction. Only the vouchers' rows are locked.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from ledgers.bulk import array_of, look_up_by_index
from rewards.errors import ConsumptionReused
from rewards.models import Consumption
from rewards.settling.payables import NewLine, owe
from rewards.tills.deciding import Consumed, Counter, New, Refused, Taking
from rewards.tills.looking import Places, lock_vouchers, taken, terms_of
from rewards.voucher_codes import Codes, code_sha256
from rewards.webhooks.outbox import Told, tell

AT_ONCE = 1_000


def hashes_of(merchant_id: UUID, code: str, codes: Codes) -> tuple[bytes, ...]:
    """Under which hashes a typed code may be stored: as one of ours, as the merchant's own."""
    ours = code_sha256(code)
    return tuple(each for each in (ours, codes.pool_hash(merchant_id, code)) if each is not None)


def consume(
    session: Session,
    consumption_id: UUID,
    *,
    merchant_id: UUID,
    code: str,
    codes: Codes,
    now: datetime,
    actor: str,
    shop_id: UUID | None = None,
    scanner_id: UUID | None = None,
    request_id: str | None = None,
) -> Consumed:
    """Take a voucher, once. The same id and code again answer the same.

    Raises:
        UnknownVoucher: mistyped, or no voucher of this merchant.
        VoucherConsumed, VoucherRefunded: used before, under another id.
        VoucherLapsed, VoucherCancelled, VoucherExpired: it ended otherwise.
        VoucherNotHere: it is for other shops.
        UnknownShop, UnknownScanner, ScannerRetired: the till is none of this merchant's.
        ConsumptionReused: the id stands for another voucher's use.

    Locks the voucher's row.
    """
    hashes = hashes_of(merchant_id, code, codes)
    taking = Taking(consumption_id, hashes, now, shop_id, scanner_id)
    return take(session, taking, merchant_id=merchant_id, now=now, actor=actor,
                request_id=request_id)  # fmt: skip


def take(
    session: Session,
    taking: Taking,
    *,
    merchant_id: UUID,
    now: datetime,
    actor: str,
    request_id: str | None = None,
) -> Consumed:
    """The same for who has the hash; raises what ``consume`` raises."""
    (answer,) = consume_many(
        session, [taking], merchant_id=merchant_id, now=now, actor=actor, request_id=request_id
    )
    if isinstance(answer, Refused):
        raise answer.error
    return answer


def consume_many(
    session: Session,
    takings: Sequence[Taking],
    *,
    merchant_id: UUID,
    now: datetime,
    actor: str,
    request_id: str | None = None,
) -> list[Consumed | Refused]:
    """Take vouchers of one merchant, AT_ONCE at most; an answer for each, in their order. What is
    refused does not hold the others up. A fixed number of statements.

    Locks the vouchers' rows, the lowest code first.
    """
    assert len(takings) <= AT_ONCE, "in batches"
    places = Places(
        session, merchant_id, (t.shop_id for t in takings), (t.scanner_id for t in takings)
    )
    vouchers = lock_vouchers(session, merchant_id, (each for t in takings for each in t.hashes))
    # After the lock, so that what another request took meanwhile is seen.
    earlier = {one.consumption_id for one in vouchers.values() if one.consumption_id is not None}
    known = taken(session, {t.id for t in takings} | earlier)
    terms = terms_of(session, vouchers.values()) if vouchers else {}
    counter = Counter(vouchers, known, terms, places)
    answers = [counter.answer(taking) for taking in takings]
    lost = _write(session, counter.new, merchant_id, actor, now)
    won = [one for one in counter.new if one.taking.id not in lost]
    _pay(session, won, merchant_id, actor, now, request_id)
    return [
        Refused(ConsumptionReused(taking.id))
        if taking.id in lost and isinstance(answer, Consumed)
        else answer
        for taking, answer in zip(takings, answers, strict=True)
    ]


# One is named in so many words, so that on Citus its shard alone is asked (decision 29).
_TAKE_ONE = text("""
    UPDATE voucher SET consumed_at = :at, consumption_id = :id WHERE code_sha256 = :hashed
""")
_TAKE = text("""
    UPDATE voucher AS v SET consumed_at = k.at, consumption_id = k.id
    FROM unnest(CAST(:hashes AS text[]), CAST(:ids AS uuid[]), CAST(:ats AS timestamptz[]))
        AS k (hashed, id, at)
    WHERE v.code_sha256 = decode(k.hashed, 'hex')
""")


def _write(
    session: Session, new: Iterable[New], merchant_id: UUID, actor: str, now: datetime
) -> set[UUID]:
    """Consumptions, then the vouchers; answers ids that meanwhile stand for something else."""
    by_id = {one.taking.id: one for one in new}
    if not by_id:
        return set()
    rows = [
        {
            "id": one.taking.id,
            "code_sha256": one.voucher.code_sha256,
            "merchant_id": merchant_id,
            "consumed_at": one.taking.consumed_at,
            "offer_id": one.voucher.offer_id,
            "redemption_id": one.voucher.redemption_id,
            "shop_id": one.place.shop_id,
            "scanner_id": one.place.scanner_id,
            "offline": one.taking.offline,
            "recorded_at": now,
            "recorded_by": actor,
        }
        for one in sorted(by_id.values(), key=lambda one: one.taking.id)
    ]
    statement = insert(Consumption).on_conflict_do_nothing().returning(Consumption.id)
    written = [by_id[id_] for id_ in session.scalars(statement, rows)]
    if written:
        _mark(session, written)
    return by_id.keys() - {one.taking.id for one in written}


def _mark(session: Session, written: Sequence[New]) -> None:
    if len(written) == 1:
        voucher, taking = written[0].voucher, written[0].taking
        key = {"hashed": voucher.code_sha256, "at": taking.consumed_at, "id": taking.id}
        session.execute(_TAKE_ONE, key)
        return
    look_up_by_index(session)
    session.execute(
        _TAKE,
        {
            "hashes": array_of(one.voucher.code_sha256.hex() for one in written),
            "ids": array_of(one.taking.id for one in written),
            "ats": array_of(one.taking.consumed_at.isoformat() for one in written),
        },
    )


def _pay(
    session: Session,
    won: Sequence[New],
    merchant_id: UUID,
    actor: str,
    now: datetime,
    request_id: str | None,
) -> None:
    lines = [
        NewLine(
            merchant_id,
            one.terms.programme_holder_id,
            "consumption",
            one.terms.settlement_fen,
            one.voucher.offer_id,
            one.voucher.version,
            one.voucher.redemption_id,
            one.taking.consumed_at,
            consumption_id=one.taking.id,
            shop_id=one.place.shop_id,
        )
        for one in won
    ]
    owe(session, lines, actor=actor, now=now, request_id=request_id)
    tell(session, [Told(merchant_id, "voucher.consumed", _told(one)) for one in won], now=now)


def _told(one: New) -> dict[str, object]:
    return {
        "consumption_id": str(one.taking.id),
        "redemption_id": str(one.voucher.redemption_id),
        "offer_id": str(one.voucher.offer_id),
        "version": one.voucher.version,
        "consumed_at": one.taking.consumed_at.isoformat(),
        "shop_id": str(one.place.shop_id) if one.place.shop_id else None,
        "scanner_id": str(one.place.scanner_id) if one.place.scanner_id else None,
        "offline": one.taking.offline,
        "settlement_fen": one.terms.settlement_fen,
    }
