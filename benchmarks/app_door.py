"""The app's door: `PUT /v1/activities/{id}` over HTTP, from 16 connections that are kept open.

The real service (`tanhui serve`: granian, two workers) on a fresh database, fsync on. Residents of
Shanghai report walks and rides on bicycles of their own, each attested by a signed device, under
the bundled rules with consent; one client process, which shares the machine, sends the next request
of a connection once it has the answer to the one before. The requests are written ahead. Prints
requests a second, and how long answers took. Usage: ``python -m benchmarks.app_door [SECONDS]``.
"""

import sys
import tempfile
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
from benchmarks.serving import WARM_UP_S, Driven, drive, environ, served, written
from service.db import Database
from service.identity.tokens import Caller
from service.services import tokens
from service.settings import Settings

CONNECTIONS, RESIDENTS = 16, 2_000
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
        settings = _environ(url, Path(made), attester)
        with served(settings) as address:
            count = int((seconds + WARM_UP_S) * RATE_MAX)
            requests = _requests(Settings.from_env(settings), holders, attester, count)
            driven = drive(address, requests, connections=CONNECTIONS, seconds=seconds)
        _told(url, driven)


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
    return environ(url, folder, ATTESTATION_KEY_FILE=str(folder / "attestation.pem"))


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
    headers = (f"Authorization: Bearer {bearer}", f"Tanhui-Attestation: {attested}")
    return written("PUT", f"/v1/activities/{id_}", headers, body)


def _told(url: str, driven: Driven) -> None:
    statuses = driven.statuses
    print(f"PUT /v1/activities/{{id}}: {CONNECTIONS} connections, two workers")
    print(f"  {driven.per_s:,.0f} requests/s (mark: {RATE_MARK})")
    print(
        f"  p50 {driven.at(500):.0f} ms, p99 {driven.at(990):.0f} ms (mark: {SLOWEST_MARK_MS}),"
        f" max {driven.at(1000):.0f} ms"
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


if __name__ == "__main__":
    main()
