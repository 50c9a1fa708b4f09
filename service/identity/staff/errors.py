"""Refusals about staff. They never say whether a login is known, and repeat no secret."""

from collections.abc import Sequence
from typing import Literal
from uuid import UUID

from ledgers.errors import DomainError


class SignInRefused(DomainError):
    """Login, password and second factor do not go together; which of them is nobody's business."""

    def __init__(self) -> None:
        super().__init__("login, password and second factor do not go together")


class GrantNotChosen(DomainError):
    """Everything was right, and the person has several grants: one must be named."""

    def __init__(self, grants: Sequence[dict[str, str]]) -> None:
        super().__init__("one of several grants must be chosen")
        self.grants = list(grants)


class NoGrant(DomainError):
    """Everything was right, and the person may do nothing (any more)."""

    def __init__(self) -> None:
        super().__init__("no grant is in force")


class PasswordNotGood(DomainError):
    """A new password that keeps not to the rules; ``unmet`` names the rule."""

    def __init__(self, unmet: Literal["length", "login", "common"]) -> None:
        super().__init__(f"the new password does not keep the rule of {unmet}")
        self.unmet = unmet


class UnknownInvitation(DomainError):
    """No such invitation is open: mistyped, used, replaced or too old."""

    def __init__(self) -> None:
        super().__init__("no such invitation is open")


class UnknownMember(DomainError):
    """Nobody of the staff, or nobody whom this administrator reaches."""

    def __init__(self, name: str = "") -> None:
        super().__init__(f"{name!r} is nobody of the staff" if name else "nobody of the staff")


class MemberReused(DomainError):
    """The id stands for somebody with another login; a login is never changed."""

    def __init__(self, member_id: UUID) -> None:
        super().__init__(f"{member_id} stands for another login")
        self.member_id = member_id


class LoginTaken(DomainError):
    """The login is somebody else's, or was."""

    def __init__(self, login: str) -> None:
        super().__init__(f"the login {login} is taken")
        self.login = login


class NoSuchGrant(DomainError):
    """The person has no grant of this id."""

    def __init__(self, grant_id: UUID) -> None:
        super().__init__(f"no grant {grant_id}")
        self.grant_id = grant_id


class GrantReused(DomainError):
    """The id stands for another grant, or for one that has ended."""

    def __init__(self, grant_id: UUID) -> None:
        super().__init__(f"{grant_id} stands for another grant")
        self.grant_id = grant_id


class GrantDoesNotFit(DomainError):
    """A role with a scope that it cannot have; ``needed_scope`` says what kind it takes."""

    def __init__(
        self, role: str, needed_scope: Literal["merchant", "partner", "division", "none"]
    ) -> None:
        super().__init__(f"the scope of the role {role} must be: {needed_scope}")
        self.role = role
        self.needed_scope = needed_scope


class NotForOneself(DomainError):
    """What takes somebody else: a grant, a reset or a block of one's own."""

    def __init__(self) -> None:
        super().__init__("nobody does this for themselves")
