"""Refusals about who somebody is. They never repeat a card's number: it is personal data."""

from uuid import UUID

from ledgers.errors import DomainError


class UnknownCard(DomainError):
    """No resident has a card of this number."""

    def __init__(self) -> None:
        super().__init__("no resident has this card")


class CardTaken(DomainError):
    """The card is another resident's."""

    def __init__(self) -> None:
        super().__init__("the card is another resident's")


class ResidentReused(DomainError):
    """The id of a registration already stands for one with other content."""

    def __init__(self, resident_id: UUID) -> None:
        super().__init__(f"{resident_id} stands for another registration")
        self.resident_id = resident_id


class AccountClosed(DomainError):
    """The person's account is closed, or there is none: nothing personal is kept of them."""

    def __init__(self, holder_id: UUID) -> None:
        super().__init__("the account is closed")
        self.holder_id = holder_id
