"""A merchant's system: a real HTTP server that checks signatures as Standard Webhooks says."""

import base64
import hashlib
import hmac
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

PATIENCE_S = 30


@dataclass(frozen=True)
class Got:
    """A request, and whether its signature was good."""

    path: str
    id: str
    headers: dict[str, str]
    body: bytes
    good: bool

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Receiver:
    """Answers by ``reply``, which a test may change: a status, or one of the ways below."""

    def __init__(self) -> None:
        self.url = ""
        self.secrets: dict[str, bytes] = {}  # By path; the HMAC's key.
        self.got: list[Got] = []
        self.reply: Callable[[Got], int | str] = lambda _: 204
        self.released = threading.Event()  # Whoever hangs waits for it.
        self._changed = threading.Condition()

    def ids(self, path: str = "") -> list[str]:
        return [each.id for each in self.got if each.path.startswith(path)]

    def received(self, got: Got) -> None:
        with self._changed:
            self.got.append(got)
            self._changed.notify_all()

    def wait_for(self, count: int, path: str = "") -> bool:
        """Whether so many came; at once when they did."""
        with self._changed:
            return self._changed.wait_for(lambda: len(self.ids(path)) >= count, PATIENCE_S)

    def believes(self, path: str, headers: dict[str, str], body: bytes) -> bool:
        key = self.secrets.get(path)
        if key is None:
            return False
        signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
        made = base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()
        return f"v1,{made}" in headers["webhook-signature"].split()


@contextmanager
def receiving() -> Iterator[Receiver]:
    """A server on a port of its own."""
    receiver = Receiver()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            headers = {name.lower(): value for name, value in self.headers.items()}
            body = self.rfile.read(int(headers.get("content-length", 0)))
            good = receiver.believes(self.path, headers, body)
            got = Got(self.path, headers.get("webhook-id", ""), headers, body, good)
            receiver.received(got)
            with suppress(OSError):  # Who hung up.
                self._answer(receiver.reply(got))

        do_GET = do_POST  # noqa: N815 - the standard library's names.

        def _answer(self, reply: int | str) -> None:
            match reply:
                case "hang":
                    receiver.released.wait(PATIENCE_S)
                    self.close_connection = True
                case "drip headers":
                    self._drip(b"HTTP/1.1 200 OK\r\nx-filler: ")
                case "drip body":
                    self._drip(b"HTTP/1.1 200 OK\r\ncontent-length: 4000\r\n\r\n")
                case "flood":
                    self.wfile.write(b"HTTP/1.1 200 OK\r\n\r\n")
                    while not receiver.released.is_set():
                        self.wfile.write(b"x" * 65_536)
                case "nonsense":
                    self.wfile.write(b"good morning\r\n\r\n")
                    self.close_connection = True
                case "hang up":
                    self.close_connection = True
                case int():
                    self.send_response(reply)
                    self.send_header("set-cookie", "who=you; Path=/")
                    if 300 <= reply < 400:
                        self.send_header("location", f"{receiver.url}/elsewhere")
                    self.send_header("content-length", "0")
                    self.end_headers()

        def _drip(self, head: bytes) -> None:
            self.wfile.write(head)
            while not receiver.released.wait(0.05):
                self.wfile.write(b"x")
            self.close_connection = True

        def log_message(self, *_: object) -> None:
            """Quiet."""

    httpd = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    httpd.daemon_threads = True
    httpd.handle_error = lambda *_: None  # type: ignore[method-assign]  # Who hung up.
    receiver.url = f"http://127.0.0.1:{httpd.server_port}"
    thread = threading.Thread(target=lambda: httpd.serve_forever(poll_interval=0.02))
    thread.start()
    try:
        yield receiver
    finally:
        receiver.released.set()
        httpd.shutdown()
        thread.join()
        httpd.server_close()
