"""The app's door: `PUT /v1/activities/{id}` over HTTP, from 16 connections that are kept open.

The real service (`tanhui serve`: granian, two workers) on a fresh database, fsync on. Residents of
Shanghai report walks and rides on bicycles of their own, each attested by a signed device, under
the bundled rules with consent; one client process, which shares the machine, sends the next request
of a connection once it has the answer to the one before. The requests are written ahead. Prints
requests a second, and how long answers took. Usage: ``python -m benchmarks.app_door [SECONDS]``.
"""

import os
import selectors
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

import jwt
import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from sqlalchemy import text

from activities.catalogue.loading import load
from activities.participants import enrol
from benchmarks.machine import fresh_database, machine
from service.db import Database
from service.identity.tokens import Caller
from service.services import tokens
from service.settings import Settings

CONNECTIONS, WORKERS, RESIDENTS = 16, 2, 2_000
WARM_UP_S, READY_S = 2.0, 60.0
RATE_MARK, SLOWEST_MARK_MS = 400, 100
RATE_MAX = 1_200  # Of requests written ahead: more a second than are answered.
SCENES = ("sh.walking.app", "sh.own-bike.app")
SHANGHAI = ZoneInfo("Asia/Shanghai")


def main() -> None:
    """Run and print."""
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 20.0
    print(machine())
    with fresh_database() as url, tempfile.TemporaryDirectory(prefix="tanhui-bench-") as made:
        holders = _settled(url)
        attester = Ed25519PrivateKey.generate()
        environ = _environ(url, Path(made), attester)
        with _service(environ) as address:
            count = int((seconds + WARM_UP_S) * RATE_MAX)
            requests = _requests(Settings.from_env(environ), holders, attester, count)
            took_s, statuses = _drive(address, requests, seconds)
        _told(url, took_s, statuses, seconds)


def _settled(url: str) -> list[UUID]:
    """Residents who take part and consent to the scenes."""
    database, now = Database(url), datetime.now(UTC)
    database.transact(lambda session: load(session, now=now))
    holders = [uuid4() for _ in range(RESIDENTS)]
    towns = dict.fromkeys(holders, "310118001")
    database.transact(lambda session: enrol(session, "sh-2026", towns, now=now))
    consent = text("""
        INSERT INTO consent (holder_id, scene_code, given_at, text_version, actor)
        SELECT h, code, CAST(:at AS timestamptz), consent_version, 'resident'
        FROM unnest(CAST(:holders AS uuid[])) AS h, scene WHERE code = ANY(:scenes)
    """)
    given = {"at": now - timedelta(days=30), "holders": holders, "scenes": list(SCENES)}
    database.transact(lambda session: session.execute(consent, given))
    database.dispose()
    return holders


def _environ(url: str, folder: Path, attester: Ed25519PrivateKey) -> dict[str, str]:
    key = attester.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    (folder / "attestation.pem").write_bytes(key)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    return {name: value for name, value in os.environ.items() if not name.startswith("TANHUI_")} | {
        "TANHUI_DATABASE_URL": url,
        "TANHUI_VAR_DIR": str(folder / "var"),
        "TANHUI_ATTESTATION_KEY_FILE": str(folder / "attestation.pem"),
        "TANHUI_WORKERS": str(WORKERS),
        "TANHUI_PORT": str(port),
    }


@contextmanager
def _service(environ: dict[str, str]) -> Iterator[tuple[str, int]]:
    """The service in processes of its own, once it is ready."""
    tanhui = Path(sys.executable).with_name("tanhui")
    address = "127.0.0.1", int(environ["TANHUI_PORT"])
    process = subprocess.Popen([tanhui, "serve"], env=environ, stdout=subprocess.DEVNULL)
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


def _is_ready(address: tuple[str, int]) -> bool:
    try:
        with socket.create_connection(address, 2) as probe:
            probe.sendall(b"GET /readyz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            return probe.recv(64).startswith(b"HTTP/1.1 200")
    except OSError:
        return False


def _requests(
    settings: Settings, holders: list[UUID], attester: Ed25519PrivateKey, count: int
) -> list[bytes]:
    """Walks and rides by turns, of every resident before the next of one."""
    issue, now = tokens(settings).issue, datetime.now(UTC)
    bearers = [issue(Caller(str(holder), "resident", ""), now=now) for holder in holders]
    devices = [str(uuid4()) for _ in holders]
    midnight = datetime.now(SHANGHAI).replace(hour=0, minute=0, second=0, microsecond=0)
    written = []
    for number in range(count):
        turn, who = divmod(number, len(holders))
        day = midnight - timedelta(days=1 + turn // 2 % 5)
        if turn % 2:
            start = day + timedelta(hours=6 + turn // 10)
            end, quantity = start + timedelta(minutes=20), 5_000
        else:
            start, end, quantity = day, day + timedelta(days=1), 8_000
        id_ = str(uuid4())
        body = {
            "scene": SCENES[turn % 2],
            "started_at": start,
            "ended_at": end,
            "quantity": quantity,
            "details": {"device": devices[who]},
        }
        attested = _attestation(attester, settings.token_audience, id_, devices[who], now)
        written.append(_put(id_, bearers[who], attested, msgspec.json.encode(body)))
    return written


def _attestation(
    attester: Ed25519PrivateKey, audience: str, id_: str, device: str, now: datetime
) -> str:
    claims = {"aud": audience, "iat": now, "exp": now + timedelta(minutes=5)}
    claims |= {"event": id_, "device": device}
    return jwt.encode(claims, attester, "EdDSA", headers={"typ": "tanhui-attestation+jwt"})


def _put(id_: str, bearer: str, attested: str, body: bytes) -> bytes:
    head = (
        f"PUT /v1/activities/{id_} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {bearer}\r\n"
        f"Tanhui-Attestation: {attested}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def _drive(
    address: tuple[str, int], requests: list[bytes], seconds: float
) -> tuple[list[float], Counter[bytes]]:
    """How long each answer took, once warm, and all statuses."""
    selector = selectors.DefaultSelector()
    waiting = iter(requests)
    sent: dict[socket.socket, float] = {}
    received: dict[socket.socket, bytes] = {}

    def send(connection: socket.socket) -> None:
        sent[connection], received[connection] = time.perf_counter(), b""
        connection.sendall(next(waiting))

    begun = time.perf_counter()
    for _ in range(CONNECTIONS):
        connection = socket.create_connection(address, 10)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        selector.register(connection, selectors.EVENT_READ)
        send(connection)
    took_s: list[float] = []
    statuses: Counter[bytes] = Counter()
    while sent:
        for key, _ in selector.select(10):
            connection = key.fileobj  # type: ignore[assignment]
            received[connection] += (chunk := connection.recv(65_536))
            assert chunk, "the service hung up"
            if not _is_whole(received[connection]):
                continue
            now = time.perf_counter()
            statuses[received[connection][9:12]] += 1
            if now - begun > WARM_UP_S:
                took_s.append(now - sent[connection])
            if now - begun < WARM_UP_S + seconds:
                send(connection)
            else:
                del sent[connection]
                selector.unregister(connection)
                connection.close()
    return took_s, statuses


def _is_whole(answer: bytes) -> bool:
    head, blank, body = answer.partition(b"\r\n\r\n")
    if not blank:
        return False
    length = head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0]
    return len(body) >= int(length)


def _told(url: str, took_s: list[float], statuses: Counter[bytes], seconds: float) -> None:
    took_ms = sorted(1000 * took for took in took_s)
    rate, p50, p99 = len(took_ms) / seconds, took_ms[len(took_ms) // 2], _p99(took_ms)
    print(f"PUT /v1/activities/{{id}}: {CONNECTIONS} connections, {WORKERS} workers")
    print(f"  {rate:,.0f} requests/s (mark: {RATE_MARK})")
    print(
        f"  p50 {p50:.0f} ms, p99 {p99:.0f} ms (mark: {SLOWEST_MARK_MS}), max {took_ms[-1]:.0f} ms"
    )
    database = Database(url)
    query = text("SELECT code, count(*) FROM activity GROUP BY code ORDER BY 2 DESC")
    codes = database.transact(lambda session: dict(session.execute(query).all()))
    joined = text("SELECT count(DISTINCT posting_id) FROM activity WHERE posting_id IS NOT NULL")
    postings = database.transact(lambda session: session.scalar(joined))
    database.dispose()
    shown = ", ".join(f"{code} {n:,}" for code, n in codes.items())
    print(
        f"  decisions: {shown}; {sum(codes.values()) / max(postings or 0, 1):.1f} to a transaction"
    )
    assert set(statuses) == {b"201"}, statuses
    assert sum(codes.values()) == statuses[b"201"], "every answer is recorded"
    assert codes.keys() <= {"verified", "sampled", "daily_cap"}, codes


def _p99(took_ms: list[float]) -> float:
    return took_ms[min(len(took_ms) - 1, len(took_ms) * 99 // 100)]


if __name__ == "__main__":
    main()
