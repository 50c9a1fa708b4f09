"""Asking servers out there: short questions, short answers, in a short time.

Nothing of a question is logged: addresses and headers carry secrets. Nothing is read from the
environment, and no redirect is followed to where nobody sent us.
"""

import time
from dataclasses import dataclass
from typing import Any

import httpx
import msgspec

from service.identity.logins.hurry import Deadline, Transport

ANSWER_MAX_BYTES = 256 * 1024


class OutsideAway(Exception):
    """No answer, or none that can be used; the text says why and repeats nothing sent."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A status and its body."""

    status: int
    content: bytes

    @property
    def good(self) -> bool:
        return 200 <= self.status < 300

    def json(self) -> dict[str, Any]:
        """The object that it holds; raises OutsideAway when it holds none."""
        try:
            return msgspec.json.decode(self.content, type=dict[str, Any])
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise OutsideAway(f"status {self.status} without a JSON object") from None


class Outside:
    """A client that any thread may use; ``timeout_s`` is for the whole answer."""

    def __init__(self, *, timeout_s: float = 3.0) -> None:
        self._timeout_s, self._deadline = timeout_s, Deadline()
        self._client = httpx.Client(
            timeout=httpx.Timeout(timeout_s, connect=min(1.5, timeout_s)),
            transport=Transport(self._deadline),
            follow_redirects=False,
            trust_env=False,
            headers={
                "user-agent": "tanhui",
                "accept": "application/json",
                "accept-encoding": "identity",  # A short answer that unpacks to a long one: no.
            },
        )

    def ask(self, method: str, url: str, **question: Any) -> Answer:
        """Raises OutsideAway: nobody can tell whether the question was taken."""
        self._deadline.at = time.monotonic() + self._timeout_s
        content = b""
        try:
            with self._client.stream(method, url, **question) as response:
                for part in response.iter_raw():
                    content += part
                    if len(content) > ANSWER_MAX_BYTES:
                        raise OutsideAway("an answer without end")
                return Answer(response.status_code, content)
        except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError) as error:
            raise OutsideAway(type(error).__name__) from None

    def close(self) -> None:
        """Close what is open."""
        self._client.close()
