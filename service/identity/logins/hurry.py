"""A transport that is done by a deadline, whatever it waits for.

httpx bounds each read, so that a server which sends a byte now and then, of its headers too, is
waited for without end; here all waits of a question together are bounded.
"""

import logging
import time
from collections.abc import Iterable
from threading import local
from typing import Any

import httpcore
import httpx

for _name in ("httpx", "httpcore"):  # They log addresses, with the secrets in them.
    logging.getLogger(_name).setLevel(logging.WARNING)


class Deadline(local):
    """Until when this thread's question may take, by the monotonic clock."""

    at = float("inf")

    def left_s(self, wanted_s: float | None, late: type[Exception]) -> float:
        """So long a wait may take at most; raises ``late`` when there is no time left."""
        left_s = self.at - time.monotonic()
        if left_s <= 0:
            raise late("too slow")
        return left_s if wanted_s is None else min(wanted_s, left_s)


class _Stream(httpcore.NetworkStream):
    def __init__(self, stream: httpcore.NetworkStream, deadline: Deadline) -> None:
        self._stream, self._deadline = stream, deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        within_s = self._deadline.left_s(timeout, httpcore.ReadTimeout)
        return self._stream.read(max_bytes, within_s)

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, self._deadline.left_s(timeout, httpcore.WriteTimeout))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: Any, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        within_s = self._deadline.left_s(timeout, httpcore.ConnectTimeout)
        secured = self._stream.start_tls(ssl_context, server_hostname, within_s)
        return _Stream(secured, self._deadline)

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


class Backend(httpcore.SyncBackend):
    """Connections that know the deadline."""

    def __init__(self, deadline: Deadline) -> None:
        self._deadline = deadline

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        within_s = self._deadline.left_s(timeout, httpcore.ConnectTimeout)
        made = super().connect_tcp(host, port, within_s, local_address, socket_options)
        return _Stream(made, self._deadline)


class Transport(httpx.HTTPTransport):
    """httpx's own, over connections that know the deadline."""

    def __init__(self, deadline: Deadline, backend: Backend | None = None) -> None:
        super().__init__(trust_env=False)
        self._pool.close()
        self._pool = httpcore.ConnectionPool(
            ssl_context=httpx.create_ssl_context(trust_env=False),
            max_connections=100,
            max_keepalive_connections=20,
            keepalive_expiry=5.0,
            network_backend=backend or Backend(deadline),
        )
