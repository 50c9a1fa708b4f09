"""How a code gets to a phone: one small interface, and two ways.

A gateway speaks our JSON (docs/operators.md, "SMS"); for one with a language of its own an adapter
stands between. Neither phone nor code is ever logged.
"""

import logging
import sys
from dataclasses import dataclass
from typing import Protocol
from uuid import uuid4

from service.identity.logins.errors import SmsNotSent
from service.identity.logins.outside import Outside, OutsideAway

log = logging.getLogger(__name__)
ATTEMPTS_MAX = 2


@dataclass(frozen=True, slots=True)
class Message:
    """A code on its way: ``phone`` in E.164, ``text`` with the code in it."""

    phone: str
    code: str
    text: str


class Sender(Protocol):
    """Sends a message now."""

    def send(self, message: Message) -> None:
        """Raises SmsNotSent: it may have arrived all the same, so its code must be void."""


class ConsoleSender:
    """For development: the terminal is the phone. Of the number only its end is shown."""

    def send(self, message: Message) -> None:
        print(f"SMS …{message.phone[-4:]}: {message.text}", file=sys.stderr, flush=True)


class HttpSender:
    """``POST`` of JSON to a gateway; tried once more under the same ``Idempotency-Key``."""

    def __init__(self, url: str, token: str, template: str | None, outside: Outside) -> None:
        self._url, self._token, self._template, self._outside = url, token, template, outside

    def send(self, message: Message) -> None:
        body = {"phone": message.phone, "code": message.code, "text": message.text}
        if self._template is not None:
            body["template"] = self._template
        headers = {"authorization": f"Bearer {self._token}", "idempotency-key": str(uuid4())}
        why = ""
        for _ in range(ATTEMPTS_MAX):
            try:
                answer = self._outside.ask("POST", self._url, json=body, headers=headers)
            except OutsideAway as error:
                why = str(error)
                continue
            if answer.good:
                return
            why = f"status {answer.status}"
            if answer.status < 500:
                break  # It understood us, and would refuse again.
        log.warning("the SMS gateway did not take a message: %s", why)
        raise SmsNotSent
