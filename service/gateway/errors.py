"""Refusals of what the gateway calls back with."""

from ledgers.errors import DomainError


class InvalidOutcome(DomainError):
    """Neither done with a reference nor refused with a reason, or of another order."""

    def __init__(self) -> None:
        super().__init__("no outcome of this order by the protocol")
