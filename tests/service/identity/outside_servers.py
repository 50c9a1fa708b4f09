"""Real HTTP servers in the place of those out there: an SMS gateway, WeChat, an OpenID provider."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit


@dataclass(frozen=True)
class Asked:
    """A request as it came in."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def form(self) -> dict[str, str]:
        return {name: values[0] for name, values in parse_qs(self.body.decode()).items()}


Reply = tuple[int, Any]  # A status, and what is sent as JSON; bytes as they are.


class Server:
    """Answers by ``reply``, which a test may change; ``asked`` holds what came in."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.asked: list[Asked] = []
        self.reply: Callable[[Asked], Reply] = lambda asked: (200, {})
        self.released = threading.Event()  # Whoever is slow waits for it.

    def slow(self, _: Asked) -> Reply:
        """An answer that nobody waits for."""
        self.released.wait(10)
        return 200, {}


@contextmanager
def running() -> Iterator[Server]:
    """A server on a port of its own."""
    server: Server

    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            address = urlsplit(self.path)
            query = {name: values[0] for name, values in parse_qs(address.query).items()}
            headers = {name.lower(): value for name, value in self.headers.items()}
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            asked = Asked(self.command, address.path, query, headers, body)
            server.asked.append(asked)
            status, content = server.reply(asked)
            raw = content if isinstance(content, bytes) else json.dumps(content).encode()
            self.send_response(status)
            if 300 <= status < 400:
                self.send_header("location", f"{server.url}/elsewhere")
            self.send_header("content-length", str(len(raw)))
            self.end_headers()
            self.wfile.write(raw)

        do_GET = do_POST = _answer  # noqa: N815 - the standard library's names.

        def log_message(self, *_: object) -> None:
            """Quiet."""

    httpd = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    httpd.daemon_threads = True
    httpd.handle_error = lambda *_: None  # type: ignore[method-assign]  # Who hung up.
    server = Server(f"http://127.0.0.1:{httpd.server_port}")
    thread = threading.Thread(target=lambda: httpd.serve_forever(poll_interval=0.02))
    thread.start()
    try:
        yield server
    finally:
        server.released.set()
        httpd.shutdown()
        thread.join()
        httpd.server_close()
