"""What the roll-ups say: figures and residents of divisions, exact as far as the log was summed.

For operators, auditors and whoever issues a report: nothing here is withheld. Towns are found by
the district that their code begins with; days are those of Asia/Shanghai, and a period goes from
``first`` to the day before ``beyond``. What sums is ``service.districts.rollups.summing``.
"""

from collections.abc import Sequence
from datetime import date, datetime, time
from typing import NamedTuple
from zoneinfo import ZoneInfo

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from ledgers.accounts import EXPIRED, ISSUED, REDEEMED
from ledgers.log import readers
from ledgers.models import Account, LogQueue, LogReader, LogState, Posting, SealedPosting

READER = "districts"
NO_BEHAVIOUR = "-"  # Spent, expired, vouchers, and points that were given for no activity.
ALL = "*"
LEVELS = (2, 4, 6, 12)  # Digits of a province, city and district; of a town, as it was recorded.
ZONE = ZoneInfo("Asia/Shanghai")


class Figures(NamedTuple):
    """A town's day and behaviour: what stands, less what was taken back. ``vouchers`` counts
    redemptions with a voucher whose points did not come back.
    """

    town_code: str
    day: date
    behaviour_code: str
    activities: int
    saved_mg_co2e: int
    earned_points: int
    spent_points: int
    expired_points: int
    vouchers: int


class Atom(NamedTuple):
    """How many residents stand behind a town's day and behaviour."""

    town_code: str
    day: date
    behaviour_code: str
    residents: int


# By range, so that the primary key finds a district's towns among all of them.
_FIGURES = text("""
    SELECT division_code, day, behaviour_code, activities, saved_mg_co2e, earned_points,
           spent_points, expired_points, vouchers
    FROM district_day
    WHERE division_code BETWEEN :low AND :high AND day >= :first AND day < :beyond
      AND (activities, saved_mg_co2e, earned_points, spent_points, expired_points, vouchers)
          <> (0, 0, 0, 0, 0, 0)
    ORDER BY division_code, day, behaviour_code
""")


def month_figures(
    session: Session, divisions: Sequence[str], first: date, beyond: date
) -> list[Figures]:
    """The figures of each town, day and behaviour of districts, where there is any; in order."""
    found: list[Figures] = []
    for district in sorted(divisions):
        bounds = town_bounds(district)
        rows = session.execute(_FIGURES, {**bounds, "first": first, "beyond": beyond})
        found += [Figures(*row) for row in rows]
    return found


def town_bounds(district: str) -> dict[str, str]:
    """The lowest and highest code that a town of the district can have. By range rather than by
    ``left``, of which the planner knows nothing: it would sort millions of rows.
    """
    return {"low": f"{district}0", "high": f"{district}999999"}


# First a row a resident, in which Citus lets GROUPING SETS and DISTINCT be counted exactly.
_DISTINCT = text("""
    WITH of_resident AS MATERIALIZED (
        SELECT DISTINCT division_code, behaviour_code, holder_id FROM district_resident
        WHERE day >= :first AND day < :beyond AND left(division_code, 6) = ANY(:divisions))
    SELECT division_code, behaviour_code, count(DISTINCT holder_id)
    FROM of_resident
    GROUP BY GROUPING SETS
        ((division_code, behaviour_code), (division_code), (behaviour_code), ())
""")


def distinct(
    session: Session, divisions: Sequence[str], first: date, beyond: date
) -> dict[tuple[str, str], int]:
    """Different residents with an activity that stands, by (town, behaviour); "*" is all of them.

    Counted for these districts together, so also where one became part of another.
    """
    parameters = {"divisions": list(divisions), "first": first, "beyond": beyond}
    rows = session.execute(_DISTINCT, parameters)
    return {(town or ALL, behaviour or ALL): count for town, behaviour, count in rows if count}


def reader_index(session: Session, *, lock: bool = False) -> int:
    """How many leaves of the log are in the roll-ups: all those below this index, no other.

    ``lock``: until the transaction ends nothing is added, so that what it reads belongs together.
    """
    if lock:
        readers.lock(session, READER)
    return session.get_one(LogReader, READER, populate_existing=True).next_index


def log_size(session: Session) -> int:
    """How many leaves of the log have their place."""
    return session.scalar(select(LogState.size)) or 0


_LAST = text("""
    SELECT posting_id FROM sealed_posting WHERE first_index < :index
    ORDER BY first_index DESC LIMIT 1
""")


def as_of(session: Session, index: int, *, now: datetime) -> datetime:
    """Up to when what happened is in the first ``index`` leaves: ``now`` where nothing waits, else
    when the last of them was recorded. Where nothing was summed yet, the beginning of time (1970).
    """
    if not _unread_exists(session, index):
        return now
    posting_id = session.scalar(_LAST, {"index": index})
    if posting_id is None:
        return datetime.fromtimestamp(0, now.tzinfo)
    return session.get_one(Posting, posting_id).recorded_at


_CHANGED = text("""
    SELECT division_code, day, behaviour_code, count(DISTINCT holder_id)
    FROM district_late
    WHERE log_index >= :since AND day >= :first AND day < :beyond
      AND left(division_code, 6) = ANY(:divisions)
    GROUP BY division_code, day, behaviour_code ORDER BY division_code, day, behaviour_code
""")


def changed(
    session: Session, divisions: Sequence[str], first: date, beyond: date, since_index: int
) -> list[Atom]:
    """Residents of whom something changed from leaf ``since_index`` on, in months with a report.

    By town, day and behaviour ("-": what is of none); in order.
    """
    parameters: dict[str, object] = {"divisions": list(divisions), "since": since_index}
    parameters |= {"first": first, "beyond": beyond}
    return [Atom(*row) for row in session.execute(_CHANGED, parameters)]


def system_accounts(session: Session) -> dict[str, list[str]]:
    """The programmes' own accounts of points and CO2e by kind: issued, redeemed and expired."""
    query = select(Account.kind, Account.id).where(
        ~Account.guarded, Account.unit.in_(("mg_co2e", "point"))
    )
    accounts: dict[str, list[str]] = {ISSUED: [], REDEEMED: [], EXPIRED: []}
    for kind, account_id in session.execute(query):
        accounts.setdefault(kind, []).append(account_id.hex)
    return {kind: accounts[kind] for kind in (ISSUED, REDEEMED, EXPIRED)}


def start_of(day: date) -> datetime:
    """The instant at which a day begins in the districts' zone."""
    return datetime.combine(day, time(), ZONE)


def unread(session: Session) -> list[str]:
    """Postings that are not in the roll-ups yet: without a place in the log, or further on."""
    index = reader_index(session)
    waiting = session.scalars(select(LogQueue.posting_id))
    sealed = session.scalars(
        select(SealedPosting.posting_id).where(SealedPosting.first_index >= index)
    )
    return [posting_id.hex for posting_id in (*waiting, *sealed)]


def _unread_exists(session: Session, index: int) -> bool:
    further = select(SealedPosting.posting_id).where(SealedPosting.first_index >= index)
    waiting = select(LogQueue.posting_id)
    return any(session.scalar(query.limit(1)) is not None for query in (waiting, further))
