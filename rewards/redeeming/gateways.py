"""An outside gateway, as top-ups need it: what it is asked, and what its answers may be.

What a gateway promises (docs/gateway.md): an order's id is done at most once, and asking again
answers the same; an order that it has called refused or cancelled it never does, also if the order
itself comes only then.
"""

from dataclasses import dataclass, field
from typing import Literal, NamedTuple, Protocol
from uuid import UUID

SAID_MAX = 200
FINAL = frozenset({"done", "refused", "cancelled"})


@dataclass(frozen=True, slots=True)
class Order:
    """So much money onto this card, once."""

    id: UUID
    amount_fen: int
    card_number: str = field(repr=False)


class Outcome(NamedTuple):
    """What the gateway says of an order, and its own reference (done) or reason (the others).

    ``pending``: not decided; ``absent``: it never saw the order; ``unknown``: no answer, or none to
    rely on, so that anything may have happened.
    """

    state: Literal["done", "refused", "cancelled", "pending", "absent", "unknown"]
    detail: str = ""

    @property
    def is_final(self) -> bool:
        """Whether nothing else can become of the order."""
        return self.state in FINAL

    @property
    def said(self) -> str:
        """For the record."""
        return f"{self.state} {self.detail}".strip()[:SAID_MAX]


class Gateway(Protocol):
    """Each of these may be repeated, and answers within some seconds, never by an exception."""

    def order(self, order: Order) -> Outcome:
        """Do it; or say what became of it, when it was ordered before."""

    def look(self, order_id: UUID) -> Outcome:
        """What became of an order."""

    def cancel(self, order_id: UUID) -> Outcome:
        """Never do it, if it is not done yet, also when it was not ordered yet."""
