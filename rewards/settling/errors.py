"""Refusals of settlements, with their facts."""

from datetime import date, datetime
from uuid import UUID

from ledgers.errors import DomainError


class UnknownSettlement(DomainError):
    """This merchant has no such settlement."""

    def __init__(self, settlement_id: UUID) -> None:
        super().__init__("the merchant has no such settlement")
        self.settlement_id = settlement_id


class SettlementReused(DomainError):
    """The id already stands for another period."""

    def __init__(self, settlement_id: UUID) -> None:
        super().__init__("this id already stands for the settlement of another period")
        self.settlement_id = settlement_id


class SettlementPeriodOpen(DomainError):
    """The period is not over in the programme's zone."""

    def __init__(self, period_to: date, ends_at: datetime) -> None:
        super().__init__(f"the period is over at {ends_at.isoformat()}, not before")
        self.period_to = period_to
        self.ends_at = ends_at.isoformat()


class SettlementPeriodClosed(DomainError):
    """A settlement of some of these days stands already."""

    def __init__(
        self, settlement_id: UUID, *, period_from: date, period_to: date, state: str
    ) -> None:
        super().__init__(
            f"{period_from} to the day before {period_to} is settled: {settlement_id} is {state}"
        )
        self.settlement_id = settlement_id
        self.period_from = period_from
        self.period_to = period_to
        self.state = state


class SettlementNegative(DomainError):
    """More is taken back than is owed: nothing is to be paid, and the lines wait for the next."""

    def __init__(self, *, lines: int, sum_fen: int) -> None:
        super().__init__(f"the {lines} open lines come to {sum_fen} fen: they wait for more")
        self.lines = lines
        self.sum_fen = sum_fen


class NothingToSettle(DomainError):
    """No line is open that was recorded before the period's end."""

    def __init__(self, *, period_from: date, period_to: date) -> None:
        super().__init__(f"no line is open from before {period_to}")
        self.period_from = period_from
        self.period_to = period_to


class LinesBeingFreed(DomainError):
    """A settlement was voided and some of its lines are not free yet: a matter of seconds."""

    def __init__(self, settlement_id: UUID, lines: int) -> None:
        super().__init__(f"{lines} lines of the voided settlement {settlement_id} are being freed")
        self.settlement_id = settlement_id
        self.lines = lines


class SettlementNotReady(DomainError):
    """Its state does not allow this."""

    def __init__(self, settlement_id: UUID, *, state: str, allowed: str) -> None:
        super().__init__(f"the settlement is {state}; it must be {allowed} for this")
        self.settlement_id = settlement_id
        self.state = state
        self.allowed = allowed


class SameApprover(DomainError):
    """Who approves has neither drafted nor confirmed it."""

    def __init__(self, *, drafted_by: str, confirmed_by: str) -> None:
        super().__init__(
            f"drafted by {drafted_by}, confirmed by {confirmed_by}: somebody else approves"
        )
        self.drafted_by = drafted_by
        self.confirmed_by = confirmed_by


class SettlementPaid(DomainError):
    """It was paid under another reference."""

    def __init__(self, *, payment_reference: str, paid_at: datetime) -> None:
        super().__init__(f"it was paid under {payment_reference} at {paid_at.isoformat()}")
        self.payment_reference = payment_reference
        self.paid_at = paid_at.isoformat()


class DisputeStands(DomainError):
    """It is disputed for another reason already."""

    def __init__(self, *, dispute_reason: str, disputed_at: datetime) -> None:
        super().__init__("it is disputed already, for another reason")
        self.dispute_reason = dispute_reason
        self.disputed_at = disputed_at.isoformat()


class UnreadableStatement(DomainError):
    """A merchant's file cannot be read; nothing was compared. ``line`` counts from 1, ``cause`` is
    for people: (Chinese, English).
    """

    def __init__(self, line: int, *, why_zh: str, why_en: str) -> None:
        super().__init__(f"line {line}: {why_en}")
        self.line = line
        self.cause = (why_zh, why_en)
