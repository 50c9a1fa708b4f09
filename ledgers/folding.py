"""Folding: the balances of a programme's own accounts, summed by a job in the order of the log.

Posting does not touch these accounts, or everybody would queue for them. The job reads each sealed
posting once and adds it to ``system_bucket``; what has no place in the log yet is added when
somebody asks, so that an answer is exact at any moment.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from ledgers.accounts import CLEARING, EXPIRED, ISSUED, REDEEMED
from ledgers.bulk import array_of
from ledgers.log.readers import whole, window
from ledgers.models import Account, LogQueue, LogReader, Posting, SealedPosting

READER = "system_accounts"
POSTINGS_MAX = 1_000  # A statement sums up to 20 million transfers; a job's run stays at seconds.
NEVER = date.max

Key = tuple[UUID, date]  # A system account's id and a lot's last day.


@dataclass(frozen=True, slots=True)
class Recorded:
    """A posting and when it was recorded, which its transfers' ids carry."""

    id: UUID
    recorded_at: datetime


def fold(session: Session, *, postings_max: int = POSTINGS_MAX) -> int:
    """Add the next sealed postings to the programmes' own accounts; answers how many.

    Each is added exactly once: the sums and how far they reach are written in one transaction,
    which locks the reader's row. Safe to repeat and to kill.
    """
    reader = session.get_one(LogReader, READER, with_for_update=True, populate_existing=True)
    query = _sealed_from(reader.next_index).limit(postings_max)
    rows = whole(session, session.execute(query).all(), reader.next_index)
    owners = _system_accounts(session)
    if rows:
        postings = [Recorded(row.id, row.recorded_at) for row in rows]
        _add(session, owners, _sums(session, postings, list(owners)))
        reader.next_index = rows[-1].first_index + rows[-1].transfer_count
        session.flush()
    holders = array_of({holder.hex for holder in owners.values()})
    session.execute(_REACHED, {"holders": holders, "next_index": reader.next_index})
    return len(rows)


def system_balances(session: Session, holder_id: UUID) -> dict[tuple[str, str], int]:
    """A programme's own balances by (unit, kind), exact now.

    Reads what was folded, and the transfers of what was not yet: its cost is the job's delay.
    """
    balances: dict[tuple[str, str], int] = {}
    nets = _exact(session, holder_id)
    query = select(Account).where(Account.holder_id == holder_id, ~Account.guarded)
    for account in session.scalars(query):
        balances[account.unit, account.kind] = sum(
            net for (account_id, _), net in nets.items() if account_id == account.id
        )
    return balances


@dataclass(frozen=True, slots=True)
class Liability:
    """What residents hold of an issuer's points that end in a month (None: that never expire).

    ``outstanding_points`` = issued - spent - expired, moves between lots taken into account; below
    zero only for None, where debts stand.
    """

    month: date | None
    issued_points: int
    spent_points: int
    expired_points: int
    outstanding_points: int


def liability(session: Session, holder_id: UUID) -> list[Liability]:
    """A programme's points liability by month of expiry, exact now, earliest first."""
    kinds = {
        account.id: account.kind
        for account in session.scalars(
            select(Account).where(Account.holder_id == holder_id, Account.unit == "point")
        )
    }
    months: defaultdict[date, defaultdict[str, int]] = defaultdict(lambda: defaultdict(int))
    for (account_id, day), net in _exact(session, holder_id).items():
        if account_id in kinds:
            month = day if day == NEVER else day.replace(day=1)
            months[month][kinds[account_id]] += net
    return [
        Liability(
            month=None if month == NEVER else month,
            issued_points=-nets[ISSUED],
            spent_points=nets[REDEEMED],
            expired_points=nets[EXPIRED],
            outstanding_points=-sum(nets.values()),
        )
        for month, nets in sorted(months.items())
        if any(nets[kind] for kind in (ISSUED, REDEEMED, EXPIRED, CLEARING))
    ]


# How far it was folded, and the sums up to there: of one holder, so that both are of one moment
# also where tables are spread over nodes.
_FOLDED = text("""
    SELECT f.next_index, b.account_id, b.expires_on, b.net
    FROM system_fold AS f LEFT JOIN system_bucket AS b ON b.holder_id = f.holder_id
    WHERE f.holder_id = :holder
""")


def _exact(session: Session, holder_id: UUID) -> dict[Key, int]:
    """Nets of a programme's accounts by lot: what was folded and what was not.

    Read in an order in which a posting that gets its place meanwhile is seen once or twice, never
    not at all; and counted once.
    """
    nets: defaultdict[Key, int] = defaultdict(int)
    next_index = 0
    for reached, account_id, day, net in session.execute(_FOLDED, {"holder": holder_id}):
        next_index = reached
        if account_id is not None:
            nets[account_id, day] = net
    accounts = [
        account for account, owner in _system_accounts(session).items() if owner == holder_id
    ]
    for postings in _not_folded(session, next_index):
        for key, net in _sums(session, postings, accounts).items():
            nets[key] += net
    return nets


def _not_folded(session: Session, next_index: int) -> Iterator[Sequence[Recorded]]:
    """The postings from a place on, and those without one, in batches."""
    waiting = [
        Recorded(*row) for row in session.execute(select(LogQueue.posting_id, LogQueue.recorded_at))
    ]
    seen = {posting.id for posting in waiting}
    for start in range(0, len(waiting), POSTINGS_MAX):
        yield waiting[start : start + POSTINGS_MAX]
    while rows := session.execute(_sealed_from(next_index).limit(POSTINGS_MAX)).all():
        next_index = rows[-1].first_index + rows[-1].transfer_count
        if fresh := [Recorded(row.id, row.recorded_at) for row in rows if row.id not in seen]:
            yield fresh


def _sealed_from(index: int):  # type: ignore[no-untyped-def]
    return (
        select(
            SealedPosting.first_index,
            SealedPosting.transfer_count,
            Posting.id,
            Posting.recorded_at,
        )
        .join(Posting, Posting.id == SealedPosting.posting_id)
        .where(SealedPosting.first_index >= index)
        .order_by(SealedPosting.first_index)
    )


_SUMS = text("""
    SELECT account_id, expires_on, sum(net)::bigint AS net FROM (
        SELECT credit_account_id AS account_id, expires_on, sum(amount) AS net FROM transfer
        WHERE posting_id = ANY(CAST(:postings AS uuid[])) AND id >= :low AND id < :high
          AND credit_account_id = ANY(CAST(:accounts AS uuid[]))
        GROUP BY credit_account_id, expires_on
        UNION ALL
        SELECT debit_account_id, expires_on, -sum(amount) FROM transfer
        WHERE posting_id = ANY(CAST(:postings AS uuid[])) AND id >= :low AND id < :high
          AND debit_account_id = ANY(CAST(:accounts AS uuid[]))
        GROUP BY debit_account_id, expires_on
    ) AS moved GROUP BY account_id, expires_on
""")


def _sums(
    session: Session, postings: Sequence[Recorded], accounts: Sequence[UUID]
) -> dict[Key, int]:
    """What these postings moved into each account, less what they moved out, by lot."""
    parameters = {
        "postings": array_of(posting.id.hex for posting in postings),
        "accounts": array_of(account.hex for account in accounts),
        **window([posting.recorded_at for posting in postings]),
    }
    rows = session.execute(_SUMS, parameters)
    return {(account_id, day or NEVER): net for account_id, day, net in rows}


_REACHED = text("""
    INSERT INTO system_fold (holder_id, next_index)
    SELECT holder, :next_index FROM unnest(CAST(:holders AS uuid[])) AS h (holder) ORDER BY holder
    ON CONFLICT (holder_id) DO UPDATE SET next_index = excluded.next_index
    WHERE system_fold.next_index < excluded.next_index
""")
_ADD = text("""
    INSERT INTO system_bucket (holder_id, account_id, expires_on, net)
    SELECT * FROM unnest(CAST(:holders AS uuid[]), CAST(:accounts AS uuid[]),
                         CAST(:days AS date[]), CAST(:nets AS bigint[])) AS n (a, b, c, d)
    ON CONFLICT (holder_id, account_id, expires_on)
    DO UPDATE SET net = system_bucket.net + excluded.net
""")


def _add(session: Session, owners: dict[UUID, UUID], moved: dict[Key, int]) -> None:
    if moved:
        session.execute(
            _ADD,
            {
                "holders": array_of(owners[account].hex for account, _ in moved),
                "accounts": array_of(account.hex for account, _ in moved),
                "days": array_of(day for _, day in moved),
                "nets": array_of(moved.values()),
            },
        )


def _system_accounts(session: Session) -> dict[UUID, UUID]:
    """Whose each of the programmes' own accounts is."""
    query = select(Account.id, Account.holder_id).where(~Account.guarded)
    return {row.id: row.holder_id for row in session.execute(query)}


_BUCKETS = text("""
    SELECT account_id, expires_on, sum(net)::bigint AS net FROM (
        SELECT credit_account_id AS account_id, expires_on, sum(amount) AS net FROM transfer
        WHERE credit_account_id = ANY(CAST(:accounts AS uuid[]))
        GROUP BY credit_account_id, expires_on
        UNION ALL
        SELECT debit_account_id, expires_on, -sum(amount) FROM transfer
        WHERE debit_account_id = ANY(CAST(:accounts AS uuid[]))
        GROUP BY debit_account_id, expires_on
    ) AS moved GROUP BY account_id, expires_on
""")


def bucket_drifts(session: Session) -> Iterator[tuple[str, str, str]]:
    """Where folded and not yet folded sums together are not those of all transfers.

    Answers (account and lot, expected, found). For the audit: reads every transfer.
    """
    owners = _system_accounts(session)
    accounts = array_of(account.hex for account in owners)
    expected = {
        (account_id, day or NEVER): net
        for account_id, day, net in session.execute(_BUCKETS, {"accounts": accounts})
    }
    found: dict[Key, int] = {}
    for holder_id in sorted(set(owners.values())):
        found |= _exact(session, holder_id)
    for key in sorted(expected.keys() | found.keys()):
        if expected.get(key, 0) != found.get(key, 0):
            yield f"{key[0]} {key[1]}", str(expected.get(key, 0)), str(found.get(key, 0))
