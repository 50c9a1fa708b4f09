"""Refusals about the keys of systems. They repeat no secret."""

from datetime import datetime
from typing import Literal
from uuid import UUID

from ledgers.errors import DomainError


class UnknownApiKey(DomainError):
    """No key has this id."""

    def __init__(self, key_id: UUID) -> None:
        super().__init__(f"no key {key_id}")
        self.key_id = key_id


class ApiKeyReused(DomainError):
    """The id stands for another key, or for one that is retired."""

    def __init__(self, key_id: UUID) -> None:
        super().__init__(f"{key_id} stands for another key")
        self.key_id = key_id


class TooManyApiKeys(DomainError):
    """An owner has enough keys in force; one must be retired first."""

    def __init__(self, *, live_max: int) -> None:
        super().__init__(f"the owner has {live_max} keys in force; retire one first")
        self.live_max = live_max


class ApiKeyDoesNotFit(DomainError):
    """A key that cannot be: ``unfit`` names what of it."""

    def __init__(self, unfit: Literal["owner", "scopes", "expires_at"]) -> None:
        super().__init__(f"{unfit} of the key is not allowed")
        self.unfit = unfit


class VerificationOutdated(DomainError):
    """The verifier said something about the resident later than this."""

    def __init__(self, said_at: datetime) -> None:
        super().__init__("a later word of the verifier stands")
        self.said_at = said_at


class VerificationFromTheFuture(DomainError):
    """A verifier's word of an instant that has not come."""

    def __init__(self) -> None:
        super().__init__("verified_at has not come")
