"""Reversal: the answer to a transfer that should not have been, at most once in total.

What was earned is clawed back, from the lot it came into while something is left there; what was
spent is given back to the lot it came from, or, when that has lapsed, for the policy's days of
grace. ``ledgers.undoing`` does it for many holders at once.
"""

from collections.abc import Iterable, Mapping
from datetime import date, datetime
from uuid import UUID

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from ledgers.accounts import CLEARING, AccountKey
from ledgers.bulk import NULL, together
from ledgers.errors import InvalidAmount, NotReversible, UnknownAccount, UnknownTransfer
from ledgers.expiry import Bucket, Policies
from ledgers.funds import Funds, lock_holder
from ledgers.models import Account, Transfer
from ledgers.posting import (
    AMOUNT_MAX,
    Posted,
    net_changes,
    policies_of,
    same_or_refuse,
    system_side,
    write_split,
)
from ledgers.writing import (
    Line,
    NewPosting,
    NewTransfer,
    content_of,
    contents_of,
    digest_of,
    digest_under,
)


def reverse(
    session: Session,
    reversal_id: UUID,
    *,
    holder_id: UUID,
    amounts: Mapping[UUID, int | None],
    actor: str,
    reason: str,
    now: datetime,
    kind: str = "reversal",
    request_id: str | None = None,
    approved_by: str | None = None,
) -> Posted:
    """Answer transfers of one holder by their opposites: ``amounts`` by transfer's id.

    None is all that is left of the transfer. Partial reversals add up to its amount at most.
    What the holder has spent meanwhile becomes a debt that later earnings pay first; a reversal
    never fails for lack of points. The same ``reversal_id`` again is a retry.

    Raises:
        UnknownTransfer: ids that this holder does not have.
        NotReversible: reversals, changes of lot, or less is left than asked for.
        InvalidAmount: not a whole number from 1 to 2^53.
        PostingReused: the id stands for other content.

    Locks all accounts of the holder. Source: docs/DECISIONS.md, 5 and 18.
    """
    for amount in amounts.values():
        if amount is not None and (type(amount) is not int or not 0 < amount <= AMOUNT_MAX):
            raise InvalidAmount(amount)
    funds = lock_holder(session, holder_id)
    originals = _transfers_of(session, holder_id, amounts)
    if missing := amounts.keys() - originals.keys():
        raise UnknownTransfer(missing)
    left = _left(session, holder_id, originals, but_for=reversal_id)
    wanted = {id_: left[id_] if n is None else n for id_, n in sorted(amounts.items())}
    keys = _keys_by_id(session, originals.values())
    refused = {
        id_
        for id_, amount in wanted.items()
        if not 0 < amount <= left[id_] or not _is_reversible(originals[id_], keys)
    }
    if refused:
        raise NotReversible(refused)
    transfers = [opposite(originals[id_], amount, keys) for id_, amount in wanted.items()]
    posting = NewPosting(reversal_id, kind, actor, transfers, reason, request_id, approved_by)
    changes = net_changes(transfers)
    digest = digest_of(posting, contents_of(transfers))
    earlier, system = together(session, digest_under(reversal_id), system_side(changes))
    if (row := earlier.fetchone()) is not None:
        return same_or_refuse(reversal_id, row[0], digest)
    policies = policies_of(changes, system)
    lines = _split(transfers, originals, funds, policies, now)
    return write_split(session, posting, digest, lines, changes, funds, now, clawback=True)


def spends_of(session: Session, holder_id: UUID, posting_id: UUID) -> dict[UUID, Transfer]:
    """The transfers of one posting of the holder that took something from an account of theirs."""
    query = select(Transfer).where(
        Transfer.holder_id == holder_id, Transfer.posting_id == posting_id
    )
    return {t.id: t for t in session.scalars(query) if t.reverses_id is None}


def amounts_of_refund(spends: Iterable[Transfer], points: int) -> dict[UUID, int | None]:
    """Which transfers give back part of a spend: those first whose lot lapses last.

    As if less had been spent. ``spends`` are all transfers of the spend, nothing of them reversed.
    """
    amounts: dict[UUID, int | None] = {}
    never_first = sorted(
        spends, key=lambda t: (t.expires_on is not None, t.expires_on and -t.expires_on.toordinal())
    )
    for spend in never_first:
        if part := min(points, spend.amount):
            amounts[spend.id] = part
            points -= part
    return amounts


def opposite(original: Transfer, amount: int, keys: Mapping[UUID, AccountKey]) -> NewTransfer:
    """What takes ``amount`` of a transfer back; ``keys`` by account, of both its sides."""
    debit, credit = keys[original.credit_account_id], keys[original.debit_account_id]
    return NewTransfer(
        holder_id=original.holder_id,
        debit=debit,
        credit=credit,
        amount=amount,
        kind="refund" if debit.is_system else "reversal",
        reference=original.reference,
        occurred_at=original.occurred_at,
        reverses_id=original.id,
    )


def _is_reversible(original: Transfer, keys: Mapping[UUID, AccountKey]) -> bool:
    kinds = {keys[original.debit_account_id].kind, keys[original.credit_account_id].kind}
    return original.reverses_id is None and CLEARING not in kinds


def _split(
    transfers: list[NewTransfer],
    originals: Mapping[UUID, Transfer],
    funds: Mapping[str, Funds],
    policies: Policies,
    now: datetime,
) -> list[Line]:
    """Lines by lot: first what comes in, so that it is there for what is taken."""
    lines: list[Line] = []
    for transfer in sorted(transfers, key=lambda t: not t.debit.is_system):
        assert transfer.reverses_id is not None
        own = transfer.credit if transfer.debit.is_system else transfer.debit
        day = originals[transfer.reverses_id].expires_on
        lines += lines_of(transfer, day, _open(funds, own), policies, now)
    return lines


def lines_of(
    transfer: NewTransfer, day: date | None, funds: Funds, policies: Policies, now: datetime
) -> list[Line]:
    """The lines of one opposite, by lot; ``day`` is the lot of what it takes back. ``funds``, of
    the holder's account, is changed accordingly.
    """
    given = transfer.debit.is_system
    if given:
        bucket: Bucket | None = None
        if day is not None:
            bucket = policies.for_return(transfer.debit.holder_id, day, now)
        parts = funds.give(bucket, transfer.amount)
    else:
        parts = funds.claw_back(transfer.amount, first=day)
    lines: list[Line] = []
    for part in parts:
        in_grace = given and part.expires_on not in (None, day)
        written = transfer._replace(kind="refund_in_grace") if in_grace else transfer
        lines.append((content_of(written, part.amount), part.expires_on or NULL))
    return lines


def _open(funds: Mapping[str, Funds], key: AccountKey) -> Funds:
    if key.id not in funds:
        raise UnknownAccount([UUID(key.id)])
    return funds[key.id]


def _transfers_of(
    session: Session, holder_id: UUID, transfer_ids: Iterable[UUID]
) -> dict[UUID, Transfer]:
    query = select(Transfer).where(
        Transfer.holder_id == holder_id, Transfer.id.in_(set(transfer_ids))
    )
    return {transfer.id: transfer for transfer in session.scalars(query)}


def _left(
    session: Session, holder_id: UUID, originals: Mapping[UUID, Transfer], *, but_for: UUID
) -> dict[UUID, int]:
    """What is left of each transfer after its reversals, those of posting ``but_for`` apart."""
    query = (
        select(Transfer.reverses_id, func.sum(Transfer.amount))
        .where(
            Transfer.holder_id == holder_id,
            Transfer.reverses_id.in_(originals),
            Transfer.posting_id != but_for,
        )
        .group_by(Transfer.reverses_id)
    )
    reversed_by = {id_: int(total) for id_, total in session.execute(query)}
    return {id_: t.amount - reversed_by.get(id_, 0) for id_, t in originals.items()}


def _keys_by_id(session: Session, transfers: Iterable[Transfer]) -> dict[UUID, AccountKey]:
    """The keys behind the accounts of some transfers: a few, as all concern one holder, whose they
    are or a programme's. Said so, they are found by index; by their ids alone, all are read.
    """
    both = [(t.holder_id, (t.debit_account_id, t.credit_account_id)) for t in transfers]
    holders, ids = {holder for holder, _ in both}, {id_ for _, pair in both for id_ in pair}
    query = select(Account.holder_id, Account.unit, Account.kind, Account.id).where(
        Account.id.in_(ids), or_(Account.holder_id.in_(holders), ~Account.guarded)
    )
    return {
        id_: AccountKey(holder_id, unit, kind, id_.hex)
        for holder_id, unit, kind, id_ in session.execute(query)
    }
