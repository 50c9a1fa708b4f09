"""Refusals of top-ups, with their facts."""

from uuid import UUID

from ledgers.errors import DomainError


class NotATopUp(DomainError):
    """A card was named for an offer that puts money onto none."""

    def __init__(self, offer_id: UUID) -> None:
        super().__init__("this offer puts money onto no card")
        self.offer_id = offer_id


class CardMissing(DomainError):
    """A top-up needs the number of the card."""

    def __init__(self, offer_id: UUID) -> None:
        super().__init__("a top-up needs the number of the card")
        self.offer_id = offer_id


class TopUpsNotOffered(DomainError):
    """No gateway is set up, so nothing can be put onto cards."""

    def __init__(self) -> None:
        super().__init__("no gateway for top-ups is set up")


class UnknownTopUp(DomainError):
    """There is no such top-up, or it is out of the caller's reach."""

    def __init__(self, order_id: UUID) -> None:
        super().__init__("there is no such top-up")
        self.order_id = order_id


class TopUpContradicted(DomainError):
    """The top-up has ended otherwise; the answer is kept for a person to look at."""

    def __init__(self, order_id: UUID, state: str) -> None:
        super().__init__(f"the top-up has ended otherwise: {state}")
        self.order_id = order_id
        self.state = state
