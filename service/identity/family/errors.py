"""Refusals about who acts for whom. None repeats a name, a birth date or a code."""

from uuid import UUID

from ledgers.errors import DomainError


class NotAChild(DomainError):
    """Fourteen or older, or not born yet: nobody whom a guardian registers."""

    def __init__(self) -> None:
        super().__init__("a guardian registers children under 14")


class ChildReused(DomainError):
    """The id already stands for a child with other data."""

    def __init__(self, child_id: UUID) -> None:
        super().__init__(f"{child_id} stands for another child")
        self.child_id = child_id


class TooManyDelegations(DomainError):
    """As many children, delegates or people to act for as one may have."""

    def __init__(self, delegations_max: int) -> None:
        super().__init__(f"{delegations_max} at most")
        self.delegations_max = delegations_max


class OfferNotGood(DomainError):
    """A code that is wrong, expired or used, or one's own: nobody learns which."""

    def __init__(self) -> None:
        super().__init__("the code is not good")


class DelegationReused(DomainError):
    """The id already stood for a delegation that has ended."""

    def __init__(self, delegation_id: UUID) -> None:
        super().__init__(f"{delegation_id} stands for a delegation that has ended")
        self.delegation_id = delegation_id


class UnknownDelegation(DomainError):
    """The caller acts for nobody under this id, or not any more."""

    def __init__(self, delegation_id: UUID) -> None:
        super().__init__(f"no delegation {delegation_id}")
        self.delegation_id = delegation_id


class GuardianshipOver(DomainError):
    """The child has turned fourteen and acts for themselves."""

    def __init__(self) -> None:
        super().__init__("the child is fourteen by now")


class GuardianStays(DomainError):
    """A child under fourteen is not left without a guardian."""

    def __init__(self) -> None:
        super().__init__("a child under 14 needs a guardian")
