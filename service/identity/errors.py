"""Refusals about who somebody is. They never repeat a card's number: it is personal data."""

from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from ledgers.errors import AccountClosed as AccountClosed  # The same refusal, whoever finds it.
from ledgers.errors import DomainError


class UnknownCard(DomainError):
    """No resident has a card of this number."""

    def __init__(self) -> None:
        super().__init__("no resident has this card")


class CardTaken(DomainError):
    """The card is another resident's."""

    def __init__(self) -> None:
        super().__init__("the card is another resident's")


class CardRequestReused(DomainError):
    """The id of a request for a card already stands for something else."""

    def __init__(self, request_id: UUID) -> None:
        super().__init__(f"{request_id} stands for another request")
        self.request_id = request_id


class BirthDateFixed(DomainError):
    """A birth date is stated once; the desk corrects it."""

    def __init__(self) -> None:
        super().__init__("the birth date stands already")


class ResidentReused(DomainError):
    """The id of a registration already stands for one with other content."""

    def __init__(self, resident_id: UUID) -> None:
        super().__init__(f"{resident_id} stands for another registration")
        self.resident_id = resident_id


class SessionEnded(DomainError):
    """The refresh token carries no session on: garbage, unknown, ended, used before, too old."""

    def __init__(self) -> None:
        super().__init__("the session has ended")


class OpenOrders(DomainError):
    """An account is closed when nothing is open: points are held for an order, a top-up is on its
    way, or vouchers wait.
    """

    def __init__(
        self,
        *,
        holds: Iterable[tuple[UUID, int, datetime]],
        top_ups: Iterable[tuple[UUID, UUID, datetime]],
        vouchers: Iterable[tuple[UUID, UUID, datetime]],
    ) -> None:
        super().__init__("orders are open")
        self.holds = [
            {"id": str(hold_id), "held_points": points, "deadline_at": deadline_at.isoformat()}
            for hold_id, points, deadline_at in holds
        ]
        self.top_ups, self.vouchers = (
            [
                {
                    "redemption_id": str(redemption_id),
                    "offer_id": str(offer_id),
                    "redeemed_at": redeemed_at.isoformat(),
                }
                for redemption_id, offer_id, redeemed_at in orders
            ]
            for orders in (top_ups, vouchers)
        )


class ChildrenLeft(DomainError):
    """Children's accounts have this guardian: another takes over, or they are closed first."""

    def __init__(self, children: Iterable[UUID]) -> None:
        self.children = [str(holder_id) for holder_id in children]
        super().__init__(f"guardian of {len(self.children)} account(s)")
