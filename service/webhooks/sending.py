"""Sending one message: a signed POST, a status, and nothing else of the answer.

Kept here: what is sent goes to the address that was checked, so that a name cannot lead to a
neighbour of ours a moment later; no redirect, proxy or cookie is taken; all of it is over by a
deadline; nothing of it is logged.
"""

import socket
import time
from collections.abc import Iterable
from contextlib import suppress
from datetime import datetime
from ipaddress import ip_address
from typing import Any

import httpcore
import httpx

from rewards.webhooks.addresses import is_public
from rewards.webhooks.deliveries import Claimed, Outcome
from rewards.webhooks.endpoints import check_address, secret_of
from rewards.webhooks.errors import BadWebhookAddress
from service.feeds.signatures import sign
from service.identity.logins.hurry import Backend, Deadline, Transport

TIMEOUT_S = 5.0  # For all of it: whoever needs longer answers first and works then.
REFUSED = "address not allowed"
_BODY_READ_MAX_BYTES = 4_096  # A short one, within a moment, so that the connection serves again.
_BODY_READ_S = 0.5


class AddressRefused(Exception):
    """The name leads to an address that is not of the open internet."""


class OpenInternet(Backend):
    """Connects to what a name resolves to, looked up once and checked."""

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        failed: Exception = httpcore.ConnectError("no address")
        for address in _resolved(host, port):
            try:
                return super().connect_tcp(address, port, timeout, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failed = error
        raise failed


class Sender:
    """Any thread may use it. ``private``: also plain http, and to addresses of our own network."""

    def __init__(self, *, private: bool, timeout_s: float = TIMEOUT_S) -> None:
        self._private, self._timeout_s = private, timeout_s
        self._deadline = Deadline()
        backend = Backend(self._deadline) if private else OpenInternet(self._deadline)
        self._transport = Transport(self._deadline, backend)

    def send(self, claimed: Claimed, key: bytes, *, at: datetime) -> Outcome:
        """What became of it; signed as of ``at`` by the endpoint's secret (``key``: ours)."""
        try:
            check_address(claimed.url, private=self._private)  # It may have been made otherwise.
            status = self._status(_request(claimed, key, at, self._timeout_s))
        except (AddressRefused, BadWebhookAddress):
            return Outcome(claimed, False, REFUSED)
        except httpx.TimeoutException:
            return Outcome(claimed, False, "timeout")
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            return Outcome(claimed, False, type(error).__name__)
        return Outcome(claimed, 200 <= status < 300, str(status))

    def _status(self, request: httpx.Request) -> int:
        """By the transport alone: a client would keep cookies."""
        self._deadline.at = time.monotonic() + self._timeout_s
        response = self._transport.handle_request(request)
        try:
            self._deadline.at = min(self._deadline.at, time.monotonic() + _BODY_READ_S)
            with suppress(httpx.HTTPError):
                _read_a_little(response)
        finally:
            response.close()
        return response.status_code

    def close(self) -> None:
        """Close what is open; what is sent later opens anew."""
        self._transport.close()


def _request(claimed: Claimed, key: bytes, at: datetime, timeout_s: float) -> httpx.Request:
    body, id_ = claimed.body.encode(), str(claimed.id)
    headers = {
        "user-agent": "tanhui",
        "accept-encoding": "identity",
        "content-type": "application/json",
        "webhook-id": id_,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": sign(secret_of(key, claimed.endpoint_id), id_, at, body),
    }
    extensions = {"timeout": dict.fromkeys(("connect", "read", "write", "pool"), timeout_s)}
    return httpx.Request("POST", claimed.url, headers=headers, content=body, extensions=extensions)


def _read_a_little(response: httpx.Response) -> None:
    assert isinstance(response.stream, httpx.SyncByteStream)
    length = 0
    for part in response.stream:
        if (length := length + len(part)) > _BODY_READ_MAX_BYTES:
            return


def _resolved(host: str, port: int) -> list[str]:
    """Every address of the name; raises AddressRefused where one of them is not for us."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise httpcore.ConnectError("no such host") from None
    addresses = list(dict.fromkeys(str(each[4][0]) for each in found))
    if not all(is_public(ip_address(each.partition("%")[0])) for each in addresses):
        raise AddressRefused
    return addresses
