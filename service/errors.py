"""Refusals of the service itself."""

from typing import Literal

from ledgers.errors import DomainError


class TooBusy(DomainError):
    """More wait than can be served in good time, or the process is ending. Nothing was kept, or
    it was: the same request again is safe.
    """

    def __init__(self) -> None:
        super().__init__("too much to do at once")


class TooManyRequests(DomainError):
    """Tried more often than is let through; after ``retry_after_s`` seconds it counts anew."""

    def __init__(self, retry_after_s: int) -> None:
        super().__init__("tried too often")
        self.retry_after_s = retry_after_s


class InvalidAttestation(DomainError):
    """An attestation of the device that cannot be believed; ``why`` says in what."""

    def __init__(
        self, why: Literal["invalid", "expired", "other_activity", "other_device"]
    ) -> None:
        super().__init__(f"the attestation is not good: {why}")
        self.why = why


class UnknownTerms(DomainError):
    """There is no such version of the terms, or it is not in force yet."""

    def __init__(self, version: int) -> None:
        super().__init__(f"there are no terms of version {version}")
        self.version = version


class PreviewTooLong(DomainError):
    """What drafts would change takes longer to replay than a request may; nothing was written."""

    def __init__(self, *, timeout_s: int) -> None:
        super().__init__(f"not replayed within {timeout_s} s")
        self.timeout_s = timeout_s


class WrongRole(Exception):
    """The caller is known and may not do this."""


class NotAsDelegate(Exception):
    """The caller acts for somebody who did not let them do this."""


class SignInAgain(Exception):
    """What would take an account over, or end it, wants somebody who signed in just now."""


class OutOfReach(Exception):
    """The caller's grant is for one programme or division, and this is for those with all."""


class CommandRefused(Exception):
    """A command cannot do what it was asked; its text is one line that says why."""
