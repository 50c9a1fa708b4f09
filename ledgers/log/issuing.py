"""Giving out receipts: one transfer of the database as its leaf, with a proof from the tiles.

The leaf is made here by the plain functions of ``entries``, and was sealed by the fast path of
``leaves``: that both agree is seen each time, as only what leads to the signed root goes out.
"""

from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import Session

from ledgers.accounts import PERSONAL
from ledgers.errors import HolderErased, NotSealedYet, UnknownTransfer
from ledgers.log import entries
from ledgers.log.checkpoints import Checkpoint
from ledgers.log.errors import LogInvalid
from ledgers.log.leaves import ZONE, head
from ledgers.log.merkle import inclusion_proof, leaf_hash, verify_inclusion
from ledgers.log.receipts import Proof, Receipt
from ledgers.log.tiles import CHECKPOINT, LogFolder
from ledgers.models import (
    Account,
    CommitmentSecret,
    LogCheckpoint,
    Posting,
    SealedPosting,
    Transfer,
)


def receipt(
    session: Session,
    folder: LogFolder,
    transfer_id: UUID,
    *,
    holder_id: UUID | None,
    within: ColumnElement[bool] | None = None,
) -> Receipt:
    """The receipt of one transfer, with a proof up to the published checkpoint.

    Its cost depends on neither the size of the log nor that of the transfer's posting. Locks
    nothing.

    Args:
        holder_id: whose transfer it must be; None for an auditor, who may ask for anybody's.
        within: a further condition on ``Transfer``.

    Raises:
        UnknownTransfer: there is none, or it is somebody else's or not within the condition.
        NotSealedYet: it is not under the published checkpoint.
        HolderErased: its salts were destroyed.
        LogError: the folder does not fit the database; nothing is given out.
    """
    transfer = _transfer(session, transfer_id, holder_id, within)
    sealed = session.get(SealedPosting, transfer.posting_id)
    checkpoint = _published(session, folder)
    if sealed is None or checkpoint is None:
        raise NotSealedYet(transfer_id)
    index = sealed.first_index + transfer.position
    if index >= checkpoint.size:
        raise NotSealedYet(transfer_id)
    made = _opened(session, transfer, index)
    hashes = inclusion_proof(index, checkpoint.size, folder.tiles(checkpoint.size).subtree)
    verify_inclusion(leaf_hash(made.leaf), index, checkpoint.size, hashes, checkpoint.root)
    return made.proved(Proof(tuple(hashes), checkpoint.note))


def _transfer(
    session: Session,
    transfer_id: UUID,
    holder_id: UUID | None,
    within: ColumnElement[bool] | None,
) -> Transfer:
    query = select(Transfer).where(Transfer.id == transfer_id)
    if holder_id is not None:
        query = query.where(Transfer.holder_id == holder_id)
    if within is not None:
        query = query.where(within)
    found = session.scalars(query).one_or_none()
    if found is None:
        raise UnknownTransfer([transfer_id])
    return found


def _published(session: Session, folder: LogFolder) -> LogCheckpoint | None:
    """The checkpoint that readers see, as the database has it.

    Not the newest of the database: for an instant that one is signed and not shown yet, and a
    receipt ahead of what is shown would look like a log that was rolled back.
    """
    note = folder.read(CHECKPOINT)
    if note is None:
        return None
    text = note.decode(errors="replace").rpartition("\n\n")[0] + "\n"
    found = session.get(LogCheckpoint, Checkpoint.parse(text).size)
    if found is None or not found.note.startswith(text):
        raise LogInvalid("the database does not know of the published checkpoint")
    return found


def _opened(session: Session, transfer: Transfer, index: int) -> Receipt:
    secret = session.scalar(
        select(CommitmentSecret.secret).where(CommitmentSecret.holder_id == transfer.holder_id)
    )
    if secret is None:
        raise HolderErased(transfer.id)
    holder_salt, record_salt = entries.salts(secret, transfer.id.bytes)
    record = entries.record_bytes(
        transfer_id=transfer.id.bytes,
        posting_id=transfer.posting_id.bytes,
        position=transfer.position,
        debit_account_id=transfer.debit_account_id.bytes,
        credit_account_id=transfer.credit_account_id.bytes,
        reference=transfer.reference.bytes,
        occurred_at_us=entries.microseconds(transfer.occurred_at),
        last_day=entries.day_number(transfer.expires_on) if transfer.expires_on else None,
        reverses_id=transfer.reverses_id.bytes if transfer.reverses_id else None,
        head=head(session.get_one(Posting, transfer.posting_id)),
    )
    kinds = _kinds(session, transfer)
    leaf = entries.encode(
        transfer.unit,
        kinds.get(transfer.debit_account_id, PERSONAL),
        kinds.get(transfer.credit_account_id, PERSONAL),
        transfer.amount,
        entries.day_number(transfer.occurred_at.astimezone(ZoneInfo(ZONE)).date()),
        entries.commitment(holder_salt, transfer.holder_id.bytes),
        entries.commitment(record_salt, record),
        transfer.kind,
    )
    return Receipt(index, transfer.holder_id, holder_salt, record_salt, record, leaf)


def _kinds(session: Session, transfer: Transfer) -> dict[UUID, str]:
    """Of those of its two accounts that are a programme's own; any other is personal."""
    both = (transfer.debit_account_id, transfer.credit_account_id)
    query = select(Account.id, Account.kind).where(~Account.guarded, Account.id.in_(both))
    return {account.id: account.kind for account in session.execute(query)}
