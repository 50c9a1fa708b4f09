"""Refusals of signing up and in. None says whether a phone or an outside id is known, and none
repeats a code, a phone or a token.
"""

from typing import Literal

from ledgers.errors import DomainError

Method = Literal["phone", "wechat", "oidc"]


class LoginMethodNotOffered(DomainError):
    """This service is not set up for this way to sign in."""

    def __init__(self, method: Method) -> None:
        super().__init__(f"signing in by {method} is not offered")
        self.method = method


class CodeNotRight(DomainError):
    """A code that is wrong, expired, used or was never sent: nobody learns which."""

    def __init__(self) -> None:
        super().__init__("the code is not right or not good any more")


class CodesAway(DomainError):
    """What is good once cannot be checked now: redis is away."""

    def __init__(self) -> None:
        super().__init__("codes cannot be checked now")
        self.retry_after_s = 2


class SmsNotSent(DomainError):
    """The gateway did not take the message; the code is forgotten."""

    def __init__(self) -> None:
        super().__init__("the message was not sent")
        self.retry_after_s = 10


class LoginNotProven(DomainError):
    """What an outside provider gave, or what was kept for the way back, proves nobody."""

    def __init__(self, method: Method) -> None:
        super().__init__(f"{method} does not say who this is")
        self.method = method


class LoginProviderRefuses(DomainError):
    """The outside provider holds this user for a risk."""

    def __init__(self, method: Method) -> None:
        super().__init__(f"{method} refuses this user")
        self.method = method


class LoginProviderAway(DomainError):
    """The outside provider does not answer, or not what was agreed."""

    def __init__(self, method: Method, retry_after_s: int = 5) -> None:
        super().__init__(f"{method} does not answer")
        self.method = method
        self.retry_after_s = retry_after_s


class RedirectNotAllowed(DomainError):
    """The address to come back to is none of those that were agreed."""

    def __init__(self) -> None:
        super().__init__("not an address to come back to")


class SignUpTokenNotRight(DomainError):
    """A token for signing up that is not ours or has ended."""

    def __init__(self) -> None:
        super().__init__("the token for signing up is not good")


class GuardianNeeded(DomainError):
    """A child under fourteen, whom a guardian registers."""

    def __init__(self) -> None:
        super().__init__("a guardian registers a child under 14")


class TermsOutdated(DomainError):
    """Agreed to another version of the terms than the one in force."""

    def __init__(self, terms_version: int) -> None:
        super().__init__(f"the terms in force are version {terms_version}")
        self.terms_version = terms_version


class PhoneTaken(DomainError):
    """The phone, which the caller proved to have, is another resident's."""

    def __init__(self) -> None:
        super().__init__("the phone is another resident's")
