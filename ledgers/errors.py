"""Refusals: what a caller may not do, with the facts. They name no HTTP status."""

from collections.abc import Collection
from uuid import UUID


class DomainError(Exception):
    """Root of all refusals of the three domain packages; the text is safe to show."""


class UnknownAccount(DomainError):
    """A transfer names accounts that do not exist, are closed or hold another unit."""

    def __init__(self, account_ids: Collection[UUID]) -> None:
        self.account_ids = sorted(str(account_id) for account_id in account_ids)
        super().__init__(f"{len(self.account_ids)} unknown or closed account(s)")


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
    """A reversal names transfers that this holder does not have."""

    def __init__(self, transfer_ids: Collection[UUID]) -> None:
        self.transfer_ids = sorted(str(transfer_id) for transfer_id in transfer_ids)
        super().__init__(f"{len(self.transfer_ids)} unknown transfer(s)")


class NotReversible(DomainError):
    """A transfer was reversed before, or is itself a reversal."""

    def __init__(self, transfer_ids: Collection[UUID]) -> None:
        self.transfer_ids = sorted(str(transfer_id) for transfer_id in transfer_ids)
        super().__init__(f"{len(self.transfer_ids)} transfer(s) cannot be reversed")


class InvalidAmount(DomainError):
    """An amount is not a whole number from 1 to 2^53, or its accounts hold another unit."""

    def __init__(self, amount: object) -> None:
        super().__init__("an amount is a whole number from 1 to 9007199254740992 of one unit")
        self.amount = str(amount)
