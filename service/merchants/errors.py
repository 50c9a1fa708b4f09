"""Refusals about a merchant's bank details."""

from uuid import UUID

from ledgers.errors import DomainError


class NoBankDetails(DomainError):
    """The merchant has told none."""

    def __init__(self, merchant_id: UUID) -> None:
        super().__init__("the merchant has told no bank details")
        self.merchant_id = merchant_id
