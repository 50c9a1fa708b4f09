"""The auditor's read side: every row once, by every filter, with bounded work.

The answers are compared with a plain scan of everything by the same filters in Python.
"""

from datetime import timedelta
from itertools import combinations
from uuid import UUID, uuid4

import pytest
from sqlalchemy import event, select

from ledgers import journal
from ledgers.accounts import ISSUED, PERSONAL, account_key
from ledgers.errors import UnknownPosting
from ledgers.filters import Heads, Moves
from ledgers.holds import NewHold, reserve
from ledgers.log.sealing import sequence
from ledgers.models import Posting, SealedPosting, Transfer
from ledgers.posting import NewPosting, NewTransfer, post
from ledgers.reversal import reverse
from service.db import Database
from tests.makers import NOW, a_resident, programme_holder, spending

LIMITS = (1, 2, 7, 200)
A_FEW = (3, 200)
REFERENCE = UUID(int=77)
HEADS = {
    "actor": "partner:1",
    "kind": "batch",
    "request_id": "r-2",
    "since": NOW + timedelta(seconds=2),
    "until": NOW + timedelta(seconds=7, microseconds=1),
}
MOVES = {"unit": "point", "min_amount": 30, "max_amount": 60, "kind": "bonus"}


def settle(session):
    """Some forty postings of one to four transfers, four of each instant, in two months."""
    holders = [a_resident(session) for _ in range(3)]
    issuer = programme_holder(session)
    for n in range(36):
        at = NOW + timedelta(seconds=n // 4, days=20 * (n >= 28))
        transfers = []
        for place in range(n % 4 + 1):
            unit = "mg_co2e" if (n + place) % 4 == 0 else "point"
            holder_id = holders[(n + place) % 3]
            transfers.append(
                NewTransfer(
                    holder_id,
                    account_key(issuer, unit, ISSUED),
                    account_key(holder_id, unit, PERSONAL),
                    n * 3 + place + 1,
                    "bonus" if place else "grant",
                    REFERENCE if n % 5 == 0 else uuid4(),
                    at,
                )
            )
        request_id = f"r-{n % 3}" if n % 2 else None
        kind = "batch" if n % 3 else "import"
        posting = NewPosting(uuid4(), kind, f"partner:{n % 2}", transfers, request_id=request_id)
        post(session, posting, now=at)
    for holder_id in holders:
        post(session, spending(session, holder_id, 5), now=NOW + timedelta(days=20, seconds=9))
    own = select(Transfer.id).where(Transfer.holder_id == holders[0], Transfer.kind == "grant")
    reverse(
        session,
        uuid4(),
        holder_id=holders[0],
        amounts=dict.fromkeys(session.scalars(own.order_by(Transfer.id).limit(2)), 1),
        actor="anna",
        reason="wrong",
        now=NOW + timedelta(days=20, seconds=9),
        kind="correction",
        approved_by="ben",
    )
    sequence(session, "tanhui.example/log", leaves_max=40)


@pytest.fixture(scope="module")
def books(copied_database):
    with copied_database() as url:
        database = Database(url)
        database.transact(settle)
        yield database
        database.dispose()


@pytest.fixture
def session(books):
    with books.snapshot() as session:
        yield session


def all_postings(session) -> list[Posting]:
    found = list(session.scalars(select(Posting)))
    return sorted(found, key=lambda p: (p.recorded_at, p.id), reverse=True)


def moves_take(moves: Moves, transfer: Transfer) -> bool:
    return (
        moves.unit in (None, transfer.unit)
        and (moves.min_amount or 0) <= transfer.amount <= (moves.max_amount or 2**53)
        and moves.kind in (None, transfer.kind)
        and moves.reference in (None, transfer.reference)
        and moves.reverses_id in (None, transfer.reverses_id)
    )


def wanted_transfers(session, heads: Heads, moves: Moves) -> list[Transfer]:
    """In the journal's order."""
    by_posting: dict[UUID, list[Transfer]] = {}
    for transfer in session.scalars(select(Transfer).order_by(Transfer.position)):
        by_posting.setdefault(transfer.posting_id, []).append(transfer)
    return [
        transfer
        for posting in all_postings(session)
        if heads.take(posting)
        for transfer in by_posting[posting.id]
        if moves_take(moves, transfer)
    ]


def walked(read, limit, pages_max=1_000) -> list:
    rows, after = [], None
    for _ in range(pages_max):
        page = read(after=after, limit=limit)
        assert len(page.rows) <= limit
        rows += page.rows
        if (after := page.next_after) is None:
            return rows
    raise AssertionError("no end")


def subsets(choices):
    return [
        dict(chosen)
        for size in range(len(choices) + 1)
        for chosen in combinations(choices.items(), size)
    ]


def cases():
    """Each filter alone, each pair of a kind, all together, and across."""
    heads = [each for each in subsets(HEADS) if len(each) in (0, 1, 2, len(HEADS))]
    moves = [each for each in subsets(MOVES) if len(each) in (0, 1, 2, len(MOVES))]
    return (
        [(h, {}) for h in heads]
        + [({}, m) for m in moves]
        + [(h, m) for h in heads for m in moves if len(h) == len(m) == 1]
    )


def test_postings_by_every_filter_alone_and_together_each_once(session):
    found_some = 0
    for by_heads, by_moves in cases():
        heads, moves = Heads(**by_heads), Moves(**by_moves)
        wanted = list(dict.fromkeys(t.posting_id for t in wanted_transfers(session, heads, moves)))
        found_some += 0 < len(wanted) < 40
        for limit in A_FEW:
            found = walked(lambda **w: journal.postings(session, heads, moves, **w), limit)  # noqa: B023
            assert [row.posting.id for row in found] == wanted, (by_heads, by_moves, limit)
    assert found_some > 20


def test_transfers_by_every_filter_alone_and_together_each_once(session):
    found_some = 0
    for by_heads, by_moves in cases():
        heads, moves = Heads(**by_heads), Moves(**by_moves)
        wanted = [t.id for t in wanted_transfers(session, heads, moves)]
        found_some += 0 < len(wanted) < 80
        for limit in A_FEW:
            found = walked(lambda **w: journal.transfers(session, heads, moves, **w), limit)  # noqa: B023
            assert [row.transfer.id for row in found] == wanted, (by_heads, by_moves, limit)
    assert found_some > 20


def test_a_holders_transfers_by_every_filter_alone_and_together_each_once(session):
    holders = set(session.scalars(select(Transfer.holder_id)))
    assert len(holders) == 3
    for by_heads, by_moves in cases():
        heads, moves = Heads(**by_heads), Moves(**by_moves)
        every = wanted_transfers(session, heads, moves)
        for holder_id in holders:
            wanted = sorted((t.id for t in every if t.holder_id == holder_id), reverse=True)
            for limit in A_FEW:
                found = walked(
                    lambda **w: journal.transfers_of_holder(session, holder_id, heads, moves, **w),  # noqa: B023
                    limit,
                )
                assert [row.transfer.id for row in found] == wanted, (by_heads, by_moves)


def test_transfers_are_found_by_what_they_reverse_and_by_what_is_behind_them(session):
    reversal = session.scalars(select(Transfer).where(Transfer.reverses_id.is_not(None))).first()
    for moves in (Moves(reverses_id=reversal.reverses_id), Moves(reference=REFERENCE)):
        wanted = [t.id for t in wanted_transfers(session, Heads(), moves)]
        found = walked(lambda **w: journal.transfers(session, Heads(), moves, **w), 3)  # noqa: B023
        assert [row.transfer.id for row in found] == wanted
    assert len(wanted) > 5


def test_nothing_is_found_for_what_there_is_not(session):
    for heads in (
        Heads(actor="partner:9"),
        Heads(actor="partner:"),
        Heads(actor="PARTNER:1"),
        Heads(kind="%"),
        Heads(request_id="r"),
        Heads(since=NOW + timedelta(days=30)),
        Heads(until=NOW - timedelta(days=30)),
    ):
        assert walked(lambda **w: journal.postings(session, heads, Moves(), **w), 50) == []  # noqa: B023
    for moves in (Moves(min_amount=2**53), Moves(unit="fen"), Moves(reverses_id=uuid4())):
        assert walked(lambda **w: journal.transfers(session, Heads(), moves, **w), 50) == []  # noqa: B023
    assert (
        walked(lambda **w: journal.transfers_of_holder(session, uuid4(), Heads(), Moves(), **w), 50)
        == []
    )


def test_a_period_takes_its_first_instant_and_not_its_last(session):
    first, last = NOW + timedelta(seconds=3), NOW + timedelta(seconds=5)

    found = walked(
        lambda **w: journal.postings(session, Heads(since=first, until=last), Moves(), **w), 3
    )

    assert {row.posting.recorded_at for row in found} == {first, first + timedelta(seconds=1)}
    assert len(found) == 8


@pytest.mark.parametrize("limit", LIMITS)
def test_pages_of_any_size_join_to_the_whole(session, limit):
    every = wanted_transfers(session, Heads(), Moves())
    order = list(dict.fromkeys(transfer.posting_id for transfer in every))

    found = walked(lambda **w: journal.postings(session, Heads(), Moves(), **w), limit)
    assert [row.posting.id for row in found] == order
    found = walked(lambda **w: journal.transfers(session, Heads(), Moves(), **w), limit)
    assert [row.transfer.id for row in found] == [transfer.id for transfer in every]


@pytest.mark.parametrize(("postings_max", "transfers_max"), [(1, 1), (3, 5), (40, 6), (7, 20_000)])
def test_with_less_work_a_page_there_are_more_pages_and_the_same_rows(
    session, monkeypatch, postings_max, transfers_max
):
    heads, moves = Heads(actor="partner:1"), Moves(min_amount=70)
    plain = [
        walked(lambda r=read, **w: r(session, heads, moves, **w), 200)
        for read in (journal.postings, journal.transfers)
    ]
    monkeypatch.setattr(journal, "POSTINGS_MAX", postings_max)
    monkeypatch.setattr(journal, "TRANSFERS_MAX", transfers_max)

    for limit in LIMITS:
        same = [
            walked(lambda r=read, **w: r(session, heads, moves, **w), limit)
            for read in (journal.postings, journal.transfers)
        ]
        assert same == plain
    holder_id = plain[1][0].transfer.holder_id
    own = walked(lambda **w: journal.transfers_of_holder(session, holder_id, heads, moves, **w), 2)
    assert {r.transfer.id for r in own} == {
        r.transfer.id for r in plain[1] if r.transfer.holder_id == holder_id
    }


def test_a_page_that_found_nothing_in_its_bounds_still_goes_on(session, monkeypatch):
    monkeypatch.setattr(journal, "POSTINGS_MAX", 5)
    heads = Heads(until=NOW + timedelta(days=1), actor="nobody")

    page = journal.postings(session, heads, Moves())

    assert page.rows == []
    assert page.next_after is not None
    assert len(walked(lambda **w: journal.postings(session, heads, Moves(), **w), 50)) == 0


def test_work_is_bounded_whatever_is_asked(books):
    sent: list[str] = []

    def hear(_conn, _cursor, statement, *_):
        sent.append(statement)

    holder_id = books.transact(lambda s: s.scalar(select(Transfer.holder_id).limit(1)))
    event.listen(books.engine, "before_cursor_execute", hear)
    try:
        for by_heads, by_moves in cases():
            heads, moves = Heads(**by_heads), Moves(**by_moves)
            for most, read in (
                (3, lambda s, h=heads, m=moves: journal.postings(s, h, m)),
                (3, lambda s, h=heads, m=moves: journal.transfers(s, h, m)),
                (4, lambda s, h=heads, m=moves: journal.transfers_of_holder(s, holder_id, h, m)),
            ):
                sent.clear()
                books.transact(read)
                assert 1 <= len(sent) <= most, sent
                for statement in sent:  # Never joined: they are stored by different keys.
                    assert not ("FROM posting" in statement and "FROM transfer" in statement)
                    assert "LIMIT" in statement or "ANY (" in statement or "holder_id" in statement
    finally:
        event.remove(books.engine, "before_cursor_execute", hear)


def test_only_the_months_asked_for_are_looked_into(session):
    """By EXPLAIN: the partition of November alone."""
    heads = Heads(since=NOW, until=NOW + timedelta(days=1))
    (posting, *_) = [p for p in all_postings(session) if heads.take(p)]
    holder_id = session.scalar(select(Transfer.holder_id).limit(1))
    for conditions in (
        journal._of_postings([posting]),
        [Transfer.holder_id == holder_id, *heads.bounds_of_ids()],
    ):
        query = select(Transfer.id).where(*conditions)
        asked = query.compile(session.get_bind())
        lines = session.connection().exec_driver_sql(f"EXPLAIN {asked}", asked.params).scalars()
        plan = "\n".join(lines)
        assert f"transfer_{NOW:%Y_%m}" in plan
        assert f"transfer_{NOW + timedelta(days=20):%Y_%m}" not in plan


def test_the_log_index_is_the_leafs_where_there_is_one(session):
    places = {row.posting_id: row.first_index for row in session.scalars(select(SealedPosting))}
    assert 0 < len(places) < len(all_postings(session))

    for row in walked(lambda **w: journal.postings(session, Heads(), Moves(), **w), 50):
        assert row.log_index == places.get(row.posting.id)
        assert journal.get_posting(session, row.posting.id) == row
    indexes = []
    for row in walked(lambda **w: journal.transfers(session, Heads(), Moves(), **w), 50):
        first = places.get(row.transfer.posting_id)
        assert row.log_index == (None if first is None else first + row.transfer.position)
        assert row.posting.id == row.transfer.posting_id
        if first is not None:
            indexes.append(row.log_index)
    assert sorted(indexes) == list(range(len(indexes)))


@pytest.mark.parametrize("limit", LIMITS)
def test_the_transfers_of_a_posting_are_paged_by_position(session, limit):
    for posting in all_postings(session)[:8]:
        found = walked(
            lambda p=posting, **w: journal.transfers_of_posting(session, p.id, **w), limit
        )
        assert [row.transfer.position for row in found] == list(range(posting.transfer_count))


def test_a_posting_that_there_is_not_is_refused(session):
    with pytest.raises(UnknownPosting):
        journal.get_posting(session, uuid4())
    with pytest.raises(UnknownPosting):
        journal.transfers_of_posting(session, uuid4())


def test_accounts_come_with_what_is_held_owed_and_lapses_when(fresh_database):
    def made(session):
        issuer = programme_holder(session)
        holder_id = a_resident(session, points=10)
        for days in (2, 60):  # In two years, and so in two lots.
            at = NOW + timedelta(days=days)
            transfer = NewTransfer(
                holder_id,
                account_key(issuer, "point", ISSUED),
                account_key(holder_id, "point", PERSONAL),
                7 * days,
                "grant",
                uuid4(),
                at,
            )
            post(session, NewPosting(uuid4(), "grant", "t", [transfer]), now=at)
        until = NOW + timedelta(days=3)
        reserve(session, NewHold(uuid4(), holder_id, 12, uuid4(), "t", until), now=NOW)
        return holder_id, issuer

    holder_id, issuer = fresh_database.transact(made)
    saved, points = fresh_database.transact(lambda s: journal.accounts(s, holder_id))

    assert (saved.account.unit, saved.account.balance, saved.lots) == ("mg_co2e", 0, [])
    assert (points.account.balance, points.account.held, points.account.debt) == (444, 12, 0)
    assert [lot.remaining for lot in points.lots] == [24, 420]
    assert points.lots[0].expires_on < points.lots[1].expires_on
    assert fresh_database.transact(lambda s: journal.accounts(s, uuid4())) == []
    assert len(fresh_database.transact(lambda s: journal.accounts(s, issuer))) == 10
