"""What phones ask for most: the balance with its tag, and a login by code, over HTTP.

The real service (`tanhui serve`: granian, two workers, rate limits counted) on a fresh database,
fsync on; codes go to a gateway of this process. Prints requests a second and how long answers took,
of a bare Flask view on the same server in the same run, and the ratio; and what a token's check
costs, the first time and later. Usage: ``python -m benchmarks.conduct [SECONDS]``.
"""

import itertools
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.request import Request, urlopen
from uuid import UUID, uuid4

import msgspec

from activities.catalogue.loading import load
from activities.participants import enrol
from benchmarks.machine import fresh_database, machine
from benchmarks.serving import Address, Driven, drive, environ, served, written
from service.db import Database
from service.identity.logins.phones import SOURCE
from service.identity.outside_ids import add_ids
from service.identity.tokens import Caller
from service.services import keyring, tokens
from service.settings import Settings

CONNECTIONS, RESIDENTS, PHONES = 32, 2_000, 6_000
BALANCE_MARK, BALANCE_P99_MARK_MS, CHECK_MARK_US, LOGIN_MARK = 1_000, 50, 150, 150


def main() -> None:
    """Run and print."""
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 15.0
    print(machine())
    with (
        fresh_database() as url,
        tempfile.TemporaryDirectory(prefix="tanhui-bench-") as made,
        _gateway() as (sms_url, codes),
    ):
        folder = Path(made)
        (folder / "sms.token").write_text("benchmark")
        settings = environ(
            url,
            folder,
            SMS_URL=sms_url,
            SMS_TOKEN_FILE=str(folder / "sms.token"),
            TRUSTED_PROXIES="1",  # Each phone from an address of its own.
        )
        holders = _settled(url, Settings.from_env(settings))
        bare = _bare(settings, seconds)
        _told("a bare Flask view", bare)
        with served(settings) as address:
            balance = _balances(address, Settings.from_env(settings), holders, seconds)
            _told("GET /v1/accounts, If-None-Match (304)", balance)
            print(f"    marks: {BALANCE_MARK:,}/s, p99 {BALANCE_P99_MARK_MS} ms")
            print(f"    {balance.per_s / bare.per_s:.2f} of the bare view's rate")
            asked, signed_in = _logins(address, codes, seconds)
        _told("POST /v1/auth/phone-codes", asked)
        _told("POST /v1/auth/phone (login by code)", signed_in)
        print(
            f"    mark: {LOGIN_MARK}/s; {signed_in.per_s / bare.per_s:.2f} of the bare view's rate"
        )
        _checks(Settings.from_env(settings))


def _phone(number: int) -> str:
    return f"+86138{number:08}"


def _settled(url: str, settings: Settings) -> list[UUID]:
    """Residents with accounts, and as many known phones."""
    database, now = Database(url), datetime.now(UTC)
    database.transact(lambda session: load(session, now=now))
    holders = [uuid4() for _ in range(max(RESIDENTS, PHONES))]
    towns = dict.fromkeys(holders, "310118001")
    database.transact(lambda session: enrol(session, "sh-2026", towns, now=now))
    ring = keyring(settings).keyring
    phones = {_phone(number): holder for number, holder in enumerate(holders[:PHONES])}
    database.transact(lambda session: add_ids(session, ring, SOURCE, phones, now=now))
    database.dispose()
    return holders[:RESIDENTS]


def _bare(settings: dict[str, str], seconds: float) -> Driven:
    with served(settings, sys.executable, "-m", "benchmarks.bare") as address:
        requests = itertools.repeat(written("GET", "/readyz"))
        return drive(address, requests, connections=CONNECTIONS, seconds=seconds)


def _balances(address: Address, settings: Settings, holders: list[UUID], seconds: float) -> Driven:
    """Each phone asks with the tag that it was told before; nothing has changed."""
    issue, now = tokens(settings).issue, datetime.now(UTC)
    requests = []
    for holder in holders:
        bearer = f"Authorization: Bearer {issue(Caller(str(holder), 'resident'), now=now)}"
        name, _, value = bearer.partition(": ")
        with urlopen(
            Request(f"http://127.0.0.1:{address[1]}/v1/accounts", headers={name: value})
        ) as answer:
            headers = (bearer, f"If-None-Match: {answer.headers['ETag']}")
        requests.append(written("GET", "/v1/accounts", headers))
    driven = drive(address, itertools.cycle(requests), connections=CONNECTIONS, seconds=seconds)
    assert set(driven.statuses) == {b"304"}, driven.statuses
    return driven


def _logins(address: Address, codes: dict[str, str], seconds: float) -> tuple[Driven, Driven]:
    """Codes for all phones, then a login with each."""

    def asking() -> Iterator[bytes]:
        for number in range(PHONES):
            body = msgspec.json.encode({"phone": _phone(number)})
            yield written("POST", "/v1/auth/phone-codes", _from(number), body)

    def signing_in() -> Iterator[bytes]:
        for number, (phone, code) in enumerate(list(codes.items())):
            sent = {"phone": phone, "code": code, "device_name": "benchmark"}
            yield written("POST", "/v1/auth/phone", _from(number), msgspec.json.encode(sent))

    asked = drive(address, asking(), connections=CONNECTIONS, seconds=seconds * 2)
    assert set(asked.statuses) == {b"202"}, asked.statuses
    signed_in = drive(address, signing_in(), connections=CONNECTIONS, seconds=seconds)
    assert set(signed_in.statuses) == {b"200"}, signed_in.statuses
    return asked, signed_in


def _from(number: int) -> list[str]:
    return [f"X-Forwarded-For: 10.{number >> 16}.{number >> 8 & 255}.{number & 255}"]


def _checks(settings: Settings) -> None:
    """A token's check, the first time and when the process has seen it."""
    found, now, count = tokens(settings), datetime.now(UTC), 2_000
    made = [found.issue(Caller(str(uuid4()), "resident"), now=now) for _ in range(count)]
    for name in ("first", "later"):
        begun = time.perf_counter()
        for token in made:
            found.check(token)
        each_us = 1e6 * (time.perf_counter() - begun) / count
        print(f"  check of a token, {name}: {each_us:.1f} µs (mark: {CHECK_MARK_US})")


def _told(what: str, driven: Driven) -> None:
    print(
        f"  {what}: {driven.per_s:,.0f}/s, p50 {driven.at(500):.1f} ms, p99 {driven.at(990):.1f} ms"
    )


@contextmanager
def _gateway() -> Iterator[tuple[str, dict[str, str]]]:
    """An SMS gateway that remembers each phone's code."""
    codes: dict[str, str] = {}

    class Gateway(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            sent = msgspec.json.decode(self.rfile.read(int(self.headers["Content-Length"])))
            codes[sent["phone"]] = sent["code"]
            self.send_response(200)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, *_: object) -> None:
            """Says nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Gateway)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/sms", codes
    finally:
        server.shutdown()
        server.server_close()


if __name__ == "__main__":
    main()
