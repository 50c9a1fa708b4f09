"""Personal data are nowhere in plain text: not in a table of the database, not in Redis."""

import json
from base64 import b64encode, urlsafe_b64encode
from dataclasses import replace
from uuid import uuid4

import pytest
import redis
from sqlalchemy import text

from activities.models import Activity
from tests.service.feeding import a_sender, told
from tests.service.identity.signing import a_phone, offering


@pytest.fixture
def signing(settings, fresh_database_url, tmp_path):
    with offering(replace(settings, database_url=fresh_database_url), tmp_path) as found:
        yield found
        found.services.database.dispose()


def spellings(secret: str) -> list[bytes]:
    """As it is, and in the ways in which bytes are written."""
    raw = secret.encode()
    escaped = json.dumps(secret)[1:-1].encode()
    return [
        raw,
        escaped,
        raw.hex().encode(),
        b64encode(raw).rstrip(b"="),
        urlsafe_b64encode(raw).rstrip(b"="),
    ]


def tables(owner) -> dict[str, bytes]:
    """Every table of the database as text, the migrations' own among them."""
    found = {}
    with owner.connect() as connection:
        names = connection.scalars(
            text(
                "SELECT format('%I.%I', n.nspname, c.relname) FROM pg_class AS c"
                " JOIN pg_namespace AS n ON n.oid = c.relnamespace"
                " WHERE c.relkind = 'r' AND n.nspname NOT IN ('pg_catalog', 'information_schema')"
            )
        ).all()
        cursor = connection.connection.cursor()
        for name in names:
            with cursor.copy(f"COPY {name} TO STDOUT") as copy:
                found[name] = b"".join(bytes(part) for part in copy)
    return found


def cached(url: str) -> bytes:
    """Every key of Redis with what it holds, whatever its type. (DUMP would compress it.)"""
    store, found = redis.Redis.from_url(url), []
    reads = {
        b"string": store.get,
        b"hash": lambda key: repr(store.hgetall(key)).encode(),
        b"list": lambda key: b"\n".join(store.lrange(key, 0, -1)),
        b"set": lambda key: b"\n".join(store.smembers(key)),
        b"zset": lambda key: b"\n".join(store.zrange(key, 0, -1)),
        b"none": lambda _: b"",  # Gone meanwhile.
    }
    for key in store.scan_iter(count=1_000):
        found += [key, reads[store.type(key)](key) or b""]
    return b"\n".join(found)


def test_nobody_finds_a_phone_a_name_a_card_or_a_customer_number(signing, owner, urls, bearer):
    phone, name = a_phone(), f"欧阳{uuid4().hex[:6]}"
    card, wrong = f"SH{uuid4().hex[:12].upper()}", a_phone()
    client, services = signing.client(), signing.services
    signing.sent_code(client, wrong)
    signing.sent_code(client, phone)
    resident = signing.resident(phone)
    body = {"name": name}
    assert client.put("/v1/me", json=body, headers=resident.headers).status_code == 200
    url = f"/v1/staff/residents/{resident.holder_id}/cards/{uuid4()}"
    by = bearer("operator", "operator-3")
    assert client.put(url, json={"card_number": card}, headers=by).status_code == 201
    blocked = client.put(f"/v1/staff/card-blocks/{uuid4()}", json={"card_number": card}, headers=by)
    assert blocked.status_code == 201
    sender = a_sender(services, client)
    customer = sender.resident()
    stranger = f"客户-{uuid4().hex}"
    lines = told(sender.post([sender.event(customer), sender.event(stranger)]))
    assert [line["code"] for line in lines] == ["verified", "unknown_resident"]

    in_tables, in_redis = tables(owner), cached(urls["redis"])

    assert len(in_tables) > 70
    assert b"tanhui:" in in_redis
    assert str(resident.holder_id).encode() in in_tables["public.person"]
    secrets = (phone, phone.removeprefix("+86"), wrong, name, card, customer, stranger)
    for secret in secrets:
        for spelling in spellings(secret):
            assert [table for table, rows in in_tables.items() if spelling in rows] == []
            assert spelling not in in_redis
    count = services.database.transact(lambda s: s.query(Activity).count())
    assert count == 1, "the search saw a database with something in it"
