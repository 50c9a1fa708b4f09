"""The real service in processes of its own, and one client process that keeps connections busy.

The client shares the machine with the service: it sends the next request of a connection once it
has the answer to the one before.
"""

import os
import selectors
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

WARM_UP_S, READY_S = 2.0, 60.0
Address = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Driven:
    """How long each answer took once warm, and all statuses."""

    took_ms: list[float]
    statuses: Counter[bytes]
    seconds: float

    @property
    def per_s(self) -> float:
        return len(self.took_ms) / self.seconds

    def at(self, permille: int) -> float:
        """The time within which so many of a thousand answers came, in ms."""
        ordered = sorted(self.took_ms)
        return ordered[min(len(ordered) - 1, len(ordered) * permille // 1000)]


def environ(url: str, folder: Path, **more: str) -> dict[str, str]:
    """Settings of a service of its own on a free port, without those of the surroundings."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    own = {
        "DATABASE_URL": url,
        "VAR_DIR": str(folder / "var"),
        "WORKERS": "2",
        "PORT": str(port),
        "RATE_LIMITS": "9999",  # Counted, which is part of the cost, and never met.
    }
    outside = {name: value for name, value in os.environ.items() if name[:7] != "TANHUI_"}
    return outside | {f"TANHUI_{name}": value for name, value in (own | more).items()}


@contextmanager
def served(settings: dict[str, str], *command: str) -> Iterator[Address]:
    """The service (or another ``command``) in processes of its own, once it is ready."""
    tanhui = Path(sys.executable).with_name("tanhui")
    address = "127.0.0.1", int(settings["TANHUI_PORT"])
    started = command or (str(tanhui), "serve")
    process = subprocess.Popen(started, env=settings, stdout=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + READY_S
        while not _is_ready(address):
            assert process.poll() is None, "the service ended"
            assert time.monotonic() < deadline, "the service is not ready"
            time.sleep(0.1)
        yield address
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)


def _is_ready(address: Address) -> bool:
    try:
        with socket.create_connection(address, 2) as probe:
            probe.sendall(b"GET /readyz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            return probe.recv(64).startswith(b"HTTP/1.1 200")
    except OSError:
        return False


def written(method: str, path: str, headers: Sequence[str] = (), body: bytes = b"") -> bytes:
    """A request as it goes over the wire."""
    lines = [f"{method} {path} HTTP/1.1", "Host: x", *headers]
    if body:
        lines += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
    return "\r\n".join([*lines, "", ""]).encode() + body


def drive(
    address: Address,
    requests: Iterable[bytes],
    *,
    connections: int,
    seconds: float,
    warm_up_s: float = WARM_UP_S,
) -> Driven:
    """Send for so long, or until there are no more requests."""
    selector = selectors.DefaultSelector()
    waiting = iter(requests)
    sent: dict[socket.socket, float] = {}
    received: dict[socket.socket, bytes] = {}

    def send(connection: socket.socket) -> bool:
        if (request := next(waiting, None)) is None:
            return False
        sent[connection], received[connection] = time.perf_counter(), b""
        connection.sendall(request)
        return True

    begun = time.perf_counter()
    for _ in range(connections):
        connection = socket.create_connection(address, 10)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        selector.register(connection, selectors.EVENT_READ)
        send(connection)
    took_ms: list[float] = []
    statuses: Counter[bytes] = Counter()
    now = begun
    while sent:
        for key, _ in selector.select(10):
            connection = key.fileobj  # type: ignore[assignment]
            received[connection] += (chunk := connection.recv(65_536))
            assert chunk, "the service hung up"
            if not _is_whole(received[connection]):
                continue
            now = time.perf_counter()
            statuses[received[connection][9:12]] += 1
            if now - begun > warm_up_s:
                took_ms.append(1000 * (now - sent[connection]))
            if now - begun > warm_up_s + seconds or not send(connection):
                del sent[connection]
                selector.unregister(connection)
                connection.close()
    return Driven(took_ms, statuses, min(seconds, now - begun - warm_up_s))


def _is_whole(answer: bytes) -> bool:
    head, blank, body = answer.partition(b"\r\n\r\n")
    if not blank:
        return False
    if head[9:12] in (b"204", b"304"):
        return True
    length = head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0]
    return len(body) >= int(length)
