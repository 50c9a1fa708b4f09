"""Refusals: what a caller may not do, with the facts. They name no HTTP status."""

from collections.abc import Collection
from datetime import datetime
from uuid import UUID


class DomainError(Exception):
    """Root of all refusals of the three domain packages; the text is safe to show."""


class UnknownAccount(DomainError):
    """A transfer names accounts that do not exist, are closed or hold another unit."""

    def __init__(self, account_ids: Collection[UUID]) -> None:
        self.account_ids = sorted(str(account_id) for account_id in account_ids)
        super().__init__(f"{len(self.account_ids)} unknown or closed account(s)")


class AccountClosed(DomainError):
    """The holder closed their account, or nobody of this id has one: nothing is booked there."""

    def __init__(self, holder_id: UUID) -> None:
        super().__init__("the account is closed")
        self.holder_id = holder_id


class InsufficientPoints(DomainError):
    """A guarded account would fall below zero, or its holder still owes."""

    def __init__(self, *, have_points: int, need_points: int, owed_points: int = 0) -> None:
        super().__init__(f"{need_points} points needed, {have_points} available")
        self.have_points = have_points
        self.need_points = need_points
        self.owed_points = owed_points


class PostingReused(DomainError):
    """The id already stands for a posting with other content."""

    def __init__(self, posting_id: UUID) -> None:
        super().__init__("this id already stands for other content")
        self.posting_id = posting_id


class UnknownTransfer(DomainError):
    """A reversal or a request for a proof names transfers that this holder does not have."""

    def __init__(self, transfer_ids: Collection[UUID]) -> None:
        self.transfer_ids = sorted(str(transfer_id) for transfer_id in transfer_ids)
        super().__init__(f"{len(self.transfer_ids)} unknown transfer(s)")


class UnknownCheckpoint(DomainError):
    """No checkpoint of so many leaves is published."""

    def __init__(self, size: int) -> None:
        super().__init__(f"no checkpoint of {size} leaves is published")
        self.size = size


class LogBroken(DomainError):
    """The published files do not lead from one checkpoint to another; ``why`` says which."""

    def __init__(self, why: str) -> None:
        super().__init__(f"the log does not hold together: {why}")
        self.why = why


class NotSealedYet(DomainError):
    """The transfer has no place under a published checkpoint yet; it comes within seconds."""

    def __init__(self, transfer_id: UUID) -> None:
        super().__init__("this transfer is not in the published log yet")
        self.transfer_id = str(transfer_id)


class HolderErased(DomainError):
    """What tied the transfer's leaf to its holder was destroyed, so that nobody can prove it."""

    def __init__(self, transfer_id: UUID) -> None:
        super().__init__("the holder was erased; nobody can show whose leaf this is")
        self.transfer_id = str(transfer_id)


class NotReversible(DomainError):
    """A transfer is itself a reversal or a change of lot, or less is left of it than asked for."""

    def __init__(self, transfer_ids: Collection[UUID]) -> None:
        self.transfer_ids = sorted(str(transfer_id) for transfer_id in transfer_ids)
        super().__init__(f"{len(self.transfer_ids)} transfer(s) cannot be reversed")


class InvalidAmount(DomainError):
    """An amount is not a whole number from 1 to 2^53."""

    def __init__(self, amount: object) -> None:
        super().__init__("an amount is a whole number from 1 to 9007199254740992")
        self.amount = str(amount)


class WrongUnit(DomainError):
    """The two accounts of a transfer hold different units."""

    def __init__(self, debit_unit: str, credit_unit: str) -> None:
        super().__init__(f"{debit_unit} cannot be moved to an account of {credit_unit}")
        self.debit_unit = debit_unit
        self.credit_unit = credit_unit


class PostingOutOfBounds(DomainError):
    """A posting has no transfer, or more than one posting may have."""

    def __init__(self, transfers: int, transfers_max: int) -> None:
        super().__init__(f"{transfers} transfers; a posting has 1 to {transfers_max}")
        self.transfers = transfers
        self.transfers_max = transfers_max


class UnknownHold(DomainError):
    """This holder has no such hold."""

    def __init__(self, hold_id: UUID) -> None:
        super().__init__("there is no such hold")
        self.hold_id = str(hold_id)


class HoldReused(DomainError):
    """The id already stands for a hold of other content."""

    def __init__(self, hold_id: UUID) -> None:
        super().__init__("this id already stands for another hold")
        self.hold_id = str(hold_id)


class HoldEnded(DomainError):
    """The hold was captured, released, or its deadline has passed."""

    def __init__(self, hold_id: UUID, state: str, ended_at: datetime) -> None:
        super().__init__(f"the hold was {state} at {ended_at.isoformat()}")
        self.hold_id = str(hold_id)
        self.state = state
        self.ended_at = ended_at.isoformat()


class HoldExceeded(DomainError):
    """More was asked for than is held."""

    def __init__(self, *, held_points: int, asked_points: int) -> None:
        super().__init__(f"{asked_points} asked for, {held_points} held")
        self.held_points = held_points
        self.asked_points = asked_points


class DeadlineOutOfBounds(DomainError):
    """A hold's deadline is past, or further away than a hold may last."""

    def __init__(self, deadline_at: datetime, days_max: int) -> None:
        super().__init__(f"a hold ends in the future and within {days_max} days")
        self.deadline_at = deadline_at.isoformat()
        self.days_max = days_max


class UnknownPosting(DomainError):
    """There is no such posting."""

    def __init__(self, posting_id: UUID) -> None:
        super().__init__("there is no such posting")
        self.posting_id = str(posting_id)


class UnknownCorrection(DomainError):
    """This holder has no such correction."""

    def __init__(self, correction_id: UUID) -> None:
        super().__init__("there is no such correction")
        self.correction_id = str(correction_id)


class CorrectionReused(DomainError):
    """The id already stands for a correction of other content, or somebody else's proposal."""

    def __init__(self, correction_id: UUID) -> None:
        super().__init__("this id already stands for another correction")
        self.correction_id = str(correction_id)


class SecondPersonNeeded(DomainError):
    """Who proposed a correction does not approve it."""

    def __init__(self, proposed_by: str) -> None:
        super().__init__("a correction is approved by a second person")
        self.proposed_by = proposed_by


class CorrectionDecided(DomainError):
    """Somebody has approved or rejected the correction before."""

    def __init__(self, state: str, decided_by: str) -> None:
        super().__init__(f"the correction was {state} before")
        self.state = state
        self.decided_by = decided_by
