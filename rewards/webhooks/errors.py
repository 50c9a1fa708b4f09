"""Refusals about webhooks, with their facts."""

from typing import Literal
from uuid import UUID

from ledgers.errors import DomainError


class UnknownWebhook(DomainError):
    """The merchant has no such endpoint."""

    def __init__(self, endpoint_id: UUID) -> None:
        super().__init__(f"the merchant has no webhook {endpoint_id}")
        self.endpoint_id = endpoint_id


class UnknownWebhookMessage(DomainError):
    """The endpoint has no such message."""

    def __init__(self, message_id: UUID) -> None:
        super().__init__(f"the webhook has no message {message_id}")
        self.message_id = message_id


class WebhookReused(DomainError):
    """The id stands for another endpoint, or for one that has ended."""

    def __init__(self, endpoint_id: UUID) -> None:
        super().__init__(f"{endpoint_id} stands for another webhook")
        self.endpoint_id = endpoint_id


class WebhookMessageReused(DomainError):
    """The id stands for another message."""

    def __init__(self, message_id: UUID) -> None:
        super().__init__(f"{message_id} stands for another message")
        self.message_id = message_id


class WebhookEnded(DomainError):
    """Nothing is sent to an endpoint that has ended."""

    def __init__(self, endpoint_id: UUID) -> None:
        super().__init__(f"the webhook {endpoint_id} has ended")
        self.endpoint_id = endpoint_id


class TooManyWebhooks(DomainError):
    """A merchant has enough live endpoints; one must be ended first."""

    def __init__(self, *, webhooks_max: int) -> None:
        super().__init__(f"the merchant has {webhooks_max} live webhooks; end one first")
        self.webhooks_max = webhooks_max


class BadWebhookAddress(DomainError):
    """An address to which nothing is sent: ``address_part`` names what of it."""

    def __init__(self, address_part: Literal["form", "scheme", "host", "port"]) -> None:
        super().__init__(f"the {address_part} of the webhook's address is not allowed")
        self.address_part = address_part
