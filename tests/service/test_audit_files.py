"""The journal as CSV: by the same filters as the lists, every row once, in flat memory."""

import csv
import io
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from ledgers.accounts import ISSUED, PERSONAL, account_key
from ledgers.filters import Heads, Moves
from ledgers.posting import NewPosting, NewTransfer, post
from service.audits import as_csv
from tests.makers import a_resident, earning, programme_holder
from tests.service.answers import refused
from tests.service.published import many_earnings

ROWS = 450


@pytest.fixture
def get(client, bearer):
    headers = bearer("auditor", "audit")
    return lambda path, **query: client.get(path, query_string=query, headers=headers)


def rows_of(answer):
    assert answer.status_code == 200, answer.text
    assert answer.mimetype == "text/csv"
    text = answer.get_data().decode("utf-8-sig")
    return list(csv.DictReader(io.StringIO(text)))


@pytest.fixture
def world(database):
    """Five postings of two transfers each, by one actor whose name is made to do harm."""
    actor, at = f"=cmd|{uuid4()}", datetime.now(UTC) - timedelta(hours=1)

    def made(session):
        holder, issuer = a_resident(session), programme_holder(session)
        for n in range(5):
            transfers = [
                NewTransfer(
                    holder,
                    account_key(issuer, unit, ISSUED),
                    account_key(holder, unit, PERSONAL),
                    n + 1,
                    "grant",
                    uuid4(),
                    at,
                )
                for unit in ("point", "mg_co2e")
            ]
            posting = NewPosting(uuid4(), "batch", actor, transfers, reason="+1,\n补录")
            post(session, posting, now=at + timedelta(seconds=n))
        return holder

    return actor, database.transact(made)


def test_postings_have_what_the_list_has_and_no_formula(get, world):
    actor, _ = world
    listed = get("/v1/audit/postings", actor=actor).json["postings"]
    answer = get("/v1/audit/postings.csv", actor=actor)
    rows = rows_of(answer)

    assert answer.headers["Content-Disposition"] == 'attachment; filename="postings.csv"'
    assert tuple(rows[0]) == as_csv.POSTINGS
    assert [row["posting_id"] for row in rows] == [one["id"] for one in listed]
    assert {row["actor"] for row in rows} == {"'" + actor}
    assert {row["reason"] for row in rows} == {"'+1,\n补录"}
    assert [row["content_sha256"] for row in rows] == [one["content_sha256"] for one in listed]


def test_transfers_are_filtered_like_the_list(get, world):
    actor, holder = world
    for query in (
        {"actor": actor},
        {"actor": actor, "unit": "point", "min_amount": 3},
        {"holder_id": holder},
        {"holder_id": holder, "transfer_kind": "grant", "max_amount": 2},
        {"actor": "nobody at all"},
    ):
        listed = get("/v1/audit/transfers", limit=200, **query).json["transfers"]
        rows = rows_of(get("/v1/audit/transfers.csv", **query))
        assert [row["transfer_id"] for row in rows] == [one["id"] for one in listed], query
        assert [int(row["amount"]) for row in rows] == [one["amount"] for one in listed]


def test_a_long_journal_comes_whole_each_row_once_block_by_block(fresh_database):
    database = fresh_database
    many_earnings(database, ROWS)
    heads, sizes, seen = Heads(until=datetime.now(UTC) + timedelta(days=1)), [], set()

    for block in as_csv.transfers(database, heads, Moves(), holder_id=None, bom=False):
        sizes.append(len(block))
        seen |= {line.partition(b",")[0] for line in block.splitlines()}

    assert len(seen) == ROWS + 1
    assert len(sizes) == ROWS // 200 + 1
    assert max(sizes) < sum(sizes) / 2


def test_what_is_written_meanwhile_is_left_for_the_next_time(get, database, world):
    actor, _ = world
    later = datetime.now(UTC) + timedelta(days=1)
    database.transact(lambda s: post(s, earning(s, a_resident(s), 7), now=later))

    rows = rows_of(get("/v1/audit/postings.csv", min_amount=7, max_amount=7, unit="point"))

    assert all(datetime.fromisoformat(row["recorded_at"]) < later for row in rows)
    assert len(rows_of(get("/v1/audit/postings.csv", actor=actor))) == 5


def test_a_filter_that_does_not_fit_is_refused_before_anything_is_sent(get):
    refused(get("/v1/audit/transfers.csv", unit="euro"), 422, "body-does-not-fit")
    refused(get("/v1/audit/postings.csv", cursor="x"), 422, "body-does-not-fit")
