"""The auditor's read API: filters, pages, roles, and refusals of what is asked wrongly."""

import base64
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode
from uuid import UUID, uuid4

import pytest
from sqlalchemy import select

from ledgers.accounts import ISSUED, PERSONAL, account_key
from ledgers.log.sealing import sequence
from ledgers.models import Posting
from ledgers.posting import NewPosting, NewTransfer, post
from service.app import create_app
from service.identity.tokens import ROLES
from tests.makers import NOW, a_resident, earning, programme_holder
from tests.service.answers import refused, refused_in_both_languages

POSTINGS, TRANSFERS = "/v1/audit/postings", "/v1/audit/transfers"


@pytest.fixture
def auditor(bearer):
    return bearer("auditor", "audit")


@pytest.fixture
def get(client, auditor):
    def get(path, **query):
        suffix = f"?{urlencode(query)}" if query else ""
        answer = client.get(path + suffix, headers=auditor)
        assert answer.status_code == 200, answer.text
        return answer.json

    return get


@pytest.fixture
def walked(get):
    """All rows of a list, page by page."""

    def walk(path, name, limit, **query):
        rows, cursor = [], {}
        for _ in range(500):
            page = get(path, limit=limit, **query, **cursor)
            assert set(page) == {name, "next_cursor"}
            assert len(page[name]) <= limit
            rows += page[name]
            if page["next_cursor"] is None:
                return rows
            cursor = {"cursor": page["next_cursor"]}
        raise AssertionError("no end")

    return walk


@pytest.fixture
def world(database):
    """Twelve postings of one instant of their own, by an actor of their own."""
    actor, at = f"partner:{uuid4()}", NOW + timedelta(seconds=uuid4().int % 10**6 / 10)

    def made(session):
        holders = [a_resident(session) for _ in range(2)]
        issuer = programme_holder(session)
        ids = []
        for n in range(12):
            transfers = [
                NewTransfer(
                    holders[place % 2],
                    account_key(issuer, unit, ISSUED),
                    account_key(holders[place % 2], unit, PERSONAL),
                    10 * n + place + 1,
                    "bonus" if place else "grant",
                    uuid4(),
                    at,
                )
                for place, unit in enumerate(["point", "mg_co2e", "point"][: n % 3 + 1])
            ]
            posting = NewPosting(
                uuid4(), "batch" if n % 2 else "import", actor, transfers,
                reason="补录" if n == 3 else None, request_id=f"r-{n % 4}",
            )  # fmt: skip
            post(session, posting, now=at)
            ids.append(str(posting.id))
        return holders, ids

    holders, ids = database.transact(made)
    return actor, at, holders, ids


def test_a_posting_is_shown_with_all_that_is_known_of_it(get, database, world):
    _, at, _, ids = world

    row = get(f"{POSTINGS}/{ids[3]}")

    kept = database.transact(lambda s: s.scalar(select(Posting).where(Posting.id == ids[3])))
    assert row == {
        "id": ids[3],
        "kind": "batch",
        "actor": world[0],
        "reason": "补录",
        "request_id": "r-3",
        "approved_by": None,
        "recorded_at": at.isoformat(),
        "transfer_count": 1,
        "content_sha256": kept.content_sha256.hex(),
        "log_index": None,
    }


def test_postings_are_filtered_and_paged_each_once(walked, world):
    actor, at, _, ids = world
    period = {"from": at.isoformat(), "to": (at + timedelta(microseconds=1)).isoformat()}
    cases = [
        ({}, ids),
        ({"kind": "batch"}, ids[1::2]),
        ({"request_id": "r-1"}, ids[1::4]),
        (period, ids),
        ({"to": at.isoformat()}, []),
        ({"from": period["to"]}, []),
        ({"unit": "mg_co2e"}, [id_ for n, id_ in enumerate(ids) if n % 3]),
        ({"min_amount": 100}, ids[10:]),
        ({"max_amount": 11}, ids[:2]),
        ({"min_amount": 33, "max_amount": 52}, ids[4:6]),
        ({"unit": "mg_co2e", "max_amount": 22}, ids[1:3]),
        ({"kind": "import", "request_id": "r-2", "min_amount": 60, **period}, [ids[6], ids[10]]),
        ({"kind": "grant"}, []),
    ]
    for query, wanted in cases:
        for limit in (2, 5, 200):
            rows = walked(POSTINGS, "postings", limit, actor=actor, **query)
            found = [row["id"] for row in rows]
            assert found == sorted(wanted, reverse=True), (query, limit)


def test_transfers_are_filtered_and_paged_each_once(walked, get, world):
    actor, at, holders, ids = world
    every = walked(TRANSFERS, "transfers", 7, actor=actor)
    assert len(every) == 24 == len({row["id"] for row in every})
    assert [(row["posting_id"], row["position"]) for row in every] == [
        (id_, place) for id_ in sorted(ids, reverse=True) for place in range(ids.index(id_) % 3 + 1)
    ]
    cases = [
        ({"unit": "mg_co2e"}, lambda r: r["unit"] == "mg_co2e"),
        ({"transfer_kind": "bonus"}, lambda r: r["kind"] == "bonus"),
        ({"kind": "batch"}, lambda r: r["posting_kind"] == "batch"),
        ({"request_id": "r-1"}, lambda r: ids.index(r["posting_id"]) % 4 == 1),
        ({"min_amount": 40, "max_amount": 61}, lambda r: 40 <= r["amount"] <= 61),
        ({"reference": every[3]["reference"]}, lambda r: r == every[3]),
        ({"reverses_id": str(uuid4())}, lambda r: False),
        ({"from": at.isoformat()}, lambda r: True),
        ({"to": at.isoformat()}, lambda r: False),
        (
            {"transfer_kind": "bonus", "unit": "point", "kind": "batch", "min_amount": 50},
            lambda r: (
                (r["kind"], r["unit"], r["posting_kind"]) == ("bonus", "point", "batch")
                and r["amount"] >= 50
            ),
        ),
    ]
    for query, wanted in cases:
        expected = [row for row in every if wanted(row)]
        assert walked(TRANSFERS, "transfers", 3, actor=actor, **query) == expected, query
        for holder_id in holders:
            own = walked(TRANSFERS, "transfers", 3, actor=actor, holder_id=holder_id, **query)
            theirs = [row for row in expected if row["holder_id"] == str(holder_id)]
            assert own == sorted(theirs, key=lambda row: row["id"], reverse=True), query
    row = every[-1]
    assert set(row) == {
        "id", "posting_id", "position", "holder_id", "unit", "debit_account_id",
        "credit_account_id", "amount", "kind", "reference", "occurred_at", "reverses_id",
        "expires_on", "posting_kind", "actor", "recorded_at", "log_index",
    }  # fmt: skip
    assert (row["actor"], row["recorded_at"]) == (actor, at.isoformat())


def test_the_transfers_of_a_posting_are_paged_by_position(walked, world):
    for limit in (1, 2, 200):
        rows = walked(f"{POSTINGS}/{world[3][5]}/transfers", "transfers", limit)
        assert [row["position"] for row in rows] == [0, 1, 2]
        assert {row["amount"] for row in rows} == {51, 52, 53}


def test_what_is_sealed_tells_its_place_in_the_log(
    fresh_database, fresh_database_url, settings, auditor
):
    """With a log of its own."""
    holder_id = fresh_database.transact(lambda s: a_resident(s, points=5))
    fresh_database.transact(lambda s: sequence(s, "tanhui.example/log"))
    fresh_database.transact(lambda s: post(s, earning(s, holder_id, 7), now=NOW))
    app = create_app(replace(settings, database_url=fresh_database_url))
    client = app.test_client()

    for path, name in ((POSTINGS, "postings"), (TRANSFERS, "transfers")):
        rows = client.get(path, headers=auditor).json[name]
        found = sorted((row["log_index"] is None, row["log_index"]) for row in rows)
        assert found == [(False, 0), (True, None)]
    app.extensions["tanhui"].database.dispose()


def test_a_holders_accounts_show_what_is_held_owed_and_lapses(get, database, world):
    _, _, holders, _ = world

    saved, points = get(f"/v1/audit/accounts/{holders[0]}")["accounts"]

    assert (saved["unit"], saved["balance"], saved["lots"]) == ("mg_co2e", 0, [])
    assert points["balance"] == sum(lot["remaining"] for lot in points["lots"])
    assert (points["kind"], points["held"], points["debt"]) == ("personal", 0, 0)
    assert set(points["lots"][0]) == {"expires_on", "lapses_at", "issuer_id", "remaining"}
    assert get(f"/v1/audit/accounts/{uuid4()}") == {"accounts": []}


def test_a_programmes_own_balance_is_not_kept_and_not_told_as_nothing(get, database):
    issuer = database.transact(programme_holder)

    found = get(f"/v1/audit/accounts/{issuer}")["accounts"]

    by_unit = Counter(account["unit"] for account in found)
    assert by_unit == {"mg_co2e": 5, "point": 5, "fen": 2}  # Fen: what it owed and what it paid.
    assert {account["balance"] for account in found} == {None}


def test_what_there_is_not_is_refused(client, database, auditor):
    for path in (f"{POSTINGS}/{uuid4()}", f"{POSTINGS}/{uuid4()}/transfers"):

        def send(x, path=path):
            return client.get(path, headers=auditor | x)

        found = refused_in_both_languages(database, send, 404, "unknown-posting")
        assert found["posting_id"] in path


def a_cursor(*parts: bytes) -> str:
    return base64.urlsafe_b64encode(b"".join(parts)).rstrip(b"=").decode()


WRONG_CURSORS = {
    "empty": "",
    "a word": "x",
    "a uuid": str(UUID(int=7)),
    "too short": a_cursor(bytes(23)),
    "too long": a_cursor(bytes(29)),
    "an instant before all": a_cursor(b"\x80" + bytes(7), bytes(16)),
    "an instant after all": a_cursor(b"\x7f" + b"\xff" * 7, bytes(16)),
    "padded": a_cursor((10**15).to_bytes(8), bytes(16)) + "=",
    "with a blank": " " + a_cursor((10**15).to_bytes(8), bytes(16)),
    "with a dot within": a_cursor((10**15).to_bytes(8), bytes(16))[:5] + "." + "A" * 27,
    "of the other alphabet": "++//" + "A" * 28,
    "not ascii": "碳" * 32,
    "NUL": "\x00",
    "huge": "A" * 5_000,
}


@pytest.mark.parametrize("name", WRONG_CURSORS)
def test_a_wrong_cursor_is_refused_by_name(client, database, auditor, world, name):
    for path in (POSTINGS, TRANSFERS, f"{POSTINGS}/{world[3][0]}/transfers"):

        def send(x, path=path):
            query = {"cursor": WRONG_CURSORS[name]}
            return client.get(path, query_string=query, headers=auditor | x)

        found = refused_in_both_languages(database, send, 422, "body-does-not-fit")
        assert [(e["in"], e["parameter"]) for e in found["errors"]] == [("query", "cursor")]


def test_a_cursor_of_another_list_is_refused(client, get, auditor, world):
    actor, _, (holder_id, _), ids = world
    lists = [
        (POSTINGS, {"actor": actor}),
        (TRANSFERS, {"actor": actor}),
        (TRANSFERS, {"actor": actor, "holder_id": str(holder_id)}),
        (f"{POSTINGS}/{ids[5]}/transfers", {}),
    ]
    cursors = [get(path, limit=1, **query)["next_cursor"] for path, query in lists]
    for n, (path, query) in enumerate(lists):
        for m, cursor in enumerate(cursors):
            asked = query | {"cursor": cursor}
            answer = client.get(path, query_string=asked, headers=auditor)
            assert answer.status_code == (200 if n == m else 422)


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ({"actor": ""}, ["actor"]),
        ({"actor": "\x00"}, ["actor"]),
        ({"actor": "x" * 201}, ["actor"]),
        ({"kind": "a\nb"}, ["kind"]),
        ({"request_id": "x" * 65}, ["request_id"]),
        ({"from": "yesterday"}, ["from"]),
        ({"from": "2026-11-21"}, ["from"]),
        ({"from": "2026-11-21T00:00:00"}, ["from"]),
        ({"from": "0001-01-01T00:00:00+14:00"}, ["from"]),
        ({"to": "9999-12-31T23:59:59-14:00"}, ["to"]),
        ({"to": "1999-12-31T23:59:59Z"}, ["to"]),
        ({"from": "2026-11-21T00:00:00Z", "to": "2026-11-21T08:00:00+08:00"}, ["to"]),
        ({"from": "2026-11-22T00:00:00Z", "to": "2026-11-21T00:00:00Z"}, ["to"]),
        ({"min_amount": "0"}, ["min_amount"]),
        ({"max_amount": str(2**53 + 1)}, ["max_amount"]),
        ({"min_amount": "1.5"}, ["min_amount"]),
        ({"min_amount": "9" * 5_000}, ["min_amount"]),
        ({"min_amount": "5", "max_amount": "4"}, ["max_amount"]),
        ({"unit": "kg"}, ["unit"]),
        ({"limit": "0"}, ["limit"]),
        ({"limit": "201"}, ["limit"]),
        ({"actr": "x"}, ["actr"]),
        ({"since": "2026-11-21T00:00:00Z"}, ["since"]),
    ],
    ids=lambda value: str(value)[:30],
)
@pytest.mark.parametrize("path", [POSTINGS, TRANSFERS])
def test_a_filter_that_cannot_be_is_refused_by_name(client, database, auditor, path, query, names):
    def send(x):
        return client.get(path, query_string=query, headers=auditor | x)

    found = refused_in_both_languages(database, send, 422, "body-does-not-fit")
    assert [error["parameter"] for error in found["errors"]] == names


@pytest.mark.parametrize("name", ["holder_id", "reference", "reverses_id", "transfer_kind"])
def test_filters_of_transfers_are_of_transfers_alone(client, database, auditor, name):
    def send(path, value):
        return client.get(path, query_string={name: value}, headers=auditor)

    refused(send(POSTINGS, str(uuid4())), 422, "body-does-not-fit")
    refused(send(TRANSFERS, "x" * 33), 422, "body-does-not-fit")
    assert send(TRANSFERS, str(uuid4())[:32] if name == "transfer_kind" else str(uuid4())).json


def test_nobody_but_an_auditor_reads(client, bearer, world):
    _, _, holders, ids = world
    paths = [POSTINGS, TRANSFERS, f"{POSTINGS}/{ids[0]}", f"{POSTINGS}/{ids[0]}/transfers"]
    paths.append(f"/v1/audit/accounts/{holders[0]}")
    for role in set(ROLES) - {"auditor"}:
        subject = holders[0] if role == "resident" else uuid4()
        for path in paths:
            refused(client.get(path, headers=bearer(role, subject, "310118")), 403, "wrong-role")


def test_what_is_recorded_meanwhile_moves_no_page(get, database, world):
    """New postings come before the first page: the walk goes on where it was."""
    actor, _, _, ids = world
    first = get(POSTINGS, limit=5, actor=actor)

    def more(session):
        holder_id, issuer, at = a_resident(session), programme_holder(session), datetime.now(UTC)
        at = max(at, NOW) + timedelta(days=3)
        key = account_key(holder_id, "point", PERSONAL)
        issued = account_key(issuer, "point", ISSUED)
        transfer = NewTransfer(holder_id, issued, key, 1, "grant", uuid4(), at)
        post(session, NewPosting(uuid4(), "batch", actor, [transfer]), now=at)

    database.transact(more)

    rest = get(POSTINGS, limit=200, actor=actor, cursor=first["next_cursor"])
    found = [row["id"] for row in first["postings"] + rest["postings"]]
    assert found == sorted(ids, reverse=True)
