"""Refusals of district reporting."""

from ledgers.errors import DomainError


class FutureMonth(DomainError):
    """The month has not begun in the programme's zone."""

    def __init__(self, month: str) -> None:
        super().__init__(f"{month} has not begun")
        self.month = month
