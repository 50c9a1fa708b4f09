"""A real small gateway of top-ups, in a process of its own: it keeps what it did in a file, does
wrong what it is told to do wrong, and may be killed and started again.

As docs/gateway.md has it: an order's id is delivered once, whatever is asked how often; what was
refused or cancelled is never delivered. Its faults are in how it answers, never in that.
"""

import hashlib
import hmac
import json
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

SECRET = b"gateway secret of the tests, 32+"
NO_SUCH_CARD = "000000"  # The gateway refuses it.
FAULTS = (
    "drop before",  # The line is cut, and nothing was done.
    "drop after",  # It was done, and the line is cut.
    "hang before",  # Nobody waits so long.
    "hang after",
    "500 before",
    "500 after",
    "garbage before",
    "garbage after",
    "stranger",  # A well-formed answer about another order.
    "late",  # Pending; it is done and told later, by whoever asks next or is called.
)


def key_file(folder: Path) -> Path:
    """The secret as settings want it."""
    path = folder / "gateway.key"
    path.write_text("whsec_" + b64encode(SECRET).decode())
    return path


class Gateway:
    """The driver's side."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port: int = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}/v1"
        self._process: subprocess.Popen[bytes] | None = None
        self._book = _book(folder)

    def start(self) -> None:
        words = [sys.executable, "-m", "tests.service.gateways", str(self.port), str(self._folder)]
        root = Path(__file__).parents[2]
        self._process = subprocess.Popen(words, cwd=root, stdout=subprocess.PIPE)
        assert self._process.stdout
        assert self._process.stdout.readline() == b"ready\n"

    def kill(self) -> None:
        """SIGKILL: what was not written down by then is not known afterwards."""
        assert self._process
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()
        assert self._process.stdout
        self._process.stdout.close()
        self._process = None

    def close(self) -> None:
        if self._process:
            self.kill()
        self._book.close()

    def plan(self, *faults: str) -> None:
        """The next questions are answered so, one after the other; then all is well again."""
        with self._book:
            self._book.executemany("INSERT INTO fault (name) VALUES (?)", [(f,) for f in faults])

    def forget_plans(self) -> None:
        with self._book:
            self._book.execute("DELETE FROM fault")

    @property
    def delivered(self) -> dict[str, tuple[str, int]]:
        """Card and amount, by the order's id. A second delivery would break the table's key."""
        rows = self._book.execute("SELECT order_id, card, amount_fen FROM delivery").fetchall()
        return {order_id: (card, amount) for order_id, card, amount in rows}

    @property
    def asked(self) -> list[tuple[str, str, str]]:
        """Method, path and order of each question, as they came."""
        return self._book.execute("SELECT method, path, body FROM asked ORDER BY id").fetchall()


@contextmanager
def running(folder: Path) -> Iterator[Gateway]:
    found = Gateway(folder)
    try:
        found.start()
        yield found
    finally:
        found.close()


# --- The gateway's side ---------------------------------------------------------------------------

_TABLES = """
CREATE TABLE IF NOT EXISTS entry (
    order_id TEXT PRIMARY KEY, card TEXT, amount_fen INTEGER, state TEXT NOT NULL, detail TEXT);
CREATE TABLE IF NOT EXISTS delivery (
    order_id TEXT PRIMARY KEY, card TEXT NOT NULL, amount_fen INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS fault (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS asked (
    id INTEGER PRIMARY KEY AUTOINCREMENT, method TEXT, path TEXT, body TEXT);
"""


def _book(folder: Path) -> sqlite3.Connection:
    book = sqlite3.connect(folder / "gateway.db", timeout=10, check_same_thread=False)
    book.execute("PRAGMA journal_mode = WAL")
    book.execute("PRAGMA synchronous = OFF")  # A kill loses nothing; only the machine's end would.
    book.executescript(_TABLES)
    return book


class _Desk:
    """What the gateway does, one question at a time."""

    def __init__(self, folder: Path) -> None:
        self._book, self._lock = _book(folder), threading.Lock()

    def fault(self) -> str:
        with self._lock, self._book:
            sql = "DELETE FROM fault WHERE id = (SELECT min(id) FROM fault) RETURNING name"
            row = self._book.execute(sql).fetchone()
            return str(row[0]) if row else ""

    def note(self, method: str, path: str, body: bytes) -> None:
        with self._lock, self._book:
            row = (method, path, body.decode())
            self._book.execute("INSERT INTO asked (method, path, body) VALUES (?, ?, ?)", row)

    def order(self, order_id: str, card: str, amount_fen: int, *, late: bool) -> dict[str, Any]:
        with self._lock, self._book:
            if (known := self._entry(order_id)) is None:
                state = "refused" if card == NO_SUCH_CARD else "pending"
                row = (order_id, card, amount_fen, state, "no such card")
                self._book.execute("INSERT INTO entry VALUES (?, ?, ?, ?, ?)", row)
                if not late and state == "pending":
                    self._deliver(order_id)
            elif known["state"] == "pending" and not late:
                self._deliver(order_id)
            return self._answer(order_id)

    def look(self, order_id: str, *, late: bool) -> dict[str, Any]:
        with self._lock, self._book:
            known = self._entry(order_id)
            if known and known["state"] == "pending" and not late:
                self._deliver(order_id)
            return self._answer(order_id)

    def cancel(self, order_id: str) -> dict[str, Any]:
        with self._lock, self._book:
            known = self._entry(order_id)
            if known is None:
                row = (order_id, None, None, "cancelled", None)
                self._book.execute("INSERT INTO entry VALUES (?, ?, ?, ?, ?)", row)
            elif known["state"] == "pending":
                sql = "UPDATE entry SET state = 'cancelled' WHERE order_id = ?"
                self._book.execute(sql, (order_id,))
            return self._answer(order_id)

    def _entry(self, order_id: str) -> dict[str, Any] | None:
        sql = "SELECT card, amount_fen, state, detail FROM entry WHERE order_id = ?"
        row = self._book.execute(sql, (order_id,)).fetchone()
        return (
            dict(zip(("card", "amount_fen", "state", "detail"), row, strict=True)) if row else None
        )

    def _deliver(self, order_id: str) -> None:
        sql = "INSERT INTO delivery SELECT order_id, card, amount_fen FROM entry WHERE order_id = ?"
        self._book.execute(sql, (order_id,))
        done = "UPDATE entry SET state = 'done', detail = ? WHERE order_id = ?"
        self._book.execute(done, (f"R-{order_id[:8]}", order_id))

    def _answer(self, order_id: str) -> dict[str, Any]:
        known = self._entry(order_id)
        state = known["state"] if known else "absent"
        answer = {"order_id": order_id, "state": state}
        if known and state == "done":
            answer["reference"] = known["detail"]
        if known and state == "refused":
            answer["reason"] = known["detail"]
        return answer


def _is_signed(headers: Any, body: bytes) -> bool:
    """Our own reading of the scheme, so that both sides cannot be wrong together."""
    id_, seconds = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    text = f"{id_}.{seconds}.".encode() + body
    wanted = "v1," + b64encode(hmac.digest(SECRET, text, hashlib.sha256)).decode()
    fresh = seconds.isdigit() and abs(time.time() - int(seconds)) < 300
    return fresh and hmac.compare_digest(wanted, headers.get("webhook-signature", ""))


def _serve(port: int, folder: Path) -> None:
    desk = _Desk(folder)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _take(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            path = urlsplit(self.path).path
            if not _is_signed(self.headers, body):
                return self._say(401, b"{}")
            desk.note(self.command, path, body)
            fault = desk.fault()
            what, _, when = fault.partition(" ")
            if when == "before":
                return self._fail(what)
            answer = self._do(path.split("/")[3:], body, late=fault == "late")
            if when == "after":
                return self._fail(what)
            if fault == "stranger":
                answer["order_id"] = "7c9e6679-7425-40de-944b-e07fc1f90ae7"
            status = 404 if answer["state"] == "absent" else 200
            return self._say(status, json.dumps(answer).encode())

        def _do(self, words: list[str], body: bytes, *, late: bool) -> dict[str, Any]:
            order_id = words[0]
            if self.command == "GET":
                return desk.look(order_id, late=late)
            told = json.loads(body)
            assert told.pop("order_id") == order_id
            if words[1:] == ["cancellation"]:
                assert told == {"cancel": True}
                return desk.cancel(order_id)
            return desk.order(order_id, told["card_number"], told["amount_fen"], late=late)

        def _fail(self, how: str) -> None:
            if how == "500":
                return self._say(500, b'{"error": "oops"}')
            if how == "garbage":
                return self._say(200, b"<html>\xff done </html>")
            self.close_connection = True
            with suppress(OSError):
                if how == "hang":
                    self.connection.recv(1)  # Until whoever asked has hung up.
                self.connection.shutdown(socket.SHUT_RDWR)
            return None

        def _say(self, status: int, content: bytes) -> None:
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_PUT = _take  # noqa: N815 - the standard library's names.

        def log_message(self, *_: object) -> None:
            """Quiet."""

    httpd = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    httpd.daemon_threads = True
    httpd.handle_error = lambda *_: None  # type: ignore[method-assign]  # Who hung up.
    print("ready", flush=True)
    httpd.serve_forever(poll_interval=0.05)


if __name__ == "__main__":
    _serve(int(sys.argv[1]), Path(sys.argv[2]))
