"""Whether the time of an answer tells if somebody is known: for a quiet machine.

The real service, one request after the other on one connection, known and unknown in random order:
asking for a phone's code, a wrong code, and a wrong password of the staff. Prints the medians and
their difference; and in how many pairs the answer about somebody known took longer than the one
about nobody (Mann-Whitney's statistic: half of them tell nothing), with its distance from a half in
standard deviations. That the same work is done is held by tests, without a clock
(``tests/service/test_timing_of_login.py``). Usage: ``python -m benchmarks.login_timing [PAIRS]``.
"""

import http.client
import json
import math
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

from activities.catalogue.loading import load
from activities.participants import enrol
from benchmarks.conduct import _gateway as gateway
from benchmarks.machine import fresh_database, machine
from benchmarks.serving import Address, environ, served
from service.db import Database
from service.demo_shops import DEMO_PROGRAMME
from service.identity.logins.phones import SOURCE
from service.identity.outside_ids import add_ids
from service.identity.staff.models import Staff
from service.identity.staff.passwords import Passwords
from service.services import keyring
from service.settings import Settings

PAIRS, TRIES_OF_A_LOGIN, WARM_UP = 1_000, 8, 50
Asking = Callable[[int, bool], tuple[str, dict[str, str], int]]


def main() -> None:
    """Run and print."""
    pairs = int(sys.argv[1]) if len(sys.argv) > 1 else PAIRS
    print(machine())
    with (
        fresh_database() as url,
        tempfile.TemporaryDirectory(prefix="tanhui-bench-") as made,
        gateway() as (sms_url, _),
    ):
        folder = Path(made)
        (folder / "sms.token").write_text("benchmark")
        settings = environ(
            url,
            folder,
            SMS_URL=sms_url,
            SMS_TOKEN_FILE=str(folder / "sms.token"),
            TRUSTED_PROXIES="1",  # Each request from an address of its own.
            WORKERS="1",
        )
        _settled(url, Settings.from_env(settings), pairs + WARM_UP)
        with served(settings) as address:
            for what, asking in (
                ("asking for a code", _code),
                ("a wrong code", _wrong_code),
                ("a wrong password", _wrong_password),
            ):
                _told(what, *_measured(address, asking, pairs))


def _phone(number: int, known: bool) -> str:
    return f"+8613{8 if known else 9}{number:08}"


def _login(number: int, known: bool) -> str:
    """Each for a few tries: then its limit would answer."""
    return f"{'clerk' if known else 'nobody'}-{number // TRIES_OF_A_LOGIN:05}"


def _code(number: int, known: bool) -> tuple[str, dict[str, str], int]:
    return "/v1/auth/phone-codes", {"phone": _phone(number, known)}, 202


def _wrong_code(number: int, known: bool) -> tuple[str, dict[str, str], int]:
    body = {"phone": _phone(number, known), "code": "000000", "device_name": "benchmark"}
    return "/v1/auth/phone", body, 401


def _wrong_password(number: int, known: bool) -> tuple[str, dict[str, str], int]:
    body = {"login": _login(number, known), "password": "x", "totp": "000000"}
    return "/v1/auth/staff", body | {"device_name": "benchmark"}, 401


def _settled(url: str, settings: Settings, count: int) -> None:
    """Residents with phones and staff with passwords, as many as are asked about."""
    database, now = Database(url), datetime.now(UTC)
    database.transact(lambda session: load(session, now=now))
    holders = [uuid4() for _ in range(count)]
    towns = dict.fromkeys(holders, "310118001")
    database.transact(lambda session: enrol(session, DEMO_PROGRAMME, towns, now=now))
    ring = keyring(settings).keyring
    phones = {_phone(number, True): holder for number, holder in enumerate(holders)}
    database.transact(lambda session: add_ids(session, ring, SOURCE, phones, now=now))
    hashed = Passwords.of().hashed("horse-battery-staple")
    logins = sorted({_login(number, True) for number in range(count)})
    members = [
        Staff(
            id=uuid4(),
            login=login,
            display_name=login,
            password_hash=hashed,
            made_at=now,
            made_by="benchmark",
        )
        for login in logins
    ]
    database.transact(lambda session: session.add_all(members))
    database.dispose()


def _measured(address: Address, asking: Asking, pairs: int) -> tuple[list[float], list[float]]:
    """Milliseconds of answers about known and about unknown ones."""
    order = [(number, known) for number in range(pairs + WARM_UP) for known in (True, False)]
    random.Random(7).shuffle(order)
    found: dict[bool, list[float]] = {True: [], False: []}
    connection = http.client.HTTPConnection(*address, timeout=30)
    for place, (number, known) in enumerate(order):
        path, body, status = asking(number, known)
        headers = {
            "Content-Type": "application/json",
            "X-Forwarded-For": f"10.{place >> 16}.{place >> 8 & 255}.{place & 255}",
        }
        sent = json.dumps(body)
        begun = time.perf_counter()
        connection.request("POST", path, sent, headers)
        answer = connection.getresponse()
        answer.read()
        took_ms = (time.perf_counter() - begun) * 1_000
        assert answer.status == status, (path, answer.status)
        if place >= 2 * WARM_UP:
            found[known].append(took_ms)
    connection.close()
    return found[True], found[False]


def mann_whitney(ones: Sequence[float], others: Sequence[float]) -> tuple[float, float]:
    """The chance that one of ``ones`` is the greater of a pair, ties half; and its distance from a
    half in standard deviations, by the normal approximation.
    """
    ranked = sorted([(value, 1) for value in ones] + [(value, 0) for value in others])
    ranks, at = 0.0, 0
    while at < len(ranked):
        end = at
        while end < len(ranked) and ranked[end][0] == ranked[at][0]:
            end += 1
        ranks += (at + 1 + end) / 2 * sum(mark for _, mark in ranked[at:end])
        at = end
    n, m = len(ones), len(others)
    u = ranks - n * (n + 1) / 2
    return u / (n * m), (u - n * m / 2) / math.sqrt(n * m * (n + m + 1) / 12)


def _told(what: str, known: list[float], unknown: list[float]) -> None:
    one, other = statistics.median(known), statistics.median(unknown)
    chance, deviations = mann_whitney(known, unknown)
    print(f"  {what}: known p50 {one:.3f} ms, unknown p50 {other:.3f} ms ({len(known)} of each)")
    print(
        f"    difference {(one - other) * 1_000:+.0f} µs;"
        f" known is slower in {chance:.3f} of pairs ({deviations:+.1f} standard deviations)"
    )


if __name__ == "__main__":
    main()
