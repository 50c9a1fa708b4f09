"""The partners' door: only what its partner signed, now, once; in all else no event is read."""

import gzip
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from redis import Redis
from sqlalchemy import text

from activities.events import Event
from ledgers.bulk import array_of
from service.api_keys.uses import last_uses
from service.app import create_app
from service.db import Database
from service.feeds.bodies import BODY_MAX_BYTES, lines_of
from service.feeds.keys import SCOPES, make, retire
from tests.service.answers import refused
from tests.service.feeding import a_sender, ndjson, told


@pytest.fixture
def sender(services, client):
    return a_sender(services, client)


@pytest.fixture
def read(monkeypatch):
    """Bodies whose lines were looked at."""
    seen = []

    def heard(body: bytes):
        seen.append(body)
        return lines_of(body)

    monkeypatch.setattr("service.api.feeds.lines_of", heard)
    return seen


def test_a_signed_batch_comes_in(sender):
    event = sender.event(sender.resident())

    (line,) = told(sender.post([event]))

    assert line["line"] == 1
    assert line["event_id"] == event["event_id"]
    assert (line["decision"], line["code"], line["points"]) == ("verified", "verified", 52)


@pytest.mark.parametrize("name", ["webhook-id", "webhook-timestamp", "webhook-signature"])
def test_without_one_of_the_headers_nothing_is_read(sender, read, name):
    answer = sender.post([], headers={name: ""})

    refused(answer, 401, "bad-signature")
    assert answer.headers["WWW-Authenticate"] == "StandardWebhooks"
    assert read == []


@pytest.mark.parametrize("secret", [b"x" * 32, b"\x00"])
def test_an_unknown_key_is_refused(sender, read, secret):
    refused(sender.post([], secret=secret), 401, "bad-signature")
    assert read == []


def test_another_partners_key_is_refused(services, client, sender, read):
    other = a_sender(services, client)

    refused(sender.post([], secret=other.secret()), 401, "bad-signature")
    other.scene = "no.such"
    refused(other.post([]), 401, "bad-signature")
    assert read == []


def test_a_body_changed_on_the_way_is_refused(sender, read):
    body = ndjson([sender.event("x")])

    refused(sender.post(body, headers=sender.signed(body + b"\n")), 401, "bad-signature")
    assert read == []


@pytest.mark.parametrize("minutes", [-6, 6])
def test_a_clock_more_than_five_minutes_off_is_refused(sender, read, minutes):
    at = datetime.now(UTC) + timedelta(minutes=minutes)

    found = refused(sender.post([], at=at), 401, "clock-off")

    assert datetime.fromisoformat(found["server_at"]) - datetime.now(UTC) < timedelta(minutes=1)
    assert read == []


def test_a_message_comes_in_once(sender, read):
    assert sender.post([], id_="msg_1").status_code == 200
    assert len(read) == 1

    refused(sender.post([], id_="msg_1"), 409, "message-replayed")
    refused(sender.post([], "b2", id_="msg_1"), 409, "message-replayed")
    assert len(read) == 1


def test_a_message_of_a_bad_signature_does_not_use_up_its_id(sender):
    refused(sender.post([], id_="msg_1", secret=b"x"), 401, "bad-signature")

    assert sender.post([], id_="msg_1").status_code == 200


def test_two_partners_do_not_share_ids(services, client, sender):
    other = a_sender(services, client)

    assert sender.post([], id_="msg_1").status_code == 200
    assert other.post([], id_="msg_1").status_code == 200


def test_an_id_is_remembered_for_longer_than_its_instant_is_good(sender, urls):
    sender.post([], id_="msg_1")

    with Redis.from_url(urls["redis"]) as redis:
        assert 600 < redis.ttl(f"tanhui:message:{sender.partner}:msg_1") <= 900


def test_without_redis_nothing_is_let_in(settings, sender, read, tmp_path):
    app = create_app(replace(settings, redis_url=f"unix://{tmp_path}/nobody.sock"))
    sender.client = app.test_client()

    answer = sender.post([])

    refused(answer, 503, "replay-unknown")
    assert answer.headers["Retry-After"] == "2"
    assert read == []
    app.extensions["tanhui"].database.dispose()


def test_several_keys_live_at_a_time_and_a_retired_one_opens_nothing(services, sender, read):
    now = datetime.now(UTC)
    new = services.database.transact(
        lambda session: make(session, sender.partner, made_by="tester", now=now)
    )
    sender.keys.append(new.id)
    for number in (0, 1):
        assert sender.post([], secret=sender.secret(number)).status_code == 200

    services.database.transact(lambda session: retire(session, sender.keys[0], at=now))

    refused(sender.post([], secret=sender.secret(0)), 401, "bad-signature")
    assert sender.post([], secret=sender.secret(1)).status_code == 200


def test_two_signatures_in_the_header_while_keys_change(sender):
    body = b""
    headers = sender.signed(body)
    headers["webhook-signature"] = "v1,AAAA " + headers["webhook-signature"]

    assert sender.post(body, headers=headers).status_code == 200


def test_a_gzipped_batch_is_signed_as_it_is_sent(sender):
    event = sender.event(sender.resident())
    plain = ndjson([event])

    packed = told(sender.post(gzip.compress(plain, mtime=0), headers={"Content-Encoding": "gzip"}))

    assert told(sender.post(plain)) == packed  # The same batch, packed or not.
    assert packed[0]["code"] == "verified"


def test_a_zip_bomb_is_refused_and_not_inflated(sender):
    bomb = gzip.compress(bytes(BODY_MAX_BYTES * 20))
    assert len(bomb) < BODY_MAX_BYTES / 40

    found = refused(sender.post(bomb, headers={"Content-Encoding": "gzip"}), 413, "batch-too-large")

    assert found["bytes_max"] == BODY_MAX_BYTES


@pytest.mark.parametrize(
    "body",
    [b"no gzip", gzip.compress(b"{}" * 99, mtime=0)[:-9], gzip.compress(b"a", mtime=0) + b"rest",
     gzip.compress(b"a", mtime=0)[:-8] + bytes(8), gzip.compress(b"", mtime=0) * 101],
)  # fmt: skip
def test_what_is_no_gzip_is_refused(sender, body):
    refused(sender.post(body, headers={"Content-Encoding": "gzip"}), 400, "not-gzip")


def test_gzip_may_come_in_parts(sender):
    plain = ndjson([sender.event(sender.resident(), minute=n) for n in range(0, 60, 20)])
    half = len(plain) // 2
    body = gzip.compress(plain[:half], mtime=0) + gzip.compress(plain[half:], mtime=0)

    assert len(told(sender.post(body, headers={"Content-Encoding": "gzip"}))) == 3


def test_another_compression_is_refused(sender):
    refused(sender.post([], headers={"Content-Encoding": "br"}), 415, "encoding-not-accepted")


def test_only_here_a_body_may_be_long(sender):
    body = b" " * (BODY_MAX_BYTES + 1)

    refused(sender.post(body), 413)
    assert told(sender.post(body[:-1])) == []


def test_more_lines_than_a_batch_may_have_are_refused_whole(sender):
    found = refused(sender.post(b"{}\n" * 10_001), 413, "batch-too-large")

    assert found["events_max"] == 10_000
    assert len(told(sender.post(b"{}\n\n" * 10_000))) == 10_000


@pytest.mark.parametrize("channel", ["app", "staff"])
def test_the_apps_and_the_staffs_scenes_are_not_fed_here(services, client, channel):
    sender = a_sender(services, client, channel=channel)

    found = refused(sender.post([]), 422, "wrong-channel")

    assert found["channel"] == channel


def test_a_message_may_come_again_where_the_database_failed(settings, services, sender):
    """As it is, with its id: senders by the scheme repeat it so."""
    app = create_app(settings)
    database = Database(settings.database_url, statement_timeout_ms=300)
    app.extensions["tanhui"] = replace(app.extensions["tanhui"], database=database)
    ours, sender.client = sender.client, app.test_client()
    event = sender.event(sender.resident())
    key = array_of([Event(event["event_id"], sender.scene, *[None] * 4).key()])

    insert = "INSERT INTO received_event SELECT k, k, k, k FROM unnest(CAST(:k AS uuid[])) AS k"
    with services.database.engine.connect() as somebody:
        somebody.execute(text(insert), {"k": key})  # Takes their time over the very event.
        assert sender.post([event], id_="msg_1").status_code == 503
        somebody.rollback()
    sender.client = ours

    assert told(sender.post([event], id_="msg_1"))[0]["code"] == "verified"
    refused(sender.post([event], id_="msg_1"), 409, "message-replayed")
    database.dispose()


@pytest.mark.parametrize("batch_id", ["a" * 65, "a b", "编号", "a:b"])
def test_a_batch_id_is_plain(sender, batch_id):
    refused(sender.post([], batch_id), 422, "batch-id-not-valid")


@pytest.mark.parametrize("version", [0, -1, 1.5, "x", 10**9])
def test_a_version_is_a_whole_number_from_one(sender, version):
    refused(sender.post([], version=version), 422, "body-does-not-fit")


@pytest.mark.parametrize("scope", SCOPES)
def test_a_key_opens_what_it_is_for_and_nothing_else(services, sender, read, scope):
    now = datetime.now(UTC)
    new = services.database.transact(
        lambda session: make(session, sender.partner, made_by="t", now=now, scopes=[scope])
    )
    sender.keys.append(new.id)
    body = b'{"events": 1, "quantity": 1}'
    secret, path = sender.secret(1), f"/v1/feeds/{sender.scene}"
    answers = {
        "events": sender.post([], secret=secret),
        "totals": sender.client.put(
            f"{path}/totals/2016-04-12",
            data=body,
            headers=sender.signed(body, secret=secret),
            content_type="application/json",
        ),
        "reconciliation": sender.client.get(
            f"{path}/reconciliation?day=2016-04-12", headers=sender.signed(b"", secret=secret)
        ),
    }

    assert answers.pop(scope).status_code == 200
    for wanted, answer in answers.items():
        assert refused(answer, 403, "feed-key-lacks-scope")["scope"] == wanted
    assert len(read) == (scope == "events")


def test_of_two_signatures_the_one_that_may_counts(services, sender):
    now = datetime.now(UTC)
    new = services.database.transact(
        lambda session: make(session, sender.partner, made_by="t", now=now, scopes=["totals"])
    )
    sender.keys.append(new.id)
    headers = sender.signed(b"")
    other = sender.signed(
        b"", secret=sender.secret(1), id_=headers["webhook-id"],
        at=datetime.fromtimestamp(int(headers["webhook-timestamp"]), UTC),
    )  # fmt: skip
    headers["webhook-signature"] = f"{other['webhook-signature']} {headers['webhook-signature']}"

    assert sender.post([], headers=headers).status_code == 200


def test_a_key_without_its_scope_does_not_use_up_the_messages_id(services, sender):
    now = datetime.now(UTC)
    new = services.database.transact(
        lambda session: make(session, sender.partner, made_by="t", now=now, scopes=["totals"])
    )
    sender.keys.append(new.id)

    refused(sender.post([], id_="msg_1", secret=sender.secret(1)), 403, "feed-key-lacks-scope")
    assert sender.post([], id_="msg_1").status_code == 200


def test_a_key_that_has_expired_opens_nothing(services, sender, read):
    now = datetime.now(UTC)
    expired = services.database.transact(
        lambda session: make(
            session, sender.partner, made_by="t", now=now - timedelta(days=2),
            good_for=timedelta(days=1),
        )
    )  # fmt: skip
    sender.keys.append(expired.id)

    refused(sender.post([], secret=sender.secret(1)), 401, "bad-signature")
    assert read == []


def test_when_a_key_verified_a_message_is_written_once_a_minute(services, sender, statements):
    def used():
        return services.database.transact(lambda session: last_uses(session, sender.keys))

    assert used() == {}
    refused(sender.post([], secret=b"x"), 401, "bad-signature")
    assert used() == {}
    assert sender.post([]).status_code == 200
    first = used()
    assert first.keys() == set(sender.keys)
    with statements() as sent:
        assert sender.post([], "b2").status_code == 200
    assert not [each for each in sent if "key_use" in each]
    assert used() == first
